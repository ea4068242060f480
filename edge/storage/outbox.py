"""The outbox: events wait here, in the same file and transaction as the state they tell of,
until the platform says that it has committed them.

`append` is called through `Transaction.emit` by the desks; `pending`, `acknowledge` and `depth` by
the link (`sync/link.py`). Rows leave by `acknowledge`, or by the declared eviction of old bulk: a
gap record goes into crit in the same transaction, so that received + declared = produced.
"""

from typing import Any, Protocol

import msgspec
from msgspec import Struct

from edge.records import Event, Moment, Stream

BULK_ROWS_MAX = 200_000
"""About a week of counts at 230 bytes each (46 MB); beyond it the oldest are evicted, declared."""
EVICTED_ROWS = 20_000
"""Evicting a tenth at a time keeps the gap records few."""

GAP_TYPE = "outbox.gap.v1"


class Gap(Struct, frozen=True):
    """Events `first..last` of `stream` were given up, `count` of them, and why."""

    stream: Stream
    first: int
    last: int
    count: int
    reason: str


class Depth(Struct, frozen=True):
    """How full one stream is: produced so far, acknowledged up to, waiting, oldest waiting."""

    stream: Stream
    last_seq: int
    upto: int
    waiting: int
    oldest_wall_ms: int | None


class Executes(Protocol):
    """A connection inside a transaction, or for reading."""

    def execute(self, sql: str, parameters: Any = ..., /) -> Any:
        """Run one statement."""
        ...


def append(
    connection: Executes, stream: Stream, type_: str, body: bytes, moment: Moment
) -> list[tuple[Stream, int, bytes]]:
    """Add one event; the (stream, seq, body) of every row written: a gap record may come with it."""
    seq = _insert(connection, stream, type_, body, moment)
    written = [(stream, seq, body)]
    if stream is Stream.BULK and seq % (EVICTED_ROWS // 10) == 0:
        gap = _evict(connection)
        if gap is not None:
            declared = msgspec.json.encode(gap)
            gap_seq = _insert(connection, Stream.CRIT, GAP_TYPE, declared, moment)
            written.append((Stream.CRIT, gap_seq, declared))
    return written


def _insert(connection: Executes, stream: Stream, type_: str, body: bytes, moment: Moment) -> int:
    (seq,) = connection.execute(
        "UPDATE stream SET last_seq = last_seq + 1 WHERE name = ? RETURNING last_seq", (stream,)
    ).fetchone()
    connection.execute(
        "INSERT INTO outbox VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            stream,
            seq,
            type_,
            moment.wall_ms,
            moment.mono_ms,
            moment.boot,
            moment.trusted,
            body,
        ),
    )
    return int(seq)


def _evict(connection: Executes) -> Gap | None:
    """Drop the oldest bulk rows when there are too many."""
    waiting, first = connection.execute(
        "SELECT count(*), min(seq) FROM outbox WHERE stream = 'bulk'"
    ).fetchone()
    if waiting <= BULK_ROWS_MAX:
        return None
    last = first + EVICTED_ROWS - 1
    cursor = connection.execute(
        "DELETE FROM outbox WHERE stream = 'bulk' AND seq BETWEEN ? AND ?", (first, last)
    )
    return Gap(Stream.BULK, first, last, cursor.rowcount, "quota")


def pending(
    connection: Executes, origin: tuple[str, str], stream: Stream, *, after: int, limit: int
) -> list[Event]:
    """At most `limit` events of `stream` with a number above `after`, in order.

    `origin` is (box, epoch).
    """
    rows = connection.execute(
        "SELECT seq, type, wall_ms, mono_ms, boot, trusted, body FROM outbox"
        " WHERE stream = ? AND seq > ? ORDER BY seq LIMIT ?",
        (stream, after, limit),
    ).fetchall()
    box, epoch = origin
    return [
        Event(
            box,
            epoch,
            stream,
            seq,
            type_,
            Moment(wall_ms, mono_ms, boot, bool(trusted)),
            msgspec.Raw(body),
        )
        for seq, type_, wall_ms, mono_ms, boot, trusted, body in rows
    ]


def acknowledge(connection: Executes, stream: Stream, upto: int) -> int:
    """The platform has committed everything up to `upto`: delete it. Rows deleted.

    A number beyond what was ever produced is somebody's mistake and changes nothing.
    """
    cursor = connection.execute(
        "UPDATE stream SET upto = ? WHERE name = ? AND upto < ? AND last_seq >= ?",
        (upto, stream, upto, upto),
    )
    if cursor.rowcount == 0:
        return 0
    deleted = connection.execute("DELETE FROM outbox WHERE stream = ? AND seq <= ?", (stream, upto))
    return int(deleted.rowcount)


def cursors(connection: Executes) -> dict[Stream, tuple[int, int]]:
    """For each stream: the last number given, and up to where the platform has acknowledged."""
    rows = connection.execute("SELECT name, last_seq, upto FROM stream").fetchall()
    return {Stream(name): (last_seq, upto) for name, last_seq, upto in rows}


def depth(connection: Executes) -> list[Depth]:
    """How full each stream is, in order of priority."""
    rows = connection.execute(
        "SELECT name, last_seq, upto, (SELECT count(*) FROM outbox WHERE stream = name),"
        " (SELECT wall_ms FROM outbox WHERE stream = name ORDER BY seq LIMIT 1) FROM stream"
    ).fetchall()
    by_name = {Stream(row[0]): Depth(Stream(row[0]), *row[1:]) for row in rows}
    return [by_name[stream] for stream in Stream]
