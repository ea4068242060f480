"""What is kept long enough goes, and no clock that jumps takes anything before its time."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.counters import Counters
from edge.operation.retention import DAY_MS, PACE, Limits, believed_ms, keep_once
from edge.records import Consent, ConsentKind, Member, Moment
from edge.sales import Order
from edge.storage import consent_log, members, orders, retained, visits
from edge.storage.consent_log import Ended, What
from edge.storage.database import Database
from edge.storage.stopwatches import Stopwatch
from edge.storage.transaction import Transaction
from edge.visiting import Stage, Visit, VisitState

TODAY_MS = 2_000 * DAY_MS
LIMITS = Limits(visits_days=30, orders_days=400, consent_log_days=1100)


def at(days: float, *, trusted: bool = True, boot: str = "boot") -> Moment:
    """So many days after the box was made; its clock shows `TODAY_MS` then."""
    return Moment(round(TODAY_MS + days * DAY_MS), round(days * DAY_MS), boot, trusted)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(tmp_path / "state")
    yield opened
    opened.close()


def visit(number: int, seen: Moment, *, open_: bool = False, member: str | None = None) -> Visit:
    stage = Stage.BROWSING if open_ else Stage.LEFT
    state = VisitState.IDENTIFIED if member else VisitState.ANONYMOUS
    return Visit(f"e-{number:06d}", state, seen, seen, "door", member, stage=stage)


async def put_visits(database: Database, *some: Visit) -> None:
    await database.transact(lambda tx: [visits.put(tx, each) for each in some] and None)


def left(database: Database) -> list[int]:
    return sorted(int(each.id[2:]) for each in visits.latest(database.reading))


async def keep(database: Database, now: Moment, counters: Counters | None = None) -> None:
    await keep_once(database, now, counters or Counters(), LIMITS)


async def test_visits_go_after_their_time_but_for_open_ones_and_the_newest(database):
    await keep(database, at(0))
    old, fresh = at(0), at(5)
    await put_visits(
        database, visit(1, old), visit(2, old, open_=True), visit(3, fresh), visit(9, old)
    )
    await database.transact(
        lambda tx: (
            tx.execute(
                "INSERT INTO visit_step (visit, number, at, what, sensor, text)"
                " VALUES ('e-000001', 1, '[]', 'opened', 'door', 'x')"
            )
            and None
        )
    )
    await keep(database, at(30))
    assert left(database) == [1, 2, 3, 9], "they are exactly as old as they may be"
    counters = Counters()
    await keep(database, at(31), counters)
    assert left(database) == [2, 3, 9], "new visits are numbered on from the newest"
    assert database.reading.execute("SELECT count(*) FROM visit_step").fetchone() == (0,)
    assert counters.get("retention.visits") == 1


async def test_the_newest_visit_stays_as_anybodys(database):
    await keep(database, at(0))
    agreed = (Consent(ConsentKind.PROGRAMME, 1, "v1", "till"),)
    await database.transact(
        lambda tx: members.put(tx, tx.vault, Member("anna", "Anna", "c1", consents=agreed))
    )
    await put_visits(database, visit(1, at(0), member="anna"))
    await keep(database, at(31))
    (kept,) = visits.latest(database.reading)
    assert (kept.id, kept.member, kept.state) == ("e-000001", None, VisitState.ANONYMOUS)


async def test_orders_go_after_theirs(database):
    await keep(database, at(0))
    for number, day in ((1, 0), (2, 100)):
        order = Order(f"01-{number:06d}", "main", (), 1, "RUB", at(day), None)
        await database.transact(lambda tx, order=order: orders.put_order(tx, order))
    for day in (100, 200, 300, 400, 401):
        await keep(database, at(day))
    assert [each.number for each in orders.latest(database.reading)] == ["01-000002"]


async def test_the_log_of_consents_goes_after_its(database):
    await keep(database, at(0))
    face = Consent(ConsentKind.FACE, TODAY_MS - 3000 * DAY_MS, "v1", "till")
    programme = Consent(ConsentKind.PROGRAMME, 1, "v1", "till")
    await database.transact(
        lambda tx: members.put(tx, tx.vault, Member("anna", "A", "c1", consents=(programme,)))
    )
    ended = Ended(What.WITHDRAWN)
    for day in (0, 600):
        await database.transact(
            lambda tx, day=day: consent_log.note_ended(tx, "anna", face, ended, at(day))
        )
    for day in (600, 1100):
        await keep(database, at(day))
    log = consent_log.of(database.reading, database.vault, "anna")
    assert len(log) == 3, "what was given long ago is noted as long as its end is"
    await keep(database, at(1101))
    (last,) = consent_log.of(database.reading, database.vault, "anna")
    assert (last.what, last.noted_ms) == (What.WITHDRAWN, at(600).wall_ms)


async def test_nothing_goes_by_a_clock_that_is_not_trusted(database):
    await keep(database, at(0))
    await put_visits(database, visit(1, at(0)), visit(2, at(0)))
    counters = Counters()
    await keep(database, at(100, trusted=False), counters)
    assert left(database) == [1, 2]
    assert counters.get("retention.clock_not_trusted") == 1


async def test_a_clock_that_jumps_ten_years_ahead_wipes_nothing(database):
    await keep(database, at(0))
    await put_visits(database, visit(1, at(0)), visit(2, at(0)))
    counters = Counters()
    for hour in range(24 * 14):  # two weeks go by, and nobody sees it
        here = at(hour / 24)
        wrong = Moment(here.wall_ms + 3650 * DAY_MS, here.mono_ms, here.boot, True)
        if hour % 24 == 0:
            await keep(database, wrong, counters)
    assert left(database) == [1, 2]
    assert counters.get("retention.clock_far_ahead") > 0
    await keep(database, at(14))
    await keep(database, at(29))
    assert left(database) == [1, 2], "once it is right again, all is as it was"


async def test_the_first_time_it_begins_where_the_newest_visit_is(database):
    await put_visits(database, visit(1, at(0)), visit(2, at(29)))
    await keep(database, at(3650))
    assert left(database) == [1, 2]


async def test_what_an_untrusted_clock_dated_is_kept_its_full_time_from_then_on(database):
    await keep(database, at(0))
    early = Moment(1000, 1, "boot", False)
    await put_visits(database, visit(1, early), visit(2, early))
    far = at(4000)
    await put_visits(database, visit(0, far))
    await keep(database, at(10))
    await keep(database, at(39))
    assert left(database) == [0, 1, 2]
    await keep(database, at(41))
    assert left(database) == [2]


async def test_orders_and_notes_of_an_untrusted_clock_go_with_the_next_that_is_known(database):
    await keep(database, at(0))

    def put(tx: Transaction) -> None:
        early = Moment(1000, 1, "boot", False)
        for number, placed in enumerate((early, at(0), early, at(300)), 1):
            orders.put_order(tx, Order(f"01-{number:06d}", "main", (), 1, "RUB", placed, None))

    await database.transact(put)
    for day in (200, 399, 401):
        await keep(database, at(day))
    numbers = [int(each.number[3:]) for each in orders.latest(database.reading)]
    assert numbers == [4, 3]


async def test_many_go_in_small_transactions(database):
    await keep(database, at(0))
    many = [visit(number, at(0)) for number in range(1, retained.ROWS_AT_ONCE * 2 + 10)]
    await put_visits(database, *many)
    before = database.commits
    await keep(database, at(31))
    assert len(left(database)) == 1
    assert database.commits - before >= 3


moments = st.lists(
    st.tuples(
        st.integers(0, 40 * DAY_MS),  # how long the box ran since it was asked last
        st.integers(-20 * 365 * DAY_MS, 20 * 365 * DAY_MS),  # by how much its clock is wrong
        st.booleans(),  # whether it was started again
    ),
    max_size=30,
)


@given(steps=moments)
def test_believed_time_never_runs_faster_than_twice_the_running_time(steps):
    watch: Stopwatch | None = Stopwatch(0, 0, "0", TODAY_MS)
    true_ms, started_ms = TODAY_MS, TODAY_MS
    boot, asked_ms = 0, TODAY_MS
    for ran_ms, wrong_ms, again in steps:
        true_ms += ran_ms
        if again:
            boot, started_ms = boot + 1, true_ms - ran_ms
        wall_ms = max(0, true_ms + wrong_ms)
        now = Moment(wall_ms, true_ms - started_ms, str(boot), True)
        upto_ms = believed_ms(watch, None, now)
        assert upto_ms <= wall_ms
        assert upto_ms <= TODAY_MS + PACE * (true_ms - asked_ms)
        watch = Stopwatch(0, now.mono_ms, now.boot, upto_ms)
