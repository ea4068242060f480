"""The cards of the staff page as they were drawn last: only who has changed is drawn again, so that
somebody who comes in is on the tablets within a fraction of a second, however full the shop is.

Used by `kiosk/staff.py`. Nothing of who has left the shop or the programme is kept.
"""

from collections.abc import Sequence

from markupsafe import Markup
from msgspec import Struct

from edge.sales import Order
from kiosk.cards import Card, Cards
from kiosk.pages import Pages
from kiosk.people import Presence
from kiosk.views import Guest
from kiosk.words import Words

MINUTE_MS = 60_000
"""How old names and times may be in what was drawn."""


class _Drawn(Struct, frozen=True):
    """One card: what it was drawn from, and the HTML. `card` is compared by identity."""

    guest: Guest
    card: Card
    html: Markup


class Variant(Struct, frozen=True):
    """What cards look like at a tablet: in which language, and whether the seller is known."""

    language: str
    seller: bool


class DrawnCards:
    """Cards and orders as HTML."""

    def __init__(self, pages: Pages, cards: Cards, presence: Presence, *, faces: bool) -> None:
        self._pages = pages
        self._cards = cards
        self._presence = presence
        self._faces = faces
        self._drawn: dict[Variant, dict[str, _Drawn]] = {}
        self._orders: dict[str, tuple[object, Markup]] = {}
        presence.add_listener(self._forget_strangers)

    def cards(self, guests: Sequence[Guest], words: Words, *, seller: bool) -> list[Markup]:
        """The card of each guest."""
        variant = Variant(words.language, seller)
        before, now = self._drawn.get(variant, {}), dict[str, _Drawn]()
        known = self._cards.cards([guest.member for guest in guests], words.language)
        for guest, card in zip(guests, known, strict=True):
            minute_ms = guest.dwell_ms - guest.dwell_ms % MINUTE_MS
            whole = Guest(guest.visit, guest.member, minute_ms)
            drawn = before.get(guest.visit.id)
            if drawn is None or drawn.card is not card or drawn.guest != whole:
                values = {"guest": whole, "card": card, "seller": seller, "faces": self._faces}
                html = Markup(self._pages.draw("card.html", words, **values))  # noqa: S704 - ours
                drawn = _Drawn(whole, card, html)
            now[guest.visit.id] = drawn
        self._drawn[variant] = now
        return [drawn.html for drawn in now.values()]

    def orders(self, orders: Sequence[Order], words: Words, now_ms: int) -> Markup:
        """The list of orders. Who is erased loses them, so that it is drawn anew."""
        key = (now_ms // MINUTE_MS, [(order.number, order.member) for order in orders])
        known = self._orders.get(words.language)
        if known is None or known[0] != key:
            values = {"orders": orders, "member": self._presence.member}
            html = Markup(self._pages.draw("orders.html", words, **values))  # noqa: S704 - ours
            self._orders[words.language] = known = (key, html)
        return known[1]

    def _forget_strangers(self) -> None:
        gone = {
            name
            for drawn in self._drawn.values()
            for name in {each.guest.member.id for each in drawn.values()}
            if self._presence.member(name) is None
        }
        if gone:
            self._drawn.clear()
            self._orders.clear()
