"""Marks of Честный ЗНАК, the Russian system of marked goods.

Called by the classifier. Most are GS1 element strings: (01) GTIN, (21) serial, then (91) key and
(92) signature or (93) check; a tobacco pack is 29 characters of its own. Structures after the
operator's published descriptions of the codes of each group of goods.
"""

import re

from msgspec import Struct

from edge.codes import gs1
from edge.codes.check_digits import has_gs1_check
from edge.codes.meaning import Element

_GTIN_DIGITS = 14
_PACK_CHARACTERS = 29
_PACK_SERIAL, _PACK_PRICE = slice(14, 21), slice(21, 25)
_PACK_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!\"%&'*+-./_,:;=<>?"
"""Digits of the maximum retail price, to the base of 80."""
_PACK = re.compile(r"[0-9]{14}[A-Za-z0-9!\"%&'*+\-./_,:;=<>?]{15}")
_HEAD = re.compile(r"01([0-9]{14})21")

_TAILS = (
    ("91", 4, "92", 44),
    ("91", 4, "92", 88),
    ("93", 4),
    ("93", 4, "3103", 6),
    ("8005", 6, "93", 4),
)
_SERIALS = (13, 7, 6)
"""How long serials are: clothes, shoes, toys, water 13; tobacco, beer 7; milk 6."""
_SERIALS_OF_SIGNED = (13,)


class MarkParts(Struct, frozen=True):
    """A mark taken apart. `mrp_minor` is in kopecks."""

    gtin: str
    serial: str
    kind: str
    mrp_minor: int | None
    elements: tuple[Element, ...] = ()


def of_elements(elements: tuple[Element, ...]) -> MarkParts | None:
    """The mark in a GS1 element string; None if it is none."""
    values = {element.ai: element.value for element in elements}
    if "01" not in values or "21" not in values:
        return None
    carton = "8005" in values
    if not carton and "93" not in values and not ("91" in values and "92" in values):
        return None
    price = int(values["8005"]) if carton else None
    kind = "tobacco_carton" if carton else "unit"
    return MarkParts(values["01"], values["21"], kind, price, elements)


def without_separators(text: str) -> MarkParts | None:
    """The mark in a string whose GS were lost, cut by the lengths that marks are known to have."""
    text = text.lstrip(gs1.GS)
    head = _HEAD.match(text)
    if head is None or gs1.GS in text:
        return None
    for serial, tail in _BY_LENGTH.get(len(text) - head.end(), ()):
        pairs = [("01", head[1])]
        at = head.end() + serial
        pairs.append(("21", text[head.end() : at]))
        for ai, length in tail:
            if not text.startswith(ai, at):
                break
            at += len(ai) + length
            pairs.append((ai, text[at - length : at]))
        else:
            elements = gs1.parse(gs1.unparse(pairs))
            return of_elements(elements) if isinstance(elements, tuple) else None
    return None


def tobacco_pack(text: str) -> MarkParts | None:
    """GTIN, serial of 7, price of 4, check of 4: the one mark without identifiers."""
    if len(text) != _PACK_CHARACTERS or not _PACK.fullmatch(text):
        return None
    gtin = text[:_GTIN_DIGITS]
    if not has_gs1_check(gtin):
        return None
    return MarkParts(gtin, text[_PACK_SERIAL], "tobacco_pack", _price(text[_PACK_PRICE]))


def pack_price(minor: int) -> str:
    """The four characters of a price in kopecks."""
    characters = ""
    for _ in range(4):
        minor, place = divmod(minor, len(_PACK_ALPHABET))
        characters = _PACK_ALPHABET[place] + characters
    return characters


def _price(characters: str) -> int:
    price = 0
    for character in characters:
        price = price * len(_PACK_ALPHABET) + _PACK_ALPHABET.index(character)
    return price


def _by_length() -> dict[int, list[tuple[int, list[tuple[str, int]]]]]:
    made: dict[int, list[tuple[int, list[tuple[str, int]]]]] = {}
    for flat in _TAILS:
        tail = [(str(flat[at]), int(flat[at + 1])) for at in range(0, len(flat), 2)]
        length = sum(len(ai) + size for ai, size in tail)
        for serial in _SERIALS_OF_SIGNED if flat[0] == "91" else _SERIALS:
            made.setdefault(serial + length, []).append((serial, tail))
    return made


_BY_LENGTH = _by_length()
"""Behind (21): from the length of the rest to the ways to cut it."""
