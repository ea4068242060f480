"""Whose face was taken for somebody else's lately, as staff said: until when it only suggests.

Written and read by the presence desk. It hangs on the consent to face recognition and goes with it.
"""

from edge.records import ConsentKind
from edge.storage.outbox import Executes


def put(connection: Executes, member: str, until_ms: int) -> None:
    """The face of `member` alone only suggests until then. Nothing for who has not agreed to it."""
    connection.execute(
        "INSERT INTO mistaken (member, until_ms) SELECT member, ? FROM consent"
        " WHERE member = ? AND kind = ?"
        " ON CONFLICT (member) DO UPDATE SET until_ms = max(until_ms, excluded.until_ms)",
        (until_ms, member, ConsentKind.FACE),
    )


def until(connection: Executes) -> dict[str, int]:
    """All of them, and until when (Unix ms)."""
    return dict(connection.execute("SELECT member, until_ms FROM mistaken").fetchall())


def expire(connection: Executes, now_ms: int) -> int:
    """Delete those that are over; how many."""
    sql = "DELETE FROM mistaken WHERE until_ms <= ?"
    return int(connection.execute(sql, (now_ms,)).rowcount)
