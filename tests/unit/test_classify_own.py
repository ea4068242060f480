"""What a shop's own numbers mean: weighed goods by their layout, loyalty cards by their range."""

from decimal import Decimal

import msgspec
import pytest

from edge.codes.check_digits import gs1_check
from edge.codes.classify import classify
from edge.codes.context import Context, Layout, LoyaltyRange, Rules
from edge.codes.meaning import InStore, LoyaltyCard, Meaning, TradeItem, Via

RULES = Rules(
    loyalty=(
        LoyaltyRange("gold", "9643000000000000", "9643000000999999"),
        LoyaltyRange("club", "2780000000000", "2789999999999"),
        LoyaltyRange("bank", "2200000000000000", "2200000000009999"),
        LoyaltyRange("ean", "4609000000000", "4609999999999"),
    ),
    layouts=(
        Layout("scales", "22IIIIIWWWWWC", "weight", 1000),
        Layout("tens", "2400IIIWWWWWC", "weight", 100),
        Layout("bakery", "23IIIIVWWWWWC", "price", 100),
        Layout("roubles", "25PIIIIWWWWWC", "price", 1),
        Layout("rolls", "26IIIIIWWWWWC", "pieces"),
        Layout("short", "2IIIIWWC", "price", 10),
    ),
)
CONTEXT = Context(RULES)


def checked(body: str) -> str:
    return body + gs1_check(body)


def meant(text: str, **more: object) -> Meaning:
    return classify(text, msgspec.structs.replace(CONTEXT, **more))


@pytest.mark.parametrize(
    ("body", "layout", "item", "measure"),
    [
        ("221234500750", "scales", "12345", (Decimal("0.750"), None, None)),
        ("221234599999", "scales", "12345", (Decimal("99.999"), None, None)),
        ("240012300750", "tens", "123", (Decimal("7.50"), None, None)),
        ("231234912345", "bakery", "1234", (None, 12345, None)),
        ("257123400199", "roubles", "1234", (None, 19900, None)),
        ("261234500012", "rolls", "12345", (None, None, 12)),
        ("2123419", "short", "1234", (None, 190, None)),
    ],
)
def test_layouts_of_weighed_goods(
    body: str, layout: str, item: str, measure: tuple[Decimal | int | None, ...]
) -> None:
    meaning = meant(checked(body))
    assert isinstance(meaning, InStore)
    assert (meaning.layout, meaning.item) == (layout, item)
    assert (meaning.weight_kg, meaning.price_minor, meaning.pieces) == measure


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "22IIIII",
        "22IIIIIWWWWW",
        "32IIIIIWWWWWC",
        "22WWWWWIIIIIC",
        "2IIIIIIIIIIIC",
        "22IIIIIWWWWWCC",
    ],
)
def test_what_is_no_layout_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="no layout"):
        Layout("bad", pattern, "weight", 1000)


def test_a_divisor_leaves_no_fraction_of_a_kopeck() -> None:
    with pytest.raises(ValueError, match="divided"):
        Layout("bad", "22IIIIIWWWWWC", "price", 1000)


def test_an_in_store_code_without_a_layout_is_only_a_number() -> None:
    meaning = meant(checked("290000000001"))
    assert isinstance(meaning, InStore)
    assert not meaning.layout
    assert not meaning.item


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("9643000000000007", "gold"),
        ("]C09643000000000007", "gold"),
        (";9643000000000007=99121010000?", "gold"),
        (checked("278000000001"), "club"),
        ("2780000000001", "club"),  # whatever its check digit
        ("2200000000000004", "bank"),  # passes Luhn and looks like Mir
    ],
)
@pytest.mark.parametrize("via", list(Via))
def test_loyalty_cards_by_range(text: str, name: str, via: Via) -> None:
    meaning = meant(text, via=via)
    assert isinstance(meaning, LoyaltyCard), meaning
    assert meaning.range == name
    assert meaning.number in text


def test_a_trade_item_within_a_card_range_says_so() -> None:
    meaning = meant(checked("460900000001"))
    assert isinstance(meaning, TradeItem)
    assert meaning.card_range == "ean"


def test_card_numbers_stay_out_of_representations() -> None:
    assert "9643000000000007" not in repr(meant("9643000000000007"))
