"""The classifier against biip and python-stdnum on the same strings: every difference has a reason.

`REASONS` is the table. A difference that none of them explains fails, and so does a reason that
explains nothing any more.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from random import Random
from typing import NamedTuple

import pytest
from biip import parse
from biip.gs1_application_identifiers import GS1ApplicationIdentifier
from stdnum import ean, iban, luhn

from edge.codes.check_digits import gs1_check, has_gs1_check, passes_luhn
from edge.codes.classify import classify
from edge.codes.context import Context
from edge.codes.gs1_checks import iban as is_iban
from edge.codes.gs1_rules import IDENTIFIERS
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
)
from tests.unit.gs1_making import PART, ROWS

AIS = sorted(IDENTIFIERS)
STRINGS_OF_EACH_KIND = 200
CONTEXT = Context()


def digits(random: Random, count: int) -> str:
    return f"{random.randrange(10**count):0{count}}"


def checked(body: str) -> str:
    return body + gs1_check(body)


def serial(random: Random, longest: int = 20) -> str:
    letters = "ABCxyz0123456789-/_%&+.,:;<>?!\"'()*="
    return "".join(random.choices(letters, k=random.randint(1, longest)))


def gtin_14(random: Random) -> str:
    return checked(random.choice(("0", "0", "1", "9")) + "460" + digits(random, 9))


def day(random: Random) -> str:
    month, of_month = random.randint(1, 12), random.choice((0, 1, 15, 28, 31))
    return f"{random.randrange(20, 40)}{month:02}{of_month:02}"


def signature(random: Random) -> str:
    return "91EE06\x1d92" + digits(random, 44)


def any_element(random: Random) -> str:
    """Some identifier with digits or characters of about the right number, whatever it checks."""
    ai = random.choice(AIS)
    parts = PART.findall(ROWS[ai])
    longest = sum(int(size) for *_, size, _ in parts)
    letters = serial(random, longest) if any(kind != "N" for _, kind, *_ in parts) else ""
    return "]C1" + ai + (letters or digits(random, random.randint(max(1, longest - 1), longest)))


KINDS: dict[str, Callable[[Random], str]] = {
    "EAN-13": lambda dice: checked("460" + digits(dice, 9)),
    "any 13": lambda dice: checked(digits(dice, 12)),
    "EAN-8": lambda dice: checked(digits(dice, 7)),
    "UPC-A": lambda dice: checked(digits(dice, 11)),
    "GTIN-14": gtin_14,
    "13 unchecked": lambda dice: digits(dice, 13),
    "8 unchecked": lambda dice: digits(dice, 8),
    "bare SSCC": lambda dice: "00" + checked(digits(dice, 17)),
    "]E0": lambda dice: "]E0" + checked("460" + digits(dice, 9)),
    "]C1 SSCC": lambda dice: "]C100" + checked(digits(dice, 17)),
    "]C1 01 17 10": lambda dice: f"]C101{gtin_14(dice)}17{day(dice)}10{serial(dice)}",
    "]d2 01 21 10": lambda dice: f"]d201{gtin_14(dice)}21{serial(dice)}\x1d10{serial(dice)}",
    "]e0 01 3103 3922": lambda dice: (
        f"]e001{gtin_14(dice)}3103{digits(dice, 6)}3922{digits(dice, 4)}"
    ),
    "]C1 414 254": lambda dice: f"]C1414{checked(digits(dice, 12))}254{serial(dice)}",
    "]C1 8003": lambda dice: f"]C180030{checked(digits(dice, 12))}{serial(dice, 16)}",
    "01 21": lambda dice: f"01{gtin_14(dice)}21{serial(dice)}",
    "mark": lambda dice: (
        f"]d201{gtin_14(dice)}21{serial(dice, 13)}\x1d91EE06\x1d92{digits(dice, 44)}"
    ),
    "link": lambda dice: f"https://example.org/01/{gtin_14(dice)}/10/A{digits(dice, 3)}",
    "any element": any_element,
    "in brackets": lambda dice: f"(01){gtin_14(dice)}(21)A{digits(dice, 5)}",
    "mark without GS": lambda dice: (
        f"01{gtin_14(dice)}21{digits(dice, 13)}91EE0692{digits(dice, 44)}"
    ),
    "milk without GS": lambda dice: f"01{gtin_14(dice)}21{digits(dice, 6)}93{digits(dice, 4)}",
    "~ for GS": lambda dice: f"]C101{gtin_14(dice)}10A{digits(dice, 4)}~21B{digits(dice, 4)}",
    "EAN with add-on": lambda dice: "]E3" + checked("978" + digits(dice, 9)) + digits(dice, 5),
    "link with gtin": lambda dice: (
        f"https://example.org/gtin/{gtin_14(dice)}/ser/{digits(dice, 4)}"
    ),
    "link, short": lambda dice: f"https://example.org/01/{checked('460' + digits(dice, 9))}",
    "link of a place": lambda dice: f"https://example.org/414/{checked(digits(dice, 12))}/254/A1",
    "link, compressed": lambda dice: f"https://id.gs1.org/AR{serial(dice)}",
    "tobacco pack": lambda dice: f"0{checked('460' + digits(dice, 9))}aB3dE!xAAAA/d1W",
    "cut": lambda dice: f"]C101{gtin_14(dice)}17{day(dice)}"[: dice.randint(3, 26)],
}


def strings() -> Iterator[tuple[str, str]]:
    for kind, make in KINDS.items():
        random = Random(f"codes {kind}")
        for _ in range(STRINGS_OF_EACH_KIND):
            yield kind, make(random)


Found = dict[str, str]


def ours(text: str) -> Found:
    """What both can say: the GTIN in 14 digits, the SSCC, the elements."""
    match classify(text, CONTEXT):
        case TradeItem(gtin=gtin, elements=elements) | Mark(gtin=gtin, elements=elements):
            return {"gtin": gtin, **{e.ai: e.value for e in elements}}
        case LogisticUnit(sscc=sscc, elements=elements):
            return {"sscc": sscc, **{e.ai: e.value for e in elements}}
        case Elements(elements=elements):
            return {e.ai: e.value for e in elements}
        case InStore(number=number):
            return {"gtin": number.zfill(14)}
    return {}


def theirs(text: str) -> Found:
    """The same of biip, which gives all readings at once: the message wins over a bare number."""
    result = parse(text)
    found: Found = {}
    if result.gs1_digital_link_uri is not None:
        elements = result.gs1_digital_link_uri.element_strings
        found = {each.ai.ai: each.value for each in elements}
    elif result.gs1_message is not None:
        found = {each.ai.ai: each.value for each in result.gs1_message.element_strings}
    if result.gtin is not None:
        found["gtin"] = result.gtin.as_gtin_14()
    if result.sscc is not None:
        found["sscc"] = result.sscc.value
    return found


class Case(NamedTuple):
    kind: str
    text: str
    ours: Found
    theirs: Found

    @property
    def meaning(self) -> Meaning:
        return classify(self.text, CONTEXT)


def is_bare_number(case: Case) -> bool:
    return case.text.isdecimal() and len(case.text) in (8, 12, 13, 14)


def only_we_check(case: Case) -> bool:
    meaning = case.meaning
    checks = (FaultKind.CHECK_DIGIT, FaultKind.BAD_VALUE)
    return case.kind == "any element" and (
        isinstance(meaning, Malformed) and meaning.fault.kind in checks
    )


REASONS: dict[str, tuple[Callable[[Case], bool], str]] = {
    "bare number": (
        lambda case: is_bare_number(case) and set(case.theirs) - set(case.ours) - {"gtin"} != set(),
        "biip also reads a bare EAN, or one with a wrong check digit, as an element string. Nobody "
        "prints those without FNC1; the order of the classifier decides.",
    ),
    "UPC-E": (
        lambda case: len(case.text) == 8 and case.text[0] == "0" and len(case.ours) == 1,
        "With 0 in front biip's GTIN is the shop's own EAN-8; scanners send UPC-E so, which biip "
        "tells apart as `upc`. A shop with such EAN-8 names the layout.",
    ),
    "check": (
        only_we_check,
        "biip checks the digits of SSCC and GTIN only where they stand alone, and no places, keys, "
        "IBAN, model numbers, pieces or escapes; the General Specifications do.",
    ),
    "card": (
        lambda case: isinstance(case.meaning, PaymentCard) and case.text.startswith("]C139"),
        "An element of digits alone, without a check digit, that could be a card's number: the "
        "guard comes first. No trade item, place or pallet is among them.",
    ),
    "brackets": (
        lambda case: case.kind == "in brackets" and not case.theirs,
        "biip refuses the form for people, which zxing and typing hands give.",
    ),
    "mark": (
        lambda case: case.kind in ("mark without GS", "milk without GS") and "gtin" in case.ours,
        "Where GS was lost biip lets (21) swallow what follows, and refuses what is too long; "
        "marks of Честный ЗНАК have known lengths.",
    ),
    "pack": (
        lambda case: case.kind == "tobacco pack" and not case.theirs,
        "A tobacco pack's mark is no GS1 element string.",
    ),
    "stand-in": (
        lambda case: case.kind == "~ for GS" and not case.theirs,
        "biip takes GS alone by default; no value may hold a tilde, so that it is clear.",
    ),
    "add-on": (
        lambda case: case.kind == "EAN with add-on" and not case.theirs,
        "biip does not cut an EAN-13 from its add-on.",
    ),
    "words": (
        lambda case: case.kind == "link with gtin" and not case.theirs,
        "Digital Link 1.1 wrote /gtin/ and /ser/, and such codes are still in print.",
    ),
}


def test_every_difference_to_biip_has_a_reason() -> None:
    used: Counter[str] = Counter()
    alike = 0
    for kind, text in strings():
        case = Case(kind, text, ours(text), theirs(text))
        if case.ours == case.theirs:
            alike += 1
            continue
        reasons = [name for name, (explains, _) in REASONS.items() if explains(case)]
        assert len(reasons) == 1, f"{reasons}: {case}"
        used[reasons[0]] += 1
    assert set(used) == set(REASONS), "a reason explains nothing any more"
    assert alike > sum(used.values())


def test_the_table_of_identifiers_is_biips_in_lengths_and_separators() -> None:
    for ai, rule in IDENTIFIERS.items():
        other = GS1ApplicationIdentifier.extract(ai)
        assert other.separator_required is not bool(rule.fixed), ai
        # The lengths it names: fixed parts, `..` up to, [+optional]; (423) and its like in pieces.
        longest = sum(int(size) for size in re.findall(r"[NXYZ](?:\.\.)?(\d+)", other.format))
        longest -= len(ai)
        assert rule.longest == longest + OTHERWISE.get(ai, 0), ai


OTHERWISE = {"4330": 1, "4331": 1, "4332": 1, "4333": 1, "8043": -1}
"""biip writes the minus of temperatures as [-], and one or two digits more as [N1..N2]."""


def test_check_digits_are_those_of_stdnum() -> None:
    random = Random(12)
    for _ in range(5000):
        number = digits(random, random.choice((8, 12, 13, 14)))
        assert has_gs1_check(number) is ean.is_valid(number), number
        number = digits(random, random.randint(2, 19))
        assert passes_luhn(number) is luhn.is_valid(number), number


@pytest.mark.parametrize(
    "number", ["GB82WEST12345698765432", "DE89370400440532013000", "NL91ABNA0417164300"]
)
def test_ibans_are_those_of_stdnum(number: str) -> None:
    assert iban.is_valid(number)
    assert is_iban(number)
    for at in range(len(number)):
        other = "7" if number[at] != "7" else "3"
        spoilt = number[:at] + other + number[at + 1 :]
        assert not iban.is_valid(spoilt)
        assert not is_iban(spoilt)
