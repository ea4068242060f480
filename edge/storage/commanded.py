"""The platform's commands that this box has taken: how far their counter came, and the newest.

Written by `sync/commands.py` in the transaction that carries a command out, so that none is done
twice; read by the hello and by `storebox sync status`. Arguments are never kept: they name people.
"""

from msgspec import Struct

from edge.storage.outbox import Executes

REMEMBERED_MAX = 1000
"""Commands known by their id; the counter alone refuses all that are older."""
LISTED_MAX = 5


class Commanded(Struct, frozen=True):
    """One command and what came of it. `reason` says why not, if not `ok`."""

    counter: int
    id: str
    type: str
    ok: bool
    reason: str
    wall_ms: int


def last(connection: Executes) -> int:
    """The counter of the newest command taken; 0 before the first."""
    return int(connection.execute("SELECT coalesce(max(counter), 0) FROM commanded").fetchone()[0])


def knows(connection: Executes, identity: str) -> bool:
    """Whether a command with this id was taken."""
    row = connection.execute("SELECT 1 FROM commanded WHERE id = ?", (identity,)).fetchone()
    return row is not None


def note(connection: Executes, command: Commanded) -> None:
    """Remember a command; the oldest beyond `REMEMBERED_MAX` are forgotten.

    An erasure that came late may have the counter of another command, which stays.
    """
    connection.execute(
        "INSERT OR IGNORE INTO commanded VALUES (?, ?, ?, ?, ?, ?)",
        (command.counter, command.id, command.type, command.ok, command.reason, command.wall_ms),
    )
    connection.execute(
        "DELETE FROM commanded WHERE counter <= (SELECT counter FROM commanded"
        " ORDER BY counter DESC LIMIT 1 OFFSET ?)",
        (REMEMBERED_MAX,),
    )


def latest(connection: Executes, limit: int = LISTED_MAX) -> list[Commanded]:
    """The newest commands first."""
    rows = connection.execute(
        "SELECT counter, id, type, ok, reason, wall_ms FROM commanded"
        " ORDER BY counter DESC LIMIT ?",
        (limit,),
    ).fetchall()
    return [
        Commanded(counter, identity, type_, bool(ok), reason, wall_ms)
        for counter, identity, type_, ok, reason, wall_ms in rows
    ]
