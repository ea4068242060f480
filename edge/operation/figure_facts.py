"""The figures of the shop and the purchases of a member, as frozen records: what `storebox figures`
shows, read by the daemon or from its database while it is dead.

Hours and days that have changed since they were rolled up are added up here from their cells, so
that today is shown as it is. Nothing here writes.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from enum import StrEnum
from typing import Annotated, Protocol

from msgspec import Meta, Struct

from edge.clock import Clock
from edge.control import Question, question
from edge.errors import Refused
from edge.figures import CELL_MS, Measure
from edge.ordering import purchases
from edge.ordering.purchases import Purchases
from edge.presence import figures as computing
from edge.presence.figures import Derived, Visitors
from edge.shop_days import ShopDays, Span
from edge.storage import figures, members
from edge.storage.figures import Period, Row
from edge.storage.outbox import Executes
from edge.storage.vault import Vault

PERIODS_MAX = 1_000
"""In one answer: three days of cells, six weeks of hours, or more than two years of days."""
DAYS_MAX = 1_000
OF_VISITORS = (
    Measure.ENTRIES,
    Measure.EXITS,
    Measure.PEOPLE,
    Measure.WIFI,
    Measure.WIFI_LOW,
    Measure.WIFI_HIGH,
    Measure.PHONES,
    Measure.PHONES_LEAST,
    Measure.PHONES_HIGH,
)


class By(StrEnum):
    """How finely the figures of some days are shown."""

    CELL = "cell"
    HOUR = "hour"
    DAY = "day"


class Number(Struct, frozen=True):
    """One measure of one subject."""

    measure: str
    subject: str
    value: int


class PeriodFigures(Struct, frozen=True):
    """A cell, hour or day of the shop, and what its numbers come to."""

    from_ms: int
    until_ms: int
    numbers: tuple[Number, ...]
    derived: Derived
    visitors: Visitors | None
    queue_means: dict[str, float]


class FigureFacts(Struct, frozen=True):
    """The answer to `figures`: the periods in which something was counted, in order, and all
    together. Days are those of `timezone` (empty: the box's own)."""

    by: By
    first_day: str
    last_day: str
    timezone: str
    periods: tuple[PeriodFigures, ...]
    total: PeriodFigures


class Asked(Struct, frozen=True, forbid_unknown_fields=True):
    """So many `days` up to `day` (empty: today), by cells, hours or days."""

    day: str = ""
    days: Annotated[int, Meta(ge=1, le=DAYS_MAX)] = 1
    by: By = By.HOUR


class _One(Struct, frozen=True, forbid_unknown_fields=True):
    id: str


class Reads(Protocol):
    """The open database."""

    @property
    def reading(self) -> Executes:
        """The loop's read-only connection."""
        ...

    @property
    def vault(self) -> Vault:
        """What opens what members bought."""
        ...


Numbers = dict[tuple[Measure, str], int]
Periods = dict[Span, Numbers]


def questions(database: Reads, clock: Clock, timezone: str) -> dict[str, Question]:
    """`figures` and `purchases`."""
    return {
        "figures": question(
            Asked,
            lambda asked: figure_facts(
                database.reading, asked, timezone=timezone, now_ms=clock.now().wall_ms
            ),
        ),
        "purchases": question(
            _One, lambda one: purchase_facts(database.reading, database.vault, one.id)
        ),
    }


def purchase_facts(connection: Executes, vault: Vault, member: str) -> Purchases:
    """What a member has bought. Refused if the box does not know them."""
    if not members.exists(connection, member):
        raise Refused(
            f"This box knows no member '{member}'.",
            "`storebox members list` shows who it knows.",
        )
    return purchases.of(connection, vault, member)


def figure_facts(connection: Executes, asked: Asked, *, timezone: str, now_ms: int) -> FigureFacts:
    """The figures of some days. Refused if that is no day, or too much for one answer."""
    calendar = ShopDays(timezone)
    last = _day(asked.day) if asked.day else calendar.day_of(now_ms)
    first = last - timedelta(days=asked.days - 1)
    span = calendar.day(first)[0], calendar.day(last)[1]
    length_ms = {By.CELL: CELL_MS, By.HOUR: 3_600_000, By.DAY: 86_400_000}[asked.by]
    if (span[1] - span[0]) // length_ms > PERIODS_MAX:
        raise Refused(
            f"That is more than {PERIODS_MAX} rows.", "Ask for fewer days, or by hour or day."
        )
    found = _periods(connection, calendar, asked.by, span)
    total = _added(found.values())
    lined = computing.with_lines(total)
    hours = found
    if asked.by is By.DAY:
        hours = _rolled(connection, calendar, Period.HOUR, span, only=OF_VISITORS)
    return FigureFacts(
        by=asked.by,
        first_day=first.isoformat(),
        last_day=last.isoformat(),
        timezone=timezone,
        periods=tuple(_figures(each, found[each], hours, lined) for each in sorted(found)),
        total=_figures(span, total, hours, lined),
    )


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Refused(f"'{text}' is no day.", "Write it as 2026-03-31.") from error


def _figures(span: Span, numbers: Numbers, hours: Periods, lined: frozenset[str]) -> PeriodFigures:
    """With visitors summed up from the hours within, as far as they are still kept."""
    within = [each for each in hours if span[0] <= each[0] < span[1]] if span not in hours else ()
    parts = [computing.visitors(hours[each], lined) for each in within]
    return PeriodFigures(
        *span,
        numbers=tuple(
            Number(measure.value, subject, value)
            for (measure, subject), value in sorted(numbers.items())
        ),
        derived=computing.derived(numbers),
        visitors=computing.summed(parts) if parts else computing.visitors(numbers, lined),
        queue_means=computing.queue_means(numbers),
    )


# --- reading


def _periods(connection: Executes, calendar: ShopDays, by: By, span: Span) -> Periods:
    if by is not By.CELL:
        return _rolled(connection, calendar, Period(by.value), span, only=tuple(Measure))
    found: Periods = defaultdict(dict)
    for row in figures.cells(connection, span, undated=True):
        found[row.from_ms, row.from_ms + CELL_MS][row.measure, row.subject] = row.value
    return dict(found)


def _rolled(
    connection: Executes,
    calendar: ShopDays,
    period: Period,
    span: Span,
    *,
    only: tuple[Measure, ...],
) -> Periods:
    """Hours or days as they were rolled up, and what has changed since from its cells."""
    around = calendar.hour_around if period is Period.HOUR else calendar.day_around
    found: Periods = defaultdict(dict)
    for row in figures.rolled(connection, period, span, only=only):
        found[around(row.from_ms)][row.measure, row.subject] = row.value
    changed = {*figures.due(connection, period), *figures.undated(connection)}
    for each in {around(cell) for cell in changed if span[0] <= cell < span[1]}:
        found[each] = _added(_wanted(figures.cells(connection, each, undated=True), only))
    return {each: numbers for each, numbers in found.items() if numbers}


def _wanted(rows: Iterable[Row], only: tuple[Measure, ...]) -> Iterator[Numbers]:
    for row in rows:
        if row.measure in only:
            yield {(row.measure, row.subject): row.value}


def _added(parts: Iterable[Numbers]) -> Numbers:
    """All together, each measure in its own way."""
    found: Numbers = {}
    for part in parts:
        for (measure, subject), value in part.items():
            before = found.get((measure, subject), 0)
            both = max(before, value) if measure.largest else before + value
            found[measure, subject] = both
    return found
