"""What scanned texts mean: codes of a shop, and what is none."""

from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.codes.check_digits import gs1_check
from edge.codes.classify import TEXT_MAX, classify
from edge.codes.context import Context
from edge.codes.marks import pack_price
from edge.codes.meaning import (
    Elements,
    FaultKind,
    InStore,
    LogisticUnit,
    Malformed,
    Mark,
    Meaning,
    PaymentCard,
    TradeItem,
    Unknown,
    Via,
    WebLink,
)

GTIN = "04600000000015"
EAN = GTIN[1:]
CASE = "14600000000012"
SERIAL = "abcdEFGH'/%57"
SIGNATURE = "x" * 44
CONTEXT = Context()


def checked(body: str) -> str:
    return body + gs1_check(body)


def meant(text: str, **more: object) -> Meaning:
    return classify(text, msgspec.structs.replace(CONTEXT, **more))


# --- trade items


@pytest.mark.parametrize(
    ("text", "gtin", "form"),
    [
        (EAN, GTIN, "EAN-13"),
        (f" {EAN}\r\n", GTIN, "EAN-13"),
        ("4 600000 000015", GTIN, "EAN-13"),
        ("]E0" + EAN, GTIN, "EAN-13"),
        ("]E496385074", "00000096385074", "EAN-8"),
        ("96385074", "00000096385074", "EAN-8"),
        ("036000291452", "00036000291452", "UPC-A"),
        ("]E00036000291452", "00036000291452", "EAN-13"),
        ("04252614", "00042100005264", "UPC-E"),
        ("01234565", "00012345000065", "UPC-E"),
        ("]E401234565", "00000001234565", "EAN-8"),
        ("]E39771234567003" + "12", "09771234567003", "EAN-13 with 12"),
        ("9780306406157" + "51995", "09780306406157", "EAN-13 with 51995"),
        (CASE, CASE, "GTIN-14"),
        ("]I1" + CASE, CASE, "GTIN-14"),
        ("01" + GTIN, GTIN, "(01) GTIN"),
        ("]C101" + CASE, CASE, "(01) GTIN"),
        (f"]C102{CASE}3724", CASE, "(02) content"),
        (f"02{CASE}3724", CASE, "(02) content"),
        (f"https://example.org/01/{GTIN}", GTIN, "(01) GTIN"),
        (f"HTTPS://EXAMPLE.ORG/a/01/{EAN}/21/7?17=271231&utm=x#y", GTIN, "(01) GTIN"),
        (f"http://example.org/gtin/{EAN}/lot/A%2F7/ser/1/", GTIN, "(01) GTIN"),
    ],
)
def test_trade_items_in_all_their_spellings(text: str, gtin: str, form: str) -> None:
    meaning = meant(text)
    if text.startswith("]E4012"):
        assert isinstance(meaning, InStore)  # an EAN-8 that begins with 0 is a shop's own
        return
    assert isinstance(meaning, TradeItem), meaning
    assert (meaning.gtin, meaning.form) == (gtin, form)
    assert meaning.why


@pytest.mark.parametrize("indicator", "12345678")
def test_a_case_means_what_is_in_it(indicator: str) -> None:
    case = checked(indicator + EAN[:-1])
    meaning = meant(case)
    assert isinstance(meaning, TradeItem)
    assert meaning.is_case
    assert meaning.item == GTIN
    assert GTIN in meaning.why[-1]


def test_varying_measure_is_no_case() -> None:
    text = f"]C101{checked('9' + EAN[:-1])}3103001234"
    meaning = meant(text)
    assert isinstance(meaning, TradeItem)
    assert not meaning.is_case
    assert meaning.gtin == meaning.item


@pytest.mark.parametrize("length", [8, 12, 13, 14])
def test_a_wrong_check_digit_is_said(length: int) -> None:
    body = "960000000000000"[: length - 1]
    right = gs1_check(body)
    for digit in set("0123456789") - {right}:
        meaning = meant(body + digit)
        assert isinstance(meaning, Malformed)
        assert (meaning.fault.kind, meaning.fault.at) == (FaultKind.CHECK_DIGIT, length - 1)
    assert isinstance(meant("]C0" + body + str((int(right) + 1) % 10)), Unknown)


def test_pallets_and_other_keys() -> None:
    sscc = checked("34600000000000001"[:17])
    for text in ("]C100" + sscc, "00" + sscc, f"(00){sscc}"):
        meaning = meant(text)
        assert isinstance(meaning, LogisticUnit)
        assert meaning.sscc == sscc
    assert isinstance(meant("]C1414" + EAN), Elements)
    assert isinstance(meant("00" + sscc[:-1] + str((int(sscc[-1]) + 1) % 10)), Unknown)


# --- Честный ЗНАК

SIGNED = [("91", "EE06"), ("92", SIGNATURE)]
MARKS = [
    (SERIAL, SIGNED),
    (SERIAL, [("91", "EE06"), ("92", "y" * 88)]),
    (SERIAL, [("93", "aB1/")]),
    ("aB/4%9", [("93", "aB1/")]),
    ("aB/4%95", [("93", "aB1/")]),
    ("aB/4%9", [("93", "aB1/"), ("3103", "001234")]),
    ("aB/4%95", [("8005", "012345"), ("93", "aB1/")]),
]


@pytest.mark.parametrize("prefix", ["", "]d2", "]d1", "\x1d", "]Q3"])
@pytest.mark.parametrize(("serial", "tail"), MARKS)
@pytest.mark.parametrize("separator", ["\x1d", "", "<GS>"])
def test_marks_with_and_without_separators(
    prefix: str, serial: str, tail: list[tuple[str, str]], separator: str
) -> None:
    parts = [f"01{GTIN}21{serial}", *(ai + value for ai, value in tail)]
    meaning = meant(prefix + separator.join(parts))
    assert isinstance(meaning, Mark), meaning
    assert (meaning.gtin, meaning.serial) == (GTIN, serial)
    carton = tail[0][0] == "8005"
    assert meaning.kind == ("tobacco_carton" if carton else "unit")
    assert meaning.mrp_minor == (12345 if carton else None)
    assert meaning.gs_missing is (separator == "")
    assert [(e.ai, e.value) for e in meaning.elements[2:]] == tail


@pytest.mark.parametrize("kopecks", [0, 1, 79, 80, 12_345, 80**4 - 1])
def test_a_tobacco_pack(kopecks: int) -> None:
    meaning = meant(f"{GTIN}a!B2=?x{pack_price(kopecks)}d/W_")
    assert isinstance(meaning, Mark)
    assert (meaning.kind, meaning.gtin, meaning.serial) == ("tobacco_pack", GTIN, "a!B2=?x")
    assert meaning.mrp_minor == kopecks
    assert isinstance(meant(f"{GTIN[:-1]}6a!B2=?x{pack_price(kopecks)}d/W_"), Unknown)


def test_a_mark_of_another_length_without_separators_is_a_fault_with_its_place() -> None:
    meaning = meant(f"01{GTIN}21{SERIAL}91EE0692{SIGNATURE}x")
    assert isinstance(meaning, Malformed)
    assert (meaning.fault.kind, meaning.fault.at) == (FaultKind.TOO_MUCH, 38)
    assert "GS" in meaning.fault.what


# --- links


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("https://id.gs1.org/ARFKk4XB0CDKWcnpq", FaultKind.NOT_SUPPORTED),
        ("https://example.org/AQnYUc1gmiERBhQ", FaultKind.NOT_SUPPORTED),
        (f"https://example.org/01/{GTIN[:-1]}6", FaultKind.CHECK_DIGIT),
        (f"https://example.org/01/{GTIN}/21", FaultKind.CUT_SHORT),
        (f"https://example.org/01/{GTIN}/99/1", FaultKind.UNKNOWN_IDENTIFIER),
        (f"https://example.org/01/{GTIN}/21/1/10/2", FaultKind.UNKNOWN_IDENTIFIER),
        (f"https://example.org/01/{GTIN}?17=261331", FaultKind.BAD_VALUE),
        ("https://example.org/01/123", FaultKind.CUT_SHORT),
    ],
)
def test_links_that_cannot_be_read_say_why(text: str, kind: FaultKind) -> None:
    meaning = meant(text)
    assert isinstance(meaning, Malformed), meaning
    assert meaning.fault.kind is kind
    assert 8 <= meaning.fault.at <= len(text)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("https://example.org", "example.org"),
        ("https://user@example.org:8080/x?y", "example.org:8080"),
        ("https://еxample.org/x", "\\u0435xample.org"),
        ("http://[::1]/", "[::1]"),
    ],
)
def test_other_addresses_are_only_told(text: str, host: str) -> None:
    meaning = meant(text)
    assert isinstance(meaning, WebLink)
    assert meaning.host == host


# --- payment cards


@pytest.mark.parametrize("via", list(Via))
@pytest.mark.parametrize(
    "text", ["4111111111111111", "]C14111111111111111", ";4111111111111111=2512101?"]
)
def test_of_a_payment_card_nothing_is_kept(text: str, via: Via) -> None:
    meaning = meant(text, via=via)
    assert isinstance(meaning, PaymentCard)
    assert "4111" not in msgspec.json.encode(meaning).decode() + repr(meaning)


def test_what_the_camera_knows_counts_like_what_a_scanner_sends() -> None:
    mark = f"01{GTIN}21A7"
    assert meant(mark, symbology="]d2").elements == meant("]d2" + mark).elements
    gln = next(  # of which the digits look like a Visa card's
        number
        for number in (checked(f"4600{each:08}") for each in range(1000))
        if isinstance(meant("414" + number), PaymentCard)
    )
    assert isinstance(meant("414" + gln, symbology="]C1"), Elements)


# --- what is no code


@pytest.mark.parametrize(
    ("text", "kind", "at"),
    [
        ("", FaultKind.EMPTY, 0),
        ("  \r\n", FaultKind.EMPTY, 0),
        ("]E0", FaultKind.EMPTY, 0),
        ("abc\x07def", FaultKind.CONTROL_CHARACTER, 3),
        ("[)>\x1e06\x1d9N11\x1e\x04", FaultKind.CONTROL_CHARACTER, 3),
        ("4600\u202e000000015", FaultKind.INVISIBLE_CHARACTER, 4),
        ("46\u200b00000000015", FaultKind.INVISIBLE_CHARACTER, 2),
        ("\ufeff4600000000015", FaultKind.INVISIBLE_CHARACTER, 0),
        ("a\ufffdb", FaultKind.BAD_CHARACTER, 1),
        ("7" * (TEXT_MAX + 1), FaultKind.TOO_LONG, TEXT_MAX),
        (f"01{GTIN}21\u0410", FaultKind.BAD_CHARACTER, 18),  # a Cyrillic A
        (f"01{GTIN}2", FaultKind.CUT_SHORT, 17),
        ("]d2" + EAN, FaultKind.UNKNOWN_IDENTIFIER, 0),
    ],
)
def test_broken_texts_give_a_fault_and_its_place(text: str, kind: FaultKind, at: int) -> None:
    meaning = meant(text)
    assert isinstance(meaning, Malformed), meaning
    assert (meaning.fault.kind, meaning.fault.at) == (kind, at), meaning.why
    assert meaning.fault.what.isprintable()


@pytest.mark.parametrize(
    "text",
    [
        "SKU-17",
        "hello world",
        "7" * 7089,
        "١٢٣٤٥٦٧٨",
        "²²²²²²²²",
        "(a)",
        "(99",
        "]",
        "]]",
        "L1",
        "C1",
        "01",
    ],
)
def test_other_texts_are_unknown(text: str) -> None:
    assert isinstance(meant(text), Unknown | Malformed)
    assert isinstance(meant(text), Unknown) or text == "(99"


HOSTILE = st.one_of(
    st.text(max_size=80),
    st.text("0123456789", max_size=40),
    st.text("0123456789\x1d()/]dCEQ%=^;.", max_size=120),
    st.builds(
        lambda head, tail: head + tail,
        st.sampled_from(
            (
                "]C1",
                "]d2",
                "01" + GTIN + "21",
                "https://",
                "https://a/01/",
                "L1",
                "C1.",
                "H1",
                "(01)",
            )
        ),
        st.text(max_size=60),
    ),
)


@settings(max_examples=400, deadline=None)
@given(HOSTILE, st.sampled_from(list(Via)), st.sampled_from(("", "]E0", "]d2", "]C1", "]?", "x")))
def test_any_text_has_a_meaning_with_a_reason(text: str, via: Via, symbology: str) -> None:
    meaning = meant(text, via=via, symbology=symbology)
    assert meaning.why
    assert all(reason.isprintable() and reason.endswith((".", ".)")) for reason in meaning.why)
    msgspec.json.encode(meaning)


def test_a_code_cut_at_each_character_has_a_meaning() -> None:
    for whole in (
        f"]d201{GTIN}21{SERIAL}\x1d91EE06\x1d92{SIGNATURE}",
        f"https://a.b/01/{GTIN}/21/7",
    ):
        for at in range(len(whole)):
            assert meant(whole[:at]).why


def test_seeded_noise_of_seven_kilobytes_is_quick_and_harmless() -> None:
    random = Random(11)
    for alphabet in ("0123456789", "0123456789=^;:%?BD ", "01\x1d", "aж\u202e\x00]", "%/01?&="):
        for _ in range(20):
            text = "".join(random.choices(alphabet, k=TEXT_MAX))
            assert meant(text, via=random.choice(list(Via))).why
            assert meant("https://a/01/" + text[:8000]).why
