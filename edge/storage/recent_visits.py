"""What recent visits say together: whose they were, how sure, and how often staff put one right.

Read by the presence desk for its prior and by the command line for its rates. Nothing is written.
"""

from edge.storage.outbox import Executes

RECENT_MAX = 20_000
"""So many visits are read at most, the newest: weeks of a shop, and days of a very busy one."""


def recent(connection: Executes, since_ms: int) -> list[tuple[str | None, int]]:
    """The visits that ended since then, newest first: whose (None: nobody known) and when last seen
    (Unix ms).

    One that was only suggested is not told: it is no stranger's, and not surely a member's. Nor is
    an open one, which must not be a reason for itself.
    """
    rows = connection.execute(
        "SELECT member, last_ms FROM visit WHERE last_ms >= ? AND stage = 'left'"
        " AND counted = 1 AND state <> 'suggested' ORDER BY last_ms DESC LIMIT ?",
        (since_ms, RECENT_MAX),
    ).fetchall()
    return [(member, last_ms) for member, last_ms in rows]
