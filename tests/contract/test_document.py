"""The document: valid AsyncAPI, in step with the types, and refusing what it does not describe.

`asyncapi.yaml` is held against AsyncAPI's own JSON Schema, which `make setup` fetches with npm.
"""

import copy
import json
import re
from pathlib import Path
from typing import get_args

import jsonschema_rs
import msgspec
import pytest

from edge.records import Event, Moment, Stream
from sync import batch, datasets, messages, rows, tunnel
from sync.contract import events, schemas
from sync.messages import Ack, Address, Dataset, encode
from sync.spoken import Service
from tests.contract import tap
from tests.contract.document import FOLDER, Breach, contract, validator

ROOT = Path(__file__).resolve().parents[2]
ADDRESS = Address("chain", "shop-1", "box-1")
NOW = Moment(1_800_000_000_000, 5_000, "b00t", True)
EVENT = Event("box-1", "0badcafe", Stream.CRIT, 1, "test.made.v1", NOW, msgspec.Raw(b"{}"))


@pytest.fixture(scope="module")
def document():
    return contract().document


@pytest.fixture(scope="module")
def official():
    found = sorted((ROOT / ".venv" / "asyncapi").glob("*.json"))
    if not found:
        pytest.skip("AsyncAPI's own schema is not here: npm was missing when `make setup` ran")
    return jsonschema_rs.validator_for(json.loads(found[-1].read_text(encoding="utf-8")))


# --- as AsyncAPI


def test_the_document_is_asyncapi(document, official):
    assert [str(error) for error in official.iter_errors(document)] == []


@pytest.mark.parametrize(
    ("where", "wrong"),
    [
        (("operations", "boxSendsBatch", "action"), "shout"),
        (("components", "operationBindings", "once", "mqtt", "qos"), 7),
        (("channels", "batches", "parameters", "stream", "pattern"), "x"),
        (("servers", "broker", "protocol"), 5),
    ],
)
def test_a_document_that_is_no_asyncapi_is_told_so(document, official, where, wrong):
    broken = copy.deepcopy(document)
    *path, last = where
    node = broken
    for step in path:
        node = node[step]
    node[last] = wrong
    assert not official.is_valid(broken)


def test_every_reference_leads_somewhere(document):
    whole = json.dumps(document)
    for reference in re.findall(r'"\$ref": "([^"]+)"', whole):
        if reference.startswith("#/"):
            assert contract().resolved({"$ref": reference})
        else:
            assert (FOLDER / reference).is_file(), reference


def test_every_channel_has_a_sender_and_every_operation_its_channels_messages(document):
    for channel in contract().channels:
        declared = document["channels"][channel.name]["messages"]
        assert {each.message.name for each in channel.publications} == set(declared)
    for name, operation in document["operations"].items():
        for message in operation["messages"]:
            assert message["$ref"].startswith(operation["channel"]["$ref"] + "/messages/"), name


# --- in step with the types


def test_the_schemas_are_those_of_the_types():
    written = {
        str(path.relative_to(FOLDER)): path.read_bytes() for path in FOLDER.rglob("*.schema.json")
    }
    assert written == schemas.generate(), "run `python -m sync.contract.schemas`"


def test_every_schema_is_one_and_is_referred_to(document):
    referred = set(re.findall(r'"\./([^"]+\.schema\.json)"', json.dumps(document)))
    assert referred == set(schemas.generate())
    for reference in referred:
        assert validator(f"./{reference}", strict=True)


def test_the_parameters_are_those_of_the_types(document):
    channels, common = document["channels"], document["components"]["parameters"]
    assert channels["batches"]["parameters"]["stream"]["enum"] == [*Stream]
    assert channels["requests"]["parameters"]["service"]["enum"] == [*Service]
    assert common["dataset"]["enum"] == [*Dataset]
    (meta,) = get_args(messages.Name)[1:]
    assert {common[name]["x-pattern"] for name in ("tenant", "store", "box")} == {meta.pattern}
    assert channels["responses"]["parameters"]["boot"]["x-pattern"] == meta.pattern


def test_the_frames_are_those_of_the_codecs(document):
    declared = document["components"]["messages"]
    frame = declared["batch"]["x-frame"]
    packings = get_args(messages.BatchHeader.__annotations__["enc"])
    assert set(frame["packed"]["oneOf"]) == set(packings)
    assert frame["header"]["bytesMax"] == batch.HEADER_BYTES_MAX
    assert frame["plainBytesMax"] == batch.BODY_BYTES_MAX
    assert frame["bytesMax"] == messages.PAYLOAD_BYTES_MAX
    for name in ("chunk", "bucket", "delta"):
        frame = declared[name]["x-frame"]
        assert set(frame["packed"]["oneOf"]) == set(get_args(datasets.Encoding))
        assert frame["plainBytesMax"] == datasets.CHUNK_PLAIN_BYTES_MAX
        assert frame["header"]["bytesMax"] == rows.HEADER_BYTES_MAX
        assert list(frame["rows"]["of"]) == [*Dataset]
    layout = declared["piece"]["x-layout"]
    assert sum(each["bits"] for each in layout["fields"]) == 8 * tunnel.HEADER.size
    assert layout["restBytesMax"] == tunnel.PIECE_BYTES_MAX
    assert layout["fields"][2]["oneOf"] == [*tunnel.PieceKind]


def test_the_types_of_events_are_those_that_are_declared(document):
    told = document["components"]["messages"]["batch"]["x-event-types"]
    assert list(told) == list(events.BY_TYPE)


@pytest.mark.parametrize(
    ("topic", "channel"),
    [
        *((ADDRESS.up(stream), "batches") for stream in Stream),
        (ADDRESS.up("hello"), "hello"),
        (ADDRESS.presence, "presence"),
        (ADDRESS.ack, "acks"),
        (ADDRESS.greeting, "greetings"),
        *((ADDRESS.dataset(dataset), "datasets") for dataset in Dataset),
        *((ADDRESS.shared_dataset(dataset), "sharedDatasets") for dataset in Dataset),
        (ADDRESS.command, "commands"),
        (ADDRESS.request("dataset"), "wants"),
        *((ADDRESS.request(service), "requests") for service in Service),
        (ADDRESS.responses("b00t"), "responses"),
        (ADDRESS.sensed("camera"), "sensed"),
        (ADDRESS.led("camera"), "led"),
    ],
)
def test_each_topic_is_of_one_channel(topic, channel):
    assert contract().channel_of(topic).name == channel
    with pytest.raises(Breach):
        contract().channel_of(topic + "/")
    with pytest.raises(Breach):
        contract().channel_of("x" + topic)


# --- the tap sees what is wrong


def packed() -> bytes:
    return batch.pack(ADDRESS, [EVENT], NOW)[0]


def test_the_tap_counts_what_fits():
    said = tap.Tapped(ADDRESS.up(Stream.CRIT), packed(), 1, False)
    heard = tap.check([said, said])
    assert (heard.breaches, heard.seen) == ([], {("batches", "batch"): 2})


@pytest.mark.parametrize(
    "breach",
    [
        {"qos": 0},
        {"qos": 2},
        {"retain": True},
        {"topic": ADDRESS.up("hello")},
        {"topic": ADDRESS.up(Stream.CRIT) + "x"},
        {"payload": packed()[:-1]},
        {"payload": packed().replace(b'"n":1', b'"n":0')},
        {"payload": packed().replace(b'{"v":1', b'{"new":1,"v":1')},
        {"payload": b""},
        {"payload": b"[" * 100_000},
    ],
    ids=[
        "qos0",
        "qos2",
        "retained",
        "topic",
        "notopic",
        "cut",
        "schema",
        "member",
        "empty",
        "deep",
    ],
)
def test_the_tap_sees_what_breaks_the_document(breach):
    said = {"topic": ADDRESS.up(Stream.CRIT), "payload": packed(), "qos": 1, "retain": False}
    assert len(tap.check([tap.Tapped(**(said | breach))]).breaches) == 1


def test_an_event_must_be_declared_in_its_stream_and_fit_its_schema():
    def sent(type_: str, stream: Stream, data: bytes) -> list[str]:
        event = msgspec.structs.replace(EVENT, type=type_, stream=stream, body=msgspec.Raw(data))
        payload = batch.pack(ADDRESS, [event], NOW)[0]
        return tap.check([tap.Tapped(ADDRESS.up(stream), payload, 1, False)]).breaches

    opened = b'{"visit":"v","sensor":"s"}'
    assert sent("visit.opened.v1", Stream.VISIT, opened) == []
    assert "in crit" in sent("visit.opened.v1", Stream.CRIT, opened)[0]
    assert "data of" in sent("visit.opened.v1", Stream.VISIT, b'{"visit":1,"sensor":"s"}')[0]
    assert (
        "data of" in sent("visit.opened.v1", Stream.VISIT, b'{"visit":"v","sensor":"s","x":1}')[0]
    )
    assert "no event" in sent("visit.opened.v2", Stream.VISIT, opened)[0]


def test_what_a_test_says_itself_is_excused():
    topic, payload = ADDRESS.ack, b"no ack, and said by nobody else"
    said = tap.Tapped(topic, payload, 1, False)
    assert tap.check([said]).breaches
    tap.excuse(topic, payload)
    assert tap.check([said]) == tap.Heard({}, [])
    assert tap.check([tap.Tapped(ADDRESS.greeting, payload, 1, False)]).breaches


def test_an_ack_is_known_by_its_schema():
    said = encode(Ack(v=1, epoch="0badcafe", upto={Stream.CRIT: 4}))
    assert contract().check(ADDRESS.ack, said, qos=1, retain=False) == ("acks", "ack")
