"""Cells become hours and days, and are told: whatever stops in between, and whatever the clock."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.counters import Counters
from edge.figures import CELL_MS, CELLS_KEPT_DAYS, DAYS_KEPT_DAYS, HOURS_KEPT_DAYS, Measure
from edge.operation.figures import Rolling
from edge.records import Member, Moment, Stream
from edge.shop_days import HOUR_MS, ShopDays
from edge.storage import figures, members, visits
from edge.storage.database import Database
from edge.storage.figures import OTHERS, SELLERS_MAX, Period, Row
from edge.storage.transaction import Transaction
from edge.visiting import Stage, Visit, VisitState
from tests.clocks import DAY_MS, Time

ALL = (0, 2**53)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(tmp_path)
    yield opened
    opened.close()


def order(tx: Transaction, now: Moment, total_minor: int = 100) -> None:
    body = {"currency": "RUB", "total_minor": total_minor, "member": None}
    line = {"sku": "a", "quantity": 1, "title": "A", "unit_price_minor": total_minor}
    body |= {"number": "1", "screen": "main", "lines": [line]}
    tx.emit(Stream.CRIT, "order.placed.v1", body, now)


def sums(rows: Iterator[Row]) -> dict[tuple[Measure, str], int]:
    found: dict[tuple[Measure, str], int] = defaultdict(int)
    for row in rows:
        key = (row.measure, row.subject)
        found[key] = max(found[key], row.value) if row.measure.largest else found[key] + row.value
    return dict(found)


def told(database: Database, type_: str) -> list[dict[str, Any]]:
    return [
        msgspec.json.decode(event.body)
        for event in database.waiting(Stream.BULK, 0, 500)
        if event.type == type_
    ]


def queued(tx: Transaction, now: Moment, largest: int) -> None:
    body = {"sensor": "door", "zone": "kiosk", "from_ms": now.wall_ms - CELL_MS}
    body |= {"until_ms": now.wall_ms, "visits": 7, "dwell_mean_s": 3.0}
    tx.count("zone.counted.v1", body | {"queue_mean": 0.5, "queue_max": largest}, now)


async def test_cells_hours_and_days_hold_the_same(database: Database) -> None:
    time = Time()
    rolling = Rolling(database, time, Counters(), "Europe/Moscow")
    for hour in range(50):
        for number in range(hour % 4):
            await database.transact(lambda tx, n=number: order(tx, time.now(), n))
        await database.transact(lambda tx, h=hour: queued(tx, time.now(), h % 9))
        await time.pass_(HOUR_MS)
        if hour % 7 == 0:
            await rolling.pass_time()
    await time.pass_(DAY_MS)
    await rolling.pass_time()
    cells = sums(figures.cells(database.reading, ALL))
    assert cells[Measure.ORDERS, "RUB"] == sum(hour % 4 for hour in range(50))
    assert cells[Measure.QUEUE_MAX, "door/kiosk"] == 8
    for period in Period:
        assert sums(figures.rolled(database.reading, period, ALL)) == cells
        assert not figures.due(database.reading, period)


async def test_what_comes_late_is_rolled_up_again_and_told_once(database: Database) -> None:
    time = Time()
    rolling = Rolling(database, time, Counters(), "UTC")
    then = time.now()
    for _ in range(6):
        await database.transact(lambda tx: order(tx, then))
    await time.pass_(2 * DAY_MS)
    await rolling.pass_time()
    await rolling.pass_time()
    await database.transact(lambda tx: order(tx, then))
    await rolling.pass_time()
    (day,) = [
        row
        for row in figures.rolled(database.reading, Period.DAY, ALL)
        if row.measure is Measure.ORDERS
    ]
    assert (day.from_ms, day.value) == (then.wall_ms, 7)
    (cell,) = told(database, "shop.counted.v1")
    assert cell["numbers"]["orders/RUB"] == 6
    (told_day,) = told(database, "shop.day.counted.v1")
    assert (told_day["day"], told_day["numbers"]["orders/RUB"]) == ("1972-09-27", 6)


async def test_a_box_that_is_killed_within_a_cell_goes_on_with_it(tmp_path: Path) -> None:
    time = Time()
    for _ in range(3):
        database = Database.open(tmp_path)
        for _ in range(2):
            await database.transact(lambda tx: order(tx, time.now()))
        await Rolling(database, time, Counters(), "UTC").pass_time()
        database.close()
        time.reboot(10_000)
    database = Database.open(tmp_path)
    cells = list(figures.cells(database.reading, ALL))
    database.close()
    assert [row.value for row in cells if row.measure is Measure.ORDERS] == [6]


async def test_a_change_that_fails_leaves_no_figure(database: Database) -> None:
    time = Time()

    def failing(tx: Transaction) -> None:
        order(tx, time.now())
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await database.transact(failing)
    assert not list(figures.cells(database.reading, ALL))


async def test_what_is_counted_before_the_clock_is_trusted_gets_its_date_later(
    database: Database,
) -> None:
    time = Time(trusted=False)
    right_ms = time.wall_ms
    time.wall_ms = 5 * DAY_MS
    rolling = Rolling(database, time, Counters(), "UTC")
    await database.transact(lambda tx: order(tx, time.now()))
    await time.pass_(HOUR_MS)
    await rolling.pass_time()
    assert not list(figures.cells(database.reading, ALL))
    assert len(list(figures.cells(database.reading, ALL, undated=True))) == 3
    time.wall_ms, time.trusted = right_ms + HOUR_MS, True
    await rolling.pass_time()
    rows = [row for row in figures.cells(database.reading, ALL) if row.measure is Measure.ORDERS]
    assert [row.value for row in rows] == [1]
    assert abs(rows[0].from_ms - right_ms) <= CELL_MS
    assert sums(figures.rolled(database.reading, Period.HOUR, ALL))[Measure.ORDERS, "RUB"] == 1


async def test_an_earlier_boot_keeps_its_own_date_but_none_after_now(database: Database) -> None:
    time = Time(trusted=False)
    now_ms = time.wall_ms
    for off_ms in (-HOUR_MS, 9 * DAY_MS):
        time.wall_ms = now_ms + off_ms
        await database.transact(lambda tx: order(tx, time.now()))
        time.reboot(0)
    time.wall_ms, time.trusted = now_ms, True
    await Rolling(database, time, Counters(), "UTC").pass_time()
    rows = [row for row in figures.cells(database.reading, ALL) if row.measure is Measure.ORDERS]
    assert [row.from_ms for row in rows] == [now_ms - HOUR_MS, now_ms]


async def test_only_a_trusted_clock_deletes_and_each_in_its_time(database: Database) -> None:
    time = Time()
    time.wall_ms = 10_000 * DAY_MS
    await database.transact(lambda tx: order(tx, time.now()))
    await time.pass_(2 * DAY_MS)
    await Rolling(database, time, Counters(), "UTC").pass_time()
    held = lambda: [  # noqa: E731
        len(list(figures.cells(database.reading, ALL))),
        *(len(list(figures.rolled(database.reading, period, ALL))) for period in Period),
    ]
    seen = [held()]
    for days in (CELLS_KEPT_DAYS, HOURS_KEPT_DAYS, DAYS_KEPT_DAYS):
        time.wall_ms = (10_001 + days) * DAY_MS
        time.trusted = False
        assert await database.transact(lambda tx: figures.expire(tx, time.now())) == 0
        time.trusted = True
        await database.transact(lambda tx: figures.expire(tx, time.now()))
        seen.append(held())
    assert seen == [[3, 3, 3], [0, 3, 3], [0, 0, 3], [0, 0, 0]]


async def test_a_day_whose_cells_are_gone_is_not_made_anew(database: Database) -> None:
    time = Time()
    then = time.now()
    await database.transact(lambda tx: order(tx, then))
    await time.pass_(2 * DAY_MS)
    rolling = Rolling(database, time, Counters(), "UTC")
    await rolling.pass_time()
    await time.pass_(40 * DAY_MS)
    await database.transact(lambda tx: figures.expire(tx, time.now()))
    await database.transact(lambda tx: order(tx, then))
    await rolling.pass_time()
    assert sums(figures.rolled(database.reading, Period.DAY, ALL))[Measure.ORDERS, "RUB"] == 1


async def test_an_earlier_visit_makes_a_member_one_who_returns(database: Database) -> None:
    time = Time()

    def fill(tx: Transaction) -> None:
        members.put(tx, tx.vault, Member("m", "Anna", "card"))
        for number, days in ((1, 100), (2, 95), (3, 4), (4, 0)):
            seen = Moment(time.wall_ms - days * DAY_MS, 0, "a", True)
            sure = VisitState.IDENTIFIED
            visits.put(tx, Visit(f"v-{number}", sure, seen, seen, "door", "m", 1.0, (), Stage.LEFT))
            body = {"visit": f"v-{number}", "member": "m", "dwell_s": 60}
            tx.emit(Stream.VISIT, "visit.closed.v1", body, seen, member="m")

    await database.transact(fill)
    found = {
        (row.from_ms - time.wall_ms) // DAY_MS
        for row in figures.cells(database.reading, ALL)
        if row.measure is Measure.RETURNING
    }
    assert found == {-95, 0}, "after 90 days they come for the first time again"


async def test_sellers_beyond_the_limit_are_counted_together(database: Database) -> None:
    time = Time()

    def enrol(tx: Transaction) -> None:
        for number in range(SELLERS_MAX + 7):
            body = {"by": f"seller {number}", "extended": 0}
            tx.emit(Stream.CRIT, "face.enrolled.v1", body, time.now())

    await database.transact(enrol)
    rows = {row.subject: row.value for row in figures.cells(database.reading, ALL)}
    assert (len(rows), rows[OTHERS]) == (SELLERS_MAX + 1, 7)


ZONES = ("Europe/Berlin", "America/Havana", "Asia/Beirut", "Asia/Kathmandu", "Australia/Lord_Howe")


@pytest.mark.parametrize("zone", ZONES)
def test_days_and_hours_follow_each_other_without_a_gap(zone: str) -> None:
    days, lengths = ShopDays(zone), set()
    for number in range(366):
        which = date(2024, 1, 1) + timedelta(days=number)
        begins, ends = days.day(which)
        lengths.add((ends - begins) / HOUR_MS)
        assert ends == days.day(which + timedelta(days=1))[0]
        at = begins
        while at < ends:
            from_ms, until_ms = days.hour_around(at)
            assert from_ms == at
            assert days.hour_around(until_ms - 1) == (from_ms, until_ms)
            assert days.day_of(at) == days.day_of(until_ms - 1) == which
            at = until_ms
        assert at == ends
    assert len(lengths) == (1 if zone == "Asia/Kathmandu" else 3)


SINCE_MS = 700_000_000_000
"""1992: every zone of today is whole quarters of an hour off since then."""


@given(st.integers(SINCE_MS // CELL_MS, 2**41 // CELL_MS), st.sampled_from(ZONES))
def test_every_cell_lies_in_one_hour_and_one_day(number: int, zone: str) -> None:
    cell, days = number * CELL_MS, ShopDays(zone)
    for begins, ends in (days.hour_around(cell), days.day_around(cell)):
        assert begins <= cell
        assert cell + CELL_MS <= ends
