"""What a box knows besides members, goods and stock: one record type for each further dataset.

The platform sends them (`sync/rows.py` says which dataset has which type), `edge/storage/documents`
keeps them, and whoever reads one decodes it into these types. Pure declarations: no rule is carried
out here, no price computed. A record that names a member leaves the box with the member.
"""

from typing import Annotated, Any

from msgspec import Meta, Struct

from edge.records import Short, Text, Whole

PICTURE_BYTES_MAX = 64 * 1024
"""In base64 it still fits into one chunk of a dataset; a screen needs no more for a thumbnail."""
LINES_MAX = 200
"""Of one cart or receipt; a shop's longest receipt has about a hundred."""

Named = Annotated[str, Meta(min_length=1, max_length=64)]
"""What identifies a row."""
Quantity = Annotated[int, Meta(ge=1, le=1_000_000)]


class Rule(Struct, frozen=True):
    """One rule of the loyalty programme: `then` holds where `given` does. Higher priority first."""

    id: Named
    kind: Short
    given: Annotated[dict[Short, Any], Meta(max_length=64)] = {}
    then: Annotated[dict[Short, Any], Meta(max_length=64)] = {}
    priority: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    valid_from_ms: Whole = 0
    valid_to_ms: Whole | None = None


class Coupon(Struct, frozen=True):
    """A discount: an amount or a percentage. `allotment`: how many this box may give off line."""

    id: Named
    code: Short
    titles: Annotated[dict[Short, Text], Meta(max_length=16)] = {}
    member: Short | None = None
    amount_minor: Whole = 0
    percent: Annotated[int, Meta(ge=0, le=100)] = 0
    allotment: Whole = 0
    valid_from_ms: Whole = 0
    valid_to_ms: Whole | None = None


class Colleague(Struct, frozen=True):
    """Somebody of the staff. `badge` is what a scan of it reads."""

    id: Named
    name: Text
    role: Short = ""
    badge: Short = ""


class Setting(Struct, frozen=True):
    """One value that the chain sets for its shops."""

    name: Named
    value: Any


class OrderLine(Struct, frozen=True):
    """A number of one SKU, at what one of them costs."""

    sku: Named
    quantity: Quantity
    unit_price_minor: Whole = 0


class Collect(Struct, frozen=True):
    """An order that waits in this shop for whoever shows `code`."""

    number: Named
    code: Short
    lines: Annotated[tuple[OrderLine, ...], Meta(max_length=LINES_MAX)]
    member: Short | None = None
    paid: bool = False
    until_ms: Whole | None = None


class OrderStatus(Struct, frozen=True):
    """How far an order has come, as of a wall time."""

    number: Named
    status: Short
    as_of_ms: Whole
    member: Short | None = None


class SoldLine(Struct, frozen=True):
    """One line of a receipt: `paid_minor` is the line's share of what was paid in the end."""

    sku: Named
    quantity: Quantity
    paid_minor: Whole


class Sale(Struct, frozen=True):
    """A receipt of the last 90 days, for returns."""

    receipt: Named
    place: Short
    sold_ms: Whole
    lines: Annotated[tuple[SoldLine, ...], Meta(max_length=LINES_MAX)]
    member: Short | None = None


class Balance(Struct, frozen=True):
    """A member's points, as of a wall time."""

    member: Named
    points: Annotated[int, Meta(ge=-(2**53), le=2**53)]
    as_of_ms: Whole


class Purchase(Struct, frozen=True):
    """A member has bought this."""

    member: Named
    receipt: Named
    sku: Named
    quantity: Quantity
    bought_ms: Whole


class Cart(Struct, frozen=True):
    """What lies in a member's cart on the web, as of a wall time."""

    member: Named
    lines: Annotated[tuple[OrderLine, ...], Meta(max_length=LINES_MAX)]
    as_of_ms: Whole


class Wish(Struct, frozen=True):
    """A member would like to have this."""

    member: Named
    sku: Named
    since_ms: Whole


class Companion(Struct, frozen=True):
    """Of a thousand receipts with the one SKU, so many also have this one."""

    sku: Named
    per_mille: Annotated[int, Meta(ge=0, le=1000)]


class Together(Struct, frozen=True):
    """What is bought together with `sku`, most often first."""

    sku: Named
    others: Annotated[tuple[Companion, ...], Meta(max_length=64)]


class Picture(Struct, frozen=True):
    """One picture of goods; `body` is the file as it is, base64 on the wire."""

    id: Named
    kind: Annotated[str, Meta(pattern="^image/(jpeg|png|webp)$")]
    body: Annotated[bytes, Meta(max_length=PICTURE_BYTES_MAX)]
    sku: Short = ""


Document = (
    Rule
    | Coupon
    | Colleague
    | Setting
    | Collect
    | OrderStatus
    | Sale
    | Balance
    | Purchase
    | Cart
    | Wish
    | Together
    | Picture
)
