"""The words of selling: what is for sale, what it costs, where it lies, and what was ordered.

Used by ordering, the replica and the screens; beside `edge/records.py`, of whose kind these types
are. Money is an integer of minor units, quantities are integers.
"""

from typing import Annotated

from msgspec import Meta, Struct

from edge.records import Member, Moment, Short, Text, Whole

LINE_QUANTITY_MAX = 99
CART_LINES_MAX = 50
"""Larger orders belong to a seller's desk, and a page must stay readable."""


class Product(Struct, frozen=True):
    """One sellable item: a colour and size of a `model`. Titles by language code."""

    sku: Short
    gtin: Short
    model: Short
    titles: Annotated[dict[Short, Text], Meta(max_length=16)]
    price_minor: Whole
    member_price_minor: Whole | None = None
    colour: Short = ""
    size: Short = ""

    def title(self, language: str) -> str:
        """The title in `language`, else in any language there is, else the SKU."""
        return self.titles.get(language) or next(iter(self.titles.values()), self.sku)


class Price(Struct, frozen=True):
    """What `sku` costs now in this shop; it wins over the catalogue's price."""

    sku: Short
    price_minor: Whole
    member_price_minor: Whole | None = None


class Stock(Struct, frozen=True):
    """How many of `sku` lie at `place` (a store code or `warehouse`), as of a wall time."""

    sku: Short
    place: Short
    quantity: Annotated[int, Meta(ge=-(2**53), le=2**53)]
    as_of_ms: Whole


class CartLine(Struct, frozen=True):
    """One line of a cart or order, with the price it was added at; `offer`: it is a member's."""

    sku: str
    title: str
    quantity: int
    unit_price_minor: int
    offer: bool = False

    @property
    def total_minor(self) -> int:
        """Quantity times unit price."""
        return self.quantity * self.unit_price_minor


class Order(Struct, frozen=True):
    """A placed order. `number` is unique without the line."""

    number: str
    screen: str
    lines: tuple[CartLine, ...]
    total_minor: int
    currency: str
    placed: Moment
    member: str | None = None


def price_for(product: Product, member: Member | None) -> tuple[int, bool]:
    """What one piece costs, in minor units, and whether that is an offer to members alone."""
    special = product.member_price_minor
    if member is None or special is None:
        return product.price_minor, False
    return special, special < product.price_minor
