"""Rows of visits. Written and read by `edge/presence/desk.py`, read by the command line."""

from typing import Any

import msgspec

from edge.records import Moment
from edge.storage.outbox import Executes
from edge.visiting import SignKind, Stage, Step, Visit, VisitState

VISITS_LISTED_MAX = 500


def put(connection: Executes, visit: Visit) -> None:
    """Write one visit as it is now."""
    connection.execute(
        "INSERT INTO visit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
        " state = excluded.state, opened = excluded.opened, last_seen = excluded.last_seen,"
        " sensor = excluded.sensor, member = excluded.member, posterior = excluded.posterior,"
        " reasons = excluded.reasons, stage = excluded.stage, counted = excluded.counted,"
        " last_ms = excluded.last_ms",
        (
            visit.id,
            visit.state,
            msgspec.json.encode(visit.opened).decode(),
            msgspec.json.encode(visit.last_seen).decode(),
            visit.sensor,
            visit.member,
            visit.posterior,
            msgspec.json.encode(visit.reasons).decode(),
            visit.stage,
            visit.counted,
            visit.last_seen.wall_ms,
        ),
    )


def still_open(connection: Executes) -> list[Visit]:
    """All visits that have not ended."""
    rows = connection.execute("SELECT * FROM visit WHERE stage <> 'left' ORDER BY id").fetchall()
    return [_visit(row) for row in rows]


def latest(connection: Executes, limit: int = VISITS_LISTED_MAX) -> list[Visit]:
    """The newest visits first."""
    rows = connection.execute("SELECT * FROM visit ORDER BY id DESC LIMIT ?", (limit,)).fetchall()
    return [_visit(row) for row in rows]


def steps(connection: Executes, visit: str) -> list[Step]:
    """The history of one visit, in order."""
    rows = connection.execute(
        "SELECT at, what, sensor, text, member, sign, llr FROM visit_step"
        " WHERE visit = ? ORDER BY number",
        (visit,),
    ).fetchall()
    return [_step(row) for row in rows]


def _step(row: tuple[Any, ...]) -> Step:
    at, what, sensor, text, member, sign, llr = row
    moment = msgspec.json.decode(at, type=Moment)
    return Step(moment, what, sensor, text, member, SignKind(sign) if sign else None, llr)


def _visit(row: tuple[Any, ...]) -> Visit:
    id_, state, opened, last_seen, sensor, member, posterior, reasons, stage, counted, _ = row
    return Visit(
        id_,
        VisitState(state),
        msgspec.json.decode(opened, type=Moment),
        msgspec.json.decode(last_seen, type=Moment),
        sensor,
        member,
        posterior,
        msgspec.json.decode(reasons, type=tuple[str, ...]),
        Stage(stage),
        bool(counted),
    )
