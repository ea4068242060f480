"""What staff and the greeted member see of one member: what they bought, and what they began in
other channels. Values ready to draw, read from the ordering desk.

Called by the staff page for each member in the shop, and by the screens for who was greeted there.
What was read is kept for seconds, so that a busy page asks the database once, and dropped as soon
as its member is no longer known here. It decides nothing.
"""

from collections import OrderedDict

from msgspec import Struct

from edge.clock import Clock
from edge.documents import Cart, Collect, Wish
from edge.ordering.cross_channel import Beyond
from edge.ordering.desk import OrderingDesk
from edge.ordering.purchases import Purchases
from edge.records import Member
from edge.sales import price_for
from kiosk.people import Presence
from kiosk.settings import KioskSettings

KEPT_S = 5.0
"""How old what is shown of a member may be: as old as the live page's own beat."""
KEPT_MAX = 200
"""Members read at a time: more than are in a shop at once."""
WISHES_SHOWN_MAX = 12
READY_SHOWN_MAX = 6


class WebCart(Struct, frozen=True):
    """A cart on the web at the prices of this shop; `age_ms` is that of the platform's word."""

    goods: int
    total_minor: int
    age_ms: int


class WishView(Struct, frozen=True):
    """A wish. `here` is how many lie in this shop, None where that is not known; `sold`: the shop
    has it in its catalogue.
    """

    sku: str
    title: str
    here: int | None
    sold: bool


class ReadyView(Struct, frozen=True):
    """An order to collect."""

    number: str
    code: str
    goods: int
    paid: bool
    until_ms: int | None


class BeyondView(Struct, frozen=True):
    """What a member began in other channels; `more_wishes` are not listed."""

    cart: WebCart | None = None
    wishes: tuple[WishView, ...] = ()
    more_wishes: int = 0
    ready: tuple[ReadyView, ...] = ()

    @property
    def anything(self) -> bool:
        """Whether there is anything to show."""
        return self.cart is not None or bool(self.wishes) or bool(self.ready)

    @property
    def wishes_here(self) -> int:
        """How many of the wishes lie in this shop."""
        return sum(bool(wish.here) for wish in self.wishes)


class Card(Struct, frozen=True):
    """What there is to know of a member beside who they are."""

    bought: Purchases
    beyond: BeyondView


class Cards:
    """Reads cards and keeps them for seconds."""

    def __init__(
        self, ordering: OrderingDesk, presence: Presence, clock: Clock, settings: KioskSettings
    ) -> None:
        self._ordering = ordering
        self._presence = presence
        self._clock = clock
        self._settings = settings
        self._kept: OrderedDict[tuple[str, str], tuple[int, Card]] = OrderedDict()
        presence.add_listener(self._forget_strangers)

    def card(self, member: Member, language: str) -> Card:
        """The card of `member`, with titles in `language`."""
        now_ms, key = self._clock.now().mono_ms, (member.id, language)
        found = self._kept.get(key)
        if found is not None and now_ms - found[0] <= KEPT_S * 1000:
            return found[1]
        bought = self._ordering.purchases(member.id, language)
        card = Card(bought, self.beyond(member, language))
        self._kept.pop(key, None)
        self._kept[key] = now_ms, card
        while len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
        return card

    def beyond(self, member: Member, language: str) -> BeyondView:
        """What `member` began elsewhere, as it is now."""
        found: Beyond = self._ordering.beyond(member.id)
        wishes = found.wishes[:WISHES_SHOWN_MAX]
        return BeyondView(
            cart=self._cart(found.cart, member) if found.cart is not None else None,
            wishes=tuple(self._wish(wish, language) for wish in wishes),
            more_wishes=len(found.wishes) - len(wishes),
            ready=tuple(_ready(order) for order in found.ready[:READY_SHOWN_MAX]),
        )

    def changed(self) -> None:
        """The platform or this shop knows something new of somebody."""
        self._kept.clear()

    def _cart(self, cart: Cart, member: Member) -> WebCart:
        total_minor = 0
        for line in cart.lines:
            product = self._ordering.product(line.sku)
            each_minor = price_for(product, member)[0] if product else line.unit_price_minor
            total_minor += line.quantity * each_minor
        goods = sum(line.quantity for line in cart.lines)
        return WebCart(goods, total_minor, max(0, self._clock.now().wall_ms - cart.as_of_ms))

    def _wish(self, wish: Wish, language: str) -> WishView:
        product = self._ordering.product(wish.sku)
        here = next(
            (max(0, stock.quantity) for stock in self._ordering.stock(wish.sku)
             if stock.place == self._settings.store), None)  # fmt: skip
        title = _named(product.title(language), product.colour, product.size) if product else ""
        return WishView(wish.sku, title or wish.sku, here, product is not None)

    def _forget_strangers(self) -> None:
        """Who was erased, or left the programme, is in no memory of ours either."""
        for key in list(self._kept):
            if self._presence.member(key[0]) is None:
                del self._kept[key]


def _named(title: str, colour: str, size: str) -> str:
    return ", ".join(part for part in (title, colour, size) if part)


def _ready(order: Collect) -> ReadyView:
    goods = sum(line.quantity for line in order.lines)
    return ReadyView(order.number, order.code, goods, order.paid, order.until_ms)
