"""The guard: no card's number or track passes, and no label of a shop is lost for it."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.codes.check_digits import gs1_check, passes_luhn
from edge.codes.context import LoyaltyRange
from edge.codes.meaning import Via
from edge.codes.payment_card import ISSUERS, holds_card, own_card

CARD = "2200000000000004"
LOST_MAX = 0.0001
CODES = 100_000
CARDS = 20_000
SCANNERS = (Via.SERIAL, Via.HID, Via.CAMERA)
READERS = (Via.NFC, Via.RFID, Via.MAGSTRIPE, Via.TYPED)


def luhn(body: str) -> str:
    return next(body + digit for digit in "0123456789" if passes_luhn(body + digit))


def ean(random: Random) -> str:
    body = random.choice(("460", "4", "46", "5", "")).ljust(0)
    body += f"{random.randrange(10 ** (12 - len(body))):0{12 - len(body)}}"
    return body + gs1_check(body)


def checked(random: Random, length: int) -> str:
    body = f"{random.randrange(10 ** (length - 1)):0{length - 1}}"
    return body + gs1_check(body)


def card_number(random: Random) -> str:
    first, last, lengths = random.choice(ISSUERS)
    length = random.choice(sorted(lengths))
    issuer = f"{random.randint(first, last):04}"
    return luhn(issuer + f"{random.randrange(10 ** (length - 5)):0{length - 5}}")


def is_also_a_label(number: str) -> bool:
    return len(number) in (13, 14, 18) and number[-1] == gs1_check(number[:-1])


@pytest.mark.parametrize(
    ("text", "card"),
    [
        (CARD, True),
        ("4111111111111111", True),
        ("378282246310005", True),
        ("6304000000000000", True),
        ("4222222222222", True),  # 13 digits, no valid EAN
        ("4111111111111112", False),
        ("4607001234562", False),
        ("4111 1111", False),
        ("411111111111", False),
        ("41111111111111111111", False),
        ("L1ABCDEF", False),
        ("]C14111111111111111", True),
        ("]E0\x1d4111111111111111", True),
        (" 4111 1111 1111 1111 ", True),
        ("4111-1111-1111-1111", True),
        ("4111\u00a01111\u20111111\u200b1111", True),
        ("４１１１１１１１１１１１１１１１", True),
        ("٤١١١١١١١١١١١١١١١", True),
        ("3782 822463 10005", True),
        ("4607001234567-3", False),  # Luhn holds without the dash, but no card is written so
        ("2221000000000009", True),
        ("2204000000000000", True),  # the last of Mir
        ("2204000000000000006", True),
        ("6200000000000005", True),
        ("1234567812345670", False),  # Luhn holds, but nobody issues it
        ("7111111111111118", False),
        ("2205000000000009", False),
        ("9999000000000000007", False),
        ("0104607001234567", False),  # (01) and a GTIN
        ("]d20104600000000008", False),
        ("]C1010460700123456721abc\x1d91EE06\x1d92" + "x" * 44, False),
        ("4111-1111-1111-1111-4111", False),
        ("352099001761481", False),  # a telephone's IMEI
        ("%B4111111111111111^DOE/JOHN^25121010000000000?", True),
        ("%И4111111111111111:ВЩУ.ОЩРТ:25121010000000000,", True),  # through a Cyrillic layout
        (";4111111111111111=25121010000000000?", True),
        ("ж4111111111111111=25121010000000000,", True),
        ("4111111111111111=2512", True),
        (";4111111111111112=25121010000000000?", True),  # no check digit excuses a track
        (";014111111111111111=724724100000000000030300?", True),
        ("%B378282246310005^A/B^2512?;378282246310005=2512?", True),
        ("4111111111111111D25121010000000000", True),
        ("]Z1;4111111111111111=2512?", True),
        ("0104600000000015" + "21=1234567", False),  # a serial that begins with =
        ("t=20260727T1117&s=4850.00&fn=9287440300634471&i=13571&fp=3730902192&n=1", False),
    ],
)
@pytest.mark.parametrize("via", SCANNERS)
def test_cards_are_known_by_digits_and_shape(text: str, card: bool, via: Via) -> None:
    assert holds_card(text, via) is card


@pytest.mark.parametrize("via", [*SCANNERS, *READERS])
def test_every_card_and_track_is_dropped_from_every_device(via: Via) -> None:
    random = Random(f"cards {via}")
    passed = []
    for _ in range(CARDS):
        number = card_number(random)
        expiry = f"{random.randrange(24, 36)}{random.randint(1, 12):02}"
        form = random.choice(
            ("{0}", "{0}", "{0}\r", "%B{0}^A/B^{1}101?", ";{0}={1}101?", ";01{0}=72472?", "{0}={1}")
        )
        text = form.format(number, expiry)
        label = text.strip() == number and is_also_a_label(number)
        label &= via in SCANNERS or len(number) == 13  # an EAN-13 is typed by hand, too
        if not label and not holds_card(text, via):
            passed.append(form)
    assert not passed


@pytest.mark.parametrize("via", SCANNERS)
@pytest.mark.parametrize("length", [13, 14, 18])
def test_no_label_is_lost(via: Via, length: int) -> None:
    """Numbers of trade items, cases and pallets, bare: of a third of 100 000 each not ten."""
    random = Random(f"labels {via} {length}")
    made = ean if length == 13 else lambda dice: checked(dice, length)
    codes = [made(random) for _ in range(CODES // 3)]
    assert any(passes_luhn(code) for code in codes)
    lost = sum(holds_card(code, via) for code in codes)
    assert lost <= LOST_MAX * len(codes)


def test_no_element_string_is_lost() -> None:
    random = Random(20)
    forms = ("01{0}", "]C101{0}", "]d201{0}", "02{0}37{1}", "01{0}21{1}", "]d201{0}10{1}\x1d")
    codes = [
        random.choice(forms).format(checked(random, 14), random.randrange(1000))
        for _ in range(CODES)
    ]
    codes += ["]C100" + checked(random, 18) for _ in range(1000)]
    codes += ["]C1414" + ean(random) for _ in range(1000)]
    lost = [code for code in codes if holds_card(code, Via.SERIAL)]
    assert len(lost) <= LOST_MAX * len(codes)


@given(st.integers(0, 10**12 - 1), st.sampled_from([*SCANNERS, *READERS]))
def test_a_valid_ean_is_never_taken_for_a_card(number: int, via: Via) -> None:
    body = f"{number:012}"
    assert not holds_card(body + gs1_check(body), via)


@pytest.mark.parametrize("via", READERS)
def test_where_no_label_is_read_doubt_counts_against_the_number(via: Via) -> None:
    """36… may be a case and a Diners Club card; nobody swipes or types a case."""
    random = Random(5)
    numbers = (luhn("36" + f"{random.randrange(10**11):011}") for _ in range(1000))
    both = next(number for number in numbers if is_also_a_label(number))
    assert holds_card(both, via)
    assert not holds_card(both, Via.SERIAL)
    assert holds_card(f"my card is {CARD[:4]} {CARD[4:8]} {CARD[8:]}, thanks", via)


@pytest.mark.parametrize("first", ["0", "1", "7", "8", "9"])
def test_loyalty_cards_that_no_bank_numbers_are_never_dropped(first: str) -> None:
    random = Random(21)
    for length in range(13, 20):
        for _ in range(200):
            number = first + f"{random.randrange(10 ** (length - 1)):0{length - 1}}"
            assert not holds_card(number, Via.MAGSTRIPE)


def test_own_cards_come_first() -> None:
    own = (LoyaltyRange("gold", "2200000000000000", "2200000000009999"),)
    assert not holds_card(CARD, Via.MAGSTRIPE, own=own)
    for track in (f";{CARD}=2512101?", f"%B{CARD}^A/B^2512?"):
        assert not holds_card(track, Via.MAGSTRIPE, own=own)
        assert own_card(track, own) == (CARD, "gold")
        assert holds_card(track.replace(CARD, "2200000000010003"), Via.MAGSTRIPE, own=own)
    assert holds_card("2200000000010003", Via.SERIAL, own=own)
    both = f"%B{CARD}^A/B^2512?;4111111111111111=2512?"
    assert holds_card(both, Via.MAGSTRIPE, own=own)


@given(st.text(max_size=300), st.sampled_from(list(Via)))
def test_no_text_breaks_it(text: str, via: Via) -> None:
    holds_card(text, via)


@given(st.text("0123456789²①፩٣４ -=^B;]D\u200b", max_size=60), st.sampled_from(list(Via)))
def test_no_digits_break_it(text: str, via: Via) -> None:
    holds_card(text, via)
