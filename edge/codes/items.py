"""Which trade item a scanned text may mean: pure, from the text of a scanner to GTINs to look up.

Called by `edge/storage/goods.py`. A GTIN-8, -12 or -13 is the same number with leading zeros (GS1
General Specifications 3.3.2), a case means what is inside of it, weighed goods mean their number.
A wrong check digit hides no item: suppliers print them, and the catalogue decides what exists.
"""

import re

from edge.codes import in_store, retail, symbology
from edge.codes.classify import classify
from edge.codes.context import NO_RULES, Context, Rules
from edge.codes.meaning import InStore, Mark, Meaning, PaymentCard, TradeItem

_ELEMENTS = re.compile(r"01([0-9]{14})")
"""(01) in front of whatever else is wrong with the string."""
_SPACES = re.compile(r"\s+")
"""Spaces of all kinds; in Python these include GS, the separator of element strings."""


def candidates(text: str, rules: Rules = NO_RULES) -> tuple[str, ...]:
    """GTINs to try, best first: as scanned, the same number in its other lengths, what is inside.

    A text that is no number is tried as it is, a payment card not at all.
    """
    meaning = classify(text, Context(rules))
    if isinstance(meaning, PaymentCard):
        return ()
    plain = symbology.split(_SPACES.sub("", text))[1]
    if not plain:
        return ()
    found = _ELEMENTS.match(plain)
    number = found[1] if found else plain
    tried = [*_meant(meaning, rules)]
    if number.isascii() and number.isdecimal() and len(number) in retail.LENGTHS:
        tried = [*_spellings(number), *tried]
    return tuple(dict.fromkeys(tried or [plain]))


def _meant(meaning: Meaning, rules: Rules) -> list[str]:
    match meaning:
        case TradeItem(gtin=gtin, item=item):
            return [*_spellings(retail.shortest(gtin)), *_spellings(retail.shortest(item))]
        case Mark(gtin=gtin):
            item = retail.item_of(gtin)
            return [*_spellings(retail.shortest(gtin)), *_spellings(retail.shortest(item))]
        case InStore(number=number, layout=name, item=item) if name:
            # Catalogues list weighed goods with nothing weighed, or by the bare number.
            fitting = [layout for layout in rules.layouts if layout.name == name]
            return [*(in_store.without_measure(number, layout) for layout in fitting[:1]), item]
    return []


def _spellings(number: str) -> list[str]:
    significant = number.lstrip("0")
    forms = [number]
    for length in (13, 8, 12, 14):
        if len(significant) <= length:
            forms.append(number.zfill(length) if len(number) <= length else number[-length:])
    return forms
