"""AIM symbology identifiers (ISO/IEC 15424): what kind of symbol a text was read from.

Called by the classifier and the payment-card guard. A scanner that sends them puts `]`, a letter
and a modifier in front; it is the best single setting of any scanner.
"""

import re

from msgspec import Struct

_IDENTIFIER = re.compile(r"\][A-Za-z][0-9A-Za-z]")
IDENTIFIER_CHARACTERS = 3

_CARRIERS = {
    "A": "Code 39",
    "B": "Telepen",
    "C": "Code 128",
    "D": "Code One",
    "E": "EAN/UPC",
    "F": "Codabar",
    "G": "Code 93",
    "H": "Code 11",
    "I": "Interleaved 2 of 5",
    "J": "DotCode",
    "K": "Code 16K",
    "L": "PDF417",
    "M": "MSI",
    "N": "Anker",
    "O": "Codablock",
    "P": "Plessey",
    "Q": "QR Code",
    "R": "Straight 2 of 5",
    "S": "Straight 2 of 5",
    "T": "Code 49",
    "U": "MaxiCode",
    "X": "another bar code",
    "Z": "no bar code",
    "c": "Channel Code",
    "d": "Data Matrix",
    "e": "GS1 DataBar",
    "h": "Han Xin",
    "o": "printed letters (OCR)",
    "p": "PosiCode",
    "s": "SuperCode",
    "z": "Aztec",
}
_NAMES = {
    "]C1": "GS1-128",
    "]E0": "EAN-13 or UPC",
    "]E1": "two-digit add-on",
    "]E2": "five-digit add-on",
    "]E3": "EAN-13 or UPC with an add-on",
    "]E4": "EAN-8",
    "]J1": "GS1 DotCode",
    "]L3": "PDF417 or MicroPDF417 with GS1 data",
    "]Q3": "GS1 QR Code",
    "]Q4": "GS1 QR Code",
    "]Z0": "a keyboard",
    "]Z1": "a magnetic stripe",
    "]Z2": "a radio tag",
    "]d2": "GS1 DataMatrix",
    "]d5": "GS1 DataMatrix",
    "]e0": "GS1 DataBar or the linear part of a composite",
    "]e1": "GS1 composite",
    "]e2": "GS1 composite",
    "]z1": "Aztec with GS1 data",
}
_GS1 = frozenset(
    ["]C1", "]J1", "]K1", "]L3", "]Q3", "]Q4", "]T1", "]d2", "]d5", "]e0", "]e1", "]e2", "]z1"]
)
"""Those with FNC1 in the first place: their text is a GS1 element string and nothing else."""
_RETAIL = frozenset("EI")
"""Families in which the number of a trade item stands alone."""


class Symbology(Struct, frozen=True):
    """What an identifier says. Without one all is open: `name` is empty."""

    identifier: str = ""
    name: str = ""
    gs1: bool = False

    @property
    def retail(self) -> bool:
        """Whether digits in it ought to be a trade item's: EAN/UPC and ITF, or nobody said."""
        return not self.identifier or self.identifier[1:2] in _RETAIL


NOT_SAID = Symbology()
_KNOWN = {
    f"]{letter}{modifier}": Symbology(
        f"]{letter}{modifier}",
        _NAMES.get(f"]{letter}{modifier}", name),
        f"]{letter}{modifier}" in _GS1,
    )
    for letter, name in _CARRIERS.items()
    for modifier in "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
}


def named(identifier: str) -> Symbology:
    """What this identifier (`]E0`) says; one that nobody knows tells no more than itself."""
    if not identifier:
        return NOT_SAID
    return _KNOWN.get(identifier) or Symbology(identifier, "a symbology that is not known here")


def split(text: str, known: str = "") -> tuple[Symbology, str]:
    """The symbology and the text behind its identifier; `known` is what the device itself knows."""
    if text[:1] == "]" and _IDENTIFIER.match(text):
        return named(text[:IDENTIFIER_CHARACTERS]), text[IDENTIFIER_CHARACTERS:]
    return named(known), text
