"""Codes that a shop makes for itself (GS1 prefix 20-29): goods with their weight or price.

Called by the classifier. How their digits are laid out is the shop's own business and stands in
its configuration (`edge/codes/context.py`). Results are exact.
"""

from decimal import Decimal
from functools import lru_cache

from msgspec import Struct

from edge.codes.check_digits import gs1_check
from edge.codes.context import LAYOUTS_MAX, Layout

_MINOR_PER_UNIT = 100
_EAN_13, _EAN_8 = 13, 8


class Measured(Struct, frozen=True):
    """What a layout finds: the shop's number of the goods and how much of them."""

    item: str
    weight_kg: Decimal | None = None
    price_minor: int | None = None
    pieces: int | None = None


class _Places(Struct, frozen=True):
    fixed: tuple[tuple[int, str], ...]
    item: slice
    measure: slice


def is_in_store(gtin: str) -> bool:
    """Whether a GTIN of 14 digits is one that only shops give out: prefixes 20-29, 02 and 04 (as
    UPC-A numbers them), 0 and 2 of EAN-8.
    """
    if gtin[:6] == "000000":
        return gtin[6] in "02"
    return gtin[0] == "0" and (gtin[1] == "2" or gtin[1:3] in ("02", "04"))


def measured(digits: str, layouts: tuple[Layout, ...]) -> tuple[Layout, Measured] | None:
    """What the first layout that fits finds in a code of 8, 12 or 13 digits."""
    for layout in layouts:
        if len(layout.pattern) == len(digits):
            places = _places(layout.pattern)
            if all(digits[at] == digit for at, digit in places.fixed):
                return layout, _measured(layout, digits[places.item], digits[places.measure])
    return None


def without_measure(digits: str, layout: Layout) -> str:
    """The code with nothing weighed, under which catalogues list such goods."""
    where = _places(layout.pattern).measure
    nothing = "0" * len(digits[where])
    body = digits[: where.start] + nothing + digits[where.stop : -1]
    return body + gs1_check(body)


def _measured(layout: Layout, item: str, measure: str) -> Measured:
    number = int(measure)
    if layout.measure == "weight":
        return Measured(item, weight_kg=Decimal(number).scaleb(1 - len(str(layout.divisor))))
    if layout.measure == "price":
        return Measured(item, price_minor=number * _MINOR_PER_UNIT // layout.divisor)
    return Measured(item, pieces=number)


@lru_cache(maxsize=LAYOUTS_MAX)
def _places(pattern: str) -> _Places:
    fixed = tuple((at, letter) for at, letter in enumerate(pattern) if letter.isdecimal())
    item = slice(pattern.index("I"), pattern.rindex("I") + 1)
    return _Places(fixed, item, slice(pattern.index("W"), pattern.rindex("W") + 1))
