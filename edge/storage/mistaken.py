"""Whose face or phone was taken for somebody else's lately, as staff said: until when it only
suggests.

Written and read by the presence desk. It hangs on the consent to such signs and goes with it.
"""

from edge.records import ConsentKind
from edge.storage.outbox import Executes


def put(connection: Executes, member: str, kind: ConsentKind, until_ms: int) -> None:
    """Signs of `member` that rest on this consent only suggest until then. Nothing for who has not
    agreed to it.
    """
    connection.execute(
        "INSERT INTO mistaken (member, kind, until_ms) SELECT member, kind, ? FROM consent"
        " WHERE member = ? AND kind = ?"
        " ON CONFLICT (member, kind) DO UPDATE SET until_ms = max(until_ms, excluded.until_ms)",
        (until_ms, member, kind),
    )


def until(connection: Executes) -> dict[tuple[str, ConsentKind], int]:
    """All of them, and until when (Unix ms)."""
    rows = connection.execute("SELECT member, kind, until_ms FROM mistaken").fetchall()
    return {(member, ConsentKind(kind)): until_ms for member, kind, until_ms in rows}


def expire(connection: Executes, now_ms: int) -> int:
    """Delete those that are over; how many."""
    sql = "DELETE FROM mistaken WHERE until_ms <= ?"
    return int(connection.execute(sql, (now_ms,)).rowcount)
