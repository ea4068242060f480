"""Rows of carts and placed orders. Written and read by `edge/ordering/desk.py`."""

import msgspec

from edge.records import Moment
from edge.sales import (
    CartLine,
    Order,
)
from edge.storage.outbox import Executes

ORDERS_LISTED_MAX = 200


def cart(connection: Executes, screen: str) -> tuple[CartLine, ...]:
    """The lines of one screen's cart, by SKU."""
    rows = connection.execute(
        "SELECT sku, title, quantity, unit_price_minor, offer FROM cart_line WHERE screen = ?"
        " ORDER BY sku",
        (screen,),
    ).fetchall()
    return tuple(
        CartLine(sku, title, quantity, unit_minor, bool(offer))
        for sku, title, quantity, unit_minor, offer in rows
    )


def put_line(connection: Executes, screen: str, line: CartLine) -> None:
    """Write one line of a cart."""
    connection.execute(
        "INSERT OR REPLACE INTO cart_line VALUES (?, ?, ?, ?, ?, ?)",
        (screen, line.sku, line.title, line.quantity, line.unit_price_minor, line.offer),
    )


def drop_line(connection: Executes, screen: str, sku: str) -> None:
    """Take one line out of a cart."""
    connection.execute("DELETE FROM cart_line WHERE screen = ? AND sku = ?", (screen, sku))


def empty_cart(connection: Executes, screen: str) -> None:
    """Take everything out of a cart."""
    connection.execute("DELETE FROM cart_line WHERE screen = ?", (screen,))


def put_order(connection: Executes, order: Order) -> None:
    """Write a placed order; its number must be new."""
    connection.execute(
        "INSERT INTO placed_order VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            order.number,
            order.screen,
            msgspec.json.encode(order.lines).decode(),
            order.total_minor,
            order.currency,
            msgspec.json.encode(order.placed).decode(),
            order.member,
        ),
    )


def get_order(connection: Executes, number: str) -> Order | None:
    """One order by its number."""
    row = connection.execute("SELECT * FROM placed_order WHERE number = ?", (number,)).fetchone()
    return _order(row) if row else None


def latest(connection: Executes, limit: int = ORDERS_LISTED_MAX) -> list[Order]:
    """The newest orders first."""
    rows = connection.execute(
        "SELECT * FROM placed_order ORDER BY number DESC LIMIT ?", (limit,)
    ).fetchall()
    return [_order(row) for row in rows]


def of_member(connection: Executes, member: str, limit: int) -> list[Order]:
    """The newest orders of one member first."""
    rows = connection.execute(
        "SELECT * FROM placed_order WHERE member = ? ORDER BY number DESC LIMIT ?", (member, limit)
    ).fetchall()
    return [_order(row) for row in rows]


def _order(row: tuple[str, str, str, int, str, str, str | None]) -> Order:
    number, screen, lines, total_minor, currency, placed, member = row
    return Order(
        number,
        screen,
        msgspec.json.decode(lines, type=tuple[CartLine, ...]),
        total_minor,
        currency,
        msgspec.json.decode(placed, type=Moment),
        member,
    )
