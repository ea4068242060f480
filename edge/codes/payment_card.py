"""The payment-card guard: whether a text holds a bank card's track or number. It comes first.

Called by sensors before anything is sent, logged or kept, and by the classifier. It knows the
device and the symbology, so that no trade item, case or pallet is lost for it. It keeps nothing.
Shapes: ISO/IEC 7811 and 7813 (tracks), 7812-1 (numbers).
"""

import re
import unicodedata
from collections.abc import Iterable

from edge.codes import gs1, symbology
from edge.codes.check_digits import has_gs1_check, passes_luhn
from edge.codes.context import LoyaltyRange
from edge.codes.meaning import Via

DIGITS_MIN, DIGITS_MAX = 13, 19
"""From the shortest that was ever issued for payment."""
_ISSUER_DIGITS = 4
_ANY = range(DIGITS_MIN, DIGITS_MAX + 1)
_FROM_14, _FROM_16 = range(14, 20), range(16, 20)
ISSUERS: tuple[tuple[int, int, Iterable[int]], ...] = (
    (2200, 2204, _FROM_16),  # Mir
    (2221, 2720, (16,)),  # Mastercard
    (3000, 3059, _FROM_14),  # Diners Club
    (3095, 3095, _FROM_14),  # Diners Club
    (3400, 3499, (15,)),  # American Express
    (3528, 3589, _FROM_16),  # JCB; fifteen digits that begin so are telephones (IMEI)
    (3600, 3699, _FROM_14),  # Diners Club
    (3700, 3799, (15,)),  # American Express
    (3800, 3999, _FROM_14),  # Diners Club
    (4000, 4999, (13, 16, 18, 19)),  # Visa
    (5000, 5099, _ANY),  # Maestro
    (5100, 5599, (16,)),  # Mastercard
    (5600, 6999, _ANY),  # Maestro, Discover, RuPay, UnionPay
)
"""First four digits, from and to, and how long such numbers are, as the networks publish it."""
_LENGTHS = {
    f"{issuer:04}": frozenset(lengths)
    for first, last, lengths in ISSUERS
    for issuer in range(first, last + 1)
}

_NEVER_BARCODES = frozenset({Via.NFC, Via.RFID, Via.MAGSTRIPE, Via.TYPED})
"""Through these comes no case and no pallet: doubt counts against a number, wherever it is."""
_CHECKED_BARCODES = (14, 18)
"""Digits of a GTIN-14 and of an SSCC."""
_EAN_13 = 13

_AROUND = " \t\r\n\x00\x02\x03" + gs1.GS
_SEPARATORS = " .\\-\u00a0\u00ad\u2007\u2009\u200a-\u2015\u202a-\u202f\u2060-\u2069\u2212\ufeff"
_GROUPED = re.compile(f"[0-9]{{4}}(?:[{_SEPARATORS}]{{1,2}}[0-9]{{3,7}}){{2,4}}")
"""As cards are printed: 4-4-4-4, 4-6-5 and the like. Other codes have dashes in other places."""
_SCATTERED = re.compile(f"[0-9](?:[{_SEPARATORS}]{{0,2}}[0-9]){{12,}}")
_NOT_DIGITS = re.compile("[^0-9]+")
_TRACK_1 = re.compile(r"(?<![0-9])[BbИи] ?([0-9][0-9 ]{10,24}[0-9]) ?[\^:]")
"""Format B; a Cyrillic layout turns B into И and ^ into a colon."""
_TRACK_2_3 = re.compile(r"([;жЖ]?)(?<![0-9])([0-9]{12,21})=(?:[0-9]{4}|=)")
"""Both number their card, then `=`; track 3 has two more digits in front."""
_CHIP_TRACK = re.compile(r"(?<![0-9])([0-9]{12,19})[Dd][0-9]{2}(?:0[1-9]|1[0-2])[0-9]{3}")
"""Track 2 as a chip tells it, with the D in hexadecimal."""
_LONG_NUMBER = re.compile("[0-9](?: ?[0-9]){10}")
"""Eleven digits, spaces among them: less than any track has."""
_FORMAT_DIGITS = 2


def holds_card(
    text: str, via: Via, *, carrier: str = "", own: tuple[LoyaltyRange, ...] = ()
) -> bool:
    """Whether the text must be taken for a payment card. `carrier` is the device's AIM identifier.

    Numbers of `own` loyalty cards are never taken for one. What is both a valid trade item (EAN-13,
    GTIN-14, SSCC) and a possible card number is the item if a scanner read it, and the card if it
    was typed, swiped or held against a reader.
    """
    code = (text if text.isascii() else _plain(text)).strip(_AROUND)
    if code.isdecimal():
        return DIGITS_MIN <= len(code) <= DIGITS_MAX and _is_card(code, via, carrier, own)
    symbol, code = symbology.split(code, carrier)
    code = code.strip(_AROUND)
    if len(code) < DIGITS_MIN:
        return False
    if code.isdecimal() or _GROUPED.fullmatch(code):
        return _is_card(_NOT_DIGITS.sub("", code), via, symbol.identifier, own)
    return _has_track(code, via, own) or _among(code, via, own)


def own_card(text: str, own: tuple[LoyaltyRange, ...]) -> tuple[str, str] | None:
    """The number and the range's name of an own loyalty card, bare or on a track."""
    code = text.strip(_AROUND)
    track = _TRACK_1.search(code) or _TRACK_2_3.search(code)
    number = _NOT_DIGITS.sub("", track[track.lastindex or 1]) if track else code
    return next(((number, each.name) for each in own if number in each), None)


def _is_card(digits: str, via: Via, carrier: str, own: tuple[LoyaltyRange, ...]) -> bool:
    lengths = _LENGTHS.get(digits[:_ISSUER_DIGITS])
    if lengths is None or len(digits) not in lengths or not passes_luhn(digits):
        return False
    if any(digits in each for each in own):
        return False
    if len(digits) == _EAN_13:
        return not has_gs1_check(digits)
    if via in _NEVER_BARCODES:
        return True
    if len(digits) in _CHECKED_BARCODES:
        return not has_gs1_check(digits)
    return not _is_checked_element_string(digits, carrier)


def _is_checked_element_string(digits: str, carrier: str) -> bool:
    """Whether FNC1 stood in front and an element is there whose check digit is right."""
    if not symbology.named(carrier).gs1:
        return False
    elements = gs1.parse(digits)
    return isinstance(elements, tuple) and any(gs1.is_checked(each) for each in elements)


def _has_track(code: str, via: Via, own: tuple[LoyaltyRange, ...]) -> bool:
    """Each shape is looked for only where its separator is: most codes have none."""
    if not _LONG_NUMBER.search(code):
        return False
    if "^" in code or ":" in code:
        for track in _TRACK_1.finditer(code):
            if not _is_own(_NOT_DIGITS.sub("", track[1]), own):
                return True
    if "=" in code:
        for track in _TRACK_2_3.finditer(code):
            mark_like = not track[1] and via not in _NEVER_BARCODES and _begins_mark(track[2])
            if not mark_like and not _is_own(track[2], own):
                return True
    if "D" in code or "d" in code:
        chips = _CHIP_TRACK.finditer(code)
        return any(_is_card(chip[1], Via.NFC, "", own) for chip in chips)
    return False


def _is_own(number: str, own: tuple[LoyaltyRange, ...]) -> bool:
    return any(number in each or number[_FORMAT_DIGITS:] in each for each in own)


def _begins_mark(digits: str) -> bool:
    """(01), a GTIN and (21), whose serial begins with `=`: no track's first digits."""
    return digits[:2] == "01" and digits[16:18] == "21" and has_gs1_check(digits[2:16])


def _among(code: str, via: Via, own: tuple[LoyaltyRange, ...]) -> bool:
    """Whether a number stands among other characters; looked for only where no label is read."""
    if via not in _NEVER_BARCODES:
        return False
    runs = (_NOT_DIGITS.sub("", run[0]) for run in _SCATTERED.finditer(code))
    return any(_is_card(run, via, "", own) for run in runs)


def _plain(text: str) -> str:
    """Digits of all scripts as ours, and full-width letters as plain ones."""
    return "".join(
        str(unicodedata.decimal(c)) if c.isdecimal() else c
        for c in unicodedata.normalize("NFKC", text)
    )
