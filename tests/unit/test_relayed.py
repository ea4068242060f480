"""What a primary keeps of its satellites' batches: in order, once, until the platform has it."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlite_utils import Database as Tables

from edge.errors import StorageFull
from edge.records import Stream
from edge.storage import relayed
from edge.storage.migrations import m0005_relay
from edge.storage.relayed import Content, Origin, Span

ORIGIN = Origin("chain/shop-1/door", "0badcafe")


def connection():
    import sqlite3

    made = sqlite3.connect(":memory:", isolation_level=None)
    m0005_relay.apply(Tables(made))
    made.execute("PRAGMA recursive_triggers = OFF")  # as ever after the migration's own connection
    return made


def take(made, first, last, *, stream=Stream.BULK, **more):
    payload = f"{first}-{last}".encode()
    origin = more.get("origin", ORIGIN)
    content = Content(tuple(more.get("gaps", ())), more.get("mark"))
    return relayed.take(made, origin, Span(stream, first, last), payload, content=content)


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


def test_the_mark_is_that_of_the_last_event_taken_and_of_no_other():
    made = connection()
    take(made, 1, 2, mark="two")
    assert relayed.marks(made, ORIGIN) == {Stream.BULK: "two"}
    take(made, 9, 9, mark="nine")
    assert relayed.marks(made, ORIGIN) == {Stream.BULK: "two"}, "not taken: behind a hole"
    take(made, 1, 3, mark="three")
    assert relayed.marks(made, ORIGIN) == {Stream.BULK: "three"}
    relayed.resume(made, ORIGIN, {Stream.BULK: 5})
    assert relayed.marks(made, ORIGIN) == {}, "event 5 was never here"
    take(made, 6, 6)
    assert relayed.marks(made, ORIGIN) == {}, "a batch that cannot be read"


def test_what_was_lost_is_told_to_the_platform_and_no_declared_gap():
    made = connection()
    take(made, 1, 1, gaps=[Span(Stream.BULK, 3, 7)], stream=Stream.CRIT)
    take(made, 1, 2)
    take(made, 8, 9)
    relayed.delivered(made, ORIGIN, Stream.BULK, 2)
    assert relayed.floors(made, ORIGIN)[Stream.BULK] == 2, "3 to 7 are declared"
    relayed.resume(made, ORIGIN, {Stream.BULK: 14})
    take(made, 15, 16)
    assert relayed.floors(made, ORIGIN)[Stream.BULK] == 2, "8 and 9 come first"
    relayed.delivered(made, ORIGIN, Stream.BULK, 9)
    assert relayed.floors(made, ORIGIN)[Stream.BULK] == 14, "10 to 14 are lost"
    relayed.delivered(made, ORIGIN, Stream.BULK, 16)
    assert relayed.floors(made, ORIGIN)[Stream.BULK] == 16
    relayed.resume(made, ORIGIN, {Stream.BULK: 20})
    assert relayed.floors(made, ORIGIN)[Stream.BULK] == 20, "nothing is left behind what is lost"


def test_a_gap_at_the_end_is_passed_when_the_platform_has_its_record():
    made = connection()
    take(made, 1, 1, gaps=[Span(Stream.BULK, 1, 7)], stream=Stream.CRIT)
    relayed.resume(made, ORIGIN, {Stream.BULK: 7})
    assert relayed.floors(made, ORIGIN)[Stream.BULK] == 0
    relayed.delivered(made, ORIGIN, Stream.CRIT, 1)
    assert relayed.floors(made, ORIGIN)[Stream.BULK] == 7


def test_hellos_of_ever_new_lives_leave_no_more_than_a_few():
    made = connection()
    for number in range(60):
        relayed.resume(made, Origin(ORIGIN.box, f"{number:08x}"), {Stream.CRIT: 1})
    assert len(relayed.origins(made)) == relayed.EPOCHS_KEPT_MAX


def test_lives_that_are_kept_have_a_limit_and_gaps_go_with_their_life():
    made = connection()
    gap = [Span(Stream.BULK, 3, 7)]
    for number in range(relayed.LIVES_MAX):
        origin = Origin(ORIGIN.box, f"{number:08x}")
        take(made, 1, 1, origin=origin, gaps=gap, stream=Stream.CRIT)
    new = Origin(ORIGIN.box, "ffffffff")
    with pytest.raises(StorageFull):
        take(made, 1, 1, origin=new)
    for origin in relayed.origins(made):
        relayed.delivered(made, origin, Stream.CRIT, 1)
    assert take(made, 1, 1, origin=new) == 1
    (gaps,) = made.execute("SELECT count(DISTINCT epoch) FROM relay_gap").fetchone()
    assert gaps < len(relayed.origins(made)) <= relayed.EPOCHS_KEPT_MAX


@given(st.lists(st.tuples(st.sampled_from(["take", "deliver"]), st.integers(1, 12)), max_size=20))
@example([("take", 1), ("take", 2)])
def test_the_bytes_kept_are_counted_as_they_are(steps):
    made = connection()
    for what, number in steps:
        if what == "take":
            take(made, max(1, number - 2), number)
        else:
            relayed.delivered(made, ORIGIN, Stream.BULK, number)
        (kept,) = made.execute("SELECT coalesce(sum(length(payload) + 256), 0) FROM relayed")
        counted = made.execute("SELECT coalesce(sum(bytes), 0) FROM relay_kept").fetchone()
        assert kept == counted


def test_counts_that_fill_their_room_leave_that_of_orders():
    made = connection()
    for stream in Stream:
        take(made, 1, 1, stream=stream)
    made.execute("UPDATE relay_kept SET bytes = ?", (relayed.BYTES_MAX[Stream.BULK],))
    assert relayed.full(made, Stream.BULK)
    assert not relayed.full(made, Stream.CRIT)
