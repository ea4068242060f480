"""Deleting what has been kept long enough, a little at a time: ended visits, orders, the consent
log. Called by `edge/operation/retention.py`, which alone decides up to which moment.

What was written by a clock that nobody trusted has no age of its own. A visit of such a time is
dated anew and kept its full time from then on; an order or a row of the log goes with the first
later one that is too old by a clock that was trusted.
"""

from edge.storage import erased
from edge.storage.outbox import Executes

ROWS_AT_ONCE = 500
"""Looked after in one transaction: some milliseconds, which an order may have to wait."""
AHEAD_MS = 24 * 3600 * 1000
"""What is said to have happened later than this from now was written by a clock that was wrong."""


def newest_ms(connection: Executes) -> int | None:
    """When the newest visit was last seen, by whatever clock; None if there is none."""
    found = connection.execute("SELECT max(last_ms) FROM visit").fetchone()[0]
    return None if found is None else int(found)


def drop_visits(tx: Executes, *, before_ms: int, now_ms: int) -> int:
    """Delete ended visits with their signs and steps that were last seen before; how many were
    looked after: fewer than `ROWS_AT_ONCE` is the end of them.

    The one of the highest number stays, as anybody's: new visits are numbered on from it.
    """
    rows = tx.execute(
        "SELECT id, last_ms, json_extract(last_seen, '$[3]'),"
        " last_ms = json_extract(last_seen, '$[0]') FROM visit"
        " WHERE (last_ms < ? OR last_ms > ?) AND stage = 'left'"
        " AND (id <> (SELECT max(id) FROM visit) OR member IS NOT NULL) LIMIT ?",
        (before_ms, now_ms + AHEAD_MS, ROWS_AT_ONCE),
    ).fetchall()
    highest = tx.execute("SELECT max(id) FROM visit").fetchone()[0]
    for id_, last_ms, trusted, as_told in rows:
        if last_ms > now_ms or (as_told and not trusted):
            tx.execute("UPDATE visit SET last_ms = ? WHERE id = ?", (now_ms, id_))
        elif id_ == highest:
            _unlink(tx, id_)
        else:
            tx.execute("DELETE FROM visit WHERE id = ?", (id_,))
    return _dropped(tx, len(rows))


def _unlink(tx: Executes, visit: str) -> None:
    for table in ("visit_sign", "visit_step"):
        tx.execute(f"DELETE FROM {table} WHERE visit = ?", (visit,))  # noqa: S608 - constants
    sql = "UPDATE visit SET member = NULL, posterior = 0, reasons = '[]', state = 'anonymous'"
    tx.execute(f"{sql} WHERE id = ?", (visit,))


def drop_orders(tx: Executes, *, before_ms: int) -> int:
    """Delete orders that were placed before; how many, `ROWS_AT_ONCE` at most."""
    dropped = tx.execute(
        "DELETE FROM placed_order WHERE number IN (SELECT number FROM placed_order"
        " WHERE number <= (SELECT max(number) FROM placed_order"
        "   WHERE json_extract(placed, '$[0]') < ?1 AND json_extract(placed, '$[3]'))"
        " AND (json_extract(placed, '$[0]') < ?1 OR NOT json_extract(placed, '$[3]')) LIMIT ?2)",
        (before_ms, ROWS_AT_ONCE),
    )
    return _dropped(tx, dropped.rowcount)


def drop_consent_log(tx: Executes, *, before_ms: int) -> int:
    """Delete what was noted before; how many rows, `ROWS_AT_ONCE` at most."""
    dropped = tx.execute(
        "DELETE FROM consent_log WHERE number IN (SELECT number FROM consent_log"
        " WHERE number <= (SELECT max(number) FROM consent_log WHERE noted_ms < ?1 AND trusted)"
        " AND (noted_ms < ?1 OR NOT trusted) LIMIT ?2)",
        (before_ms, ROWS_AT_ONCE),
    )
    return _dropped(tx, dropped.rowcount)


def _dropped(tx: Executes, count: int) -> int:
    if count:
        erased.set_deleted(tx)
    return count
