"""Which trade items a scanned text may mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.codes.items import candidates


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
def test_all_forms_are_the_same_number(number):
    forms = candidates(str(number).zfill(14))
    assert {int(form) for form in forms} == {number}
    assert {len(form) for form in forms} <= {8, 12, 13, 14}


@given(st.text(max_size=512))
def test_any_text_can_be_scanned(text):
    assert len(candidates(text)) <= 4
