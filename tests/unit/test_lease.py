"""The lease: silence only grows until the platform is heard, whatever clocks and boots do."""

import asyncio
from collections.abc import Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.counters import Counters
from edge.lease import HEARD, MET, Lease, advanced, elapsed_ms, started, wall_ms
from edge.records import Moment
from edge.storage import stopwatches
from edge.storage.database import Database
from tests.clocks import DAY_MS, HOUR_MS, Time
from tests.waiting import until


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(tmp_path)
    yield opened
    opened.close()


def lease(database: Database, time: Time, hours: float = 72) -> Lease:
    return Lease(database, time, lease_s=hours * 3600, counters=Counters())


@asynccontextmanager
async def watched(lease: Lease):
    task = asyncio.create_task(lease.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


STEP = st.one_of(
    st.tuples(st.just("run"), st.integers(0, 10 * DAY_MS)),
    st.tuples(st.just("reboot"), st.integers(0, 10 * DAY_MS)),
    st.tuples(st.just("jump"), st.integers(-400 * DAY_MS, 400 * DAY_MS)),
    st.tuples(st.just("trust"), st.integers(0, 1)),
    st.tuples(st.just("note"), st.integers(0, 1)),
)


@given(st.booleans(), st.lists(STEP, max_size=30))
def test_all_the_time_that_the_box_ran_counts_and_nothing_noted_is_taken_back(trusted, steps):
    now = Moment(1_000 * DAY_MS, 5_000, "0", trusted)
    watch = started(now)
    ran_ms = 0
    for kind, amount in steps:
        wall, mono, boot = now.wall_ms, now.mono_ms, now.boot
        if kind == "run":
            now, ran_ms = Moment(wall + amount, mono + amount, boot, now.trusted), ran_ms + amount
        elif kind == "jump":
            now = Moment(max(0, wall + amount), mono, boot, now.trusted)
        elif kind == "trust":
            now = Moment(wall, mono, boot, bool(amount))
        elif kind == "note":
            watch = advanced(watch, now)
        else:
            watch = advanced(watch, now)  # noted down shortly before
            now = Moment(wall + amount, 0, str(int(boot) + 1), now.trusted)
        assert elapsed_ms(watch, now) >= max(ran_ms, watch.passed_ms)


@given(st.integers(0, 100 * DAY_MS), st.integers(0, 100 * DAY_MS), st.integers(0, 100 * DAY_MS))
def test_with_a_right_clock_the_time_switched_off_counts_too(before_ms, off_ms, after_ms):
    start = Moment(1_000 * DAY_MS, 7, "a", True)
    watch = advanced(started(start), Moment(start.wall_ms + before_ms, 7 + before_ms, "a", True))
    passed_ms = before_ms + off_ms + after_ms
    assert elapsed_ms(watch, Moment(start.wall_ms + passed_ms, after_ms, "b", True)) == passed_ms


def test_a_start_by_a_wrong_clock_is_dated_when_the_clock_is_right():
    watch = started(Moment(0, 1_000, "a", False))
    right = advanced(watch, Moment(500 * DAY_MS, 1_000 + HOUR_MS, "a", True))
    assert right.wall_ms == 500 * DAY_MS - HOUR_MS
    assert elapsed_ms(right, Moment(501 * DAY_MS, 0, "b", True)) == DAY_MS + HOUR_MS


def test_the_time_is_known_only_within_the_lease_of_a_right_clock():
    right = started(Moment(500 * DAY_MS, 1_000, "a", True))
    later = Moment(3, 1_000 + HOUR_MS, "a", False)
    assert wall_ms(right, later, 2 * HOUR_MS) == 500 * DAY_MS + HOUR_MS
    assert wall_ms(right, later, HOUR_MS - 1) is None
    assert wall_ms(started(later), later, HOUR_MS) is None


async def test_it_runs_out_after_its_time_and_everybody_is_told_once(database):
    time, told = Time(), []
    mine = lease(database, time)
    mine.on_change(lambda holds: _note(told, holds))
    async with watched(mine):
        await time.pass_(71 * HOUR_MS)
        assert mine.holds
        await time.pass_(HOUR_MS)
        assert not mine.holds
        await until(lambda: told == [False], "told that it ran out")
        mine.heard()
        assert mine.holds
        await until(lambda: told == [False, True], "told that it is renewed")
        assert mine.silent_s == 0


async def test_a_restart_does_not_renew_it(database):
    time = Time()
    mine = lease(database, time)
    async with watched(mine):
        await time.pass_(71 * HOUR_MS)
        await until(lambda: _noted_ms(database) == 71 * HOUR_MS, "written down")
    assert lease(database, time).holds
    time.trusted = False
    time.reboot(off_ms=50 * DAY_MS)
    again = lease(database, time)
    assert again.holds  # nobody knows how long it was off
    await time.pass_(HOUR_MS)
    assert not again.holds


async def test_being_heard_is_kept_over_a_restart(database):
    time = Time()
    mine = lease(database, time)
    async with watched(mine):
        await time.pass_(100 * HOUR_MS)
        await until(lambda: _noted_ms(database), "written down")
        mine.heard()
        await time.pass_(60_000)
        await until(lambda: _noted_ms(database) <= 60_000, "written down again")
    assert lease(database, time).holds


async def test_the_time_of_a_box_without_a_right_clock_is_that_of_its_last_right_one(database):
    time = Time()
    async with watched(lease(database, time)):
        await until(lambda: _noted_ms(database) is not None, "written down")
    right_ms = time.wall_ms
    time.trusted = False
    time.reboot(off_ms=0)
    time.wall_ms = 0
    mine = lease(database, time)
    assert mine.wall_ms() == right_ms
    await time.pass_(HOUR_MS)
    assert mine.wall_ms() == right_ms + HOUR_MS
    await time.pass_(72 * HOUR_MS)
    assert mine.wall_ms() is None


async def _note(told: list[bool], holds: bool) -> None:
    told.append(holds)


def _noted_ms(database: Database) -> int | None:
    row = database.reading.execute(
        "SELECT passed_ms FROM stopwatch WHERE name = 'heard'"
    ).fetchone()
    return row[0] if row else None


async def test_whether_the_platform_was_ever_heard_is_known_after_a_restart(database):
    time = Time()
    new = lease(database, time)
    async with watched(new):
        await until(lambda: stopwatches.get(database.reading, HEARD), "its age is noted")
    assert not lease(database, time).met
    new.heard()
    assert new.met
    async with watched(new):
        await until(lambda: stopwatches.get(database.reading, MET), "noted")
    assert lease(database, time).met
