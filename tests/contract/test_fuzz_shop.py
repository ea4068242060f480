"""Hostile input on the shop's own broker: what a primary box takes over of its satellites.

The relay passes on what it cannot judge (whether a batch can be accepted is for the platform to
say), but only what has a legible header, came undamaged and is the sender's own.
"""

import asyncio
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.counters import Counters
from edge.errors import BadMessage
from edge.records import Stream
from edge.storage.database import Database
from sync import tunnel
from sync.batch import read_header
from sync.messages import Address
from sync.relay import Relay
from tests.contract.document import Breach, contract
from tests.contract.mischief import after_schema, mutants, noise
from tests.contract.specimens import ADDRESS, Specimen, batch_of, specimens
from tests.contract.wires import contents

BATCHES = [Specimen(ADDRESS.up(stream), batch_of(stream, "zstd")) for stream in Stream]
law = settings(
    max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@pytest.fixture(scope="module")
def primary(tmp_path_factory):
    """A primary's relay, its database, and the loop that they live on."""
    with asyncio.Runner() as runner:

        async def made():
            database = Database.open(tmp_path_factory.mktemp("primary"))
            return Relay(database, Counters()), database

        relay, database = runner.run(made())
        yield runner.run, relay, database
        database.close()


def is_own(stream: Stream, payload: bytes) -> bool:
    """Whether the relay may keep it."""
    try:
        header, _ = read_header(payload)
    except BadMessage:
        return False
    return header.stream is stream and header.box == ADDRESS.box


def takes(primary, stream: Stream, payload: bytes) -> bool:
    """Hand a batch over; whether anything changed. Only BadMessage may come of it."""
    run, relay, database = primary
    before = contents(database.reading)
    try:
        run(relay.batch(ADDRESS, stream, payload))
    except BadMessage:
        assert contents(database.reading) == before
    return contents(database.reading) != before


def test_what_is_right_is_kept(primary):
    for said, stream in zip(BATCHES, Stream, strict=True):
        assert takes(primary, stream, said.payload)
        assert not takes(primary, stream, said.payload)


@pytest.mark.parametrize("stream", Stream)
def test_what_is_another_boxs_or_of_another_stream_is_not_kept(primary, stream):
    run, relay, database = primary
    before = contents(database.reading)
    for said in BATCHES:
        another = Address(ADDRESS.tenant, ADDRESS.store, "box-2")
        with pytest.raises(BadMessage):
            run(relay.batch(another, stream, said.payload))
        if said.topic != ADDRESS.up(stream):
            with pytest.raises(BadMessage):
                run(relay.batch(ADDRESS, stream, said.payload))
    assert contents(database.reading) == before


@law
@given(stream=st.sampled_from(Stream), payload=noise)
def test_noise_is_not_kept(primary, stream, payload):
    assert not takes(primary, stream, payload)


@law
@given(data=st.data(), place=st.sampled_from(range(len(Stream))))
def test_what_is_almost_right_is_kept_only_if_it_is_legible_and_ones_own(primary, data, place):
    payload, stream = data.draw(mutants(BATCHES[place])), list(Stream)[place]
    if takes(primary, stream, payload):
        assert is_own(stream, payload)


@law
@given(data=st.data(), payload=noise)
def test_a_hello_that_is_none_changes_nothing(primary, data, payload):
    run, relay, database = primary
    spoiled = data.draw(st.just(payload) | mutants(specimens()["hello"]))
    before = contents(database.reading)
    try:
        run(relay.hello(ADDRESS, spoiled))
    except BadMessage:
        assert contents(database.reading) == before
    else:
        contract(strict=False).check(ADDRESS.up("hello"), spoiled, qos=1, retain=False)


@law
@given(data=st.data())
def test_any_hello_that_fits_the_schema_is_answered(primary, data):
    run, relay, _ = primary
    message = data.draw(after_schema("messages/hello"))
    ack = run(relay.hello(ADDRESS, json.dumps(message).encode()))
    assert ack.epoch == message["epoch"]


@law
@given(payload=st.binary(max_size=40) | st.sampled_from([b"\0" * 70_000, b"\xff" * 13]))
def test_a_piece_is_one_for_the_document_or_for_nobody(payload):
    topic = ADDRESS.sensed("camera")
    try:
        contract().check(topic, payload, qos=1, retain=False)
    except Breach:
        with pytest.raises(BadMessage):
            tunnel.decode(payload)
    else:
        assert tunnel.encode(tunnel.decode(payload)) == payload
