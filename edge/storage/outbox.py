"""The outbox in the main file: numbers of all streams, the waiting events of crit and visit, and
what was given up.

`append` is called through `Transaction.emit`, `declare` when events are given up: a gap record in
crit says so, so that received + declared = produced. The bodies of bulk lie in a file of their own
(`edge/storage/bulk.py`); `edge/storage/backlog.py` reads both. Crit is never given up.
"""

import hashlib
import secrets
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from edge.records import Event, Moment, Stream
from edge.storage import spans

VISIT_ROWS_MAX = 150_000
"""About a month of a busy shop (45 MB); beyond it the oldest are evicted, declared."""
EVICTED_ROWS = 15_000
"""Evicting a tenth at a time keeps the gap records few."""

EVENT_BYTES_MAX = 64 * 1024
"""One event, alone and incompressible, must fit into one message (96 KiB); an order takes 1 KiB."""

GAP_TYPE = "outbox.gap.v1"
TOMBSTONE_TYPE = "outbox.tombstone.v1"
"""What an event becomes whose person was erased: its number must arrive all the same."""
KEPT_WITHOUT_MEMBER = ("order.", "payment.", "points.")
"""Types that must reach the books whoever was erased."""

EPOCH_BYTES = 4
SEQUENCES = ("order", "connection")
"""Numbers that others keep; a box restored from a backup must not give them out again."""
SEQUENCE_JUMP = 1000
"""More of each than a box gives out between a backup and the day it is restored."""
UNDATED = Moment(0, 0, "unknown", False)
"""The moment of a loss when nothing that waits tells a later one."""


class Reason(StrEnum):
    """Why events were given up."""

    QUOTA = "quota"
    POWER_CUT = "power_cut"
    DAMAGED = "damaged"
    UNWRITABLE = "unwritable"


class Gap(Struct, frozen=True):
    """Events `first..last` of `stream` were given up, and why.

    `count` of them now; the others in that span had been declared before.
    """

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
    """One event on its way into the outbox; `body` is JSON, `member` whom it speaks of."""

    stream: Stream
    type: str
    body: bytes
    moment: Moment
    member: str | None = None


class Written(Struct, frozen=True):
    """One event with its number."""

    stream: Stream
    seq: int
    type: str
    moment: Moment
    body: bytes


class Rewritten(Struct, frozen=True):
    """An event whose body was changed after it was promised."""

    stream: Stream
    seq: int
    before: bytes
    after: bytes


class Rewrites(Executes, Protocol):
    """A transaction that minds which events were changed in it."""

    def rewritten(self, row: Rewritten, /) -> None:
        """`row` is not as it was promised."""
        ...


def append(connection: Executes, events: Sequence[Emitted]) -> list[Written]:
    """Number events in order and write those of crit and visit; all of them, and a gap record.

    Those of bulk have their numbers now and are for the caller to write, after the commit.
    """
    written: list[Written] = []
    by_stream: dict[Stream, list[Emitted]] = {}
    for each in events:
        by_stream.setdefault(each.stream, []).append(each)
    for stream, mine in by_stream.items():
        written += _insert(connection, stream, mine)
    if Stream.VISIT in by_stream:
        written += _evict(connection, events[-1].moment)
    return written


def declare(
    connection: Executes, stream: Stream, *, span: tuple[int, int], reason: Reason, moment: Moment
) -> Written:
    """Give up the numbers of `span` (first, last), but for those that were given up before: a gap
    record in crit, and holes that nobody reads again.
    """
    fresh = spans.missing(holes(connection, stream), after=span[0] - 1, upto=span[1])
    gap = Gap(stream, *span, spans.size(fresh), reason)
    written = _record(connection, gap, moment)
    connection.executemany(
        "INSERT INTO hole VALUES (?, ?, ?, ?, ?)",
        [(stream, first, last, reason, written.seq) for first, last in fresh],
    )
    if reason is Reason.QUOTA:
        sql = "UPDATE stream SET evicted = evicted + ? WHERE name = ?"
        connection.execute(sql, (gap.count, stream))
    return written


def _record(connection: Executes, gap: Gap, moment: Moment) -> Written:
    record = Emitted(Stream.CRIT, GAP_TYPE, msgspec.json.encode(gap), moment)
    return _insert(connection, Stream.CRIT, [record])[0]


def _insert(connection: Executes, stream: Stream, events: Sequence[Emitted]) -> list[Written]:
    (last,) = connection.execute(
        "UPDATE stream SET last_seq = last_seq + ? WHERE name = ? RETURNING last_seq",
        (len(events), stream),
    ).fetchone()
    numbered = list(enumerate(events, start=last - len(events) + 1))
    if stream is not Stream.BULK:
        connection.executemany(
            "INSERT INTO outbox (stream, seq, type, wall_ms, mono_ms, boot, trusted, body, member)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (stream, seq, e.type, m.wall_ms, m.mono_ms, m.boot, m.trusted, e.body, e.member)
                for seq, e in numbered
                for m in (e.moment,)
            ],
        )
    return [Written(stream, seq, e.type, e.moment, e.body) for seq, e in numbered]


def _evict(connection: Executes, moment: Moment) -> list[Written]:
    """Give up the oldest visits when there are too many: the gap record, if so."""
    last_seq, upto = cursors(connection)[Stream.VISIT]
    if last_seq - upto <= VISIT_ROWS_MAX:  # cheap, and exact until something was given up
        return []
    waiting = last_seq - upto - _given_up(connection, Stream.VISIT, upto)
    if waiting <= VISIT_ROWS_MAX:
        return []
    (first,) = connection.execute("SELECT min(seq) FROM outbox WHERE stream = 'visit'").fetchone()
    last = first + max(EVICTED_ROWS, waiting - VISIT_ROWS_MAX) - 1
    span = (first, last)
    connection.execute("DELETE FROM outbox WHERE stream = 'visit' AND seq BETWEEN ? AND ?", span)
    return [declare(connection, Stream.VISIT, span=span, reason=Reason.QUOTA, moment=moment)]


def pending(
    connection: Executes, origin: tuple[str, str], stream: Stream, *, after: int, limit: int
) -> list[Event]:
    """At most `limit` events of crit or visit with a number above `after`, in order.

    `origin` is (box, epoch).
    """
    rows = connection.execute(
        "SELECT seq, type, wall_ms, mono_ms, boot, trusted, body FROM outbox"
        " WHERE stream = ? AND seq > ? ORDER BY seq LIMIT ?",
        (stream, after, limit),
    ).fetchall()
    return [event(origin, stream, row) for row in rows]


def event(origin: tuple[str, str], stream: Stream, row: Sequence[Any]) -> Event:
    """The event in a row of (seq, type, wall_ms, mono_ms, boot, trusted, body)."""
    seq, type_, wall_ms, mono_ms, boot, trusted, body = row
    moment = Moment(wall_ms, mono_ms, boot, bool(trusted))
    return Event(*origin, stream, seq, type_, moment, msgspec.Raw(body))


def acknowledge(connection: Executes, stream: Stream, upto: int) -> int:
    """The platform has committed everything up to `upto`: delete it. How many it were.

    A number beyond what was ever produced is somebody's mistake and changes nothing. Rows of bulk
    are for the caller to delete, after the commit.
    """
    last_seq, before = cursors(connection)[stream]
    if not before < upto <= last_seq:
        return 0
    behind = _given_up(connection, stream, before) - _given_up(connection, stream, upto)
    connection.execute("UPDATE stream SET upto = ? WHERE name = ?", (upto, stream))
    connection.execute("DELETE FROM outbox WHERE stream = ? AND seq <= ?", (stream, upto))
    _pass_holes(connection)
    return upto - before - behind


def _pass_holes(connection: Executes) -> None:
    """Whose gap record the platform has need not arrive any more, even if nothing comes after."""
    now = cursors(connection)
    for stream, (_, upto) in now.items():
        passed = _passed(connection, stream, upto, declared_upto=now[Stream.CRIT][1])
        if passed > upto:
            connection.execute("UPDATE stream SET upto = ? WHERE name = ?", (passed, stream))
        connection.execute("DELETE FROM hole WHERE stream = ? AND last <= ?", (stream, passed))


def _passed(connection: Executes, stream: Stream, upto: int, *, declared_upto: int) -> int:
    """`upto`, moved over the holes that follow it and whose declaration is not behind."""
    for first, last in connection.execute(
        "SELECT first, last FROM hole WHERE stream = ? AND last > ? AND declared <= ?"
        " ORDER BY first",
        (stream, upto, declared_upto),
    ):
        if first > upto + 1:
            break
        upto = last
    return upto


def floor(connection: Executes, stream: Stream) -> int:
    """Nothing up to this number is read again: it was acknowledged, or given up at once after."""
    now = cursors(connection)
    return _passed(connection, stream, now[stream][1], declared_upto=now[Stream.CRIT][0])


def raise_last(connection: Executes, stream: Stream, seq: int) -> None:
    """No number up to `seq` is given any more."""
    sql = "UPDATE stream SET last_seq = max(last_seq, ?) WHERE name = ?"
    connection.execute(sql, (seq, stream))


def holes(connection: Executes, stream: Stream) -> list[tuple[int, int]]:
    """What was given up and is not behind the cursor yet: (first, last), in order, none twice."""
    sql = "SELECT first, last FROM hole WHERE stream = ? ORDER BY first"
    return list(connection.execute(sql, (stream,)).fetchall())


def _given_up(connection: Executes, stream: Stream, after: int) -> int:
    """How many numbers above `after` were given up."""
    above = [hole for hole in holes(connection, stream) if hole[1] > after]
    return sum(last - max(first - 1, after) for first, last in above)


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
    _declare_again(connection)
    for name in SEQUENCES:
        connection.execute(
            "INSERT INTO sequence VALUES (?1, ?2)"
            " ON CONFLICT (name) DO UPDATE SET last = last + ?2",
            (name, SEQUENCE_JUMP),
        )


def _declare_again(connection: Executes) -> None:
    """A new epoch begins behind the first holes; later ones it must be told of itself."""
    crit_last, crit_upto = cursors(connection)[Stream.CRIT]
    for stream, (_, upto) in cursors(connection).items():
        passed = _passed(connection, stream, upto, declared_upto=crit_last)
        connection.execute("UPDATE stream SET upto = ? WHERE name = ?", (passed, stream))
        connection.execute("DELETE FROM hole WHERE stream = ? AND last <= ?", (stream, passed))
    rows = connection.execute(
        "SELECT stream, first, last, reason FROM hole WHERE declared <= ? ORDER BY stream, first",
        (crit_upto,),
    ).fetchall()
    moment = latest_moment(connection)
    for stream, first, last, reason in rows:
        gap = Gap(Stream(stream), first, last, last - first + 1, reason)
        connection.execute(
            "UPDATE hole SET declared = ? WHERE stream = ? AND first = ?",
            (_record(connection, gap, moment).seq, stream, first),
        )


def forget(tx: Rewrites, member: str) -> tuple[int, int]:
    """Erase `member` from what waits: how many events stay without the link, how many are emptied.

    What money hangs on (`KEPT_WITHOUT_MEMBER`) stays with `"member": null`; of the rest nothing
    stays but the number.
    """
    kept = emptied = 0
    sql = "SELECT stream, seq, type, body FROM outbox WHERE member = ?"
    for stream, seq, type_, body in tx.execute(sql, (member,)).fetchall():
        if type_.startswith(KEPT_WITHOUT_MEMBER):
            fields = msgspec.json.decode(body)
            now, kept = msgspec.json.encode(fields | {"member": None}), kept + 1
        else:
            type_, now, emptied = TOMBSTONE_TYPE, b"{}", emptied + 1
        tx.execute(
            "UPDATE outbox SET type = ?, body = ?, member = '' WHERE stream = ? AND seq = ?",
            (type_, now, stream, seq),
        )
        tx.rewritten(Rewritten(Stream(stream), seq, bytes(body), now))
    return kept, emptied


def latest_moment(connection: Executes) -> Moment:
    """That of the newest event of crit or visit which waits; `UNDATED` if none does."""
    # CROSS: in this order, else SQLite reads the whole outbox.
    row = connection.execute(
        "SELECT wall_ms, mono_ms, boot, trusted FROM stream CROSS JOIN outbox"
        " ON name = outbox.stream AND seq = last_seq LIMIT 1"
    ).fetchone()
    return Moment(row[0], row[1], row[2], bool(row[3])) if row else UNDATED


def mark(connection: Executes, stream: Stream, seq: int) -> str | None:
    """What tells the event `seq` of crit or visit from any other with its number.

    None if it does not wait, or is not as it was made, because somebody was erased since.
    """
    row = connection.execute(
        "SELECT body, boot, mono_ms FROM outbox WHERE stream = ? AND seq = ? AND member IS NOT ''",
        (stream, seq),
    ).fetchone()
    return mark_of(*row) if row else None


def mark_of(body: bytes, boot: str, mono_ms: int) -> str:
    """64 bits, in hex, of an event's content and moment."""
    return hashlib.sha256(f"{boot} {mono_ms} ".encode() + body).hexdigest()[:16]


def cursors(connection: Executes) -> dict[Stream, tuple[int, int]]:
    """For each stream: the last number given, and up to where the platform has acknowledged."""
    rows = connection.execute("SELECT name, last_seq, upto FROM stream").fetchall()
    return {Stream(name): (last_seq, upto) for name, last_seq, upto in rows}


def evicted(connection: Executes) -> dict[Stream, int]:
    """For each stream: how many events were ever given up by quota."""
    rows = connection.execute("SELECT name, evicted FROM stream").fetchall()
    return {Stream(name): count for name, count in rows}


def depth(connection: Executes) -> list[Depth]:
    """How full each stream is, in order of priority. The oldest of bulk stands in its own file."""
    found = cursors(connection)
    oldest = dict(
        connection.execute(
            "SELECT name, (SELECT wall_ms FROM outbox WHERE stream = name ORDER BY seq LIMIT 1)"
            " FROM stream"
        ).fetchall()
    )
    return [
        Depth(stream, last, upto, last - upto - _given_up(connection, stream, upto), oldest[stream])
        for stream in Stream
        for last, upto in (found[stream],)
    ]
