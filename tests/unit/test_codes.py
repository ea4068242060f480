"""Which trade items a scanned text may mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.codes.check_digits import gs1_check, has_gs1_check
from edge.codes.context import Layout, Rules
from edge.codes.items import candidates
from edge.codes.retail import item_of


@pytest.mark.parametrize(
    ("scanned", "gtin"),
    [
        ("4600000000015", "4600000000015"),
        (" 4 600000 000015 \r", "4600000000015"),
        ("]E04600000000015", "4600000000015"),
        ("036000291452", "0036000291452"),
        ("0036000291452", "036000291452"),
        ("04600000000015", "4600000000015"),
        ("96385074", "96385074"),
        ("0000096385074", "96385074"),
        ("010460000000001521abc'd\x1d93zz", "4600000000015"),
        ("]d2010460000000001521abc", "4600000000015"),
        ("https://id.example.com/01/04600000000015/21/7?x=1", "4600000000015"),
    ],
)
def test_the_same_item_in_all_its_spellings(scanned, gtin):
    assert gtin in candidates(scanned)


@pytest.mark.parametrize("nothing", ["", " ", "\x1d"])
def test_nothing_means_nothing(nothing):
    assert candidates(nothing) == ()


def test_a_text_is_only_itself():
    assert candidates("SKU-17") == ("SKU-17",)
    assert candidates("https://example.com/01/") == ("https://example.com/01/",)


@given(st.integers(min_value=1, max_value=10**14 - 1))
def test_all_forms_are_the_same_number_or_what_is_in_the_case(number):
    text = str(number).zfill(14)
    forms = candidates(text)
    numbers = {int(form) for form in forms}
    case = text[0] in "12345678" and has_gs1_check(text)
    assert numbers == {number} | ({int(item_of(text))} if case else set())
    assert {len(form) for form in forms} <= {8, 12, 13, 14}


def test_a_case_is_looked_up_and_then_what_is_in_it():
    assert candidates("14600000000012") == ("14600000000012", "4600000000015", "04600000000015")
    assert "4600000000015" in candidates("]C1011460000000001237" + "24")


def test_a_tobacco_pack_is_looked_up_by_its_number():
    assert "4600000000015" in candidates("04600000000015a!B2=?xAAAAd/W_")


def test_upc_e_is_looked_up_as_the_upc_a_that_it_stands_for():
    assert {"042100005264", "04252614"} <= set(candidates("04252614"))


def test_weighed_goods_are_looked_up_by_their_number():
    rules = Rules(layouts=(Layout("scales", "22IIIIIWWWWWC", "weight", 1000),))
    scanned = "221234500750" + gs1_check("221234500750")
    unweighed = "221234500000" + gs1_check("221234500000")
    assert candidates(scanned, rules) == (scanned, "0" + scanned, unweighed, "12345")
    assert candidates(scanned) == (scanned, "0" + scanned)


@pytest.mark.parametrize("card", ["4111111111111111", ";4111111111111111=2512101?"])
def test_a_payment_card_is_not_looked_up(card):
    assert candidates(card) == ()


@given(st.text(max_size=512))
def test_any_text_can_be_scanned(text):
    assert len(candidates(text)) <= 8
