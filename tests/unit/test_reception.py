"""The platform's reception of batches: refused when there is no room, held when one is missing."""

import asyncio

import msgspec
import pytest

from edge.records import Event, Moment, Stream
from sync.batch import pack
from sync.ingest import Ingest
from sync.ingest.log import quarantined, read_log
from sync.messages import Ack, Address
from sync.reference.downward import Answers
from sync.reference.receiving import HELD_MAX, Arrived, Reception

ADDRESS = Address("chain", "shop", "box")
EPOCH = "0badcafe"
NOW = Moment(1_800_000_000_000, 5_000, "b00tb00t", True)
TOPIC = ADDRESS.up(Stream.BULK)


def arrived(*seqs, body=b"1", type_="made.v1", stream=Stream.BULK):
    events = [Event("box", EPOCH, stream, n, type_, NOW, msgspec.Raw(body)) for n in seqs]
    return Arrived(ADDRESS, stream, ADDRESS.up(stream), pack(ADDRESS, events, NOW)[0])


class Told:
    """The acknowledgements in the order in which they were given."""

    def __init__(self):
        self.acks = []

    def __call__(self, address, ack):
        assert address == ADDRESS
        self.acks.append((ack.upto.get(Stream.BULK), ack.resend, tuple(ack.refused)))


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def ingest(tmp_path):
    opened = Ingest(tmp_path / "platform.db")
    yield opened
    opened.close()


@pytest.fixture
def reception(ingest, told):
    made = Reception(ingest, told)
    yield made
    made.close()


@pytest.fixture
async def patient(ingest, told):
    """One of several workers, long-suffering."""
    made = Reception(ingest, told, hold_s=0.3)
    looking = asyncio.create_task(made.look_after_held())
    yield made
    looking.cancel()
    made.close()


async def test_what_cannot_be_written_is_refused_and_taken_later(reception, ingest, told):
    await reception.take([arrived(1)])
    with ingest.database.transaction() as statements:
        ((pages,),) = statements.execute("PRAGMA page_count")
    limit = "PRAGMA max_page_count = "
    ingest.database._connection.execute(f"{limit}{pages}")
    large = arrived(*range(2, 400), body=b'"' + b"x" * 900 + b'"')
    await reception.take([large])
    await reception.take([Arrived(ADDRESS, Stream.BULK, TOPIC, b"noise")])  # no room for it either
    assert told.acks == [(1, (), ()), (None, (), (Stream.BULK,))]
    ingest.database._connection.execute(f"{limit}{pages + 10_000}")
    await reception.take([large])
    assert told.acks[-1] == (399, (), ())


async def test_one_that_can_never_be_accepted_does_not_spoil_those_beside_it(
    reception, told, tmp_path
):
    gap = arrived(1, stream=Stream.CRIT, type_="outbox.gap.v1", body=b'{"first":1}')
    noise = Arrived(ADDRESS, Stream.BULK, TOPIC, b"noise")
    wrong = Arrived(ADDRESS, Stream.VISIT, ADDRESS.up(Stream.VISIT), arrived(1).payload)
    await reception.take([arrived(1, 2), gap, noise, wrong, arrived(3)])
    assert {upto for upto, _, _ in told.acks if upto} == {2, 3}
    assert [row.seq for row in read_log(tmp_path / "platform.db")] == [1, 2, 3]
    assert len(quarantined(tmp_path / "platform.db")) == 3


async def test_alone_a_hole_is_asked_for_at_once(reception, told):
    await reception.take([arrived(2)])
    assert told.acks == [(0, (Stream.BULK,), ())]


async def test_beside_others_a_batch_waits_for_the_one_before_it(patient, told, ingest, tmp_path):
    await patient.take([arrived(3)])
    await patient.take([arrived(2)])
    assert told.acks == []
    elsewhere, theirs = Ingest(tmp_path / "platform.db"), Told()
    other = Reception(elsewhere, theirs)
    await other.take([arrived(1)])
    async with asyncio.timeout(5):
        while len(told.acks) < 2:
            await asyncio.sleep(0.01)
    assert [upto for upto, _, _ in theirs.acks + told.acks] == [1, 2, 3]
    assert not any(resend for _, resend, _ in told.acks)
    other.close()
    elsewhere.close()


async def test_what_never_comes_is_asked_for_after_a_while(patient, told):
    await patient.take([arrived(5)])
    assert told.acks == []
    async with asyncio.timeout(5):
        while not told.acks:
            await asyncio.sleep(0.01)
    assert told.acks == [(0, (Stream.BULK,), ())]


async def test_no_more_is_held_than_there_is_room_for(patient, told):
    await patient.take([arrived(seq) for seq in range(2, HELD_MAX + 7)])
    assert len(told.acks) == 5
    assert all(resend for _, resend, _ in told.acks)


def test_acknowledgements_that_wait_are_one():
    answers = Answers()

    def add(upto, **more):
        answers.acknowledge(ADDRESS, Ack(1, EPOCH, upto, **more))

    add({Stream.BULK: 1}, resend=(Stream.BULK,))
    add({Stream.CRIT: 4}, refused={Stream.VISIT: "full"}, marks={Stream.CRIT: "x"})
    add({Stream.BULK: 2})
    topic, payload, retain = answers._next()
    merged = msgspec.json.decode(payload, type=Ack)
    assert (topic, retain) == (ADDRESS.ack, False)
    assert merged.upto == {Stream.BULK: 2, Stream.CRIT: 4}
    assert merged.resend == ()
    assert merged.refused == {Stream.VISIT: "full"}
    assert merged.marks == {Stream.CRIT: "x"}
    assert answers._next() is None
    add({Stream.BULK: 9})
    answers.acknowledge(ADDRESS, Ack(1, "11111111", {}))  # of another epoch: nothing is merged
    assert msgspec.json.decode(answers._next()[1], type=Ack).upto == {}
