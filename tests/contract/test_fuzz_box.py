"""Hostile input on everything that a box listens to: no crash, no change, bounded, said once.

Messages go into the box's real dispatch, with the database, replica, commands and calls behind it.
Whether something is valid is asked of the document, which knows no code of ours.
"""

import asyncio
import gc
import hashlib
import json
import logging
import random
import tracemalloc

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from edge.errors import BadMessage
from sync import rows
from sync.datasets import BUCKETS, Chunk, Manifest
from sync.messages import Dataset
from sync.signing import SigningKey
from tests.contract.document import Breach, contract
from tests.contract.mischief import after_schema, json_values, mutants, noise
from tests.contract.specimens import ADDRESS, BOOT, KEY, Specimen, raw, signed, specimens
from tests.contract.wires import KEYS, FedBox
from tests.system.sync_box import until

EXAMPLES = 150
HOSTILE_MESSAGES = 2000
GROWTH_BYTES_MAX = 1 << 20
SIGNED = ("manifest", "bucket", "delta", "command")
IN_STOCK = rows.Row(
    "s1/shop-1", raw({"sku": "s1", "place": "shop-1", "quantity": 1, "as_of_ms": 1})
)
STOCK = rows.body_of([IN_STOCK])
"""A chunk that the box waits for; only these very bytes may be staged."""

STRANGER = SigningKey(Ed25519PrivateKey.from_private_bytes(b"\1" * 32), KEY.kid)
"""Another key of the same name."""

law = settings(
    max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def waited_for() -> tuple[Specimen, Specimen]:
    """A manifest of stock, and its chunk."""
    place = {"v": 1, "dataset": Dataset.STOCK, "generation": "g1", "version": 1}
    bucket = rows.bucket_hash([rows.row_hash(IN_STOCK.key, IN_STOCK.text)])
    manifest = Manifest(
        **place,
        rows=1,
        chunks=(rows.digest_of(STOCK),),
        spans=((0, BUCKETS - 1),),
        buckets={str(rows.bucket_of(IN_STOCK.key)): bucket},
    )
    chunk = msgspec.json.encode(Chunk(**place, chunk=0, enc="zstd")) + b"\n" + STOCK
    topic = ADDRESS.dataset(Dataset.STOCK)
    return Specimen(topic, signed(manifest), True), Specimen(topic, chunk)


DOWNWARD = [
    said
    for said in (*specimens().values(), *waited_for())
    if "/dn/" in said.topic or "/rs/" in said.topic
]
TOPICS = sorted(
    {said.topic for said in DOWNWARD}
    | {ADDRESS.dataset(dataset) for dataset in Dataset}
    | {f"sb/v1/{ADDRESS}/{rest}" for rest in ("dn/d/nothing", "dn/x", "rs/", "up/crit", "st", "")}
    | {"sb/v1/chain/-/-/dn/ack", "sb/v1/-/-/-/dn/cmd", "other", "sb/v1/" + "/" * 40, "sb/v2/a/b/c"}
)


@pytest.fixture(scope="module")
def fed(tmp_path_factory):
    """A box with a catalogue, a command done and stock under way; and the loop that it lives on."""
    with asyncio.Runner() as runner:
        box = runner.get_loop().run_until_complete(prepared(tmp_path_factory.mktemp("fed")))
        yield lambda awaitable: runner.get_loop().run_until_complete(awaitable), box
        runner.get_loop().run_until_complete(box.stop())


async def prepared(directory) -> FedBox:
    box = FedBox(directory)
    await box.start()
    known = specimens()
    first = json.loads(known["command"].payload)
    command = signed(msgspec.convert(first | {"counter": 1}, type=dict))
    before = box.state()
    for said in (known["manifest"], known["chunk"], Specimen(ADDRESS.command, command)):
        await box.feed(said.topic, said.payload)
        assert box.state() != before, "what is right must be taken, or this proves nothing"
        before = box.state()
    await box.feed(waited_for()[0].topic, waited_for()[0].payload)
    assert box.state() != before
    return box


def is_refused(topic: str, payload: bytes) -> bool:
    """Whether nothing may come of it: it breaks the document, or no key of ours has signed it."""
    try:
        _, message = contract(strict=False).check(topic, payload, qos=1, retain=None)
    except Breach:
        return True
    line, _, body = payload.partition(b"\n")
    if message == "chunk":
        return body != STOCK
    if message not in SIGNED:
        return message != "ack"
    try:
        KEYS.check(json.loads(line))
    except BadMessage:
        return True
    return False


def nothing_changes(fed, topic: str, payload: bytes) -> None:
    run, box = fed
    before = box.state()
    run(box.feed(topic, payload))
    assert box.state() == before


@law
@given(topic=st.sampled_from(TOPICS), payload=noise)
@example(topic=ADDRESS.ack, payload=b'{"v":1,"epoch":"00000000","upto":{"crit":1}}')
def test_noise_changes_nothing(fed, topic, payload):
    assume(is_refused(topic, payload) or "/dn/ack" in topic)
    nothing_changes(fed, topic, payload)


@law
@given(data=st.data(), said=st.sampled_from(DOWNWARD))
def test_what_is_almost_right_changes_nothing(fed, data, said):
    payload = data.draw(mutants(said))
    assume(is_refused(said.topic, payload))
    nothing_changes(fed, said.topic, payload)


@law
@given(
    data=st.data(),
    kind=st.sampled_from(["ack", "greeting", "manifest", "command", "response"]),
)
def test_what_fits_the_schema_but_is_not_signed_or_not_ours_changes_nothing(fed, data, kind):
    message = data.draw(after_schema(f"messages/{kind}"))
    topic = {
        "ack": ADDRESS.ack,
        "greeting": ADDRESS.greeting,
        "command": ADDRESS.command,
        "response": ADDRESS.responses(data.draw(st.sampled_from([BOOT, fed[1].boot]))),
    }.get(kind) or ADDRESS.dataset(message["dataset"])
    nothing_changes(fed, topic, json.dumps(message).encode())


@law
@given(data=st.data(), kind=st.sampled_from(["chunk", "bucket", "delta"]), body=noise)
def test_rows_of_nobody_change_nothing(fed, data, kind, body):
    header = data.draw(after_schema(f"messages/{kind}-header"))
    if "sha256" in header and data.draw(st.booleans()):
        header["sha256"] = hashlib.sha256(body).hexdigest()
    topic = ADDRESS.dataset(header["dataset"])
    nothing_changes(fed, topic, json.dumps(header).encode() + b"\n" + body)


@law
@given(args=st.dictionaries(st.text(max_size=8), json_values, max_size=3), data=st.data())
def test_a_stranger_who_signs_well_commands_nothing(fed, args, data):
    command = json.loads(specimens()["command"].payload)
    forged = STRANGER.signed(command | {"id": "c-2", "args": args, "counter": 2})
    forged |= data.draw(
        st.sampled_from([{}, {"sig": command["sig"]}, {"sig": "A" * 88}, {"kid": ""}])
    )
    nothing_changes(fed, ADDRESS.command, json.dumps(forged).encode())


@law
@given(
    row=after_schema("rows/stock"),
    chunk=st.just(0) | st.integers(0, 5),
    enc=st.sampled_from(["zstd", "identity"]),
)
def test_a_chunk_that_the_manifest_does_not_name_is_not_staged(fed, row, chunk, enc):
    placed = rows.Row(f"{row['sku']}/{row['place']}"[:200], raw(row))
    body = rows.body_of([placed]) if enc == "zstd" else msgspec.json.encode([[placed.key, row]])
    header = json.loads(waited_for()[1].payload.partition(b"\n")[0])
    payload = json.dumps(header | {"chunk": chunk, "enc": enc}).encode() + b"\n" + body
    assume(body != STOCK)
    nothing_changes(fed, ADDRESS.dataset(Dataset.STOCK), payload)


@pytest.mark.parametrize("said", DOWNWARD, ids=lambda said: said.topic)
@pytest.mark.parametrize("box", ["chain/shop-1/box-2", "chain/shop-2/box-1", "other/shop-1/box-1"])
def test_what_is_meant_for_another_box_changes_nothing(fed, said, box):
    topic = said.topic.replace(str(ADDRESS), box).replace("chain/-/-", "other/-/-")
    nothing_changes(fed, topic, said.payload)


@pytest.mark.parametrize("name", ["manifest", "chunk", "command", "response", "bucket"])
@pytest.mark.parametrize("retained", [False, True])
def test_what_was_taken_once_is_not_taken_again(fed, name, retained):
    run, box = fed
    said, before = specimens()[name], box.state()
    payload = said.payload
    if name == "command":
        payload = signed(json.loads(payload) | {"counter": 1})
    for _ in range(3):
        run(box.feed(said.topic, payload, retained=retained))
    assert box.state() == before


async def test_what_a_broker_kept_for_years_is_not_believed(tmp_path):
    box = FedBox(tmp_path)
    try:
        await box.start()
        before, epoch = box.state(), box.database.epoch
        ack = b'{"v":1,"epoch":"%s","upto":{"crit":1,"visit":1,"bulk":1}}' % epoch.encode()
        await box.feed(ADDRESS.ack, ack, retained=True)
        await box.feed(ADDRESS.greeting, b'{"v":1}', retained=True)
        await box.database.transact(lambda _: None)  # whatever was to be written is written
        assert box.state() == before
        assert box.counters.snapshot()["link.stale"] == 2
        await box.feed(ADDRESS.ack, ack)
        await until(lambda: box.state() != before, "the same, said now, deletes")
    finally:
        await box.stop()


def test_in_the_end_what_is_right_is_still_taken(fed):
    run, box = fed
    before = box.state()
    run(box.feed(waited_for()[1].topic, waited_for()[1].payload))
    assert box.state() != before
    assert box.database.reading.execute("SELECT quantity FROM stock").fetchall() == [(1,)]


def test_a_flood_takes_no_memory_and_is_said_once_for_each_kind(fed, caplog):
    run, box = fed
    chance = random.Random(7)
    hostile = [
        *(said.payload[: chance.randrange(len(said.payload))] for said in DOWNWARD),
        *(bytes(chance.randrange(256) for _ in range(200)) for _ in range(20)),
        b"[" * 50_000,
        b"x" * 130_000,
    ]

    async def flood(count: int) -> None:
        for number in range(count):
            topic = chance.choice(TOPICS)
            await box.feed(topic, hostile[number % len(hostile)])

    run(flood(200))
    caplog.clear()
    gc.collect()
    tracemalloc.start()
    try:
        with caplog.at_level(logging.WARNING):
            run(flood(HOSTILE_MESSAGES))
        gc.collect()
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert grown < GROWTH_BYTES_MAX
    assert [record.getMessage() for record in caplog.records] == []  # said in the first 200
    assert sum(box.counters.snapshot().values()) >= HOSTILE_MESSAGES
