"""The ordering desk: looking goods up, carts, and placing orders. Each change is one transaction
that holds the new state and the event for the platform.

Called by the kiosk's screens. It knows nothing of HTTP, and it never waits for the line.
"""

from typing import Protocol

from msgspec import Struct

from edge.clock import Clock
from edge.errors import EmptyCart, Refused, UnknownProduct
from edge.ordering import continuing, cross_channel, purchases
from edge.ordering.continuing import Continuation, Continued
from edge.ordering.cross_channel import Beyond
from edge.ordering.purchases import Purchases
from edge.records import (
    Member,
    Stream,
)
from edge.sales import (
    CART_LINES_MAX,
    LINE_QUANTITY_MAX,
    CartLine,
    Order,
    Product,
    Stock,
    price_for,
)
from edge.storage import carts, goods, members, orders
from edge.storage.carts import Piece
from edge.storage.database import Database, Transaction


class Selling(Protocol):
    """What the desk needs to know of its box."""

    @property
    def number(self) -> int:
        """The box's number in its store, 1 to 99: the first part of every order number."""
        ...

    @property
    def currency(self) -> str:
        """ISO 4217 code of all its prices."""
        ...


class Shelf(Struct, frozen=True):
    """A product with its sisters (same model) and the known stock of the product."""

    product: Product
    sisters: tuple[Product, ...]
    stock: tuple[Stock, ...]


class OrderingDesk:
    """Goods, carts and orders of one box."""

    def __init__(self, database: Database, clock: Clock, box: Selling) -> None:
        self._database = database
        self._clock = clock
        self._box = box

    # --- looking

    def find(self, text: str) -> Shelf:
        """What a scanned text means, its sizes and its stock. UnknownProduct if nothing."""
        product = goods.by_code(self._database.reading, text)
        if product is None:
            raise UnknownProduct("We do not know this code.", "Ask a seller, please.")
        return self._shelf(product)

    def shelf(self, sku: str) -> Shelf:
        """The same by SKU."""
        product = goods.by_sku(self._database.reading, sku)
        if product is None:
            raise UnknownProduct("This product is no longer in the catalogue.", "Choose another.")
        return self._shelf(product)

    def _shelf(self, product: Product) -> Shelf:
        reading = self._database.reading
        sisters = tuple(goods.of_model(reading, product.model))
        return Shelf(product, sisters, tuple(goods.stock_of(reading, product.sku)))

    def product(self, sku: str) -> Product | None:
        """One product by SKU, without its sisters."""
        return goods.by_sku(self._database.reading, sku)

    def stock(self, sku: str) -> tuple[Stock, ...]:
        """What is known of one SKU's stock, by place."""
        return tuple(goods.stock_of(self._database.reading, sku))

    def cart(self, screen: str) -> tuple[CartLine, ...]:
        """What lies in the cart of one screen."""
        return orders.cart(self._database.reading, screen)

    def order(self, number: str) -> Order | None:
        """A placed order by its number."""
        return orders.get_order(self._database.reading, number)

    def latest_orders(self) -> list[Order]:
        """The newest orders first, up to a page's worth."""
        return orders.latest(self._database.reading)

    def beyond(self, member: str) -> Beyond:
        """What a member has begun in other channels."""
        now = self._clock.now()
        return cross_channel.of(self._database.reading, self._database.vault, member, now=now)

    def purchases(self, member: str, language: str) -> Purchases:
        """What a member has bought, with titles in `language`."""
        reading, vault = self._database.reading, self._database.vault
        return purchases.of(reading, vault, member, language=language)

    # --- changing

    async def add(self, screen: str, sku: str, *, language: str, member: Member | None) -> None:
        """Put one piece of `sku` into the cart, at the member's price for a member."""

        def change(tx: Transaction) -> None:
            product = goods.by_sku(tx, sku)
            if product is None:
                raise UnknownProduct(
                    "This product is no longer in the catalogue.", "Choose another."
                )
            lines = {line.sku: line for line in orders.cart(tx, screen)}
            before = lines[sku].quantity if sku in lines else 0
            if before >= LINE_QUANTITY_MAX or (before == 0 and len(lines) >= CART_LINES_MAX):
                raise Refused("The cart is full.", "Place this order first, please.")
            price, offer = price_for(product, member)
            line = CartLine(sku, product.title(language), before + 1, price, offer)
            orders.put_line(tx, screen, line)

        # Carts are few and small, and without one the orders' reserve would be of no use.
        await self._database.transact(change, reserve=True)

    async def remove(self, screen: str, sku: str) -> None:
        """Take one line out of the cart."""
        await self._database.transact(lambda tx: orders.drop_line(tx, screen, sku))

    async def reprice(self, screen: str, member: Member | None) -> None:
        """Give the lines of a cart the prices of whoever stands there now."""

        def change(tx: Transaction) -> None:
            for line in orders.cart(tx, screen):
                product = goods.by_sku(tx, line.sku)
                if product is not None:
                    price, offer = price_for(product, member)
                    now = CartLine(line.sku, line.title, line.quantity, price, offer)
                    orders.put_line(tx, screen, now)

        await self._database.transact(change, reserve=True)

    async def abandon(self, screen: str) -> None:
        """Empty the cart: the shopper went away. A web cart that went on in it is theirs again."""
        moment = self._clock.now()

        def change(tx: Transaction) -> None:
            continuing.give_back(tx, screen, moment)
            orders.empty_cart(tx, screen)

        await self._database.transact(change, reserve=True)

    async def continue_cart(self, screen: str, member: Member, *, language: str) -> Continued:
        """Go on at `screen` with the member's cart from the web. Refused if there is none."""
        moment = self._clock.now()

        def change(tx: Transaction) -> Continued:
            cart = cross_channel.cart_of(tx, tx.vault, member.id)
            if cart is None or not members.exists(tx, member.id):
                raise continuing.nothing_to_continue()
            wanted = tuple(Piece(line.sku, line.quantity) for line in cart.lines)
            what = Continuation(member, screen, language)
            return continuing.take_over(tx, what, wanted, cart.as_of_ms, moment)

        return await self._database.transact(change, reserve=True)

    async def give_back(self, screen: str, *, but: str | None = None) -> None:
        """Another stands at `screen` now: web carts that went on there leave it, save `but`'s."""
        if all(taken.member == but for taken in carts.at(self._database.reading, screen)):
            return
        moment = self._clock.now()
        await self._database.transact(
            lambda tx: continuing.give_back(tx, screen, moment, but=but), reserve=True
        )

    async def offer_shown(self, sku: str) -> None:
        """A member was shown their price of `sku`; whose it was is not told."""
        moment = self._clock.now()
        body = {"sku": sku, "kind": "member_price"}
        await self._database.transact(
            lambda tx: tx.emit(Stream.BULK, "offer.shown.v1", body, moment)
        )

    async def place(self, screen: str, *, member: Member | None) -> Order:
        """Turn the cart into an order with a number; it is safe when this returns. EmptyCart."""
        moment = self._clock.now()

        def change(tx: Transaction) -> Order:
            lines = orders.cart(tx, screen)
            if not lines:
                raise EmptyCart("The cart is empty.", "Scan something first, please.")
            order = Order(
                number=f"{self._box.number:02d}-{tx.next_number('order'):06d}",
                screen=screen,
                lines=lines,
                total_minor=sum(line.total_minor for line in lines),
                currency=self._box.currency,
                placed=moment,
                # who was erased while they stood there has left, and the order is anybody's
                member=member.id if member and members.exists(tx, member.id) else None,
            )
            orders.put_order(tx, order)
            orders.empty_cart(tx, screen)
            carts.ordered(tx, screen)
            tx.emit(Stream.CRIT, "order.placed.v1", _told(order), moment, member=order.member)
            return order

        return await self._database.transact(change, reserve=True)


def _told(order: Order) -> dict[str, object]:
    """The order as the platform gets it; when and where stand in the event itself."""
    return {
        "number": order.number,
        "screen": order.screen,
        "lines": order.lines,
        "total_minor": order.total_minor,
        "currency": order.currency,
        "member": order.member,
    }
