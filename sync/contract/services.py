"""What a box asks each service and what it is told: what the schemas of both are made of.

Read by `schemas.py`; the bus tap of the tests holds questions and answers against them. Amounts are
minor units of the currency, times Unix milliseconds. The platform may add fields to its answers.
"""

from typing import Any

from msgspec import Struct

from edge.records import (
    Short,
    Text,
    Whole,
)
from edge.sales import Stock
from sync.spoken import Service


class StockAsked(Struct, frozen=True):
    """How many of a SKU lie where?"""

    sku: Short


class StockTold(Struct, frozen=True):
    """At most 50 places."""

    rows: tuple[Stock, ...]


class BalanceAsked(Struct, frozen=True):
    """How many points has this member?"""

    member: Text


class BalanceTold(Struct, frozen=True):
    """So many, as of then."""

    points: int
    as_of_ms: Whole


class CouponAsked(Struct, frozen=True):
    """Claim, confirm or release a coupon (by id or code) for an order; twice is once."""

    coupon: Text
    order: Short


class CouponClaimed(Struct, frozen=True):
    """The coupon is this order's until confirmed or released: an amount or a percentage off."""

    coupon: Short
    amount_minor: Whole
    percent: int


class CouponTold(Struct, frozen=True):
    """It is done."""

    coupon: Short


class PhoneAsked(Struct, frozen=True, omit_defaults=True):
    """Without `code`: send one to this number. With it: is this the one?"""

    phone: Short
    code: Short = ""


class PhoneTold(Struct, frozen=True, omit_defaults=True):
    """What was done."""

    sent: bool = False
    verified: bool = False


class PaymentAsked(Struct, frozen=True):
    """A link by which this order can be paid."""

    order: Short
    amount_minor: Whole


class PaymentTold(Struct, frozen=True):
    """To be shown as a code on the screen."""

    link: str


class OrderAsked(Struct, frozen=True):
    """How far has this order come?"""

    number: Short


class OrderTold(Struct, frozen=True):
    """So far, as of then."""

    status: Short
    as_of_ms: Whole


BY_SERVICE: dict[Service, tuple[Any, Any]] = {
    Service.STOCK: (StockAsked, StockTold),
    Service.BALANCE: (BalanceAsked, BalanceTold),
    Service.COUPON_CLAIM: (CouponAsked, CouponClaimed),
    Service.COUPON_CONFIRM: (CouponAsked, CouponTold),
    Service.COUPON_RELEASE: (CouponAsked, CouponTold),
    Service.PHONE_VERIFY: (PhoneAsked, PhoneTold),
    Service.PAYMENT_LINK: (PaymentAsked, PaymentTold),
    Service.ORDER_STATUS: (OrderAsked, OrderTold),
}
"""`args` of a request and `value` of its response."""
