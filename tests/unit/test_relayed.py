"""What a primary keeps of its satellites' batches: in order, once, until the platform has it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlite_utils import Database as Tables

from edge.records import Stream
from edge.storage import relayed
from edge.storage.migrations import m0005_relay
from edge.storage.relayed import Origin, Span

ORIGIN = Origin("chain/shop-1/door", "0badcafe")


def connection():
    import sqlite3

    made = sqlite3.connect(":memory:", isolation_level=None)
    m0005_relay.apply(Tables(made))
    return made


def take(made, first, last, *, stream=Stream.BULK, **more):
    payload = f"{first}-{last}".encode()
    origin = more.get("origin", ORIGIN)
    gaps = more.get("gaps", ())
    return relayed.take(made, origin, Span(stream, first, last), payload, gaps=gaps)


spans = st.lists(
    st.tuples(st.integers(1, 12), st.integers(0, 4)).map(lambda s: (s[0], s[0] + s[1])), max_size=30
)


@given(spans)
def test_whatever_arrives_what_is_kept_has_no_hole(arrivals):
    made = connection()
    upto = 0
    for first, last in arrivals:
        expected = last if first <= upto + 1 and last > upto else upto
        assert take(made, first, last) == expected
        upto = expected
    covered, after = set(), 0
    while (batch := relayed.next_batch(made, ORIGIN, Stream.BULK, after=after)) is not None:
        payload, last = batch
        first = int(payload.split(b"-")[0])
        assert first <= after + 1
        covered |= set(range(first, last + 1))
        after = last
    assert covered == set(range(1, upto + 1))
    assert relayed.received(made, ORIGIN)[Stream.BULK] == upto


def test_what_the_platform_has_is_deleted_and_the_rest_stays():
    made = connection()
    for first in (1, 4, 7):
        take(made, first, first + 2)
    relayed.delivered(made, ORIGIN, Stream.BULK, 5)
    assert relayed.waiting(made, ORIGIN) == 4
    assert relayed.next_batch(made, ORIGIN, Stream.BULK, after=5) == (b"4-6", 6)
    relayed.delivered(made, ORIGIN, Stream.BULK, 99)
    assert relayed.cursors(made, ORIGIN)[Stream.BULK] == (9, 9), "no further than what was taken"
    assert relayed.next_batch(made, ORIGIN, Stream.BULK, after=0) is None


def test_a_declared_gap_is_passed_and_no_other():
    made = connection()
    assert take(made, 1, 2) == 2
    assert take(made, 8, 9) == 2
    take(made, 1, 1, gaps=[Span(Stream.BULK, 3, 7)], stream=Stream.CRIT)
    assert take(made, 9, 9) == 7, "still behind a hole, which the cursor shows"
    assert take(made, 8, 9) == 9


def test_a_satellite_that_deleted_more_than_is_here_is_believed():
    made = connection()
    take(made, 1, 3)
    assert relayed.resume(made, ORIGIN, {Stream.BULK: 10})[Stream.BULK] == 10
    assert take(made, 11, 12) == 12


def test_a_new_life_of_a_satellite_begins_at_one_and_finished_ones_are_forgotten():
    made = connection()
    for number in range(relayed.EPOCHS_KEPT_MAX + 3):
        origin = Origin(ORIGIN.box, f"{number:08x}")
        assert take(made, 1, 2, origin=origin) == 2
        if number != 1:
            relayed.delivered(made, origin, Stream.BULK, 2)
    kept = [origin.epoch for origin in relayed.origins(made)]
    assert f"{1:08x}" in kept, "what still waits is never forgotten"
    assert len(kept) <= relayed.EPOCHS_KEPT_MAX + 1
    assert kept == sorted(kept)


@pytest.mark.parametrize("stream", list(Stream))
def test_streams_are_apart(stream):
    made = connection()
    take(made, 1, 5, stream=stream)
    expected = {each: (5 if each is stream else 0) for each in Stream}
    assert relayed.received(made, ORIGIN) == expected
