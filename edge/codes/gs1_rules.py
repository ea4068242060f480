"""The table of application identifiers, made ready for parsing once, when it is imported.

Used by `edge/codes/gs1.py` and `edge/codes/digital_link.py`.
"""

import re
from collections.abc import Callable

from msgspec import Struct

from edge.codes.gs1_checks import CHECKS
from edge.codes.gs1_table import PREDEFINED_PREFIXES, TABLE

_CHARACTERS = {
    "N": "[0-9]",
    "X": '[!-"%-/0-9:-?A-Z_a-z]',
    "Y": "[#\\-/0-9A-Z]",
    "Z": "[A-Za-z0-9_\\-=]",
}
_COMPONENT = re.compile(
    r"(?P<optional>\[)?(?P<kind>[NXYZ])(?P<upto>\.\.)?(?P<size>\d+)(?:,(?P<check>\w+))?\]?"
)
_ROW = re.compile(
    r"(?P<ai>\d{2,4})(?::(?P<last>\d))? (?P<parts>(?:[NXYZ](?:\.\.)?\d[^ ]* )+)(?P<title>.+)"
)


class Check(Struct, frozen=True):
    """A named check of the part of a value that begins at `begin`; `end` of None is its end."""

    name: str
    begin: int
    end: int | None
    holds: Callable[[str], bool]


class Identifier(Struct, frozen=True):
    """One application identifier. `fixed` is the length that every reader knows, or 0.

    `characters` matches one character of each place, for saying where a bad one stands.
    """

    ai: str
    title: str
    shortest: int
    longest: int
    fixed: int
    fullmatch: Callable[[str], re.Match[str] | None]
    checks: tuple[Check, ...]
    characters: tuple[tuple[int, re.Pattern[str]], ...]


def _identifiers() -> dict[str, Identifier]:
    made = {}
    for line in TABLE.split("\n"):
        row = _ROW.fullmatch(line)
        if row is None:
            assert not line, f"no row of the table: {line}"
            continue
        last = row["last"]
        names = [row["ai"] + str(n) for n in range(int(last) + 1)] if last else [row["ai"]]
        for name in names:
            made[name] = _identifier(name, row["parts"], row["title"])
    return made


def _identifier(ai: str, parts: str, title: str) -> Identifier:
    pattern, closing = "", ""
    checks: list[Check] = []
    characters: list[tuple[int, re.Pattern[str]]] = []
    shortest = longest = 0
    for part in _COMPONENT.finditer(parts):
        size, one = int(part["size"]), _CHARACTERS[part["kind"]]
        least = 1 if part["upto"] else size
        piece = f"{one}{{{least},{size}}}"
        if part["optional"]:
            pattern, closing = f"{pattern}(?:{piece}", f"{closing})?"
        else:
            pattern, shortest = pattern + piece, shortest + least
        if part["check"]:
            end = None if part["upto"] else longest + size
            checks.append(Check(part["check"], longest, end, CHECKS[part["check"]]))
        longest += size
        characters.append((longest, re.compile(one)))
    fixed = longest if ai[:2] in PREDEFINED_PREFIXES else 0
    assert not fixed or fixed == shortest, f"({ai}) has a known length and no fixed one"
    compiled = re.compile(pattern + closing)
    return Identifier(
        ai, title, shortest, longest, fixed, compiled.fullmatch, tuple(checks), tuple(characters)
    )


IDENTIFIERS = _identifiers()
"""By their digits."""


_DIGITS = {ai[:2]: len(ai) for ai in IDENTIFIERS}
"""How many digits identifiers have that begin so (7.8.2): as many as all that begin alike."""


def identifier_at(text: str, at: int) -> Identifier | None:
    """The identifier whose digits stand there."""
    digits = _DIGITS.get(text[at : at + 2])
    return IDENTIFIERS.get(text[at : at + digits]) if digits else None
