"""Figures as they may leave the box: finished cells, and days, without what few people would be
known by.

Pure; called by `edge/operation/figures.py`, which emits what it gives. The rule: nobody who has
all these events and knows this file can tell a number of 1 to 4 from any other. So a cell tells
only numbers that do not add up to each other, and a day's number is told whole only if it leaves
open what its withheld cells held. Numbers per sensor, zone and visit have events of their own, by
rules of their own: what a camera counts is not added up here, or a sum less the windows that were
told would be the one that was not. Sellers are counted together, for an enrolment names them.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from edge.figures import DWELL_BUCKETS, Measure
from edge.presence.footfall import CELL_MIN, is_few

WHOLE = (
    Measure.VISITS_OPENED,
    Measure.VISITS,
    Measure.OFFERS_SHOWN,
    Measure.JOINED,
    Measure.ENROLMENTS,
)
"""Told as one number of the shop, whatever their subjects."""
BY_CURRENCY = (Measure.ORDERS, Measure.PIECES, Measure.ORDER_TOTAL)
"""The first is what people are counted by; the others are withheld, or short, with it."""
Numbers = Mapping[tuple[Measure, str], int]
"""What was counted, by measure and subject."""


class ShopCounted(Struct, frozen=True):
    """One finished cell of five minutes of the whole shop.

    `numbers` are by measure, those of orders by `measure/currency`; money in minor units. What is
    in neither list is 0. A cell in which nothing was counted is not told.
    """

    from_ms: int
    until_ms: int
    numbers: dict[str, int]
    withheld: tuple[str, ...] = ()


class ShopDayCounted(Struct, frozen=True):
    """One day of the whole shop, by the clock on its wall; `dwell/BUCKET` in minutes.

    `short`: the number lacks what was withheld of single cells, because it would tell them apart.
    """

    day: str
    from_ms: int
    until_ms: int
    numbers: dict[str, int]
    short: tuple[str, ...] = ()
    withheld: tuple[str, ...] = ()


def cell_told(span: tuple[int, int], counted: Numbers) -> ShopCounted:
    """A cell as it may leave the box."""
    found = _plain(counted)
    withheld = {name for name, value in found.items() if is_few(found.get(_leader(name), value))}
    told = {name: value for name, value in found.items() if name not in withheld}
    return ShopCounted(*span, told, tuple(sorted(withheld)))


def as_told(cell: ShopCounted) -> dict[str, int | None]:
    """What a cell told, None for what it withheld: to be kept until its day is told."""
    return {**cell.numbers, **dict.fromkeys(cell.withheld)}


def day_told(
    day: str,
    span: tuple[int, int],
    counted: Numbers,
    cells: Mapping[str, Sequence[int | None]],
) -> ShopDayCounted:
    """A day as it may leave the box, when of its `cells` this was told."""
    found = _plain(counted)
    names = sorted({*found, *cells})
    told = {name: sum(filter(None, cells.get(name, ()))) for name in names}
    short = {name for name in names if not _may_be_whole(_leader(name), found, cells)}
    told |= {name: value for name, value in found.items() if name not in short}
    parts, withheld = _parts(counted, {name: told[name] for name in names if name not in short})
    numbers = {name: value for name, value in (told | parts).items() if value}
    return ShopDayCounted(day, *span, numbers, tuple(sorted(short)), tuple(sorted(withheld)))


def _plain(counted: Numbers) -> dict[str, int]:
    """The numbers that do not add up to each other."""
    found: dict[str, int] = {}
    for (measure, subject), value in counted.items():
        if measure in WHOLE:
            found[measure.value] = found.get(measure.value, 0) + value
        elif measure in BY_CURRENCY:
            found[f"{measure.value}/{subject}"] = value
    return {name: value for name, value in found.items() if value}


def _leader(name: str) -> str:
    """The number by which it is decided whether this one is told."""
    measure, slash, currency = name.partition("/")
    return f"{BY_CURRENCY[0]}/{currency}" if slash and measure in BY_CURRENCY else name


def _may_be_whole(
    name: str, found: Mapping[str, int], cells: Mapping[str, Sequence[int | None]]
) -> bool:
    """Whether a day's number, less what its cells told, leaves each withheld one open.

    Each of them is 1 to 4. So of `hidden` cells together neither the least may be left (all are 1)
    nor the most (all are 4); of one alone nothing.
    """
    told = cells.get(name, ())
    hidden = sum(value is None for value in told)
    left = found.get(name, 0) - sum(filter(None, told))
    if is_few(found.get(name, 0)):
        return False
    if hidden == 0:
        return left == 0
    return hidden >= 2 and hidden < left < hidden * (CELL_MIN - 1)


def _parts(counted: Numbers, whole: Mapping[str, int]) -> tuple[dict[str, int], set[str]]:
    """What a day tells of the parts of the numbers that it tells whole, and what it withholds."""
    told: dict[str, int] = {}
    withheld: set[str] = set()
    for (measure, subject), value in counted.items():
        if measure is Measure.ORDERS_MEMBERS:
            orders = whole.get(f"{Measure.ORDERS}/{subject}")
            _part(told, withheld, f"{measure}/{subject}", (value, orders))
    used = _sum(counted, Measure.OFFERS_USED)
    _part(told, withheld, Measure.OFFERS_USED, (used, whole.get(Measure.OFFERS_SHOWN)))
    visits = whole.get(Measure.VISITS)
    recognised = _sum(counted, Measure.RECOGNISED)
    _part(told, withheld, Measure.RECOGNISED, (recognised, visits))
    known = told.get(Measure.RECOGNISED)
    _part(told, withheld, Measure.RETURNING, (_sum(counted, Measure.RETURNING), known))
    lengths = [counted.get((Measure.DWELL, bucket), 0) for bucket in DWELL_BUCKETS]
    if visits is None and any(lengths):
        withheld |= {Measure.DWELL_S.value, *(_bucket(each) for each in DWELL_BUCKETS)}
        return told, withheld
    told[Measure.DWELL_S.value] = _sum(counted, Measure.DWELL_S)
    for bucket, number in zip(DWELL_BUCKETS, histogram_told(lengths), strict=True):
        if number is None:
            withheld.add(_bucket(bucket))
        else:
            told[_bucket(bucket)] = number
    return told, withheld


def _part(told: dict[str, int], withheld: set[str], name: str, of: tuple[int, int | None]) -> None:
    """Tell a part of a number, unless it or what is left without it are few, or the number itself
    is not told."""
    part, total = of
    if total is None or is_few(part) or is_few(total - part):
        if part or total:
            withheld.add(str(name))
    else:
        told[str(name)] = part


def histogram_told(numbers: Sequence[int]) -> list[int | None]:
    """The buckets of a histogram whose sum is known; None where one is withheld.

    With those of few people goes the smallest other one that is not empty (or all of that size),
    which the sum would else give away; which of them is the small one stays open. Where there is no
    other one, the empty ones go, too: else five buckets that share a sum of five would be ones.
    """
    if not any(map(is_few, numbers)):
        return list(numbers)
    smallest = min((number for number in numbers if number >= CELL_MIN), default=0)
    if not smallest:
        return [None] * len(numbers)
    return [None if 0 < number <= smallest else number for number in numbers]


def _bucket(name: str) -> str:
    return f"{Measure.DWELL}/{name}"


def _sum(counted: Numbers, measure: Measure) -> int:
    return sum(value for (name, _), value in counted.items() if name is measure)
