"""The figures of a shop: what is counted, in which cells, and what each event of the desks adds.

`cell_changes` is called by `edge/storage/transaction.py` for every event, in the transaction that
emits it, so that figures are events added up: none is lost, none counted twice, and a restart
changes nothing. Numbers of nobody: no figure names a member. Pure; what is computed from these
numbers stands in `edge/presence/figures.py`, who rolls them up in `edge/operation/figures.py`.
"""

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import Any

from msgspec import Struct

from edge.records import Moment

CELL_MS = 300_000
"""Cells begin at whole multiples of five minutes of Unix time, in every time zone of today."""
CELLS_KEPT_DAYS = 35
HOURS_KEPT_DAYS = 400
DAYS_KEPT_DAYS = 5 * 366
"""So long cells, hours and days stay on the box: a month, a year and five, each to compare with the
one before."""
SPAN_MS_MAX = 2 * 3_600_000
"""No window lasts so long: a longer one says that the wall clock was set meanwhile."""
RETURN_DAYS = 90
"""A member who was here within so many days before comes again."""
SUBJECT_CHARACTERS_MAX = 64
MEMBER_PRICE = "member_price"
"""The offer that a member price is."""
DWELL_EDGES_MIN = (1, 2, 5, 10, 20, 40, 60)
DWELL_BUCKETS = ("<1", "1-2", "2-5", "5-10", "10-20", "20-40", "40-60", "60+")
"""How long visits lasted, in minutes; the lower edge belongs to the bucket."""


class Kind(StrEnum):
    """What sort of number a measure is, and so how it is added up over time."""

    COUNT = "count"
    """How often something happened: adds up."""
    SUM = "sum"
    """An amount, in the unit that the measure names: adds up."""
    GAUGE_SUM = "gauge_sum"
    """A gauge times how long it stood (or that time alone): adds up; one over the other is its
    mean."""
    GAUGE_MAX = "gauge_max"
    """The largest value of a gauge: the largest of all."""
    ESTIMATE = "estimate"
    LOW = "low"
    HIGH = "high"
    """A number that is not known exactly, and its interval: they add up, the interval as if all
    errors went the same way, which those of one relation do."""
    LEAST = "least"
    """What it was at least: over a longer time it was no less in all than in any part."""


class Measure(StrEnum):
    """What is counted. Behind each: its subject."""

    VISITS_OPENED = "visits_opened"  # nothing
    VISITS_MERGED = "visits_merged"  # nothing
    VISITS = "visits"  # nothing; visits that ended and are counted as one person's
    RECOGNISED = "recognised"  # nothing; those of them that were identified
    RETURNING = "returning"  # nothing; those identified who were here in the last 90 days
    DWELL = "dwell"  # the bucket of DWELL_BUCKETS
    DWELL_S = "dwell_s"  # nothing; of the visits in the buckets, in seconds
    ENTRIES = "entries"  # the camera, as with the next two
    EXITS = "exits"
    PEOPLE = "people"  # all who came into its view
    PASSERS = "passers"  # the radar, as with the next ones; phones in its outer ring
    WIFI = "wifi"  # visitors, as the cameras taught the radar to estimate them
    WIFI_LOW = "wifi_low"
    WIFI_HIGH = "wifi_high"
    PHONES = "phones"  # one phone a person in each window: nothing was learned yet
    PHONES_LEAST = "phones_least"
    PHONES_HIGH = "phones_high"
    ZONE_VISITS = "zone_visits"  # camera/zone, as with the next ones
    ZONE_DWELL_S = "zone_dwell_s"
    QUEUE_AREA = "queue_area"  # people times seconds
    QUEUE_S = "queue_s"
    QUEUE_MAX = "queue_max"
    ORDERS = "orders"  # the currency, as with the next three
    ORDERS_MEMBERS = "orders_members"  # those of members
    ORDER_TOTAL = "order_total"  # in minor units
    PIECES = "pieces"
    OFFERS_SHOWN = "offers_shown"  # the kind of offer
    OFFERS_USED = "offers_used"
    JOINED = "joined"  # the seller as they are named at the till, or nobody
    ENROLMENTS = "enrolments"  # the same; faces enrolled for the first time
    SCANS = "scans"  # what the code turned out to be

    @property
    def kind(self) -> Kind:
        """What sort of number it is."""
        return _KINDS.get(self, Kind.COUNT)

    @property
    def largest(self) -> bool:
        """Whether two of its numbers make the larger one, and not their sum."""
        return self.kind in (Kind.GAUGE_MAX, Kind.LEAST)


_KINDS = {
    Measure.DWELL_S: Kind.SUM,
    Measure.WIFI: Kind.ESTIMATE,
    Measure.WIFI_LOW: Kind.LOW,
    Measure.WIFI_HIGH: Kind.HIGH,
    Measure.PHONES: Kind.ESTIMATE,
    Measure.PHONES_LEAST: Kind.LEAST,
    Measure.PHONES_HIGH: Kind.HIGH,
    Measure.ZONE_DWELL_S: Kind.SUM,
    Measure.QUEUE_AREA: Kind.GAUGE_SUM,
    Measure.QUEUE_S: Kind.GAUGE_SUM,
    Measure.QUEUE_MAX: Kind.GAUGE_MAX,
    Measure.ORDER_TOTAL: Kind.SUM,
}


class CellChange(Struct, frozen=True):
    """One cell's `measure` of `subject` grows by `value` (or to it, if it is a largest one)."""

    from_ms: int
    measure: Measure
    subject: str
    value: int


Found = tuple[Measure, str, int]
Body = Mapping[str, Any]


def cell_of(wall_ms: int) -> int:
    """When the cell began in which `wall_ms` lies."""
    return wall_ms - wall_ms % CELL_MS


def bucket(dwell_s: float) -> str:
    """The bucket of a visit of this length."""
    return DWELL_BUCKETS[sum(dwell_s >= edge * 60 for edge in DWELL_EDGES_MIN)]


def cell_changes(
    type_: str, body: Body, moment: Moment, *, returning: bool = False
) -> list[CellChange]:
    """What an event adds. `returning`: the member of the visit that ends was here before.

    A window's numbers are spread over the cells it reaches into, evenly by time; those of a window
    whose times cannot be go to its end. Other events add nothing.
    """
    if type_ in _AT_ONCE:
        found = _AT_ONCE[type_](body, returning)
        cell = cell_of(moment.wall_ms)
        return [
            CellChange(cell, measure, subject[:SUBJECT_CHARACTERS_MAX], value)
            for measure, subject, value in found
            if value
        ]
    if type_ in _IN_WINDOWS:
        return [
            CellChange(cell, measure, subject[:SUBJECT_CHARACTERS_MAX], part)
            for measure, subject, value in _IN_WINDOWS[type_](body)
            for cell, part in _parts(measure, value, _span(body))
            if part
        ]
    return []


def _parts(measure: Measure, value: int, span: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """A gauge's largest value may have stood in any cell of the window; the rest is spread."""
    if measure.kind is not Kind.GAUGE_MAX:
        yield from spread(value, *span)
        return
    for cell in range(cell_of(span[0]), span[1], CELL_MS):
        yield cell, value


def _span(body: Body) -> tuple[int, int]:
    """From when to when it was counted; the last moment alone where that cannot be."""
    from_ms, until_ms = body["from_ms"], body["until_ms"]
    if 0 < until_ms - from_ms <= SPAN_MS_MAX:
        return from_ms, until_ms
    return max(0, until_ms - 1), max(1, until_ms)


def spread(value: int, from_ms: int, until_ms: int) -> Iterator[tuple[int, int]]:
    """`value` over the cells between these times, by how long each lies there: (cell, part).

    Whole numbers that add up to `value`: each is the difference of two rounded running sums.
    `from_ms` is before `until_ms`.
    """
    lasted_ms = until_ms - from_ms
    told = 0
    for cell in range(cell_of(from_ms), until_ms, CELL_MS):
        passed_ms = min(cell + CELL_MS, until_ms) - from_ms
        upto = (2 * value * passed_ms + lasted_ms) // (2 * lasted_ms)
        yield cell, upto - told
        told = upto


# --- what happens at one moment


def _opened(body: Body, _: bool) -> list[Found]:
    return [(Measure.VISITS_OPENED, "", 1)]


def _merged(body: Body, _: bool) -> list[Found]:
    return [(Measure.VISITS_MERGED, "", 1)]


def _closed(body: Body, returning: bool) -> list[Found]:
    """A visit counts when it ends: only then is it known whose it was, and that it was one."""
    if not body.get("counted", True):
        return []
    found = [(Measure.VISITS, "", 1)]
    recognised = body.get("recognised", body.get("member") is not None)
    if recognised:
        found += [(Measure.RECOGNISED, "", 1), (Measure.RETURNING, "", int(returning))]
    dwell_s = body.get("dwell_s")
    if dwell_s is not None:
        found += [(Measure.DWELL, bucket(dwell_s), 1), (Measure.DWELL_S, "", int(dwell_s))]
    return found


def _ordered(body: Body, _: bool) -> list[Found]:
    currency, lines = body.get("currency", ""), body.get("lines", ())
    return [
        (Measure.ORDERS, currency, 1),
        (Measure.ORDERS_MEMBERS, currency, int(body.get("member") is not None)),
        (Measure.ORDER_TOTAL, currency, body.get("total_minor", 0)),
        (Measure.PIECES, currency, sum(line["quantity"] for line in lines)),
        (Measure.OFFERS_USED, MEMBER_PRICE, sum(bool(line.get("offer")) for line in lines)),
    ]


def _shown(body: Body, _: bool) -> list[Found]:
    return [(Measure.OFFERS_SHOWN, body.get("kind") or MEMBER_PRICE, 1)]


def _agreed(body: Body, _: bool) -> list[Found]:
    joins = body.get("kind") == "programme"
    return [(Measure.JOINED, body.get("by") or "", 1)] if joins else []


def _enrolled(body: Body, _: bool) -> list[Found]:
    first = not body.get("extended")
    return [(Measure.ENROLMENTS, body.get("by") or "", 1)] if first else []


def _scanned(body: Body, _: bool) -> list[Found]:
    return [(Measure.SCANS, body.get("outcome") or "unknown", 1)]


_AT_ONCE: dict[str, Callable[[Body, bool], list[Found]]] = {
    "visit.opened.v1": _opened,
    "visit.merged.v1": _merged,
    "visit.closed.v1": _closed,
    "order.placed.v1": _ordered,
    "offer.shown.v1": _shown,
    "consent.given.v1": _agreed,
    "face.enrolled.v1": _enrolled,
    "code.scanned.v1": _scanned,
}

# --- what is counted in windows


def _footfall(body: Body) -> list[Found]:
    """A camera's window or a radar's. Each radar stands for itself, as it does upstream."""
    sensor = body["sensor"]
    if body["calibrated"]:
        estimate = (Measure.WIFI, Measure.WIFI_LOW, Measure.WIFI_HIGH)
    else:
        estimate = (Measure.PHONES, Measure.PHONES_LEAST, Measure.PHONES_HIGH)
    return [
        (Measure.ENTRIES, sensor, body["entries"]),
        (Measure.EXITS, sensor, body["exits"]),
        (Measure.PEOPLE, sensor, body["people"]),
        (Measure.PASSERS, sensor, body["passers"]),
        (estimate[0], sensor, body["visitors"]),
        (estimate[1], sensor, body["visitors_low"]),
        (estimate[2], sensor, body["visitors_high"]),
    ]


def _zone(body: Body) -> list[Found]:
    zone = f"{body['sensor']}/{body['zone']}"
    lasted_s = max(0, body["until_ms"] - body["from_ms"]) / 1000
    return [
        (Measure.ZONE_VISITS, zone, body["visits"]),
        (Measure.ZONE_DWELL_S, zone, round(body["dwell_mean_s"] * body["visits"])),
        (Measure.QUEUE_AREA, zone, round(body["queue_mean"] * lasted_s)),
        (Measure.QUEUE_S, zone, round(lasted_s)),
        (Measure.QUEUE_MAX, zone, body["queue_max"]),
    ]


_IN_WINDOWS: dict[str, Callable[[Body], list[Found]]] = {
    "footfall.counted.v1": _footfall,
    "zone.counted.v1": _zone,
}

COUNTED = frozenset({*_AT_ONCE, *_IN_WINDOWS})
"""Types that add something."""
WITHHOLDING = frozenset(_IN_WINDOWS)
"""Types whose events may withhold numbers: the desk hands the true ones to
`Transaction.count`, and what it emits is not counted."""
