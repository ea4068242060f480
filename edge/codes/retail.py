"""Numbers of trade items as they stand alone: EAN-8, EAN-13, UPC-A, UPC-E, GTIN-14.

Called by the classifier. After the GS1 General Specifications: a GTIN has 14 digits in comparisons
(3.3.2), UPC-E is a UPC-A without some zeros (5.2.2), the first digit 1-8 of a GTIN-14 packs several
of one item (2.1.7), 9 one item of varying measure.
"""

from msgspec import Struct

from edge.codes.check_digits import gs1_check, has_gs1_check
from edge.codes.meaning import Fault, FaultKind
from edge.codes.symbology import Symbology

GTIN_DIGITS = 14
LENGTHS = (8, 12, 13, 14)
_FORMS = {8: "EAN-8", 12: "UPC-A", 13: "EAN-13", 14: "GTIN-14"}
_ADD_ONS = (2, 5)
_EAN_13, _EAN_8 = 13, 8
_EAN_8_IDENTIFIER = "]E4"
_WITH_ADD_ON = "]E3"
_PERIODICALS = ("977", "978", "979")
_CASES = "12345678"


class Number(Struct, frozen=True):
    """A trade item's number: 14 digits, and how it was written."""

    gtin: str
    form: str


def read(digits: str, symbol: Symbology) -> Number | Fault | None:
    """The number in these ASCII digits; None if no number of a trade item is so long."""
    length = len(digits)
    if length - _EAN_13 in _ADD_ONS and has_gs1_check(digits[:_EAN_13]):
        if symbol.identifier != _WITH_ADD_ON and digits[:3] not in _PERIODICALS:
            return None
        return Number(padded(digits[:_EAN_13]), f"EAN-13 with {digits[_EAN_13:]}")
    if length not in _FORMS:
        return None
    whole = has_gs1_check(digits)
    if length == _EAN_8 and symbol.identifier != _EAN_8_IDENTIFIER:
        long = from_upc_e(digits)
        if long is not None and (not whole or digits[0] == "0"):
            return Number(padded(long), "UPC-E")
    if whole:
        return Number(padded(digits), _FORMS[length])
    what = f"The check digit of the {_FORMS[length]} is wrong."
    return Fault(FaultKind.CHECK_DIGIT, length - 1, what)


def from_upc_e(digits: str) -> str | None:
    """The UPC-A of a UPC-E of eight digits; None if it is none. (A zero first is read so even if
    it could be an EAN-8: those are only ever given out inside shops.)
    """
    system, body, check = digits[0], digits[1:7], digits[7]
    if system not in "01":
        return None
    last = body[5]
    if last in "012":
        maker, item = body[:2] + last + "00", "00" + body[2:5]
    elif last == "3":
        maker, item = body[:3] + "00", "000" + body[3:5]
    elif last == "4":
        maker, item = body[:4] + "0", "0000" + body[4]
    else:
        maker, item = body[:5], "0000" + last
    long = system + maker + item + check
    return long if has_gs1_check(long) else None


def padded(digits: str) -> str:
    """A GTIN in its 14 digits."""
    return digits.zfill(GTIN_DIGITS)


def item_of(gtin: str) -> str:
    """What is inside of a case; every other GTIN (14 digits) is its own item."""
    if gtin[0] not in _CASES:
        return gtin
    body = "0" + gtin[1:-1]
    return body + gs1_check(body)


def shortest(gtin: str) -> str:
    """A GTIN as it is printed: 8, 12, 13 or 14 digits."""
    significant = gtin.lstrip("0")
    return gtin[-next(length for length in LENGTHS if len(significant) <= length) :]
