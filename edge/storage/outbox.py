"""The outbox: events wait here, in the same file and transaction as the state they tell of,
until the platform says that it has committed them.

`append` is called through `Transaction.emit` by the desks; `pending`, `acknowledge` and `depth` by
the link (`sync/link.py`). Rows leave by `acknowledge`, or by the declared eviction of old bulk: a
gap record goes into crit in the same transaction, so that received + declared = produced.
"""

import hashlib
import secrets
from collections.abc import Sequence
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from edge.records import Event, Moment, Stream

BULK_ROWS_MAX = 200_000
"""About a week of counts at 230 bytes each (46 MB); beyond it the oldest are evicted, declared."""
EVICTED_ROWS = 20_000
"""Evicting a tenth at a time keeps the gap records few."""

EVENT_BYTES_MAX = 64 * 1024
"""One event, alone and incompressible, must fit into one message (96 KiB); an order takes 1 KiB."""

GAP_TYPE = "outbox.gap.v1"

EPOCH_BYTES = 4
SEQUENCES = ("order", "connection")
"""Numbers that others keep; a box restored from a backup must not give them out again."""
SEQUENCE_JUMP = 1000
"""More of each than a box gives out between a backup and the day it is restored."""


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

    def executemany(self, sql: str, parameters: Any, /) -> Any:
        """Run one statement for each row of parameters."""
        ...


class Emitted(Struct, frozen=True):
    """One event on its way into the outbox; `body` is JSON."""

    stream: Stream
    type: str
    body: bytes
    moment: Moment


class Written(Struct, frozen=True):
    """One row of the outbox."""

    stream: Stream
    seq: int
    body: bytes


def append(connection: Executes, events: Sequence[Emitted]) -> list[Written]:
    """Add events in order; every row written, a gap record among them if old bulk was given up."""
    written: list[Written] = []
    for stream in Stream:
        mine = [event for event in events if event.stream is stream]
        if mine:
            written += _insert(connection, stream, mine)
    if any(row.stream is Stream.BULK for row in written):
        gap = _evict(connection)
        if gap is not None:
            body = msgspec.json.encode(gap)
            declared = Emitted(Stream.CRIT, GAP_TYPE, body, events[-1].moment)
            written += _insert(connection, Stream.CRIT, [declared])
    return written


def _insert(connection: Executes, stream: Stream, events: Sequence[Emitted]) -> list[Written]:
    (last,) = connection.execute(
        "UPDATE stream SET last_seq = last_seq + ? WHERE name = ? RETURNING last_seq",
        (len(events), stream),
    ).fetchone()
    numbered = list(enumerate(events, start=last - len(events) + 1))
    connection.executemany(
        "INSERT INTO outbox VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (stream, seq, e.type, m.wall_ms, m.mono_ms, m.boot, m.trusted, e.body)
            for seq, e in numbered
            for m in (e.moment,)
        ],
    )
    return [Written(stream, seq, event.body) for seq, event in numbered]


def _evict(connection: Executes) -> Gap | None:
    """Give up the oldest bulk events when there are too many."""
    last_seq, upto = connection.execute(
        "SELECT last_seq, upto FROM stream WHERE name = 'bulk'"
    ).fetchone()
    if last_seq - upto <= BULK_ROWS_MAX:  # cheap, and exact until something was given up
        return None
    waiting, first = connection.execute(
        "SELECT count(*), min(seq) FROM outbox WHERE stream = 'bulk'"
    ).fetchone()
    if waiting <= BULK_ROWS_MAX:
        return None
    last = first + max(EVICTED_ROWS, waiting - BULK_ROWS_MAX) - 1
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


def renew_epoch(connection: Executes) -> None:
    """Begin a new epoch: what waits keeps its number and belongs to it, as does all that follows.

    For a file restored from a backup, whose numbers were given to other events before. Nothing
    counts as acknowledged in the new epoch, and the numbers of `SEQUENCES` jump. The former epoch
    stands in meta until the writer has promised again what waits (`Database`).
    """
    connection.execute(
        "INSERT OR REPLACE INTO meta SELECT 'renewed_from', value FROM meta WHERE name = 'epoch'"
    )
    connection.execute(
        "UPDATE meta SET value = ? WHERE name = 'epoch'", (secrets.token_hex(EPOCH_BYTES),)
    )
    # Only the oldest are ever deleted, so what is left has no hole behind its first.
    connection.execute(
        "UPDATE stream SET upto = coalesce("
        "(SELECT min(seq) - 1 FROM outbox WHERE stream = stream.name), last_seq)"
    )
    for name in SEQUENCES:
        connection.execute(
            "INSERT INTO sequence VALUES (?1, ?2)"
            " ON CONFLICT (name) DO UPDATE SET last = last + ?2",
            (name, SEQUENCE_JUMP),
        )


def mark(connection: Executes, stream: Stream, seq: int) -> str | None:
    """What tells the event `seq` from any other with its number; None if it does not wait."""
    row = connection.execute(
        "SELECT body, boot, mono_ms FROM outbox WHERE stream = ? AND seq = ?", (stream, seq)
    ).fetchone()
    return mark_of(*row) if row else None


def mark_of(body: bytes, boot: str, mono_ms: int) -> str:
    """64 bits, in hex, of an event's content and moment."""
    return hashlib.sha256(f"{boot} {mono_ms} ".encode() + body).hexdigest()[:16]


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
