"""GS1 element strings: every identifier there and back, cut, spoilt, with and without GS."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.codes import gs1
from edge.codes.check_digits import passes_luhn
from edge.codes.classify import classify
from edge.codes.context import Context
from edge.codes.gs1_rules import IDENTIFIERS
from edge.codes.gs1_values import currency, day, quantity
from edge.codes.meaning import (
    Element,
    Elements,
    Fault,
    FaultKind,
    LogisticUnit,
    Malformed,
    Mark,
    PaymentCard,
    TradeItem,
)
from tests.unit.gs1_making import ROWS, messages, value_of

CONTEXT = Context()
GTIN = "0104600000000015"
IDENTIFIERS_OF_THE_STANDARD = 541


def pairs(elements: tuple[Element, ...]) -> list[tuple[str, str]]:
    return [(element.ai, element.value) for element in elements]


def may_be_a_card(made: list[tuple[str, str]]) -> bool:
    """Digits alone without any check digit of GS1, as long as a card's number: the guard is first.

    Hypothesis finds them among amounts; nothing that names an item, a place or a pallet is one.
    """
    text = gs1.unparse(made)
    elements = [Element(ai, value, "") for ai, value in made]
    return text.isdecimal() and passes_luhn(text) and not any(map(gs1.is_checked, elements))


def test_the_table_is_whole_and_no_identifier_begins_like_another() -> None:
    assert len(IDENTIFIERS) == IDENTIFIERS_OF_THE_STANDARD
    assert set(IDENTIFIERS) == set(ROWS)
    for first in IDENTIFIERS:
        alike = [ai for ai in IDENTIFIERS if ai.startswith(first)]
        assert alike == [first]
        assert {len(ai) for ai in IDENTIFIERS if ai[:2] == first[:2]} == {len(first)}


@pytest.mark.parametrize("ai", sorted({ai[:3] if ai[0] == "3" else ai for ai in ROWS}))
@settings(max_examples=8, deadline=None)
@given(st.data())
def test_every_identifier_is_made_and_classified_again(ai: str, data: st.DataObject) -> None:
    exact = ai if ai in ROWS else data.draw(st.sampled_from([x for x in ROWS if x[:3] == ai]))
    made = [(exact, data.draw(value_of(exact)))]
    meaning = classify("]C1" + gs1.unparse(made), CONTEXT)
    if isinstance(meaning, PaymentCard):
        assert may_be_a_card(made)
        return
    assert isinstance(meaning, TradeItem | LogisticUnit | Elements)
    assert pairs(meaning.elements) == made


@settings(max_examples=200, deadline=None)
@given(messages, st.sampled_from(("]C1", "]d2", "]Q3", "]e0", "]J1", "]C1\x1d")))
def test_some_elements_are_made_and_classified_again(
    made: list[tuple[str, str]], carrier: str
) -> None:
    meaning = classify(carrier + gs1.unparse(made), CONTEXT)
    if isinstance(meaning, PaymentCard):
        assert may_be_a_card(made)
        return
    assert isinstance(meaning, TradeItem | LogisticUnit | Elements | Mark)
    if not (isinstance(meaning, Mark) and meaning.gs_missing):
        assert pairs(meaning.elements) == made


@settings(max_examples=200, deadline=None)
@given(messages.filter(lambda made: not any("(" in value for _, value in made)))
def test_what_stands_in_brackets_is_the_same(made: list[tuple[str, str]]) -> None:
    written = "".join(f"({ai}){value}" for ai, value in made)
    assert pairs(gs1.parse_bracketed(written)) == made
    assert not isinstance(classify(written, CONTEXT), Malformed)


@settings(max_examples=100, deadline=None)
@given(messages, st.data())
def test_a_cut_string_is_shorter_or_names_the_place(
    made: list[tuple[str, str]], data: st.DataObject
) -> None:
    whole = gs1.unparse(made)
    at = data.draw(st.integers(0, len(whole)))
    found = gs1.parse(whole[:at])
    if isinstance(found, Fault):
        assert 0 <= found.at <= at
        assert found.what
    else:
        *before, last = pairs(found)
        assert made[: len(before)] == before
        assert made[len(before)][0] == last[0]
        assert made[len(before)][1].startswith(last[1])


@pytest.mark.parametrize(
    ("text", "kind", "at"),
    [
        ("", FaultKind.EMPTY, 0),
        ("\x1d\x1d", FaultKind.EMPTY, 0),
        (GTIN[:-1], FaultKind.CUT_SHORT, 15),
        (GTIN[:-1] + "6", FaultKind.CHECK_DIGIT, 15),
        (GTIN + "2", FaultKind.CUT_SHORT, 17),
        (GTIN + "21", FaultKind.CUT_SHORT, 18),
        (GTIN + "88", FaultKind.UNKNOWN_IDENTIFIER, 16),
        (GTIN + "172613", FaultKind.CUT_SHORT, 22),
        (GTIN + "17261331", FaultKind.BAD_VALUE, 18),
        (GTIN + "17260230", FaultKind.BAD_VALUE, 18),
        ("7006260100", FaultKind.BAD_VALUE, 4),
        (GTIN + "21ABж", FaultKind.BAD_CHARACTER, 20),
        (GTIN + "21" + "A" * 21, FaultKind.TOO_MUCH, 38),
        (GTIN + "21A\x1d21B", FaultKind.REPEATED, 20),
        (GTIN + "310312345A", FaultKind.BAD_CHARACTER, 25),
        ("8007GB83WEST12345698765432", FaultKind.CHECK_DIGIT, 37),
        ("80131987654Ad4X4bL5ttr2310c2L", FaultKind.CHECK_DIGIT, 28),
        ("425643112\x1d4256431", FaultKind.CUT_SHORT, 17),
    ],
)
def test_a_fault_names_its_place(text: str, kind: FaultKind, at: int) -> None:
    found = gs1.parse(text)
    assert isinstance(found, Fault)
    assert (found.kind, found.at) == (kind, at), found.what


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("(01)04600000000015(21)A7", [("01", "04600000000015"), ("21", "A7")]),
        (GTIN + "21A7\x1d10L", [("01", "04600000000015"), ("21", "A7"), ("10", "L")]),
        (GTIN + "\x1d21A7\x1d", [("01", "04600000000015"), ("21", "A7")]),
        ("80131987654Ad4X4bL5ttr2310c2K", [("8013", "1987654Ad4X4bL5ttr2310c2K")]),
        ("17270200", [("17", "270200")]),
        ("4330001200-", [("4330", "001200-")]),
        ("423643112398", [("423", "643112398")]),
        ("8008260101120059", [("8008", "260101120059")]),
    ],
)
def test_strings_of_the_standard(text: str, made: list[tuple[str, str]]) -> None:
    found = gs1.parse_bracketed(text) if text[0] == "(" else gs1.parse(text)
    assert not isinstance(found, Fault)
    assert pairs(found) == made


@pytest.mark.parametrize("stand_in", ["␝", "<GS>", "{GS}", "|", "~"])
def test_what_scanners_send_for_the_separator(stand_in: str) -> None:
    text = f"{GTIN}10A7{stand_in}21B"
    meaning = classify("]d2" + text, CONTEXT)
    assert isinstance(meaning, TradeItem)
    assert pairs(meaning.elements)[1:] == [("10", "A7"), ("21", "B")]
    assert classify(text, CONTEXT).elements == meaning.elements


@given(st.text(max_size=200))
def test_no_text_breaks_the_parsers(text: str) -> None:
    for found in (gs1.parse(text), gs1.parse_bracketed(text)):
        assert isinstance(found, Fault | tuple)


@given(st.text("0123456789\x1d()AZ/%-", max_size=90))
def test_nothing_that_looks_like_elements_breaks_them(text: str) -> None:
    for found in (gs1.parse(text), gs1.parse_bracketed(text)):
        assert isinstance(found, Fault | tuple)


@pytest.mark.parametrize(
    ("ai", "value", "amount", "money"),
    [
        ("3103", "001234", Decimal("1.234"), ""),
        ("3100", "001234", Decimal(1234), ""),
        ("3922", "199", Decimal("1.99"), ""),
        ("3932", "64319900", Decimal("199.00"), "643"),
        ("3941", "0125", Decimal("12.5"), ""),
        ("3953", "001250", Decimal("1.250"), ""),
        ("10", "3103", None, ""),
    ],
)
def test_quantities_are_exact(ai: str, value: str, amount: Decimal | None, money: str) -> None:
    element = Element(ai, value, "")
    assert quantity(element) == amount
    assert currency(element) == money


@pytest.mark.parametrize(
    ("value", "this_year", "when"),
    [
        ("270200", 2026, date(2027, 2, 28)),
        ("280200", 2026, date(2028, 2, 29)),
        ("991231", 2026, date(1999, 12, 31)),
        ("760101", 2026, date(2076, 1, 1)),
        ("770101", 2026, date(1977, 1, 1)),
        ("010101", 2099, date(2101, 1, 1)),
    ],
)
def test_days_are_in_the_nearest_century(value: str, this_year: int, when: date) -> None:
    assert day(Element("17", value, ""), this_year) == when
