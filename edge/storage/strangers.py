"""Counts of how high strangers score in this shop: numbers of nobody, by the table that measured
them. Written rarely by the presence desk (`edge/presence/strangers.py` says what they mean).
"""

import msgspec
from msgspec import Struct

from edge.storage.outbox import Executes


class Kept(Struct, frozen=True):
    """How many tracks fell into each bin, and since when they were not halved."""

    table: str
    counts: tuple[int, ...]
    since_ms: int


def put(connection: Executes, kept: Kept) -> None:
    """Keep these counts instead of the last ones, whatever table those were measured by."""
    connection.execute("DELETE FROM stranger")
    counts = msgspec.json.encode(kept.counts).decode()
    connection.execute("INSERT INTO stranger VALUES (?, ?, ?)", (kept.table, counts, kept.since_ms))


def get(connection: Executes, table: str) -> Kept | None:
    """The counts that were measured by this table."""
    row = connection.execute(
        "SELECT counts, since_ms FROM stranger WHERE measured_by = ?", (table,)
    ).fetchone()
    if row is None:
        return None
    return Kept(table, msgspec.json.decode(row[0], type=tuple[int, ...]), int(row[1]))
