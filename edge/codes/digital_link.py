"""GS1 Digital Link URIs: read as the element string they stand for. Nobody opens them.

Called by the classifier. After GS1 Digital Link 1.4: a primary key in the path, its qualifiers
behind it, further identifiers in the query. The compressed form is told, and not read.
"""

import base64
import re
from urllib.parse import unquote

from msgspec import Struct

from edge.codes.gs1 import ELEMENTS_MAX, judge
from edge.codes.gs1_rules import IDENTIFIERS
from edge.codes.meaning import Element, Fault, FaultKind
from edge.codes.retail import GTIN_DIGITS, LENGTHS, padded

_ADDRESS = re.compile(
    r"(?P<scheme>https?)://(?P<host>[^/?#\\\s]{1,255})(?P<path>[^?#\s]*)"
    r"(?:\?(?P<query>[^#\s]*))?(?:#\S*)?",
    re.IGNORECASE | re.ASCII,
)
_SCHEMES = frozenset({"http", "HTTP", "Http"})
"""As phones, QR codes without small letters and automatic capitals write it."""
_KEYS = {
    "00": (),
    "01": ("22", "10", "21", "235"),
    "253": (),
    "255": (),
    "401": (),
    "402": (),
    "414": ("254", "7040"),
    "417": ("7040",),
    "8003": (),
    "8004": ("7040",),
    "8006": ("22", "10", "21"),
    "8010": ("8011",),
    "8013": (),
    "8017": ("8019",),
    "8018": ("8019",),
}
"""Primary keys, and which qualifiers may follow each, in this order."""
_WORDS = {"gtin": "01", "sscc": "00", "ser": "21", "lot": "10", "cpv": "22", "gln": "414"}
"""Of version 1.1, still found in print."""
_GTINS = frozenset({"01"})
_COMPRESSED = re.compile(r"[A-Za-z0-9_-]{10,}")
_COMPRESSED_BEGINS = frozenset(bytes((0x00, 0x01, 0x25, 0x40, 0x41, 0x80)))
"""The first two digits of each key, four bits a digit: how compressed links begin."""
_RESOLVER = "id.gs1.org"


class Address(Struct, frozen=True):
    """An address of the web, taken apart. `path_at` is where its path begins in the text."""

    host: str
    path: str
    query: str
    path_at: int


def address_of(text: str) -> Address | None:
    """The parts of an http or https address; None for other texts. A user's name is left out."""
    found = _ADDRESS.fullmatch(text) if text[:4] in _SCHEMES else None
    if found is None:
        return None
    host = found["host"].rpartition("@")[2].lower()
    return Address(_ascii(host), found["path"], found["query"] or "", found.start("path"))


def read(address: Address) -> tuple[Element, ...] | Fault | None:
    """The elements of a Digital Link; None for any other address."""
    segments = address.path.split("/")[1:]
    if segments and not segments[-1]:
        segments.pop()
    for at, segment in enumerate(segments):
        key = _identifier(segment)
        if key in _KEYS and at + 1 < len(segments):
            return _elements(address, segments, at, key)
    if _is_compressed(address.host, segments):
        what = "This is a compressed GS1 Digital Link, which storebox does not read."
        return Fault(FaultKind.NOT_SUPPORTED, address.path_at, what)
    return None


def _elements(
    address: Address, segments: list[str], first: int, key: str
) -> tuple[Element, ...] | Fault:
    found: list[Element] = []
    left = _KEYS[key]
    for at in range(first, len(segments), 2):
        ai = _identifier(segments[at])
        if at > first:
            if ai not in left:
                what = f"/{_ascii(segments[at])[:10]}/ may not follow here."
                return Fault(FaultKind.UNKNOWN_IDENTIFIER, _place(address, segments, at), what)
            left = left[left.index(ai) + 1 :]
        if at + 1 == len(segments):
            what = f"The value of /{ai}/ is missing."
            return Fault(FaultKind.CUT_SHORT, address.path_at + len(address.path), what)
        element = _element(ai, segments[at + 1])
        if isinstance(element, Fault):
            return Fault(element.kind, _place(address, segments, at + 1) + element.at, element.what)
        found.append(element)
    return _with_query(address, found) if address.query else tuple(found)


def _with_query(address: Address, found: list[Element]) -> tuple[Element, ...] | Fault:
    """Identifiers of the query, too; whatever else stands there is for the web server alone."""
    place = address.path_at + len(address.path) + 1
    for pair in address.query.replace(";", "&").split("&"):
        name, _, value = pair.partition("=")
        if name in IDENTIFIERS and value and len(found) < ELEMENTS_MAX:
            element = _element(name, value)
            if isinstance(element, Fault):
                begin = place + len(name) + 1
                return Fault(element.kind, begin + element.at, element.what)
            found.append(element)
        place += len(pair) + 1
    return tuple(found)


def _element(ai: str, value: str) -> Element | Fault:
    """The element, or what is wrong with it and where in the value."""
    if "%" in value:
        value = unquote(value)
    if ai in _GTINS and len(value) in LENGTHS and len(value) < GTIN_DIGITS:
        value = padded(value)
    rule = IDENTIFIERS[ai]
    return judge(rule, value, 0) or Element(ai, value, rule.title)


def _place(address: Address, segments: list[str], index: int) -> int:
    """Where a segment of the path begins in the text."""
    return address.path_at + 1 + sum(len(segment) + 1 for segment in segments[:index])


def _identifier(segment: str) -> str:
    return segment if segment.isdecimal() else _WORDS.get(segment.lower(), segment)


def _is_compressed(host: str, segments: list[str]) -> bool:
    if len(segments) != 1 or not _COMPRESSED.fullmatch(segments[0]):
        return False
    first = base64.urlsafe_b64decode(segments[0][:4])[0]
    return host == _RESOLVER or first in _COMPRESSED_BEGINS


def _ascii(text: str) -> str:
    """Look-alike letters of other scripts as numbers, so that they deceive nobody."""
    return text if text.isascii() else text.encode("ascii", "backslashreplace").decode()
