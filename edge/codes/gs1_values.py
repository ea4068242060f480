"""What the values of GS1 elements say: exact quantities, amounts of money, days.

For whoever sells or shows what was scanned. Formulas after the GS1 General Specifications:
decimals by the last digit of the identifier (3.6), the century of a year (7.12).
"""

from calendar import monthrange
from datetime import date
from decimal import Decimal

from edge.codes.meaning import Element

_MEASURES = frozenset(["31", "32", "33", "34", "35", "36"])
_AMOUNTS = frozenset(["390", "392", "394", "395"])
_WITH_CURRENCY = frozenset(["391", "393"])
_DAYS = frozenset(["11", "12", "13", "15", "16", "17", "7006", "4326"])
_CURRENCY_DIGITS = 3
_CENTURY_BACK, _CENTURY_AHEAD = 51, -50


def quantity(element: Element) -> Decimal | None:
    """The exact number in a measure, an amount, a percentage or a price; None for other values.

    Of an amount with a currency (ISO 4217, three digits in front) the currency is left out.
    """
    ai, value = element.ai, element.value
    if len(ai) != 4:
        return None
    if ai[:3] in _WITH_CURRENCY:
        value = value[_CURRENCY_DIGITS:]
    elif ai[:2] not in _MEASURES and ai[:3] not in _AMOUNTS:
        return None
    return Decimal(int(value)).scaleb(-int(ai[3]))


def currency(element: Element) -> str:
    """The ISO 4217 number of an amount, or nothing."""
    return element.value[:_CURRENCY_DIGITS] if element.ai[:3] in _WITH_CURRENCY else ""


def day(element: Element, this_year: int) -> date | None:
    """The day of a date; day 00 is the last of its month. None for other values."""
    if element.ai not in _DAYS:
        return None
    short, month, number = (int(element.value[at : at + 2]) for at in (0, 2, 4))
    year = this_year - this_year % 100 + short
    apart = short - this_year % 100
    if apart >= _CENTURY_BACK:
        year -= 100
    elif apart <= _CENTURY_AHEAD:
        year += 100
    last = monthrange(year, month)[1]
    return date(year, month, min(number, last) or last)
