"""The shop's own codes: made, read, old, forged, of another shop, and typed by hand."""

from random import Random

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.codes import rotating, tokens
from edge.codes.classify import classify
from edge.codes.context import Context, CouponKey, Epoch, Rules
from edge.codes.meaning import (
    BadgeToken,
    CartLine,
    CartToken,
    CouponToken,
    FaultKind,
    LoyaltyToken,
    Malformed,
    Meaning,
    OrderToken,
    Unknown,
)
from edge.records import CODE_TEXT_MAX

NOW_S = 1_800_000_000
WEEK_S = 7 * 86400
KEY, OTHER_KEY = b"k" * 32, b"o" * 32
THIS_WEEK = Epoch(b"e" * 32, NOW_S - 3 * 86400, NOW_S + 4 * 86400)
LAST_WEEK = Epoch(b"l" * 32, THIS_WEEK.from_s - WEEK_S, THIS_WEEK.from_s)
SIGNER = Ed25519PrivateKey.from_private_bytes(b"s" * 32)
RULES = Rules(
    epochs=(THIS_WEEK, LAST_WEEK),
    coupon_keys=(CouponKey("K7", SIGNER.public_key().public_bytes_raw()),),
    store_key=KEY,
    hosts=("shop.example",),
)
MEMBER = bytes.fromhex("00a1b2c3d4e5")
members = st.binary(min_size=6, max_size=6)
COUPON = CouponToken(
    (), coupon="A17", coupon_class="C10", home_store="MSK-017", expires_s=NOW_S + 60
)
LINES = (CartLine("04600000000015", 2), CartLine("00000096385074", 65_535))


def meant(text: str, now_s: int = NOW_S, rules: Rules = RULES) -> Meaning:
    return classify(text, Context(rules, now_s=now_s))


def fault_of(meaning: Meaning) -> FaultKind:
    assert isinstance(meaning, Malformed), meaning
    return meaning.fault.kind


def shown(member: bytes = MEMBER, at_s: int = NOW_S, epoch: Epoch = THIS_WEEK) -> str:
    return rotating.make(member, rotating.member_key(epoch, member), at_s)


# --- the loyalty code


@settings(deadline=None)
@given(members, st.integers(0, 2**40))
def test_a_loyalty_code_is_its_member_at_any_time(member: bytes, now_s: int) -> None:
    epoch = Epoch(b"e" * 32, 0, 2**41)
    text = shown(member, now_s, epoch)
    assert len(text) == rotating.CHARACTERS
    meaning = meant(text, now_s, Rules(epochs=(epoch,)))
    assert isinstance(meaning, LoyaltyToken)
    assert (meaning.member, meaning.counter) == (member.hex(), now_s // rotating.STEP_S)
    assert meaning.fresh


@pytest.mark.parametrize(
    ("steps", "fresh"), [(-2, False), (-1, True), (0, True), (1, True), (2, True), (3, False)]
)
def test_it_may_spend_for_a_moment_only(steps: int, fresh: bool) -> None:
    meaning = meant(shown(), NOW_S + steps * rotating.STEP_S)
    assert isinstance(meaning, LoyaltyToken)
    assert meaning.member == MEMBER.hex()
    assert meaning.fresh is fresh
    assert ("not for spending" in meaning.why[-1]) is not fresh


def test_a_screenshot_of_last_week_identifies_and_spends_not() -> None:
    meaning = meant(shown(at_s=LAST_WEEK.until_s - 86400, epoch=LAST_WEEK))
    assert isinstance(meaning, LoyaltyToken)
    assert not meaning.fresh


def test_a_phone_that_still_has_last_weeks_key_identifies_and_spends_not() -> None:
    meaning = meant(shown(epoch=LAST_WEEK))
    assert isinstance(meaning, LoyaltyToken)
    assert not meaning.fresh
    at_the_border_s = LAST_WEEK.until_s + rotating.STEP_S
    at_once = meant(shown(at_s=at_the_border_s, epoch=LAST_WEEK), at_the_border_s)
    assert isinstance(at_once, LoyaltyToken)
    assert at_once.fresh, "keys change while a code is on the screen"


def test_nobody_else_makes_one() -> None:
    random = Random(3)
    foreign = Epoch(b"f" * 32, THIS_WEEK.from_s, THIS_WEEK.until_s)
    assert fault_of(meant(shown(epoch=foreign))) is FaultKind.FORGED
    text = shown()
    for at in range(2, len(text)):
        other = random.choice([c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567" if c != text[at]])
        assert fault_of(meant(text[:at] + other + text[at + 1 :])) is FaultKind.FORGED
    assert fault_of(meant(text, rules=Rules())) is FaultKind.NO_KEY
    assert fault_of(meant("L1" + "1" * 24)) is FaultKind.FORGED  # no letters of base32


def test_a_member_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="6 bytes"):
        rotating.make(b"short", b"key", NOW_S)


# --- coupon, order, badge, cart


def test_a_coupon_is_read_until_it_expires() -> None:
    text = tokens.make_coupon(COUPON, "K7", SIGNER)
    meaning = meant(text)
    assert isinstance(meaning, CouponToken)
    assert (meaning.coupon, meaning.coupon_class, meaning.home_store, meaning.expires_s) == (
        "A17",
        "C10",
        "MSK-017",
        NOW_S + 60,
    )
    assert fault_of(meant(text, NOW_S + 60)) is FaultKind.EXPIRED
    assert fault_of(meant(text.replace("A17", "A18"))) is FaultKind.FORGED
    assert fault_of(meant(text.replace("K7", "K8"))) is FaultKind.NO_KEY
    assert fault_of(meant(text[:-1])) is FaultKind.CUT_SHORT
    other = Ed25519PrivateKey.from_private_bytes(b"t" * 32)
    assert fault_of(meant(tokens.make_coupon(COUPON, "K7", other))) is FaultKind.FORGED


def test_orders_and_badges() -> None:
    order = meant(tokens.make_order("29017-000042", KEY))
    assert isinstance(order, OrderToken)
    assert order.order == "29017-000042"
    badge = meant(tokens.make_badge("STAFF-7", 3, KEY))
    assert isinstance(badge, BadgeToken)
    assert (badge.staff, badge.issue) == ("STAFF-7", 3)


@settings(deadline=None)
@given(
    st.lists(
        st.builds(CartLine, st.from_regex("[0-9]{14}", fullmatch=True), st.integers(1, 65_535)),
        min_size=1,
        max_size=tokens.CART_LINES_MAX,
    ),
    st.integers(0, tokens.CART_LIFE_S),
)
def test_a_cart_travels_whole(lines: list[CartLine], age_s: int) -> None:
    text = tokens.make_cart(tuple(lines), KEY, NOW_S)
    assert len(text) <= CODE_TEXT_MAX
    meaning = meant(text, NOW_S + age_s)
    assert isinstance(meaning, CartToken)
    assert (meaning.lines, meaning.made_s) == (tuple(lines), NOW_S)


def test_an_old_cart_and_one_of_the_future_are_refused() -> None:
    text = tokens.make_cart(LINES, KEY, NOW_S)
    assert fault_of(meant(text, NOW_S + tokens.CART_LIFE_S + 1)) is FaultKind.EXPIRED
    assert fault_of(meant(text, NOW_S - tokens.CLOCKS_APART_MAX_S - 1)) is FaultKind.EXPIRED


MADE = [
    tokens.make_order("29017-000042", KEY),
    tokens.make_badge("STAFF-7", 3, KEY),
    tokens.make_cart(LINES, KEY, NOW_S),
    tokens.make_coupon(COUPON, "K7", SIGNER),
]


@pytest.mark.parametrize("text", MADE)
def test_no_character_of_a_token_can_be_changed(text: str) -> None:
    genuine = meant(text)
    for at in range(3, len(text)):
        other = "A" if text[at] != "A" else "B"
        changed = meant(text[:at] + other + text[at + 1 :])
        # The last letter of base32 has bits that say nothing.
        assert isinstance(changed, Malformed) or (at == len(text) - 1 and changed == genuine)


@pytest.mark.parametrize("text", MADE)
def test_a_token_cut_anywhere_is_refused(text: str) -> None:
    for at in range(len(text)):
        assert isinstance(meant(text[:at]), Malformed | Unknown)


@pytest.mark.parametrize("text", MADE[:3])
def test_another_shop_knows_none_of_them(text: str) -> None:
    assert fault_of(meant(text, rules=Rules(store_key=OTHER_KEY))) is FaultKind.FORGED
    assert fault_of(meant(text, rules=Rules())) is FaultKind.NO_KEY


@pytest.mark.parametrize("text", [*MADE, shown()])
def test_small_letters_and_look_alikes_are_read(text: str) -> None:
    genuine = meant(text)
    cyrillic = str.maketrans("ABCEHKMOPTX", "АВСЕНКМОРТХ")
    assert meant(text.lower()) == genuine
    assert meant(text.translate(cyrillic)) == genuine


@pytest.mark.parametrize("text", MADE)
def test_a_link_of_the_shop_carries_a_token(text: str) -> None:
    genuine = meant(text)
    for link in (f"https://shop.example/p/{text}", f"https://SHOP.example/h#{text}"):
        found = meant(link)
        assert type(found) is type(genuine)
    assert "WebLink" in type(meant(f"https://other.example/p/{text}")).__name__


def test_names_that_a_code_cannot_carry_are_refused() -> None:
    for make in (
        lambda: tokens.make_order("ж", KEY),
        lambda: tokens.make_order("", KEY),
        lambda: tokens.make_badge("A.B", 1, KEY),
        lambda: tokens.make_badge("A", -1, KEY),
        lambda: tokens.make_cart((), KEY, NOW_S),
        lambda: tokens.make_cart(LINES * 17, KEY, NOW_S),
        lambda: tokens.make_cart((CartLine("04600000000015", 0),), KEY, NOW_S),
    ):
        with pytest.raises(ValueError, match=r"codes|line"):
            make()


def test_keys_and_members_stay_out_of_representations() -> None:
    told = repr(RULES) + repr(RULES.epochs) + repr(meant(shown())) + repr(meant(MADE[3]))
    for secret in ("kkkk", "eeee", "llll", MEMBER.hex(), "A17"):
        assert secret not in told


def test_a_guessable_epoch_key_is_refused() -> None:
    with pytest.raises(ValueError, match="at least"):
        Epoch(b"short", 0, 1)
