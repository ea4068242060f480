"""Which offers a greeted member has seen on the product pages of a screen: each is told once.

Called by `kiosk/session.py` after each turn. It remembers SKUs as long as the same person stands
there, and tells the ordering desk what was shown, never to whom.
"""

import logging

from edge.errors import StoreboxError, UnknownProduct
from edge.ordering.desk import OrderingDesk
from kiosk.state import Page, ScreenState

log = logging.getLogger(__name__)

SEEN_MAX = 500
"""SKUs of one person at a screen; what they look at beyond that is not told."""


class OffersShown:
    """The offers of all screens of one box."""

    def __init__(self, ordering: OrderingDesk) -> None:
        self._ordering = ordering
        self._seen: dict[str, tuple[int, str, set[str]]] = {}
        """By screen: the number of the person, the member, and what they saw."""

    async def shown(self, now: ScreenState, screen: str) -> None:
        """The screen looks like this now; nothing that goes wrong here keeps it from going on."""
        if now.page is not Page.PRODUCT or not now.member:
            if not now.member:
                self._seen.pop(screen, None)
            return
        person, member, seen = self._seen.get(screen, (-1, "", set()))
        if (person, member) != (now.person, now.member):
            seen = set()
            self._seen[screen] = (now.person, now.member, seen)
        if now.sku in seen or len(seen) >= SEEN_MAX or not self._is_offer(now.sku):
            return
        seen.add(now.sku)
        try:
            await self._ordering.offer_shown(now.sku)
        except StoreboxError as error:
            log.warning("screen %s: an offer that was shown is not told: %s", screen, error)

    def _is_offer(self, sku: str) -> bool:
        try:
            product = self._ordering.shelf(sku).product
        except UnknownProduct:
            return False
        special = product.member_price_minor
        return special is not None and special < product.price_minor
