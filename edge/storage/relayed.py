"""Batches of satellite boxes, kept as they came until the platform has acknowledged them.

Called by `sync/relay.py` inside its transactions and for reading. A batch keeps its origin (box,
epoch, stream, numbers), so that the platform can tell it from any other however often it comes. It
looks into no batch: what its events say is told to it. What is missing between the batches and
declared by no gap record was lost with a former file of this box; `floors` tells the platform so.
"""

from msgspec import Struct

from edge.errors import StorageFull
from edge.records import Stream
from edge.storage.outbox import Executes

BYTES_MAX = {Stream.CRIT: 1 << 30, Stream.VISIT: 256 << 20, Stream.BULK: 256 << 20}
"""Of all satellites, by stream, so that counts never stand in the way of an order; together they
leave a quarter of the main file. 256 bytes are added for each batch. Beyond it satellites keep what
they have."""
EPOCHS_KEPT_MAX = 8
"""Lives of one satellite whose cursors are remembered, if nothing of them is kept."""
LIVES_MAX = 64
"""Of one satellite, whatever is kept: nobody is given a new disk so often without a line."""


class Origin(Struct, frozen=True):
    """Whose events: `box` is tenant/store/box, `epoch` the life of its outbox file."""

    box: str
    epoch: str


class Span(Struct, frozen=True):
    """Numbers `first..last` of one stream."""

    stream: Stream
    first: int
    last: int


class Content(Struct, frozen=True):
    """What the events of a batch say: holes that are declared, and the mark of the last event."""

    gaps: tuple[Span, ...] = ()
    mark: str | None = None


UNREAD = Content()
"""Of a batch that only the platform can judge."""


def full(connection: Executes, stream: Stream) -> bool:
    """Whether no further batch of `stream` can be kept."""
    row = connection.execute("SELECT bytes FROM relay_kept WHERE stream = ?", (stream,)).fetchone()
    return row is not None and int(row[0]) >= BYTES_MAX[stream]


def take(
    connection: Executes, origin: Origin, span: Span, payload: bytes, *, content: Content
) -> int:
    """Keep a batch if it follows what is there; the number up to which its stream is complete.

    A batch behind a hole that no gap record declared changes nothing. One that begins below what
    is there and ends above it is kept whole: the platform skips what it knows.
    """
    _meet(connection, origin)
    before = received(connection, origin)[span.stream]
    upto, mark = _over_gaps(connection, origin, span.stream, upto=before, before=span.first), None
    if span.first <= upto + 1 and span.last > upto:
        key = (origin.box, origin.epoch, span.stream, span.first)
        connection.execute(  # and no REPLACE, of which the triggers would not hear
            "DELETE FROM relayed WHERE (origin, epoch, stream, first) = (?, ?, ?, ?)", key
        )
        connection.execute(
            "INSERT INTO relayed VALUES (?, ?, ?, ?, ?, ?)", (*key, span.last, payload)
        )
        upto, mark = span.last, content.mark
        for gap in content.gaps:
            connection.execute(
                "INSERT OR IGNORE INTO relay_gap VALUES (?, ?, ?, ?, ?)",
                (origin.box, origin.epoch, gap.stream, gap.first, gap.last),
            )
    _advance(connection, origin, Span(span.stream, before + 1, upto), mark=mark)
    return upto


def resume(connection: Executes, origin: Origin, acked: dict[Stream, int]) -> dict[Stream, int]:
    """The cursors of a satellite that says hello and has deleted everything up to `acked`.

    If that is more than is here, this box was restored from a backup; what was sent on before
    stands at the platform, and the rest cannot come again: `floors` passes over it.
    """
    _meet(connection, origin)
    for stream, upto in received(connection, origin).items():
        _advance(connection, origin, Span(stream, upto + 1, acked.get(stream, 0)))
    return received(connection, origin)


def marks(connection: Executes, origin: Origin) -> dict[Stream, str]:
    """What tells the last event taken over of each stream from any other with its number.

    None of a stream whose last number was passed over, or stood in a batch that nobody could read.
    """
    rows = connection.execute(
        "SELECT stream, mark FROM relay_cursor WHERE (origin, epoch) = (?, ?) AND mark IS NOT NULL",
        (origin.box, origin.epoch),
    ).fetchall()
    return {Stream(stream): mark for stream, mark in rows}


def received(connection: Executes, origin: Origin) -> dict[Stream, int]:
    """Up to where each stream has been taken over from the satellite."""
    return {stream: numbers[0] for stream, numbers in cursors(connection, origin).items()}


def cursors(connection: Executes, origin: Origin) -> dict[Stream, tuple[int, int]]:
    """For each stream: taken over up to, and acknowledged by the platform up to."""
    rows = connection.execute(
        "SELECT stream, received, delivered FROM relay_cursor WHERE (origin, epoch) = (?, ?)",
        (origin.box, origin.epoch),
    ).fetchall()
    known = {Stream(stream): (taken, delivered) for stream, taken, delivered in rows}
    return {stream: known.get(stream, (0, 0)) for stream in Stream}


def next_batch(
    connection: Executes, origin: Origin, stream: Stream, *, after: int
) -> tuple[bytes, int] | None:
    """The first kept batch that ends above number `after`, and its last number."""
    row = connection.execute(
        "SELECT payload, last FROM relayed WHERE (origin, epoch, stream) = (?, ?, ?)"
        " AND last > ? ORDER BY first LIMIT 1",
        (origin.box, origin.epoch, stream, after),
    ).fetchone()
    return (bytes(row[0]), int(row[1])) if row else None


def floors(connection: Executes, origin: Origin) -> dict[Stream, int]:
    """For each stream: nothing up to there is kept here for the platform. At least `delivered`.

    More than that where something is missing that no gap record declares, and where nothing but
    gaps is left whose records the platform has.
    """
    now = cursors(connection, origin)
    found = {}
    for stream, (taken, upto) in now.items():
        (first,) = connection.execute(
            "SELECT min(first) FROM relayed WHERE (origin, epoch, stream) = (?, ?, ?) AND last > ?",
            (origin.box, origin.epoch, stream, upto),
        ).fetchone()
        before = taken + 1 if first is None else int(first)
        passed = _over_gaps(connection, origin, stream, upto=upto, before=before)
        lost = passed < before - 1
        declared = first is None and now[Stream.CRIT][0] == now[Stream.CRIT][1]
        found[stream] = max(upto, before - 1) if lost or declared else upto
    return found


def delivered(connection: Executes, origin: Origin, stream: Stream, upto: int) -> None:
    """The platform has committed everything up to `upto`: what ends there need not be kept."""
    connection.execute(
        "UPDATE relay_cursor SET delivered = max(delivered, min(?, received))"
        " WHERE (origin, epoch, stream) = (?, ?, ?)",
        (upto, origin.box, origin.epoch, stream),
    )
    connection.execute(
        "DELETE FROM relayed WHERE (origin, epoch, stream) = (?, ?, ?) AND last <= ?",
        (origin.box, origin.epoch, stream, upto),
    )
    connection.execute(
        "DELETE FROM relay_gap WHERE (origin, epoch, stream) = (?, ?, ?) AND last <= ?",
        (origin.box, origin.epoch, stream, upto),
    )


def origins(connection: Executes) -> list[Origin]:
    """Every life of every satellite that has been met, the oldest first."""
    rows = connection.execute(
        "SELECT origin, epoch FROM relay_cursor GROUP BY origin, epoch ORDER BY min(met)"
    ).fetchall()
    return [Origin(box, epoch) for box, epoch in rows]


def waiting(connection: Executes, origin: Origin) -> int:
    """How many events of this origin the platform does not have yet."""
    return sum(taken - delivered for taken, delivered in cursors(connection, origin).values())


def _meet(connection: Executes, origin: Origin) -> None:
    """Begin cursors for a new life of a satellite, and forget its oldest finished ones."""
    known = connection.execute(
        "SELECT 1 FROM relay_cursor WHERE (origin, epoch) = (?, ?)", (origin.box, origin.epoch)
    ).fetchone()
    if known is not None:
        return
    mine = [each for each in origins(connection) if each.box == origin.box]
    forgotten = [old for old in mine[: 1 - EPOCHS_KEPT_MAX] if not _keeps(connection, old)]
    if len(mine) - len(forgotten) >= LIVES_MAX:
        raise StorageFull(
            f"Satellite {origin.box} has begun anew {LIVES_MAX} times, and the platform has not"
            " taken what it sent before.",
            "Bring the line to the platform back; find out what resets the satellite.",
        )
    for old in forgotten:
        for table in ("relay_cursor", "relay_gap"):
            connection.execute(
                f"DELETE FROM {table} WHERE (origin, epoch) = (?, ?)",  # noqa: S608 - two names
                (old.box, old.epoch),
            )
    (last,) = connection.execute("SELECT coalesce(max(met), 0) FROM relay_cursor").fetchone()
    connection.executemany(
        "INSERT INTO relay_cursor (origin, epoch, stream, met) VALUES (?, ?, ?, ?)",
        [(origin.box, origin.epoch, stream, last + 1) for stream in Stream],
    )


def _keeps(connection: Executes, origin: Origin) -> bool:
    """Whether any batch is kept of this life."""
    row = connection.execute(
        "SELECT 1 FROM relayed WHERE (origin, epoch) = (?, ?) LIMIT 1", (origin.box, origin.epoch)
    ).fetchone()
    return row is not None


def _over_gaps(
    connection: Executes, origin: Origin, stream: Stream, *, upto: int, before: int
) -> int:
    """`upto`, moved over the declared gaps that lead up to number `before`."""
    while upto + 1 < before:
        (last,) = connection.execute(
            "SELECT max(last) FROM relay_gap WHERE (origin, epoch, stream) = (?, ?, ?)"
            " AND first <= ? AND last > ?",
            (origin.box, origin.epoch, stream, upto + 1, upto),
        ).fetchone()
        if last is None:
            break
        upto = int(last)
    return upto


def _advance(connection: Executes, origin: Origin, span: Span, *, mark: str | None = None) -> None:
    """`span` need not come any more; nothing happens if it is empty."""
    if span.first <= span.last:
        connection.execute(
            "UPDATE relay_cursor SET received = ?, mark = ?"
            " WHERE (origin, epoch, stream) = (?, ?, ?)",
            (span.last, mark, origin.box, origin.epoch, span.stream),
        )
