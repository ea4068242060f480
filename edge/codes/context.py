"""What the shop tells the classifier: its own card ranges, in-store layouts, keys.

Made from the configuration and the platform's word by whoever scans; `Rules` live long, a
`Context` is made for each scan. Bad ones raise ValueError, which msgspec hands on as its own.
"""

import re
from typing import Literal

from msgspec import Struct

from edge.codes.meaning import Via

RANGES_MAX = 64
LAYOUTS_MAX = 32
EPOCHS_MAX = 8
"""Weekly keys: two months, for phones that were long off line."""
EPOCH_KEY_BYTES_MIN = 16
COUPON_KEYS_MAX = 16
CARD_CHARACTERS_MAX = 32
HOSTS_MAX = 16

Measure = Literal["weight", "price", "pieces"]
_LAYOUT = re.compile(r"(?=.{8}\Z|.{12,13}\Z)[02][0-9]*P*I+V?W+C")
_DIVISORS = {"weight": (1, 10, 100, 1000, 10_000), "price": (1, 10, 100), "pieces": (1,)}


class LoyaltyRange(Struct, frozen=True, forbid_unknown_fields=True):
    """Own card numbers from `first` to `last`, both included and equally long."""

    name: str
    first: str
    last: str

    def __post_init__(self) -> None:
        """ValueError unless both ends are digits of one length, in order."""
        digits = self.first.isascii() and self.first.isdigit() and self.last.isdigit()
        if not digits or len(self.first) != len(self.last) or self.first > self.last:
            raise ValueError(f"the range {self.name!r} needs two card numbers of one length")
        if len(self.first) > CARD_CHARACTERS_MAX:
            raise ValueError(f"a card number has at most {CARD_CHARACTERS_MAX} digits")

    def __contains__(self, number: str) -> bool:
        """Whether this number, digits only, was given to one of the shop's cards."""
        return len(number) == len(self.first) and self.first <= number <= self.last


class Layout(Struct, frozen=True, forbid_unknown_fields=True):
    """What the digits of an in-store code are, one letter for each: `22IIIIIWWWWWC`.

    A digit stands for itself, P for any digit, I for the item's number, V for a digit that checks
    the measure (not looked at), W for the measure, C for the check digit. A weight is W /
    `divisor` kilograms, a price W / `divisor` of the whole currency unit.
    """

    name: str
    pattern: str
    measure: Measure
    divisor: int = 1

    def __post_init__(self) -> None:
        """ValueError for a pattern that no barcode has, or a divisor that leaves a fraction."""
        if not _LAYOUT.fullmatch(self.pattern):
            raise ValueError(f"{self.pattern!r} is no layout like 22IIIIIWWWWWC")
        if self.divisor not in _DIVISORS[self.measure]:
            raise ValueError(f"a {self.measure} cannot be divided by {self.divisor}")


class Epoch(Struct, frozen=True):
    """One week's key of the rotating loyalty codes; what is `over` identifies, and spends not."""

    key: bytes
    from_s: int
    until_s: int

    def __post_init__(self) -> None:
        """ValueError for a key that could be guessed."""
        if len(self.key) < EPOCH_KEY_BYTES_MIN:
            raise ValueError(f"an epoch's key has at least {EPOCH_KEY_BYTES_MIN} bytes")

    def __repr__(self) -> str:
        """Without the key."""
        return f"Epoch(from_s={self.from_s}, until_s={self.until_s})"


class CouponKey(Struct, frozen=True):
    """The public Ed25519 key (32 bytes) that signs coupons under the name `kid`."""

    kid: str
    public: bytes


class Rules(Struct, frozen=True, kw_only=True):
    """All that a shop knows about its own codes. `store_key` authenticates orders, carts, badges.

    `hosts` are those of the shop's own links, in lower case.
    """

    loyalty: tuple[LoyaltyRange, ...] = ()
    layouts: tuple[Layout, ...] = ()
    epochs: tuple[Epoch, ...] = ()
    coupon_keys: tuple[CouponKey, ...] = ()
    store_key: bytes = b""
    hosts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """ValueError where there is more of anything than a shop can need."""
        for held, most in (
            (self.loyalty, RANGES_MAX),
            (self.layouts, LAYOUTS_MAX),
            (self.epochs, EPOCHS_MAX),
            (self.coupon_keys, COUPON_KEYS_MAX),
        ):
            if len(held) > most:
                raise ValueError(f"at most {most} of these: {type(held[0]).__name__}")

    def __repr__(self) -> str:
        """Without the keys."""
        return f"Rules(loyalty={self.loyalty!r}, layouts={self.layouts!r})"


NO_RULES = Rules()


class Context(Struct, frozen=True):
    """One scan: what the shop knows, the device, when (Unix seconds), and the AIM identifier.

    `symbology` is for devices that know it without sending it, such as the camera (`]E0`).
    """

    rules: Rules = NO_RULES
    via: Via = Via.SERIAL
    now_s: int = 0
    symbology: str = ""
