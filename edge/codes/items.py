"""Which trade item a scanned text may mean: pure, from the text of a scanner to GTINs to look up.

Called by `edge/storage/goods.py`. GTIN forms after the GS1 General Specifications (7.12: a GTIN-8,
-12 or -13 is the same number with leading zeros). It validates no check digit: scanners do, and
the catalogue decides what exists.
"""

import re

_SYMBOLOGY = re.compile(r"^\][A-Za-z][0-9A-Za-z]")
"""AIM symbology identifier (ISO/IEC 15424), which some scanners put in front."""
_ELEMENTS = re.compile(r"^01(\d{14})")
"""GS1 element string with (01) first: marking codes of shoes and clothes read like this."""
_LINK = re.compile(r"^https?://[^?#]{1,200}?/01/(\d{8}|\d{12,14})(?=$|[/?#])", re.IGNORECASE)
"""GS1 Digital Link."""
_LENGTHS = (8, 12, 13, 14)
_SPACES = re.compile(r"\s+")
"""Spaces of all kinds; in Python these include GS, the separator of element strings."""


def candidates(text: str) -> tuple[str, ...]:
    """GTINs to try, best first: as scanned, then the same number in its other lengths."""
    plain = _SYMBOLOGY.sub("", _SPACES.sub("", text))
    if not plain:
        return ()
    found = _LINK.match(plain) or _ELEMENTS.match(plain)
    number = found.group(1) if found else plain
    if not (number.isascii() and number.isdigit() and len(number) in _LENGTHS):
        return (plain,)
    significant = number.lstrip("0")
    forms = [number]
    for length in (13, 8, 12, 14):
        if len(significant) <= length:
            forms.append(number.zfill(length) if len(number) <= length else number[-length:])
    return tuple(dict.fromkeys(forms))
