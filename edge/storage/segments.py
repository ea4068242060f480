"""Segments: some hundred old bulk events as one compressed row, just as a batch will carry them.

The codec belongs to the wire and is handed to `Database.open`; this file says what it must be able
to do and which events make a segment. Used by `edge/storage/bulk.py`. It opens no file.
"""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from edge.records import Event
from edge.storage.outbox import Written

SEAL_ROWS = 1000
"""So many raw rows may wait before they are sealed: while the line works nothing is."""
SEGMENT_EVENTS_MAX = 500
"""What one batch of the wire may hold."""
SEGMENT_PLAIN_BYTES_MAX = 3 << 20
"""Bodies of one segment; with their frames they stay under the 4 MiB that a batch may unpack to."""
SEGMENT_BYTES_MAX = 95 * 1024
"""A sealed body; with its header it stays under the 96 KiB of a batch."""


class Sealing(Protocol):
    """The codec of segments: `seal` makes the body of a batch, `unseal` reads it."""

    @property
    def origin(self) -> str:
        """Whose events they are: it stands in what is sealed."""
        ...

    def seal(self, events: Sequence[Event]) -> bytes:
        """The body of one batch; `events` are of one stream, in order, without a hole."""
        ...

    def unseal(self, body: bytes) -> list[Event]:
        """The events again."""
        ...


class Sealed(Struct, frozen=True):
    """Events `first` to `last` as the body of one batch: `n` of them, without a hole."""

    first: int
    last: int
    n: int
    body: bytes


Waiting = list[Event] | Sealed
"""What waits next: events in order, or a sealed segment."""


def runs(rows: Sequence[Written]) -> list[Sequence[Written]]:
    """`rows`, at least one, cut so that each part may become one segment."""
    parts: list[Sequence[Written]] = []
    start = size = 0
    for place, row in enumerate(rows):
        if place > start and (
            row.seq - rows[start].seq != place - start
            or place - start >= SEGMENT_EVENTS_MAX
            or size + len(row.body) > SEGMENT_PLAIN_BYTES_MAX
        ):
            parts.append(rows[start:place])
            start, size = place, 0
        size += len(row.body)
    return [*parts, rows[start:]]


def sealed(sealing: Sealing, events: Sequence[Event]) -> list[Sealed]:
    """`events` as one segment, or as several if one would be too large for a batch."""
    body = sealing.seal(events)
    if len(body) <= SEGMENT_BYTES_MAX or len(events) == 1:
        return [Sealed(events[0].seq, events[-1].seq, len(events), body)]
    half = len(events) // 2
    return sealed(sealing, events[:half]) + sealed(sealing, events[half:])
