"""What a scanned text can mean: the answers of `edge/codes/classify.py`, and what it must know.

Used by whoever scans. Plain values: each answer says in `why`, in whole sentences, how it was
reached. GTINs have 14 digits, money is in minor units, weights are exact decimals. What names a
person or opens something stays out of representations, which may end up in a log.
"""

from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

Why = tuple[str, ...]


class Via(StrEnum):
    """The kind of device that a text came from."""

    SERIAL = "serial"
    HID = "hid"
    CAMERA = "camera"
    NFC = "nfc"
    RFID = "rfid"
    MAGSTRIPE = "magstripe"
    TYPED = "typed"


class Element(Struct, frozen=True):
    """One field of a GS1 element string: application identifier, value as encoded, data title."""

    ai: str
    value: str
    title: str


class FaultKind(StrEnum):
    """Why a text is no good code, though it looks like one."""

    EMPTY = "empty"
    TOO_LONG = "too_long"
    CONTROL_CHARACTER = "control_character"
    INVISIBLE_CHARACTER = "invisible_character"
    UNKNOWN_IDENTIFIER = "unknown_identifier"
    CUT_SHORT = "cut_short"
    TOO_MUCH = "too_much"
    BAD_CHARACTER = "bad_character"
    CHECK_DIGIT = "check_digit"
    BAD_VALUE = "bad_value"
    REPEATED = "repeated"
    NOT_SUPPORTED = "not_supported"
    FORGED = "forged"
    EXPIRED = "expired"
    NO_KEY = "no_key"


class Fault(Struct, frozen=True):
    """What is wrong with a text, and at which character from 0, behind an AIM identifier."""

    kind: FaultKind
    at: int
    what: str


class _Answer(Struct, frozen=True):
    why: Why


class PaymentCard(_Answer, frozen=True, tag="payment_card"):
    """A payment card's track or number. Nothing of it is kept; only the fact may be counted."""

    via: Via


class TradeItem(_Answer, frozen=True, tag="trade_item", kw_only=True):
    """A product by its GTIN. `item` is what one of it is sold as: of a case, the thing inside.

    `form` is how it was written (`EAN-13`, `GTIN-14`, ...), `elements` what else was said about it
    (batch, serial, dates). `card_range` names the loyalty range that holds the number, too.
    """

    gtin: str
    item: str
    form: str
    elements: tuple[Element, ...] = ()
    card_range: str = ""

    @property
    def is_case(self) -> bool:
        """Whether it is a packing of several items."""
        return self.gtin != self.item


class Mark(_Answer, frozen=True, tag="mark", kw_only=True):
    """A mark of Честный ЗНАК: one piece (`unit`), a `tobacco_pack` or a `tobacco_carton`.

    `mrp_minor` is the maximum retail price in kopecks. `gs_missing` says that the scanner drops
    the separators, so that the mark was cut by known lengths: it must not be sent on as it is.
    """

    gtin: str
    serial: str
    kind: str
    gs_missing: bool
    mrp_minor: int | None = None
    elements: tuple[Element, ...] = ()


class Elements(_Answer, frozen=True, tag="elements"):
    """A GS1 element string that names no trade item: a place, an asset, a document, ..."""

    elements: tuple[Element, ...]


class LogisticUnit(_Answer, frozen=True, tag="logistic_unit"):
    """A pallet or parcel, by its SSCC of 18 digits."""

    sscc: str
    elements: tuple[Element, ...] = ()


class InStore(_Answer, frozen=True, tag="in_store", kw_only=True):
    """A code that the shop made (prefix 20-29). Without a `layout` only the number is known.

    `item` is the shop's own number of the goods; at most one of the last three is set.
    """

    number: str
    layout: str = ""
    item: str = ""
    weight_kg: Decimal | None = None
    price_minor: int | None = None
    pieces: int | None = None


class WebLink(_Answer, frozen=True, tag="web_link"):
    """An address of the web that is no GS1 Digital Link. Nobody opens it."""

    host: str


class LoyaltyCard(_Answer, frozen=True, tag="loyalty_card"):
    """A card number out of one of the shop's own ranges."""

    number: str
    range: str

    def __repr__(self) -> str:
        """Without the number."""
        return f"LoyaltyCard(range={self.range!r})"


class LoyaltyToken(_Answer, frozen=True, tag="loyalty_token", kw_only=True):
    """A genuine rotating code of a member (`member`: 12 hex digits, `counter`: its 30 s step).

    It identifies for offers and accrual. Only a `fresh` one may spend, and only once: the caller
    remembers (`member`, `counter`) for two minutes.
    """

    member: str
    counter: int
    fresh: bool

    def __repr__(self) -> str:
        """Without the member."""
        return f"LoyaltyToken(fresh={self.fresh})"


class CouponToken(_Answer, frozen=True, tag="coupon", kw_only=True):
    """A genuine coupon that has not expired. Whether it was used is the caller's to know."""

    coupon: str
    coupon_class: str
    home_store: str
    expires_s: int

    def __repr__(self) -> str:
        """Without what could be redeemed."""
        return f"CouponToken(coupon_class={self.coupon_class!r})"


class OrderToken(_Answer, frozen=True, tag="order"):
    """A genuine code of an order of this shop."""

    order: str


class CartLine(Struct, frozen=True):
    """So many of one item, by its GTIN of 14 digits."""

    gtin: str
    quantity: int


class CartToken(_Answer, frozen=True, tag="cart", kw_only=True):
    """A cart that moves to another screen; the code carries it whole."""

    lines: tuple[CartLine, ...]
    made_s: int


class BadgeToken(_Answer, frozen=True, tag="staff_badge"):
    """A genuine badge of a member of staff; `issue` tells a new badge from the lost one."""

    staff: str
    issue: int


class Malformed(_Answer, frozen=True, tag="malformed"):
    """It begins like a code that storebox knows, and is broken."""

    fault: Fault


class Unknown(_Answer, frozen=True, tag="unknown"):
    """Well-formed text that means nothing here."""


Meaning = (
    PaymentCard
    | TradeItem
    | Mark
    | Elements
    | LogisticUnit
    | InStore
    | WebLink
    | LoyaltyCard
    | LoyaltyToken
    | CouponToken
    | OrderToken
    | CartToken
    | BadgeToken
    | Malformed
    | Unknown
)
