"""A member's cart from the web goes on at the screen that greeted them.

Called by the routes of the screens. What was offered, taken and left is the ordering desk's; this
only says it to who stands there.
"""

from msgspec import Struct
from msgspec.structs import replace

from edge.errors import Refused
from edge.ordering.continuing import LeftOut, Why
from edge.ordering.desk import OrderingDesk
from kiosk import state
from kiosk.session import Screens
from kiosk.state import Page
from kiosk.words import N_

WHO = N_("Say who you are first: scan your loyalty card, please.")
CONTINUED = N_("Your cart from the web shop goes on here.")
NOTHING_LEFT = N_("Nothing of your web cart can be had any more.")
WHY = {
    Why.NOT_SOLD: N_("no longer sold"),
    Why.SOLD_OUT: N_("sold out everywhere"),
    Why.FULL: N_("the cart takes no more"),
}


class LeftOutView(Struct, frozen=True):
    """What stayed behind, to be drawn; `why` is an English sentence (catalogue key)."""

    title: str
    quantity: int
    why: str


async def go_on(screens: Screens, screen: str) -> None:
    """Take the web cart of who was greeted at `screen` into its cart."""
    async with screens.turn(screen) as place:
        member = screens.member(screen)
        if member is None:
            raise Refused(WHO)
        language = place.state.language
        continued = await screens.ordering.continue_cart(screen, member, language=language)
        said = CONTINUED if continued.lines else NOTHING_LEFT
        place.state = replace(state.continued(place.state, continued.left_out), notice=(said,))
        screens.beyond_changed()


def left_out_views(
    left: tuple[LeftOut, ...], page: Page, ordering: OrderingDesk, language: str
) -> tuple[LeftOutView, ...]:
    """What stayed behind, while the cart is shown."""
    if page is not Page.CART:
        return ()
    views = []
    for each in left:
        product = ordering.product(each.sku)
        title = product.title(language) if product is not None else each.sku
        views.append(LeftOutView(title, each.quantity, WHY[each.why]))
    return tuple(views)
