"""Which version of each dataset the box has. Called by the replica inside its transactions; read
for the hello, `status` and the doctor.

What a dataset's rows become is written by `members`, `goods` and `documents`.
"""

from edge.storage.outbox import Executes


def applied(connection: Executes) -> dict[str, tuple[str, int]]:
    """The (generation, version) of each dataset that has been applied."""
    rows = connection.execute("SELECT name, generation, version FROM dataset").fetchall()
    return {name: (generation, version) for name, generation, version in rows}


def set_applied(connection: Executes, name: str, version: tuple[str, int], wall_ms: int) -> None:
    """Remember that this version stands in the tables now."""
    connection.execute(
        "INSERT OR REPLACE INTO dataset VALUES (?, ?, ?, ?)", (name, *version, wall_ms)
    )


def states(connection: Executes) -> list[tuple[str, str, int, int]]:
    """Each dataset that has been applied: name, generation, version, and when (wall time, ms)."""
    rows = connection.execute(
        "SELECT name, generation, version, applied_ms FROM dataset ORDER BY name"
    ).fetchall()
    return [tuple(row) for row in rows]
