"""Batches of satellite boxes, kept as they came until the platform has acknowledged them.

Called by `sync/relay.py` inside its transactions and for reading. A batch keeps its origin (box,
epoch, stream, numbers), so that the platform can tell it from any other however often it comes. It
looks into no batch: what a gap record declares is told to it.
"""

from collections.abc import Iterable

from msgspec import Struct

from edge.records import Stream
from edge.storage.outbox import Executes

RELAYED_BATCHES_MAX = 20_000
"""Of all satellites: at most 2 GiB, mostly a tenth. Beyond it satellites keep what they have."""
EPOCHS_KEPT_MAX = 8
"""Former lives of one satellite whose cursors are remembered."""


class Origin(Struct, frozen=True):
    """Whose events: `box` is tenant/store/box, `epoch` the life of its outbox file."""

    box: str
    epoch: str


class Span(Struct, frozen=True):
    """Numbers `first..last` of one stream."""

    stream: Stream
    first: int
    last: int


def full(connection: Executes) -> bool:
    """Whether no further batch can be kept."""
    (count,) = connection.execute("SELECT count(*) FROM relayed").fetchone()
    return int(count) >= RELAYED_BATCHES_MAX


def take(
    connection: Executes, origin: Origin, span: Span, payload: bytes, *, gaps: Iterable[Span]
) -> int:
    """Keep a batch if it follows what is there; the number up to which its stream is complete.

    A batch behind a hole that no gap record declared changes nothing. One that begins below what
    is there and ends above it is kept whole: the platform skips what it knows.
    """
    _meet(connection, origin)
    received = _passed(connection, origin, span.stream, before=span.first)
    if span.first <= received + 1 and span.last > received:
        connection.execute(
            "INSERT OR REPLACE INTO relayed VALUES (?, ?, ?, ?, ?, ?)",
            (origin.box, origin.epoch, span.stream, span.first, span.last, payload),
        )
        received = span.last
        for gap in gaps:
            connection.execute(
                "INSERT OR IGNORE INTO relay_gap VALUES (?, ?, ?, ?, ?)",
                (origin.box, origin.epoch, gap.stream, gap.first, gap.last),
            )
    _advance(connection, origin, span.stream, received)
    return received


def resume(connection: Executes, origin: Origin, acked: dict[Stream, int]) -> dict[Stream, int]:
    """The cursors of a satellite that says hello and has deleted everything up to `acked`.

    If that is more than is here, this box was restored from a backup; what was sent on before
    stands at the platform, and the rest cannot come again.
    """
    _meet(connection, origin)
    for stream, number in acked.items():
        if number > received(connection, origin)[stream]:
            _advance(connection, origin, stream, number)
    return received(connection, origin)


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
    (last,) = connection.execute("SELECT coalesce(max(met), 0) FROM relay_cursor").fetchone()
    connection.executemany(
        "INSERT INTO relay_cursor (origin, epoch, stream, met) VALUES (?, ?, ?, ?)",
        [(origin.box, origin.epoch, stream, last + 1) for stream in Stream],
    )
    mine = [each for each in origins(connection) if each.box == origin.box]
    for old in mine[:-EPOCHS_KEPT_MAX]:
        if waiting(connection, old) == 0:
            connection.execute(
                "DELETE FROM relay_cursor WHERE (origin, epoch) = (?, ?)", (old.box, old.epoch)
            )


def _passed(connection: Executes, origin: Origin, stream: Stream, *, before: int) -> int:
    """The cursor, moved over the declared gaps that lead up to number `before`."""
    upto = received(connection, origin)[stream]
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


def _advance(connection: Executes, origin: Origin, stream: Stream, received: int) -> None:
    connection.execute(
        "UPDATE relay_cursor SET received = max(received, ?)"
        " WHERE (origin, epoch, stream) = (?, ?, ?)",
        (received, origin.box, origin.epoch, stream),
    )
