"""Figures as time passes: cells get their date, become hours and days, and are told upstream.

Run by the daemon as one task. Everything here needs a clock that can be trusted, and goes on after
a stop without doing anything twice: what is due stands in the database. An hour or day is made from
its cells whenever they have changed; a cell or day is told once, `SETTLING_S` after its end, and
what is counted later goes into this box's hours and days alone.
"""

import logging
from collections.abc import Iterable
from functools import partial

from edge.clock import Clock
from edge.counters import Counters
from edge.errors import StorageError
from edge.figures import CELL_MS, CELLS_KEPT_DAYS, Measure
from edge.presence.figures_told import as_told, cell_told, day_told
from edge.records import Moment, Stream
from edge.shop_days import ShopDays, Span
from edge.storage import figures
from edge.storage.database import Database, Transaction
from edge.storage.figures import Period, Row

log = logging.getLogger(__name__)

EVERY_S = 60.0
SETTLING_S = 1200
"""A window of a radar lasts ten minutes, one of a camera five, and begins in any of its cells."""
PERIODS_MAX = 48
"""Hours or days rolled up in one transaction; it is a moment's work."""
CELLS_MAX = 288
"""Cells told in one transaction: a day's."""
CELL_TYPE, DAY_TYPE = "shop.counted.v1", "shop.day.counted.v1"


class Rolling:
    """Rolls up and tells what is due."""

    def __init__(
        self, database: Database, clock: Clock, counters: Counters, timezone: str = ""
    ) -> None:
        self._database = database
        self._clock = clock
        self._counters = counters
        self._days = ShopDays(timezone)

    async def run(self) -> None:
        """Again and again, until cancelled."""
        while True:
            try:
                await self.pass_time()
            except StorageError as error:  # status shows the counter; what is due stays due
                self._counters.add("figures_not_rolled")
                log.error("the figures could not be rolled up: %s", error)
            await self._clock.wait(EVERY_S)

    async def pass_time(self) -> None:
        """Do what is due now. Nothing but to keep within limits while the clock is not trusted."""
        now = self._clock.now()
        if not now.trusted:
            if dropped := await self._database.transact(figures.drop_undated):
                self._counters.add("figures_undated_dropped", dropped)
            return
        await self._database.transact(partial(figures.date, now=now))
        for work in (
            partial(self._rolled, period=Period.HOUR),
            partial(self._rolled, period=Period.DAY),
            self._cells_told,
            self._day_told,
        ):
            while await self._database.transact(partial(work, now=now)):
                pass

    # --- each in one transaction; whether there may be more

    def _rolled(self, tx: Transaction, *, period: Period, now: Moment) -> bool:
        kept_ms = figures.oldest_ms(now, CELLS_KEPT_DAYS)
        spans = self._over(figures.due(tx, period), period, now)
        for span in spans[:PERIODS_MAX]:
            if span[0] >= kept_ms:
                figures.roll(tx, period, span)
            else:  # some of its cells are gone: what they came to stands
                figures.settle(tx, period, span)
        return len(spans) > PERIODS_MAX

    def _over(self, cells: Iterable[int], period: Period, now: Moment) -> list[Span]:
        """The hours or days in which these cells lie, as far as they are over."""
        around = self._days.hour_around if period is Period.HOUR else self._days.day_around
        spans = dict.fromkeys(around(from_ms) for from_ms in cells)
        return [span for span in spans if span[1] <= now.wall_ms]

    def _cells_told(self, tx: Transaction, *, now: Moment) -> bool:
        """Tell the finished cells that have not been told."""
        begun = max(figures.told_upto(tx, "cell"), figures.oldest_ms(now, CELLS_KEPT_DAYS))
        first = figures.oldest_cell(tx, begun)
        settled = (now.wall_ms - SETTLING_S * 1000) // CELL_MS * CELL_MS
        if first is None or first >= settled:
            return False
        until = min(settled, first + CELLS_MAX * CELL_MS)
        by_cell: dict[int, list[Row]] = {}
        for row in figures.cells(tx, (first, until)):
            by_cell.setdefault(row.from_ms, []).append(row)
        for from_ms, rows in by_cell.items():
            told = cell_told((from_ms, from_ms + CELL_MS), _numbers(rows))
            if told.numbers or told.withheld:
                tx.emit(Stream.BULK, CELL_TYPE, told, now)
                figures.put_told(tx, from_ms, as_told(told))
        figures.set_told_upto(tx, "cell", until)
        return until < settled

    def _day_told(self, tx: Transaction, *, now: Moment) -> bool:
        """Tell the next day that is over and all of whose cells were told."""
        begun = max(figures.told_upto(tx, "day"), figures.oldest_ms(now, CELLS_KEPT_DAYS))
        first = figures.oldest_cell(tx, begun)
        if first is None:
            return False
        span = self._days.day_around(first)
        if span[1] + SETTLING_S * 1000 > now.wall_ms:
            return False
        day = self._days.day_of(first).isoformat()
        rows = figures.rolled(tx, Period.DAY, (span[0], span[0] + 1))
        told = day_told(day, span, _numbers(rows), figures.told(tx, span))
        if told.numbers or told.short or told.withheld:
            tx.emit(Stream.BULK, DAY_TYPE, told, now)
        figures.forget_told(tx, span)
        figures.set_told_upto(tx, "day", span[1])
        return True


def _numbers(rows: Iterable[Row]) -> dict[tuple[Measure, str], int]:
    return {(row.measure, row.subject): row.value for row in rows}
