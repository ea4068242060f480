"""Rows of figures: what events add to the cells of five minutes, and the hours and days of them.

`count` is called by `Transaction` with every event, in its transaction. `edge/operation/figures.py`
dates, rolls up and tells; `edge/operation/figure_facts.py` reads. No row names a member.
"""

from collections.abc import Iterable, Iterator
from enum import StrEnum

import msgspec
from msgspec import Struct

from edge.figures import (
    CELL_MS,
    CELLS_KEPT_DAYS,
    DAYS_KEPT_DAYS,
    HOURS_KEPT_DAYS,
    RETURN_DAYS,
    CellChange,
    Measure,
    cell_changes,
    cell_of,
)
from edge.records import Moment
from edge.storage.outbox import Executes

DAY_MS = 86_400_000
SELLERS_MAX = 50
"""Sellers with rows of their own in one cell; a shop has fewer. All others are one."""
OTHERS = "(others)"
UNDATED_ROWS_MAX = 400_000
"""About a month of a busy shop without a clock that can be trusted (20 MB)."""
VISIT_CLOSED = "visit.closed.v1"
_LARGEST = ", ".join(f"'{measure}'" for measure in Measure if measure.largest)
_ADD = (
    f"SET value = CASE WHEN measure IN ({_LARGEST})"
    " THEN max(value, excluded.value) ELSE value + excluded.value END"
)
_COUNT = (
    "INSERT INTO figure VALUES (?, ?, ?, ?)"  # noqa: S608 - our own names
    f" ON CONFLICT (from_ms, measure, subject) DO UPDATE {_ADD}"
)
_COUNT_UNDATED = (
    "INSERT INTO figure_undated VALUES (?, ?, ?, ?, ?, ?)"  # noqa: S608 - our own names
    f" ON CONFLICT (boot, mono_ms, measure, subject) DO UPDATE {_ADD}"
)


class Period(StrEnum):
    """What cells are rolled up to; the value is what its marks are called."""

    HOUR = "hour"
    DAY = "day"


class Row(Struct, frozen=True):
    """One number: `measure` of `subject` in the cell, hour or day that began at `from_ms`."""

    from_ms: int
    measure: Measure
    subject: str
    value: int


Span = tuple[int, int]
"""From (inclusive) to (exclusive), Unix time in ms."""


# --- counting


def count(connection: Executes, type_: str, body: object, moment: Moment) -> None:
    """Add what an event means to the cells."""
    fields = msgspec.to_builtins(body)
    returning = type_ == VISIT_CLOSED and _was_here(connection, fields)
    changes = cell_changes(type_, fields, moment, returning=returning)
    if moment.trusted:
        _add(connection, [_of_few(connection, change) for change in changes])
    else:
        _add_undated(connection, changes, moment)


def _was_here(connection: Executes, closed: object) -> bool:
    """Whether the member of a visit was here before it, within the last 90 days."""
    match closed:
        case {"visit": str(visit), "member": str(member)}:
            pass
        case _:
            return False
    row = connection.execute(
        "SELECT 1 FROM visit AS now JOIN visit AS before ON before.member = now.member"
        " WHERE now.id = ?1 AND now.member = ?2 AND before.id <> now.id"
        " AND before.last_ms < json_extract(now.opened, '$[0]')"
        " AND before.last_ms >= json_extract(now.opened, '$[0]') - ?3 LIMIT 1",
        (visit, member, RETURN_DAYS * DAY_MS),
    ).fetchone()
    return row is not None


def _of_few(connection: Executes, change: CellChange) -> CellChange:
    """What people type has a limit: a seller beyond it is one of the others."""
    if change.measure not in (Measure.JOINED, Measure.ENROLMENTS):
        return change
    cell = (change.from_ms, change.measure)
    known = {
        subject
        for (subject,) in connection.execute(
            "SELECT subject FROM figure WHERE from_ms = ? AND measure = ?", cell
        ).fetchall()
    }
    if change.subject in known or len(known) < SELLERS_MAX:
        return change
    return msgspec.structs.replace(change, subject=OTHERS)


def _add(connection: Executes, changes: Iterable[CellChange]) -> None:
    rows = [(each.from_ms, each.measure, each.subject, each.value) for each in changes]
    connection.executemany(_COUNT, rows)
    marks = [(period, from_ms) for from_ms in {row[0] for row in rows} for period in Period]
    connection.executemany("INSERT OR IGNORE INTO figure_due VALUES (?, ?)", marks)


# --- before the clock is trusted


def _add_undated(connection: Executes, changes: Iterable[CellChange], moment: Moment) -> None:
    """By the time since the boot, in cells of it: the middle of a cell tells which."""
    since_ms = moment.mono_ms - moment.wall_ms
    connection.executemany(
        _COUNT_UNDATED,
        [
            (
                moment.boot,
                cell_of(each.from_ms + CELL_MS // 2 + since_ms),
                each.measure,
                each.subject,
                each.from_ms,
                each.value,
            )
            for each in changes
        ],
    )


def date(connection: Executes, now: Moment) -> int:
    """Give what was counted under an untrusted clock its time, which `now` tells; how many rows.

    Nothing if `now` is not trusted itself. What an earlier boot counted keeps the time that its
    clock showed, but not a later one than now.
    """
    if not now.trusted:
        return 0
    rows = connection.execute("SELECT * FROM figure_undated").fetchall()
    changes = []
    for boot, mono_ms, measure, subject, from_ms, value in rows:
        here_ms = mono_ms + CELL_MS // 2 + now.wall_ms - now.mono_ms
        wall_ms = here_ms if boot == now.boot else min(from_ms, now.wall_ms)
        changes.append(CellChange(cell_of(max(0, wall_ms)), Measure(measure), subject, value))
    _add(connection, changes)
    connection.execute("DELETE FROM figure_undated")
    return len(rows)


def drop_undated(connection: Executes) -> int:
    """Give up the oldest of what has no date when it is too much; how many rows."""
    (rows,) = connection.execute("SELECT count(*) FROM figure_undated").fetchone()
    if rows <= UNDATED_ROWS_MAX:
        return 0
    return int(
        connection.execute(
            "DELETE FROM figure_undated WHERE (boot, mono_ms, measure, subject) IN (SELECT boot,"
            " mono_ms, measure, subject FROM figure_undated ORDER BY from_ms LIMIT ?)",
            (rows - UNDATED_ROWS_MAX,),
        ).rowcount
    )


# --- rolling up


def due(connection: Executes, period: Period) -> list[int]:
    """The cells that have changed since their `period` was rolled up, in order."""
    sql = "SELECT from_ms FROM figure_due WHERE period = ? ORDER BY from_ms"
    return [from_ms for (from_ms,) in connection.execute(sql, (period,)).fetchall()]


def roll(connection: Executes, period: Period, span: Span) -> None:
    """Make the hour or day of `span` anew, from its cells; it begins with the span."""
    table = f"figure_{period.value}"
    connection.execute(f"DELETE FROM {table} WHERE from_ms >= ? AND from_ms < ?", span)  # noqa: S608
    connection.execute(
        f"INSERT INTO {table} SELECT ?1, measure, subject,"  # noqa: S608 - our own names
        f" CASE WHEN measure IN ({_LARGEST}) THEN max(value) ELSE sum(value) END"
        " FROM figure WHERE from_ms >= ?1 AND from_ms < ?2 GROUP BY measure, subject",
        span,
    )
    settle(connection, period, span)


def settle(connection: Executes, period: Period, span: Span) -> None:
    """Nothing is due any more for what lies in `span`."""
    connection.execute(
        "DELETE FROM figure_due WHERE period = ? AND from_ms >= ? AND from_ms < ?", (period, *span)
    )


def expire(connection: Executes, now: Moment) -> int:
    """Delete what is older than it may be; how many rows. Nothing without a trusted clock."""
    if not now.trusted:
        return 0
    gone = 0
    for table, days in (
        ("figure", CELLS_KEPT_DAYS),
        ("figure_due", CELLS_KEPT_DAYS),
        ("figure_told", CELLS_KEPT_DAYS),
        ("figure_hour", HOURS_KEPT_DAYS),
        ("figure_day", DAYS_KEPT_DAYS),
    ):
        before_ms = oldest_ms(now, days)
        sql = f"DELETE FROM {table} WHERE from_ms < ?"  # noqa: S608 - our own names
        gone += int(connection.execute(sql, (before_ms,)).rowcount)
    return gone


def oldest_ms(now: Moment, days: int) -> int:
    """Before this, what is kept for so many days is gone."""
    return max(0, now.wall_ms - days * DAY_MS)


# --- telling


def told_upto(connection: Executes, what: str) -> int:
    """Up to when cells (or days) have been told upstream; 0 if none ever was."""
    sql = "SELECT value FROM meta WHERE name = ?"
    row = connection.execute(sql, (f"figures_told_{what}",)).fetchone()
    return int(row[0]) if row else 0


def set_told_upto(connection: Executes, what: str, upto_ms: int) -> None:
    """Nothing before `upto_ms` is told again."""
    connection.execute(
        "INSERT OR REPLACE INTO meta VALUES (?, ?)", (f"figures_told_{what}", str(upto_ms))
    )


def put_told(connection: Executes, from_ms: int, told: dict[str, int | None]) -> None:
    """Note what was told of a cell, by its name in the event; None: withheld."""
    connection.executemany(
        "INSERT OR REPLACE INTO figure_told VALUES (?, ?, '', ?)",
        [(from_ms, name, -1 if value is None else value) for name, value in told.items()],
    )


def told(connection: Executes, span: Span) -> dict[str, list[int | None]]:
    """What was told of the cells of `span`, by name."""
    rows = connection.execute(
        "SELECT measure, value FROM figure_told WHERE from_ms >= ? AND from_ms < ?", span
    ).fetchall()
    found: dict[str, list[int | None]] = {}
    for name, value in rows:
        found.setdefault(name, []).append(None if value < 0 else value)
    return found


def forget_told(connection: Executes, span: Span) -> None:
    """The day is told: what was told of its cells is not asked for again."""
    connection.execute("DELETE FROM figure_told WHERE from_ms >= ? AND from_ms < ?", span)


# --- reading


def cells(connection: Executes, span: Span, *, undated: bool = False) -> Iterator[Row]:
    """What the cells of `span` hold, in order; with `undated` also what waits for its date, where
    the clock of its time put it.
    """
    also = " UNION ALL SELECT from_ms, measure, subject, value FROM figure_undated" * undated
    rows = connection.execute(
        "SELECT from_ms, measure, subject,"  # noqa: S608 - our own names
        f" CASE WHEN measure IN ({_LARGEST}) THEN max(value) ELSE sum(value) END"
        f" FROM (SELECT * FROM figure{also})"
        " WHERE from_ms >= ? AND from_ms < ? GROUP BY from_ms, measure, subject",
        span,
    ).fetchall()
    yield from (Row(row[0], Measure(row[1]), row[2], row[3]) for row in rows)


def rolled(
    connection: Executes, period: Period, span: Span, *, only: Iterable[Measure] = tuple(Measure)
) -> Iterator[Row]:
    """The hours or days that were rolled up and begin in `span`, in order."""
    wanted = tuple(only)
    rows = connection.execute(
        f"SELECT * FROM figure_{period.value} WHERE from_ms >= ? AND from_ms < ?"  # noqa: S608
        f" AND measure IN ({', '.join('?' * len(wanted))})",
        (*span, *wanted),
    ).fetchall()
    yield from (Row(row[0], Measure(row[1]), row[2], row[3]) for row in rows)


def undated(connection: Executes) -> list[int]:
    """The cells in which something waits for its date, where the clock of its time put them."""
    sql = "SELECT DISTINCT from_ms FROM figure_undated ORDER BY from_ms"
    return [from_ms for (from_ms,) in connection.execute(sql).fetchall()]


def oldest_cell(connection: Executes, after_ms: int) -> int | None:
    """The first cell that begins at `after_ms` or later, if there is one."""
    sql = "SELECT min(from_ms) FROM figure WHERE from_ms >= ?"
    (found,) = connection.execute(sql, (after_ms,)).fetchone()
    return None if found is None else int(found)
