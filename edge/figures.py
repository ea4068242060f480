"""The figures of a shop: what is counted, in which cells, and what each event of the desks adds.

`cell_changes` is called by `edge/storage/transaction.py` for every event, in the transaction that
emits it, so that figures are events added up: none is lost, none counted twice, and a restart
changes nothing. Numbers of nobody: no figure names a member. Pure; what is computed from these
numbers stands in `edge/presence/figures.py`, who rolls them up in `edge/operation/figures.py`.
"""

from collections.abc import Iterator
from enum import StrEnum

import msgspec
from msgspec import Struct

from edge.records import ConsentKind, Moment

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


def cell_of(wall_ms: int) -> int:
    """When the cell began in which `wall_ms` lies."""
    return wall_ms - wall_ms % CELL_MS


def bucket(dwell_s: float) -> str:
    """The bucket of a visit of this length."""
    return DWELL_BUCKETS[sum(dwell_s >= edge * 60 for edge in DWELL_EDGES_MIN)]


def cell_changes(
    type_: str, body: object, moment: Moment, *, returning: bool = False
) -> list[CellChange]:
    """What an event adds; `body` is its JSON, decoded. `returning`: the member of the visit that
    ends was here before.

    A window's numbers are spread over the cells it reaches into, evenly by time; those of a window
    whose times cannot be go to its end. Other events add nothing, nor does a body that is not what
    its type says: figures stand in no event's way.
    """
    shape = _SHAPES.get(type_)
    if shape is None:
        return []
    try:
        told = msgspec.convert(body, shape)
    except msgspec.ValidationError:
        return []
    span = _span(told, moment)
    return [
        CellChange(cell, measure, subject[:SUBJECT_CHARACTERS_MAX], part)
        for measure, subject, value in told.found(returning)
        for cell, part in _parts(measure, value, span)
        if part
    ]


def _parts(measure: Measure, value: int, span: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """A gauge's largest value may have stood in any cell of the window; the rest is spread."""
    if measure.kind is not Kind.GAUGE_MAX:
        yield from spread(value, *span)
        return
    for cell in range(cell_of(span[0]), span[1], CELL_MS):
        yield cell, value


def _span(told: "Told", moment: Moment) -> tuple[int, int]:
    """From when to when it was counted; the last moment alone where that cannot be."""
    from_ms, until_ms = told.window or (moment.wall_ms, moment.wall_ms + 1)
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


# --- what the events say


class Told(Struct):
    """Of an event's body what figures are made of, and what it means."""

    @property
    def window(self) -> tuple[int, int] | None:
        """From when to when it was counted, if not at one moment."""
        return None

    def found(self, returning: bool) -> list[Found]:
        """What is added, by measure and subject."""
        raise NotImplementedError


class _Opened(Told):
    def found(self, returning: bool) -> list[Found]:
        return [(Measure.VISITS_OPENED, "", 1)]


class _Merged(Told):
    def found(self, returning: bool) -> list[Found]:
        return [(Measure.VISITS_MERGED, "", 1)]


class _Closed(Told):
    """A visit counts when it ends: only then is it known whose it was, and that it was one."""

    member: str | None = None
    dwell_s: int | None = None
    counted: bool = True
    recognised: bool | None = None

    def found(self, returning: bool) -> list[Found]:
        if not self.counted:
            return []
        found = [(Measure.VISITS, "", 1)]
        known = self.member is not None if self.recognised is None else self.recognised
        if known:
            found += [(Measure.RECOGNISED, "", 1), (Measure.RETURNING, "", int(returning))]
        if self.dwell_s is not None:
            found += [(Measure.DWELL, bucket(self.dwell_s), 1), (Measure.DWELL_S, "", self.dwell_s)]
        return found


class _Line(Struct):
    quantity: int
    offer: bool = False


class _Ordered(Told):
    currency: str
    total_minor: int
    lines: tuple[_Line, ...]
    member: str | None = None

    def found(self, returning: bool) -> list[Found]:
        return [
            (Measure.ORDERS, self.currency, 1),
            (Measure.ORDERS_MEMBERS, self.currency, int(self.member is not None)),
            (Measure.ORDER_TOTAL, self.currency, self.total_minor),
            (Measure.PIECES, self.currency, sum(line.quantity for line in self.lines)),
            (Measure.OFFERS_USED, MEMBER_PRICE, sum(line.offer for line in self.lines)),
        ]


class _Offered(Told):
    kind: str = MEMBER_PRICE

    def found(self, returning: bool) -> list[Found]:
        return [(Measure.OFFERS_SHOWN, self.kind, 1)]


class _Agreed(Told):
    kind: str
    by: str = ""

    def found(self, returning: bool) -> list[Found]:
        return [(Measure.JOINED, self.by, int(self.kind == ConsentKind.PROGRAMME))]


class _Enrolled(Told):
    by: str = ""
    extended: int = 0

    def found(self, returning: bool) -> list[Found]:
        return [(Measure.ENROLMENTS, self.by, int(not self.extended))]


class _Scanned(Told):
    outcome: str = "unknown"

    def found(self, returning: bool) -> list[Found]:
        return [(Measure.SCANS, self.outcome, 1)]


class _Window(Told):
    """What is counted for a while by one sensor."""

    sensor: str
    from_ms: int
    until_ms: int

    @property
    def window(self) -> tuple[int, int] | None:
        return self.from_ms, self.until_ms


class _Footfall(_Window, kw_only=True):
    """A camera's window or a radar's. Each radar stands for itself, as it does upstream."""

    entries: int
    exits: int
    people: int
    passers: int
    visitors: int
    visitors_low: int
    visitors_high: int
    calibrated: bool

    def found(self, returning: bool) -> list[Found]:
        if self.calibrated:
            estimate = (Measure.WIFI, Measure.WIFI_LOW, Measure.WIFI_HIGH)
        else:
            estimate = (Measure.PHONES, Measure.PHONES_LEAST, Measure.PHONES_HIGH)
        return [
            (Measure.ENTRIES, self.sensor, self.entries),
            (Measure.EXITS, self.sensor, self.exits),
            (Measure.PEOPLE, self.sensor, self.people),
            (Measure.PASSERS, self.sensor, self.passers),
            (estimate[0], self.sensor, self.visitors),
            (estimate[1], self.sensor, self.visitors_low),
            (estimate[2], self.sensor, self.visitors_high),
        ]


class _Zone(_Window, kw_only=True):
    zone: str
    visits: int
    dwell_mean_s: float
    queue_mean: float
    queue_max: int

    def found(self, returning: bool) -> list[Found]:
        zone = f"{self.sensor}/{self.zone}"
        lasted_s = max(0, self.until_ms - self.from_ms) / 1000
        return [
            (Measure.ZONE_VISITS, zone, self.visits),
            (Measure.ZONE_DWELL_S, zone, round(self.dwell_mean_s * self.visits)),
            (Measure.QUEUE_AREA, zone, round(self.queue_mean * lasted_s)),
            (Measure.QUEUE_S, zone, round(lasted_s)),
            (Measure.QUEUE_MAX, zone, self.queue_max),
        ]


_SHAPES: dict[str, type[Told]] = {
    "visit.opened.v1": _Opened,
    "visit.merged.v1": _Merged,
    "visit.closed.v1": _Closed,
    "order.placed.v1": _Ordered,
    "offer.shown.v1": _Offered,
    "consent.given.v1": _Agreed,
    "face.enrolled.v1": _Enrolled,
    "code.scanned.v1": _Scanned,
    "footfall.counted.v1": _Footfall,
    "zone.counted.v1": _Zone,
}
COUNTED = frozenset(_SHAPES)
"""Types that add something."""
WITHHOLDING = frozenset({"footfall.counted.v1", "zone.counted.v1"})
"""Types whose events may withhold numbers: the desk hands the true ones to
`Transaction.count`, and what it emits is not counted."""
