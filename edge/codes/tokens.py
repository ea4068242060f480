"""Own tokens beside the loyalty code: coupon C1, order O1, cart handoff H1, staff badge S1.

Made by whoever prints or shows them, checked by the classifier; keys and time are passed in. A
coupon is signed (Ed25519), because the box must not be able to make one; the others carry ten bytes
of HMAC-SHA256 under the shop's key. Capitals, digits, dots and dashes only (alphanumeric QR).
"""

import hmac
import re
from base64 import b32decode, b32encode
from collections.abc import Callable

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from edge.codes.context import Rules
from edge.codes.meaning import (
    BadgeToken,
    CartLine,
    CartToken,
    CouponToken,
    Fault,
    FaultKind,
    OrderToken,
)

CART_LINES_MAX = 32
"""So that the code stays within what a scanner's text may have, and a phone can show."""
CART_LIFE_S = 2 * 3600
CLOCKS_APART_MAX_S = 300
QUANTITY_MAX = 0xFFFF

Token = CouponToken | OrderToken | CartToken | BadgeToken
_WORD = "[A-Z0-9-]{1,32}"
_COUPON = re.compile(
    rf"C1\.(?P<kid>{_WORD})\.(?P<group>{_WORD})\.(?P<id>{_WORD})\.(?P<expires>[0-9]{{1,12}})"
    rf"\.(?P<home>(?:{_WORD})?)\.(?P<proof>[A-Z2-7]{{103}})"
)
_ORDER = re.compile(rf"O1\.(?P<order>{_WORD})\.(?P<proof>[A-Z2-7]{{16}})")
_BADGE = re.compile(rf"S1\.(?P<staff>{_WORD})\.(?P<issue>[0-9]{{1,9}})\.(?P<proof>[A-Z2-7]{{16}})")
_CART = re.compile(r"H1(?P<body>[A-Z2-7]{16,464})")
_PROOF_BYTES = 10
CART_CHARACTERS_MIN = 2 + 8 * (_PROOF_BYTES + 5 + 8) // 5
"""Of one line; anything shorter is somebody else's code."""
_GTIN_BYTES, _QUANTITY_BYTES, _MADE_BYTES = 6, 2, 5
_LINE_BYTES = _GTIN_BYTES + _QUANTITY_BYTES

_LOOK_ALIKES = str.maketrans("АВЕКМНОРСТУХаеорсух", "ABEKMHOPCTYXAEOPCYX")
"""Cyrillic letters that look like Latin ones: somebody typed what they saw."""
_CUT = Fault(FaultKind.CUT_SHORT, 0, "It begins like a code of the shop, and is not whole.")
_FORGED = Fault(FaultKind.FORGED, 0, "It was not made with the shop's key, or was changed.")
_NO_KEY = Fault(FaultKind.NO_KEY, 0, "This box does not have the key to check it with.")


def normal(text: str) -> str:
    """Capitals, and Latin letters for Cyrillic ones that look the same."""
    return text.translate(_LOOK_ALIKES).upper()


def check(text: str, rules: Rules, now_s: int) -> Token | Fault | None:
    """What a token says; None for a text that does not begin like one. `text` is `normal`."""
    reader = _READERS.get(text[:2])
    return reader(text, rules, now_s) if reader else None


def make_coupon(coupon: CouponToken, kid: str, key: Ed25519PrivateKey) -> str:
    """The text of a coupon. ValueError for names that it cannot carry."""
    home, group = coupon.home_store, coupon.coupon_class
    body = f"C1.{kid}.{group}.{coupon.coupon}.{coupon.expires_s}.{home}"
    return _fitting(_COUPON, f"{body}.{_base32(key.sign(body.encode()))}")


def make_order(order: str, key: bytes) -> str:
    """The text of an order's code. ValueError for a number that it cannot carry."""
    return _fitting(_ORDER, _proven(f"O1.{order}", key))


def make_badge(staff: str, issue: int, key: bytes) -> str:
    """The text of a badge. ValueError for a name that it cannot carry."""
    return _fitting(_BADGE, _proven(f"S1.{staff}.{issue}", key))


def make_cart(lines: tuple[CartLine, ...], key: bytes, now_s: int) -> str:
    """The text of a cart. ValueError for more lines or pieces than it can carry, or for none."""
    if not 0 < len(lines) <= CART_LINES_MAX:
        raise ValueError(f"a code carries one to {CART_LINES_MAX} lines")
    if not all(0 < line.quantity <= QUANTITY_MAX and len(line.gtin) == 14 for line in lines):
        raise ValueError(f"a line is a GTIN of 14 digits and 1 to {QUANTITY_MAX} pieces")
    body = now_s.to_bytes(_MADE_BYTES) + b"".join(
        int(line.gtin).to_bytes(_GTIN_BYTES) + line.quantity.to_bytes(_QUANTITY_BYTES)
        for line in lines
    )
    return "H1" + _base32(body + _proof(b"H1" + body, key))


def _coupon(text: str, rules: Rules, now_s: int) -> CouponToken | Fault:
    found = _COUPON.fullmatch(text)
    if found is None:
        return _CUT
    public = next((key.public for key in rules.coupon_keys if key.kid == found["kid"]), None)
    if public is None:
        return _NO_KEY
    try:
        key = Ed25519PublicKey.from_public_bytes(public)
        key.verify(_bytes(found["proof"]), text[: found.start("proof") - 1].encode())
    except (InvalidSignature, ValueError):
        return _FORGED
    expires_s = int(found["expires"])
    if expires_s <= now_s:
        return Fault(FaultKind.EXPIRED, found.start("expires"), "The coupon has expired.")
    why = (f"It is a coupon of class {found['group']}, signed with the key {found['kid']}.",)
    return CouponToken(
        why,
        coupon=found["id"],
        coupon_class=found["group"],
        home_store=found["home"],
        expires_s=expires_s,
    )


def _order(text: str, rules: Rules, now_s: int) -> OrderToken | Fault:
    found = _proved(_ORDER, text, rules)
    if isinstance(found, Fault):
        return found
    return OrderToken(("It is an order's code, made with the shop's key.",), found["order"])


def _badge(text: str, rules: Rules, now_s: int) -> BadgeToken | Fault:
    found = _proved(_BADGE, text, rules)
    if isinstance(found, Fault):
        return found
    why = ("It is a badge of staff, made with the shop's key.",)
    return BadgeToken(why, staff=found["staff"], issue=int(found["issue"]))


def _cart(text: str, rules: Rules, now_s: int) -> CartToken | Fault:
    found = _CART.fullmatch(text)
    raw = _bytes(found["body"]) if found else b""
    body = raw[:-_PROOF_BYTES]
    count, over = divmod(len(body) - _MADE_BYTES, _LINE_BYTES)
    if over or not 0 < count <= CART_LINES_MAX:
        return _CUT
    if not rules.store_key:
        return _NO_KEY
    if not hmac.compare_digest(_proof(b"H1" + body, rules.store_key), raw[-_PROOF_BYTES:]):
        return _FORGED
    made_s = int.from_bytes(body[:_MADE_BYTES])
    if not -CLOCKS_APART_MAX_S <= now_s - made_s <= CART_LIFE_S:
        return Fault(FaultKind.EXPIRED, 2, "The cart's code is too old; show it anew.")
    starts = range(_MADE_BYTES, len(body), _LINE_BYTES)
    lines = tuple(_line(body[at : at + _LINE_BYTES]) for at in starts)
    return CartToken((f"It is a cart of {count} lines.",), lines=lines, made_s=made_s)


_READERS: dict[str, Callable[[str, Rules, int], Token | Fault]] = {
    "C1": _coupon,
    "H1": _cart,
    "O1": _order,
    "S1": _badge,
}


def _line(raw: bytes) -> CartLine:
    number = int.from_bytes(raw[:_GTIN_BYTES])
    return CartLine(f"{number:014}", int.from_bytes(raw[_GTIN_BYTES:]))


def _proved(pattern: re.Pattern[str], text: str, rules: Rules) -> re.Match[str] | Fault:
    found = pattern.fullmatch(text)
    if found is None:
        return _CUT
    if not rules.store_key:
        return _NO_KEY
    if not hmac.compare_digest(_proven(text[: found.start("proof") - 1], rules.store_key), text):
        return _FORGED
    return found


def _proven(body: str, key: bytes) -> str:
    return f"{body}.{_base32(_proof(body.encode(), key))}"


def _proof(body: bytes, key: bytes) -> bytes:
    return hmac.digest(key, b"storebox " + body, "sha256")[:_PROOF_BYTES]


def _fitting(pattern: re.Pattern[str], text: str) -> str:
    if pattern.fullmatch(text) is None:
        raise ValueError("names in codes are of capitals, digits and dashes, 32 at most")
    return text


def _base32(raw: bytes) -> str:
    return b32encode(raw).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    """Nothing for letters that no bytes give."""
    try:
        return b32decode(text + "=" * (-len(text) % 8))
    except ValueError:
        return b""
