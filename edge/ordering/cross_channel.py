"""What a member has begun in another channel: the cart on the web, the wish list, orders that are
ready to be collected here.

Read by the visit card of the staff page and by the screen that greeted the member. The platform
sends the rows (datasets `carts`, `wishes`, `collect`), sealed with the member's own key: whoever
leaves the programme takes them along. It decides nothing and writes nothing.
"""

from collections.abc import Iterator
from itertools import islice

from msgspec import Struct

from edge.documents import Cart, Collect, Wish
from edge.records import Moment
from edge.storage import carts, documents, members
from edge.storage.outbox import Executes
from edge.storage.vault import Vault

CARTS, WISHES, COLLECT = "carts", "wishes", "collect"
"""The datasets."""
WISHES_READ_MAX = 200
READY_READ_MAX = 50
"""Of one member: more than anybody looks through."""


class Beyond(Struct, frozen=True):
    """What is known of one member from other channels.

    `cart` is None when it is empty, or was continued here and the platform has sent no newer one.
    `wishes` are the newest first, `ready` by number.
    """

    cart: Cart | None = None
    wishes: tuple[Wish, ...] = ()
    ready: tuple[Collect, ...] = ()

    @property
    def anything(self) -> bool:
        """Whether there is anything to show."""
        return self.cart is not None or bool(self.wishes) or bool(self.ready)


NOTHING = Beyond()


def of(connection: Executes, vault: Vault, member: str, *, now: Moment | None = None) -> Beyond:
    """What `member` has begun elsewhere. With `now`, orders whose time is over are left out, unless
    no clock can tell.

    DatabaseUnreadable if a row does not open with the member's key.
    """
    if not members.exists(connection, member):
        return NOTHING
    wishes = documents.of_member(connection, vault, dataset=WISHES, member=member, kind=Wish)
    newest = sorted(wishes, key=lambda wish: (-wish.since_ms, wish.sku))
    ready = _ready(connection, vault, member, now)
    return Beyond(
        cart=cart_of(connection, vault, member),
        wishes=tuple(newest[:WISHES_READ_MAX]),
        ready=tuple(islice(ready, READY_READ_MAX)),
    )


def cart_of(connection: Executes, vault: Vault, member: str) -> Cart | None:
    """The member's cart on the web, if there is one that was not continued here yet."""
    rows = documents.of_member(connection, vault, dataset=CARTS, member=member, kind=Cart)
    cart = max(rows, key=lambda row: row.as_of_ms, default=None)
    if cart is None or not cart.lines:
        return None
    taken_ms = carts.taken_ms(connection, member)
    return cart if taken_ms is None or cart.as_of_ms > taken_ms else None


def _ready(
    connection: Executes, vault: Vault, member: str, now: Moment | None
) -> Iterator[Collect]:
    for row in documents.of_member(connection, vault, dataset=COLLECT, member=member, kind=Collect):
        if row.until_ms is None or now is None or not now.trusted or now.wall_ms <= row.until_ms:
            yield row
