"""What a page says, as values ready to draw: pure functions from the desks' records.

Called by the routes of screens and staff. Words and HTML are the templates' business.
"""

import re
from collections.abc import Callable, Iterable

from msgspec import Struct

from edge.ordering.desk import OrderingDesk, Shelf
from edge.records import Member, Moment
from edge.sales import (
    CartLine,
    Order,
    Product,
    Stock,
)
from edge.visiting import Visit, VisitState
from kiosk.pictures import Picture, ink, picture
from kiosk.settings import KioskSettings

WAREHOUSE = "warehouse"
VARIANTS_SHOWN_MAX = 60
PLACES_SHOWN_MAX = 12
STALE_MS = 24 * 3600 * 1000
"""A stock figure older than this is marked as old."""
_LETTER_SIZES = ("XXS", "XS", "S", "M", "L", "XL", "XXL", "2XL", "3XL", "XXXL", "4XL", "5XL")


class Chip(Struct, frozen=True):
    """One colour or size to tap. `here` is None where the stock is not known."""

    label: str
    sku: str
    chosen: bool
    here: int | None
    anywhere: bool
    ink: str = ""


class PlaceStock(Struct, frozen=True):
    """How many lie at one place, and how old that figure is."""

    kind: str
    name: str
    quantity: int
    age_ms: int

    @property
    def stale(self) -> bool:
        """Whether the figure is old enough to say so."""
        return self.age_ms > STALE_MS


class ProductView(Struct, frozen=True):
    """A product page. `here` and `elsewhere` are None where nothing is known."""

    product: Product
    title: str
    picture: Picture
    colours: tuple[Chip, ...]
    sizes: tuple[Chip, ...]
    places: tuple[PlaceStock, ...]
    here: int | None
    elsewhere: int | None

    @property
    def orderable(self) -> bool:
        """Whether there is any to sell, as far as is known."""
        return not self.places or bool(self.here) or bool(self.elsewhere)

    @property
    def saving_minor(self) -> int:
        """What a member saves."""
        special = self.product.member_price_minor
        return max(0, self.product.price_minor - special) if special is not None else 0


class LineView(Struct, frozen=True):
    """One line as the shopper reads it: in their language, with colour and size."""

    line: CartLine
    title: str
    variant: str


class CartView(Struct, frozen=True):
    """The cart and its sum."""

    lines: tuple[CartLine, ...]

    @property
    def pieces(self) -> int:
        """How many pieces lie in it."""
        return sum(line.quantity for line in self.lines)

    @property
    def total_minor(self) -> int:
        """What it costs."""
        return sum(line.total_minor for line in self.lines)


class Guest(Struct, frozen=True):
    """A visit that is believed to be a member's."""

    visit: Visit
    member: Member
    dwell_ms: int

    @property
    def sure(self) -> bool:
        """Whether it is more than a suggestion."""
        return self.visit.state is VisitState.IDENTIFIED


class ShopView(Struct, frozen=True):
    """Who is in the shop: members by name, everybody else as a number."""

    guests: tuple[Guest, ...]
    anonymous: int


def product_view(
    shelf: Shelf, ordering: OrderingDesk, settings: KioskSettings, *, language: str, now_ms: int
) -> ProductView:
    """A shelf as a page; chips are the sisters, each with its own stock."""
    product = shelf.product
    sisters = _with_self(shelf)[:VARIANTS_SHOWN_MAX]
    stock = {sister.sku: ordering.stock(sister.sku) for sister in sisters}
    known = stock[product.sku]
    return ProductView(
        product=product,
        title=product.title(language),
        picture=picture(product),
        colours=tuple(_colours(product, sisters, stock, settings.store)),
        sizes=tuple(_sizes(product, sisters, stock, settings.store)),
        places=_places(known, settings, now_ms),
        here=_here(known, settings.store),
        elsewhere=_elsewhere(known, settings.store),
    )


def line_views(
    lines: Iterable[CartLine], ordering: OrderingDesk, language: str
) -> tuple[LineView, ...]:
    """Lines in `language`; as they were added where the product has left the catalogue."""
    views = []
    for line in lines:
        product = ordering.product(line.sku)
        title = product.title(language) if product else line.title
        parts = (product.colour, product.size) if product else ()
        views.append(LineView(line, title, ", ".join(part for part in parts if part)))
    return tuple(views)


def believed(visit: Visit) -> bool:
    """Whether staff are told whose visit it may be."""
    return visit.state in (VisitState.IDENTIFIED, VisitState.SUGGESTED)


def shop_view(
    visits: Iterable[Visit], member: Callable[[str], Member | None], now: Moment
) -> ShopView:
    """Open visits as staff see them, the newest first."""
    guests = []
    anonymous = 0
    for visit in visits:
        profile = member(visit.member) if visit.member and believed(visit) else None
        if profile is None:
            anonymous += not visit.left
        else:
            guests.append(Guest(visit, profile, _passed_ms(visit.opened, now)))
    guests.sort(key=lambda guest: (guest.sure, guest.visit.opened.wall_ms), reverse=True)
    return ShopView(tuple(guests), anonymous)


def _passed_ms(since: Moment, now: Moment) -> int:
    """By the steady clock where both were taken since the same boot."""
    if since.boot == now.boot:
        return max(0, now.mono_ms - since.mono_ms)
    return max(0, now.wall_ms - since.wall_ms)


def orders_of_day(orders: Iterable[Order], day: Callable[[int], str], now_ms: int) -> list[Order]:
    """Those placed on the shop's present day."""
    today = day(now_ms)
    return [order for order in orders if day(order.placed.wall_ms) == today]


def _with_self(shelf: Shelf) -> list[Product]:
    """The product first, so that it is shown however many sisters there are."""
    others = [sister for sister in shelf.sisters if sister.sku != shelf.product.sku]
    return [shelf.product, *others]


def _colours(
    product: Product, sisters: list[Product], stock: dict[str, tuple[Stock, ...]], store: str
) -> Iterable[Chip]:
    """One chip per colour; it leads to the same size there, if there is one."""
    for colour in sorted({sister.colour for sister in sisters} - {""}):
        of_colour = [sister for sister in sisters if sister.colour == colour]
        most = max(of_colour, key=lambda s: _here(stock[s.sku], store) or 0)
        target = next((s for s in of_colour if s.size == product.size), most)
        figures = [_here(stock[s.sku], store) for s in of_colour]
        known = [figure for figure in figures if figure is not None]
        anywhere = any(_any(stock[s.sku]) for s in of_colour)
        yield Chip(
            colour,
            target.sku,
            colour == product.colour,
            sum(known) if known else None,
            anywhere,
            ink(colour),
        )


def _sizes(
    product: Product, sisters: list[Product], stock: dict[str, tuple[Stock, ...]], store: str
) -> Iterable[Chip]:
    """One chip per size of the chosen colour."""
    of_colour = [s for s in sisters if s.colour == product.colour and s.size]
    for sister in sorted(of_colour, key=lambda s: size_order(s.size)):
        known = stock[sister.sku]
        chosen = sister.sku == product.sku
        yield Chip(sister.size, sister.sku, chosen, _here(known, store), _any(known))


def size_order(size: str) -> tuple[int, float, str]:
    """Numbers by value, letters from small to large, anything else by name."""
    if size.upper() in _LETTER_SIZES:
        return (1, _LETTER_SIZES.index(size.upper()), size)
    number = re.match(r"\d+(?:[.,]\d+)?", size)
    if number:
        return (0, float(number.group().replace(",", ".")), size)
    return (2, 0.0, size)


def _places(
    known: tuple[Stock, ...], settings: KioskSettings, now_ms: int
) -> tuple[PlaceStock, ...]:
    """Here first, then other shops with most first, the warehouse last."""
    rows = []
    for stock in known:
        kind = "here" if stock.place == settings.store else "nearby"
        kind = "warehouse" if stock.place == WAREHOUSE else kind
        name = settings.places.get(stock.place, stock.place)
        rows.append(PlaceStock(kind, name, stock.quantity, max(0, now_ms - stock.as_of_ms)))
    order = {"here": 0, "nearby": 1, "warehouse": 2}
    rows.sort(key=lambda row: (order[row.kind], -row.quantity, row.name))
    return tuple(rows[:PLACES_SHOWN_MAX])


def _here(known: tuple[Stock, ...], store: str) -> int | None:
    return next((max(0, stock.quantity) for stock in known if stock.place == store), None)


def _elsewhere(known: tuple[Stock, ...], store: str) -> int | None:
    figures = [max(0, stock.quantity) for stock in known if stock.place != store]
    return sum(figures) if figures else None


def _any(known: tuple[Stock, ...]) -> bool:
    """Whether any may be had anywhere; where nothing is known, it may."""
    return not known or any(stock.quantity > 0 for stock in known)
