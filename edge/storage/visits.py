"""Rows of visits, of the signs that open ones rest on, and of their history.

Written and read by the presence desk, read by the command line and the pages.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from edge.records import Moment
from edge.storage.outbox import Executes
from edge.visiting import Evidence, SignKind, Stage, Step, Strength, Visit, VisitState

VISITS_LISTED_MAX = 500
VISIT_COLUMNS = (
    "id, state, opened, last_seen, sensor, member, posterior, reasons, stage, counted, reached,"
    " zones"
)
NUMBER = "CAST(substr(id, instr(id, '-') + 1) AS INTEGER)"
"""By this they follow each other: an id begins with the epoch of the box, and a new epoch may come
before the old one in the alphabet."""
_encode = msgspec.json.Encoder().encode
_moment = msgspec.json.Decoder(Moment).decode
_reasons = msgspec.json.Decoder(tuple[str, ...]).decode
_zones = msgspec.json.Decoder(dict[str, int]).decode


def put(connection: Executes, visit: Visit) -> None:
    """Write one visit as it is now. One that has ended rests on no sign any more."""
    connection.execute(
        f"INSERT INTO visit ({VISIT_COLUMNS}, last_ms)"  # noqa: S608 - a constant
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
        " state = excluded.state, opened = excluded.opened, last_seen = excluded.last_seen,"
        " sensor = excluded.sensor, member = excluded.member, posterior = excluded.posterior,"
        " reasons = excluded.reasons, stage = excluded.stage, counted = excluded.counted,"
        " reached = excluded.reached, zones = excluded.zones, last_ms = excluded.last_ms",
        (
            visit.id,
            visit.state,
            _encode(visit.opened).decode(),
            _encode(visit.last_seen).decode(),
            visit.sensor,
            visit.member,
            visit.posterior,
            _encode(visit.reasons).decode(),
            visit.stage,
            visit.counted,
            visit.reached,
            _encode(visit.zones).decode(),
            visit.last_seen.wall_ms,
        ),
    )
    if visit.left:
        connection.execute("DELETE FROM visit_sign WHERE visit = ?", (visit.id,))


def still_open(connection: Executes) -> list[Visit]:
    """All visits that have not ended."""
    sql = f"SELECT {VISIT_COLUMNS} FROM visit WHERE stage <> 'left' ORDER BY {NUMBER}, id"  # noqa: S608
    return [_visit(row) for row in connection.execute(sql).fetchall()]


def latest(connection: Executes, limit: int = VISITS_LISTED_MAX) -> list[Visit]:
    """The newest visits first."""
    sql = f"SELECT {VISIT_COLUMNS} FROM visit ORDER BY {NUMBER} DESC, id DESC LIMIT ?"  # noqa: S608
    return [_visit(row) for row in connection.execute(sql, (limit,)).fetchall()]


def last_number(connection: Executes) -> int:
    """The number of the newest visit of all epochs; 0 before the first."""
    (last,) = connection.execute(f"SELECT max({NUMBER}) FROM visit").fetchone()  # noqa: S608
    return int(last or 0)


def get(connection: Executes, visit: str) -> Visit | None:
    """One visit; None if the box does not know it."""
    sql = f"SELECT {VISIT_COLUMNS} FROM visit WHERE id = ?"  # noqa: S608
    row = connection.execute(sql, (visit,)).fetchone()
    return _visit(row) if row is not None else None


# --- what they rest on


def put_sign(connection: Executes, visit: str, source: str, sign: Evidence | None) -> None:
    """What `source` says of a visit now (None: nothing any more)."""
    if sign is None:
        sql = "DELETE FROM visit_sign WHERE visit = ? AND source = ?"
        connection.execute(sql, (visit, source))
        return
    connection.execute(
        "INSERT OR REPLACE INTO visit_sign (visit, source, member, kind, llr, strength, reason,"
        " seen, phone) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            visit,
            source,
            sign.member,
            sign.kind,
            sign.llr,
            sign.strength,
            sign.reason,
            _encode(sign.seen).decode(),
            sign.phone,
        ),
    )


def signs(connection: Executes) -> dict[str, dict[str, Evidence]]:
    """The signs of all visits, by visit and source."""
    found: dict[str, dict[str, Evidence]] = {}
    sql = "SELECT visit, source, member, kind, llr, strength, reason, seen, phone FROM visit_sign"
    for visit, source, member, kind, llr, strength, reason, seen, phone in connection.execute(sql):
        found.setdefault(visit, {})[source] = Evidence(
            member, SignKind(kind), llr, Strength(strength), reason, _moment(seen), phone
        )
    return found


# --- what happened in them


def put_steps(connection: Executes, visit: str, steps: Mapping[int, Step]) -> None:
    """Write steps of the history, by their numbers."""
    connection.executemany(
        "INSERT OR REPLACE INTO visit_step (visit, number, at, what, sensor, text, member, sign,"
        " llr, posterior) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                visit,
                number,
                _encode(step.at).decode(),
                step.what,
                step.sensor,
                step.text,
                step.member,
                step.sign,
                step.llr,
                step.posterior,
            )
            for number, step in steps.items()
        ],
    )


def steps(connection: Executes, visit: str) -> list[Step]:
    """The history of one visit, in order."""
    rows = connection.execute(
        "SELECT at, what, sensor, text, member, sign, llr, posterior FROM visit_step"
        " WHERE visit = ? ORDER BY number",
        (visit,),
    ).fetchall()
    return [_step(row) for row in rows]


def last_steps(connection: Executes, visits: Iterable[str]) -> dict[str, int]:
    """The number of the last step of each of these visits; those without any are left out."""
    found = {}
    sql = "SELECT max(number) FROM visit_step WHERE visit = ?"
    for visit in visits:
        (last,) = connection.execute(sql, (visit,)).fetchone()
        if last is not None:
            found[visit] = int(last)
    return found


def barred(connection: Executes, what: str) -> dict[str, set[str]]:
    """Of whom staff said that an open visit is not theirs: the members of its steps `what`."""
    found: dict[str, set[str]] = {}
    sql = (
        "SELECT s.visit, s.member FROM visit AS v JOIN visit_step AS s ON s.visit = v.id"
        " WHERE v.stage <> 'left' AND s.what = ? AND s.member IS NOT NULL"
    )
    for visit, member in connection.execute(sql, (what,)):
        found.setdefault(visit, set()).add(member)
    return found


def _step(row: tuple[Any, ...]) -> Step:
    at, what, sensor, text, member, sign, llr, posterior = row
    kind = SignKind(sign) if sign else None
    return Step(_moment(at), what, sensor, text, member, kind, llr, posterior)


def _visit(row: tuple[Any, ...]) -> Visit:
    id_, state, opened, last_seen, sensor, member, posterior, reasons, stage, counted, *more = row
    reached, zones = more
    return Visit(
        id_,
        VisitState(state),
        _moment(opened),
        _moment(last_seen),
        sensor,
        member,
        posterior,
        _reasons(reasons),
        Stage(stage),
        bool(counted),
        Stage(reached),
        _zones(zones),
    )
