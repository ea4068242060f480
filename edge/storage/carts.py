"""Which web carts were continued at a screen of this box: one row for each member who did.

Written and read by `edge/ordering`. A row goes with its member.
"""

import msgspec
from msgspec import Struct

from edge.storage.outbox import Executes


class Piece(Struct, frozen=True):
    """So many of one SKU."""

    sku: str
    quantity: int


class Taken(Struct, frozen=True):
    """The cart of `as_of_ms` was continued: `lines` came from it. `screen` has them in its cart
    still; None once they were ordered.
    """

    member: str
    as_of_ms: int
    screen: str | None
    lines: tuple[Piece, ...]


def take(connection: Executes, taken: Taken) -> None:
    """Note that a cart was continued, in the place of an earlier one of the member."""
    lines = msgspec.json.encode(taken.lines).decode()
    connection.execute(
        "INSERT OR REPLACE INTO cart_taken VALUES (?, ?, ?, ?)",
        (taken.member, taken.as_of_ms, taken.screen, lines),
    )


def taken_ms(connection: Executes, member: str) -> int | None:
    """As of when the member's cart was that was continued last; None if none was."""
    row = connection.execute(
        "SELECT as_of_ms FROM cart_taken WHERE member = ?", (member,)
    ).fetchone()
    return int(row[0]) if row else None


def at(connection: Executes, screen: str) -> list[Taken]:
    """What was continued at `screen` and lies in its cart still."""
    rows = connection.execute(
        "SELECT member, as_of_ms, screen, lines FROM cart_taken WHERE screen = ? ORDER BY member",
        (screen,),
    ).fetchall()
    return [
        Taken(member, as_of_ms, where, msgspec.json.decode(lines, type=tuple[Piece, ...]))
        for member, as_of_ms, where, lines in rows
    ]


def ordered(connection: Executes, screen: str) -> None:
    """What was continued at `screen` has been ordered: it is not given back any more."""
    connection.execute("UPDATE cart_taken SET screen = NULL WHERE screen = ?", (screen,))


def give_back(connection: Executes, member: str) -> None:
    """The member's web cart is to be offered again."""
    connection.execute("DELETE FROM cart_taken WHERE member = ?", (member,))
