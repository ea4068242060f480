"""What a member has bought: the summary that lifetime value is computed from, and the last pieces.

`of` reads it for the visit card of the staff page and for `storebox figures member`; `summary`
makes it, pure. Two sources: the orders that were placed on this box, and the receipts that the
platform sends (dataset `history`). Nothing of it is stored: it goes with the rows it is made of.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice

from msgspec import Struct
from msgspec.structs import replace

from edge.documents import Purchase
from edge.sales import Order
from edge.storage import documents, goods, orders
from edge.storage.outbox import Executes
from edge.storage.vault import Vault

LAST_MAX = 5
FAVOURITES_MAX = 5
ORDERS_READ_MAX = 2_000
HISTORY_READ_MAX = 5_000
"""Of one member: more than anybody buys in years. The newest orders count, and any receipts."""
HISTORY = "history"
"""The dataset of the receipts."""


class Bought(Struct, frozen=True):
    """So many of one SKU, bought at one time. `title` is empty if the box never knew it."""

    when_ms: int
    sku: str
    title: str
    quantity: int


class Favourite(Struct, frozen=True):
    """How many pieces of one SKU were bought in all."""

    sku: str
    title: str
    quantity: int


class Purchases(Struct, frozen=True):
    """What one member has bought. An empty one says that nothing is known.

    `orders` were placed on this box, for `total_minor` of `currency` together (that of the newest
    one; orders in another are counted but not added up). `receipts` are those of the platform that
    do not bear the number of one of these orders; what was paid for them is not known here.
    `first_ms`, `last_ms` and `mean_interval_ms` (from two on) are of orders and receipts together.
    """

    orders: int = 0
    total_minor: int = 0
    currency: str = ""
    receipts: int = 0
    first_ms: int | None = None
    last_ms: int | None = None
    mean_interval_ms: int | None = None
    last: tuple[Bought, ...] = ()
    favourites: tuple[Favourite, ...] = ()


def of(connection: Executes, vault: Vault, member: str, *, language: str = "") -> Purchases:
    """What `member` has bought; titles in `language` where there is a choice.

    DatabaseUnreadable if a row does not open with the member's key.
    """
    placed = orders.of_member(connection, member, ORDERS_READ_MAX)
    read = documents.of_member(connection, vault, dataset=HISTORY, member=member, kind=Purchase)
    history = list(islice(read, HISTORY_READ_MAX))
    found = summary(placed, history)
    return _titled(connection, found, language)


def summary(placed: Sequence[Order], history: Iterable[Purchase]) -> Purchases:
    """The same from what was read; titles only where an order names them."""
    numbers = {order.number for order in placed}
    others = [row for row in history if row.receipt not in numbers]
    bought = _bought(placed, others)
    if not bought:
        return Purchases()
    receipts = {row.receipt: row.bought_ms for row in others}
    times = sorted([*(order.placed.wall_ms for order in placed), *receipts.values()])
    newest = max(placed, key=lambda order: order.placed.wall_ms, default=None)
    currency = newest.currency if newest else ""
    return Purchases(
        orders=len(placed),
        total_minor=sum(order.total_minor for order in placed if order.currency == currency),
        currency=currency,
        receipts=len(receipts),
        first_ms=times[0],
        last_ms=times[-1],
        mean_interval_ms=(times[-1] - times[0]) // (len(times) - 1) if len(times) > 1 else None,
        last=tuple(bought[:LAST_MAX]),
        favourites=_favourites(bought),
    )


def _bought(placed: Iterable[Order], history: Iterable[Purchase]) -> list[Bought]:
    """Every line, the newest first; at one time by SKU."""
    lines = [
        Bought(order.placed.wall_ms, line.sku, line.title, line.quantity)
        for order in placed
        for line in order.lines
    ]
    lines += [Bought(row.bought_ms, row.sku, "", row.quantity) for row in history]
    return sorted(lines, key=lambda each: (-each.when_ms, each.sku, -each.quantity, each.title))


def _favourites(bought: Sequence[Bought]) -> tuple[Favourite, ...]:
    """The most pieces first; of as many by SKU."""
    pieces: Counter[str] = Counter()
    titles: dict[str, str] = {}
    for each in bought:
        pieces[each.sku] += each.quantity
        titles[each.sku] = titles.get(each.sku) or each.title
    most = sorted(pieces.items(), key=lambda entry: (-entry[1], entry[0]))[:FAVOURITES_MAX]
    return tuple(Favourite(sku, titles[sku], quantity) for sku, quantity in most)


def _titled(connection: Executes, found: Purchases, language: str) -> Purchases:
    """With the catalogue's titles, as far as it has them (still)."""
    skus = {each.sku for each in found.last} | {each.sku for each in found.favourites}
    products = [goods.by_sku(connection, sku) for sku in skus]
    titles = {each.sku: each.title(language) for each in products if each is not None}
    return replace(
        found,
        last=tuple(replace(each, title=titles.get(each.sku, each.title)) for each in found.last),
        favourites=tuple(
            replace(each, title=titles.get(each.sku, each.title)) for each in found.favourites
        ),
    )
