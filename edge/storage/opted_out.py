"""Who asked not to be counted by the radars. Written and read by `edge/operation/opt_outs.py`.

A person stands here as a hash of their phone's address under a key of this box
(`sensors/radar/admission.py`); the address itself is nowhere.
"""

from edge.storage.outbox import Executes


def add(connection: Executes, mark: bytes, wall_ms: int) -> bool:
    """Remember `mark`; False if it was known, and stays as old as it is."""
    added = connection.execute("INSERT OR IGNORE INTO opted_out VALUES (?, ?)", (mark, wall_ms))
    return bool(added.rowcount)


def remove(connection: Executes, mark: bytes) -> bool:
    """Forget `mark`; False if it was not known."""
    return bool(connection.execute("DELETE FROM opted_out WHERE mark = ?", (mark,)).rowcount)


def since_ms(connection: Executes, mark: bytes) -> int | None:
    """Since when `mark` stands here; None if it does not."""
    row = connection.execute("SELECT since_ms FROM opted_out WHERE mark = ?", (mark,)).fetchone()
    return None if row is None else int(row[0])


def marks(connection: Executes) -> list[bytes]:
    """All of them."""
    return [bytes(row[0]) for row in connection.execute("SELECT mark FROM opted_out").fetchall()]


def dates_ms(connection: Executes) -> list[int]:
    """Since when each stands here, oldest first: all that a person is shown."""
    rows = connection.execute("SELECT since_ms FROM opted_out ORDER BY since_ms").fetchall()
    return [int(row[0]) for row in rows]
