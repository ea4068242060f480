"""Element strings made from the table of identifiers: a valid value for each, drawn by hypothesis.

Used by the tests of codes. It makes values by rules of its own, and by none of the parser's.
"""

import re

from hypothesis import strategies as st

from edge.codes.check_digits import GMN_CHARACTERS, gmn_check, gs1_check
from edge.codes.gs1_table import TABLE

DIGITS = "0123456789"
CHARACTERS = {
    "N": DIGITS,
    "X": GMN_CHARACTERS,
    "Y": "#-/0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "Z": "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=",
}
PART = re.compile(r"(\[)?([NXYZ])(\.\.)?(\d+)(?:,(\w+))?")


def rows() -> dict[str, str]:
    """From each identifier to its components as the table writes them."""
    found = {}
    for line in filter(None, TABLE.split("\n")):
        ai, rest = line.split(" ", 1)
        parts = " ".join(re.match(r"(?:[NXYZ](?:\.\.)?\d\S* )+", rest)[0].split())
        base, _, last = ai.partition(":")
        for name in [base + str(n) for n in range(int(last) + 1)] if last else [base]:
            found[name] = parts
    return found


ROWS = rows()


def number(size: int) -> st.SearchStrategy[str]:
    return st.text(DIGITS, min_size=size, max_size=size)


def number_below(most: int, size: int) -> st.SearchStrategy[str]:
    return st.integers(0, most).map(lambda value: f"{value:0{size}}")


dates = st.dates().map(lambda day: day.strftime("%y%m%d"))
hours = st.times().map(lambda time: time.strftime("%H%M"))
ibans = st.sampled_from(("GB82WEST12345698765432", "DE89370400440532013000"))
bodies = st.text(GMN_CHARACTERS, min_size=1, max_size=23)
CHECKED = {
    "csum": lambda size: number(size - 1).map(lambda body: body + gs1_check(body)),
    "zero_csum": lambda size: number(12).map(lambda body: "0" + body + gs1_check(body)),
    "date": lambda size: dates,
    "date0": lambda size: st.one_of(dates, dates.map(lambda day: day[:4] + "00")),
    "birth": lambda size: st.dates().map(lambda day: day.strftime("%Y%m%d").zfill(8)),
    "hhmm": lambda size: hours,
    "datehour": lambda size: st.tuples(dates, number_below(23, 2)).map("".join),
    "sixty": lambda size: number_below(59, 2),
    "yesno": lambda size: st.sampled_from("01"),
    "nonzero": lambda size: st.integers(0, 10**size - 1).map(str),
    "piece": lambda size: st.sampled_from(("0101", "0102", "1299")),
    "hyphen": lambda size: st.just("-"),
    "percent": lambda size: st.sampled_from(("ABC", "%D0%96", "a+b", "50%25")),
    "country": lambda size: st.sampled_from(("RU", "KZ", "BY")),
    "latitude": lambda size: number_below(180 * 10**7, 10),
    "longitude": lambda size: number_below(360 * 10**7, 10),
    "sex": lambda size: st.sampled_from("0129"),
    "sequence": lambda size: st.sampled_from(("1/1", "1/2", "2/3")),
    "iban": lambda size: ibans,
    "gmn": lambda size: bodies.map(lambda body: body + gmn_check(body)),
}


@st.composite
def value_of(draw: st.DrawFn, ai: str) -> str:
    """A valid value of this identifier; parts that may be absent are drawn to be or not."""
    value = ""
    for optional, kind, upto, size, check in PART.findall(ROWS[ai]):
        if optional and draw(st.booleans()):
            break
        if check:
            value += draw(CHECKED[check](int(size)))
        else:
            least = 1 if upto else int(size)
            value += draw(st.text(CHARACTERS[kind], min_size=least, max_size=int(size)))
    return value


def elements(*ais: str) -> st.SearchStrategy[list[tuple[str, str]]]:
    """Values for these identifiers, with them."""
    return st.tuples(*(value_of(ai) for ai in ais)).map(
        lambda values: list(zip(ais, values, strict=True))
    )


messages = st.lists(st.sampled_from(sorted(ROWS)), min_size=1, max_size=5, unique=True).flatmap(
    lambda ais: elements(*ais)
)
"""Some elements in any order."""
