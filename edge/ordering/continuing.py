"""A cart that a member began on the web goes on at a screen, and goes back if nothing came of it.

Called by `edge/ordering/desk.py` inside its transactions. What is no longer sold, is sold out
everywhere or does not fit stays behind, and is said. It never changes the platform's own row: the
event tells the platform, and a mark keeps the same cart from being offered twice.
"""

from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from edge.errors import Refused
from edge.records import Member, Moment, Stream
from edge.sales import CART_LINES_MAX, LINE_QUANTITY_MAX, CartLine, Product, price_for
from edge.storage import carts, goods, orders
from edge.storage.carts import Piece, Taken
from edge.storage.database import Transaction


class Why(StrEnum):
    """Why something of a web cart stayed behind."""

    NOT_SOLD = "not_sold"
    SOLD_OUT = "sold_out"
    FULL = "full"
    """The screen's cart takes no more of it, or no more lines."""


class LeftOut(Struct, frozen=True):
    """So many of one SKU stayed behind."""

    sku: str
    quantity: int
    why: Why


class Continued(Struct, frozen=True):
    """What came of it."""

    lines: tuple[Piece, ...]
    left_out: tuple[LeftOut, ...]


class Continuation(Struct, frozen=True):
    """Whose cart goes on where, in which language its lines are written down."""

    member: Member
    screen: str
    language: str


def take_over(
    tx: Transaction, what: Continuation, wanted: tuple[Piece, ...], as_of_ms: int, now: Moment
) -> Continued:
    """Put the lines of a web cart into the screen's, note it and tell it."""
    lines = {line.sku: line for line in orders.cart(tx, what.screen)}
    taken: list[Piece] = []
    left_out: list[LeftOut] = []
    for piece in wanted:
        product = goods.by_sku(tx, piece.sku)
        why, room = _room(tx, product, lines)
        quantity = min(piece.quantity, room)
        if product is not None and quantity > 0:
            line = _more(lines.get(piece.sku), product, quantity, what)
            lines[piece.sku] = line
            orders.put_line(tx, what.screen, line)
            taken.append(Piece(piece.sku, quantity))
        if quantity < piece.quantity:
            left_out.append(LeftOut(piece.sku, piece.quantity - quantity, why))
    member, screen = what.member.id, what.screen
    carts.take(tx, Taken(member, as_of_ms, screen if taken else None, tuple(taken)))
    continued = Continued(tuple(taken), tuple(left_out))
    body = {"member": member, "screen": screen, "as_of_ms": as_of_ms, "lines": continued.lines,
            "left_out": continued.left_out}  # fmt: skip
    tx.emit(Stream.CRIT, "cart.continued.v1", body, now, member=member)
    return continued


def give_back(tx: Transaction, screen: str, now: Moment, *, but: str | None = None) -> None:
    """What came from web carts leaves the screen's cart; whose they are may be offered them again.

    `but` is a member whose cart stays.
    """
    for taken in carts.at(tx, screen):
        if taken.member == but:
            continue
        for piece in taken.lines:
            _less(tx, screen, piece)
        carts.give_back(tx, taken.member)
        body = {"member": taken.member, "screen": screen, "as_of_ms": taken.as_of_ms}
        tx.emit(Stream.CRIT, "cart.given_back.v1", body, now, member=taken.member)


def _less(tx: Transaction, screen: str, piece: Piece) -> None:
    """So many pieces fewer in the screen's cart, as far as they are there still."""
    line = next((each for each in orders.cart(tx, screen) if each.sku == piece.sku), None)
    if line is not None and line.quantity > piece.quantity:
        orders.put_line(tx, screen, replace(line, quantity=line.quantity - piece.quantity))
    else:
        orders.drop_line(tx, screen, piece.sku)


def nothing_to_continue() -> Refused:
    """There is no cart to go on with (any more)."""
    return Refused("There is no cart to continue.", "Scan a product, please.")


def _room(tx: Transaction, product: Product | None, lines: dict[str, CartLine]) -> tuple[Why, int]:
    """How many more of a product the cart takes, and why not more."""
    if product is None:
        return Why.NOT_SOLD, 0
    known = goods.stock_of(tx, product.sku)
    if known and all(stock.quantity <= 0 for stock in known):
        return Why.SOLD_OUT, 0
    if product.sku not in lines:
        return Why.FULL, LINE_QUANTITY_MAX if len(lines) < CART_LINES_MAX else 0
    return Why.FULL, LINE_QUANTITY_MAX - lines[product.sku].quantity


def _more(line: CartLine | None, product: Product, quantity: int, what: Continuation) -> CartLine:
    before = line.quantity if line is not None else 0
    price, offer = price_for(product, what.member)
    title = product.title(what.language)
    return CartLine(product.sku, title, before + quantity, price, offer)
