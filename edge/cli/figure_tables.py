"""How figures are printed: an overview with bars for people, a table of chosen measures, and CSV.

Called by `storebox figures show` with facts in hand; it reads nothing.
"""

import csv
import io
import sys
from collections.abc import Iterator, Sequence

from edge.cli import printing
from edge.errors import Refused
from edge.figures import DWELL_BUCKETS, Measure
from edge.operation.figure_facts import By, FigureFacts, PeriodFigures
from edge.shop_days import ShopDays

BAR_CHARACTERS = 40
DERIVED = (
    "visitors",
    "visitors_low",
    "visitors_high",
    "conversion",
    "recognised_share",
    "returning_share",
    "offers_used_share",
    "dwell_mean_s",
    "queue_mean",
)
"""Computed from the measures; they can be asked for like these."""
COLUMNS = ("from", "until", "measure", "subject", "value")


def known_measures(names: Sequence[str]) -> frozenset[str]:
    """These names. Refused if one is no measure."""
    for name in names:
        if name not in {*Measure, *DERIVED}:
            raise Refused(
                f"'{name}' is no measure.", f"There are: {', '.join((*Measure, *DERIVED))}."
            )
    return frozenset(names)


def print_csv(found: FigureFacts, wanted: frozenset[str]) -> None:
    """Every number on a line of its own; times are ISO 8601 with their offset from UTC."""
    text = io.StringIO()
    writer = csv.writer(text)  # its lines end as RFC 4180 says
    writer.writerow(COLUMNS)
    writer.writerows(_lines(found, wanted))
    sys.stdout.flush()
    sys.stdout.buffer.write(text.getvalue().encode())


def print_measures(found: FigureFacts, wanted: frozenset[str]) -> None:
    """The numbers of the chosen measures."""
    printing.table(COLUMNS, _lines(found, wanted), empty="Nothing was counted.")


def print_overview(found: FigureFacts) -> None:
    """What the manager asks first, with bars."""
    print(" to ".join(dict.fromkeys((found.first_day, found.last_day))))
    if not found.periods:
        print("Nothing was counted.")
        return
    printing.pairs(_summary(found.total))
    _chart(f"Came in, by {found.by.value}:", _came_in(found))
    lengths = _by_subject(found.total, Measure.DWELL)
    if lengths:
        buckets = [(f"{name} min", lengths.get(name, 0)) for name in DWELL_BUCKETS]
        _chart("How long visits lasted:", buckets)
    zones = _by_subject(found.total, Measure.ZONE_VISITS)
    queues, largest = found.total.queue_means, _by_subject(found.total, Measure.QUEUE_MAX)
    if zones or queues:
        stayed = _by_subject(found.total, Measure.ZONE_DWELL_S)
        print()
        printing.table(
            ("zone", "visits", "mean stay", "standing there", "at most"),
            (
                (
                    zone,
                    zones.get(zone, 0),
                    printing.duration(stayed.get(zone, 0) / zones[zone]) if zone in zones else "",
                    f"{queues.get(zone, 0):.1f}",
                    largest.get(zone, 0),
                )
                for zone in sorted({*zones, *queues})
            ),
        )


def _summary(total: PeriodFigures) -> Iterator[tuple[str, str]]:
    derived, visitors = total.derived, total.visitors
    yield "passers-by (phones)", str(max(_by_subject(total, Measure.PASSERS).values(), default=0))
    if visitors:
        interval = f"{visitors.people} ({visitors.low} to {visitors.high})"
        yield "visitors", f"{interval}, by {visitors.by}"
    for name, measure in (
        ("entries", Measure.ENTRIES),
        ("exits", Measure.EXITS),
        ("visits that ended", Measure.VISITS),
    ):
        yield name, str(_sum(total, measure))
    yield "recognised", _with_share(_sum(total, Measure.RECOGNISED), derived.recognised_share)
    yield (
        "of them here before",
        _with_share(_sum(total, Measure.RETURNING), derived.returning_share),
    )
    if derived.dwell_mean_s is not None:
        yield "mean visit", printing.duration(derived.dwell_mean_s)
    yield "orders by visits", _with_share(_sum(total, Measure.ORDERS), derived.conversion)
    for currency, minor in _by_subject(total, Measure.ORDER_TOTAL).items():
        yield "ordered for", f"{minor / 100:.2f} {currency}"
    used, shown = _sum(total, Measure.OFFERS_USED), _sum(total, Measure.OFFERS_SHOWN)
    yield "offers used of shown", f"{used} of {shown}"
    yield "joined the programme", str(_sum(total, Measure.JOINED))
    yield "faces enrolled", str(_sum(total, Measure.ENROLMENTS))


def _came_in(found: FigureFacts) -> list[tuple[str, int]]:
    """By cameras and Wi-Fi where they count, else the visits that were opened."""
    shape = {By.CELL: "%d.%m. %H:%M", By.HOUR: "%d.%m. %H:%M", By.DAY: "%a %d.%m."}[found.by]
    calendar = ShopDays(found.timezone)
    return [
        (
            calendar.local(each.from_ms).strftime(shape),
            each.visitors.people if each.visitors else _sum(each, Measure.VISITS_OPENED),
        )
        for each in found.periods
    ]


def _chart(title: str, bars: Sequence[tuple[str, int]]) -> None:
    most = max((value for _, value in bars), default=0)
    width = max((len(name) for name, _ in bars), default=0)
    print(f"\n{title}")
    for name, value in bars:
        bar = "█" * round(BAR_CHARACTERS * value / most) if most else ""
        print(f"  {name:>{width}} {value:>6} {bar}".rstrip())


def _with_share(number: int, share: float | None) -> str:
    if share is None:
        return str(number)
    bar = "█" * round(min(share, 1) * BAR_CHARACTERS / 2)
    return f"{number} ({share:.1%}) {bar}"


def _lines(found: FigureFacts, wanted: frozenset[str]) -> Iterator[tuple[str, str, str, str, str]]:
    """(from, until, measure, subject, value) of each number that is wanted; of all by default."""
    calendar = ShopDays(found.timezone)
    for period in found.periods:
        begun, ended = calendar.stamp(period.from_ms), calendar.stamp(period.until_ms)
        for measure, subject, value in _numbers(period):
            if not wanted or measure in wanted:
                yield begun, ended, measure, subject, value


def _numbers(period: PeriodFigures) -> Iterator[tuple[str, str, str]]:
    for each in period.numbers:
        yield each.measure, each.subject, str(each.value)
    if period.visitors is not None:
        for name, people in (
            ("visitors", period.visitors.people),
            ("visitors_low", period.visitors.low),
            ("visitors_high", period.visitors.high),
        ):
            yield name, "", str(people)
    for name in DERIVED:
        value = getattr(period.derived, name, None)
        if value is not None:
            yield name, "", f"{value:.4f}"
    for zone, mean in sorted(period.queue_means.items()):
        yield "queue_mean", zone, f"{mean:.4f}"


def _by_subject(period: PeriodFigures, measure: Measure) -> dict[str, int]:
    return {each.subject: each.value for each in period.numbers if each.measure == measure}


def _sum(period: PeriodFigures, measure: Measure) -> int:
    return sum(_by_subject(period, measure).values())
