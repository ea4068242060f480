"""Rows of visits. Written and read by `edge/presence/desk.py`, read by the command line."""

import msgspec

from edge.records import Moment, Visit, VisitState
from edge.storage.outbox import Executes

VISITS_LISTED_MAX = 500


def put(connection: Executes, visit: Visit) -> None:
    """Write one visit as it is now."""
    connection.execute(
        "INSERT OR REPLACE INTO visit VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            visit.id,
            visit.state,
            msgspec.json.encode(visit.opened).decode(),
            msgspec.json.encode(visit.last_seen).decode(),
            visit.sensor,
            visit.member,
            visit.posterior,
            msgspec.json.encode(visit.reasons).decode(),
        ),
    )


def still_open(connection: Executes) -> list[Visit]:
    """All visits that have not ended."""
    rows = connection.execute("SELECT * FROM visit WHERE state <> 'left' ORDER BY id").fetchall()
    return [_visit(row) for row in rows]


def latest(connection: Executes, limit: int = VISITS_LISTED_MAX) -> list[Visit]:
    """The newest visits first."""
    rows = connection.execute("SELECT * FROM visit ORDER BY id DESC LIMIT ?", (limit,)).fetchall()
    return [_visit(row) for row in rows]


def _visit(row: tuple[str, str, str, str, str, str | None, float, str]) -> Visit:
    id_, state, opened, last_seen, sensor, member, posterior, reasons = row
    return Visit(
        id_,
        VisitState(state),
        msgspec.json.decode(opened, type=Moment),
        msgspec.json.decode(last_seen, type=Moment),
        sensor,
        member,
        posterior,
        msgspec.json.decode(reasons, type=tuple[str, ...]),
    )
