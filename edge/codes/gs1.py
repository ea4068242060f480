"""GS1 element strings (General Specifications 7.8): parsed into elements, and made from them.

Called by `edge/codes/classify.py`. A string that is cut, overfull or wrong gives a `Fault` that
names the place; nothing is raised, nothing is guessed: where separators were lost the last value
is as long as the rest, and an overlong one is a fault. Marks are cut by known lengths elsewhere.
"""

import re
from collections.abc import Iterable

from edge.codes.gs1_rules import IDENTIFIERS, Check, Identifier, identifier_at
from edge.codes.meaning import Element, Fault, FaultKind

GS = "\x1d"
"""What readers send for FNC1 between elements."""
ELEMENTS_MAX = 40
"""The longest symbol has 90 words for them; this is far beyond any label and bounds the work."""
_STAND_INS = ("␝", "<GS>", "{GS}", "|", "~")
"""What programs and scanners put for GS. No value may hold any of them."""
_CHECK_DIGITS = frozenset({"csum", "zero_csum", "gmn", "iban"})
_BRACKETED = re.compile(r"\(([0-9]{2,4})\)")

Elements = tuple[Element, ...]


def with_separators(text: str) -> str:
    """The text with GS for what stands for it."""
    for stand_in in _STAND_INS:
        if stand_in in text:
            text = text.replace(stand_in, GS)
    return text


def parse(text: str) -> Elements | Fault:
    """The elements of a string without symbology identifier; FNC1 in front is left out."""
    at = len(text) - len(text.lstrip(GS))
    if at == len(text):
        return Fault(FaultKind.EMPTY, 0, "There is no element in it.")
    found: dict[str, Element] = {}
    while at < len(text):
        rule = identifier_at(text, at)
        if rule is None:
            return _no_identifier(text, at)
        begin = at + len(rule.ai)
        end = begin + rule.fixed if rule.fixed else text.find(GS, begin)
        if end < begin or end > len(text):
            end = len(text)
        value = text[begin:end]
        fault = judge(rule, value, begin)
        if fault is None and (rule.ai in found or len(found) >= ELEMENTS_MAX):
            fault = _clash(found, rule, value, at)
        if fault is not None:
            return fault
        found[rule.ai] = Element(rule.ai, value, rule.title)
        at = end + 1 if text[end : end + 1] == GS else end
    return tuple(found.values())


def parse_bracketed(text: str) -> Elements | Fault:
    """The elements of a text as printed for people: `(01)04600000000015(21)A7`.

    Brackets are characters of values, too. Here each pair around a known identifier begins one,
    as all software that prints them assumes.
    """
    marks = [mark for mark in _BRACKETED.finditer(text) if mark[1] in IDENTIFIERS]
    if not marks or marks[0].start() != 0:
        return Fault(FaultKind.UNKNOWN_IDENTIFIER, 0, "No known identifier stands in brackets.")
    found: dict[str, Element] = {}
    for number, mark in enumerate(marks):
        end = marks[number + 1].start() if number + 1 < len(marks) else len(text)
        rule, value = IDENTIFIERS[mark[1]], text[mark.end() : end]
        fault = judge(rule, value, mark.end()) or _clash(found, rule, value, mark.start())
        if fault is not None:
            return fault
        found[rule.ai] = Element(rule.ai, value, rule.title)
    return tuple(found.values())


def unparse(elements: Iterable[Element | tuple[str, str]]) -> str:
    """The shortest element string: a separator only behind values whose length is not known."""
    text, open_end = "", False
    for element in elements:
        ai, value = (element.ai, element.value) if isinstance(element, Element) else element
        text += (GS if open_end else "") + ai + value
        open_end = not IDENTIFIERS[ai].fixed
    return text


def is_checked(element: Element) -> bool:
    """Whether its value carries a check digit, which then was found right."""
    return any(check.name in _CHECK_DIGITS for check in IDENTIFIERS[element.ai].checks)


def judge(rule: Identifier, value: str, at: int) -> Fault | None:
    """What is wrong with the value of this identifier, which stands `at` a place of the text."""
    if rule.fullmatch(value) is None:
        return _misshapen(rule, value, at)
    for check in rule.checks:
        part = value[check.begin : check.end]
        if part and not check.holds(part):
            return _unsound(rule, check, at)
    return None


def _unsound(rule: Identifier, check: Check, at: int) -> Fault:
    if check.name in _CHECK_DIGITS:
        place = at + (check.end or rule.longest) - 1
        what = f"The check digit of ({rule.ai}) {rule.title} is wrong."
        return Fault(FaultKind.CHECK_DIGIT, place, what)
    what = f"The value of ({rule.ai}) {rule.title} cannot be ({check.name})."
    return Fault(FaultKind.BAD_VALUE, at + check.begin, what)


def _misshapen(rule: Identifier, value: str, at: int) -> Fault:
    name = f"({rule.ai}) {rule.title}"
    place = 0
    for limit, character in rule.characters:
        while place < min(limit, len(value)):
            if character.fullmatch(value[place]) is None:
                what = f"A character of {name} is none that may stand there."
                return Fault(FaultKind.BAD_CHARACTER, at + place, what)
            place += 1
    if len(value) > rule.longest:
        what = f"{name} has {len(value)} characters; {rule.longest} are the most. Was GS lost?"
        return Fault(FaultKind.TOO_MUCH, at + rule.longest, what)
    what = f"{name} ends after {len(value)} characters; it needs {_needed(rule, value)}."
    return Fault(FaultKind.CUT_SHORT, at + len(value), what)


def _needed(rule: Identifier, value: str) -> str:
    return f"at least {rule.shortest}" if len(value) < rule.shortest else "more"


def _no_identifier(text: str, at: int) -> Fault:
    """Cut inside an identifier, or none that exists."""
    rest = text[at:]
    begins = len(rest) < 4 and any(ai.startswith(rest) for ai in IDENTIFIERS)
    if begins:
        return Fault(FaultKind.CUT_SHORT, len(text), "It ends inside an application identifier.")
    return Fault(FaultKind.UNKNOWN_IDENTIFIER, at, "No application identifier stands there.")


def _clash(found: dict[str, Element], rule: Identifier, value: str, at: int) -> Fault | None:
    before = found.get(rule.ai)
    if before is not None and before.value != value:
        what = f"({rule.ai}) {rule.title} is said twice, differently."
        return Fault(FaultKind.REPEATED, at, what)
    if len(found) >= ELEMENTS_MAX:
        return Fault(FaultKind.TOO_MUCH, at, f"There are more than {ELEMENTS_MAX} elements.")
    return None
