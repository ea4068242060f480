"""How much time has passed since something happened, kept across restarts and boots.

Written and read by `edge/lease.py`, which does the reckoning.
"""

from msgspec import Struct

from edge.storage.outbox import Executes


class Stopwatch(Struct, frozen=True):
    """`passed_ms` went by until the moment (`boot`, `mono_ms`), as far as the box was running.

    `wall_ms` is when it happened by a trusted wall clock; None if there was none.
    """

    passed_ms: int
    mono_ms: int
    boot: str
    wall_ms: int | None


def put(connection: Executes, name: str, watch: Stopwatch) -> None:
    """Write a stopwatch as it stands."""
    connection.execute(
        "INSERT OR REPLACE INTO stopwatch VALUES (?, ?, ?, ?, ?)",
        (name, watch.passed_ms, watch.mono_ms, watch.boot, watch.wall_ms),
    )


def get(connection: Executes, name: str) -> Stopwatch | None:
    """A stopwatch as it was written last."""
    row = connection.execute(
        "SELECT passed_ms, mono_ms, boot, wall_ms FROM stopwatch WHERE name = ?", (name,)
    ).fetchone()
    return Stopwatch(*row) if row else None
