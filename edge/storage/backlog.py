"""What waits for the platform, read from the main file and the bulk file as one.

Used by `Database` on the loop's connections, and by the command line while the daemon is dead. It
writes nothing. What of bulk cannot be read is reported to whoever opened it and reads as nothing.
"""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import msgspec
from sqlcipher3 import dbapi2 as sqlcipher

from edge.errors import InputError
from edge.records import Event, Stream
from edge.storage import bulk, outbox
from edge.storage.outbox import Depth, Executes
from edge.storage.segments import Sealed, Sealing, Waiting

T = TypeVar("T")

PAGE_EVENTS = 500
"""Events read at a time by whoever wants all of them."""


class Backlog:
    """Reads both files. `bulk_reading` gives a connection, or None if there is no such file."""

    def __init__(
        self,
        main: Executes,
        bulk_reading: Callable[[], Any],
        sealing: Sealing | None,
        on_damage: Callable[[Exception], None] = lambda _: None,
    ) -> None:
        self._main = main
        self._bulk_reading = bulk_reading
        self._sealing = sealing
        self._on_damage = on_damage
        self._unsealed: tuple[tuple[str, int], list[Event]] = (("", 0), [])
        """The segment read last: a broker that takes little makes many batches of one."""

    def cursors(self) -> dict[Stream, tuple[int, int]]:
        """For each stream: the last number given, and up to where it was acknowledged."""
        return outbox.cursors(self._main)

    def evicted(self) -> dict[Stream, int]:
        """For each stream: how many events were ever given up by quota."""
        return outbox.evicted(self._main)

    def depth(self) -> list[Depth]:
        """How full each stream is, in order of priority."""
        floor = outbox.floor(self._main, Stream.BULK)
        oldest = self._from_bulk(lambda reading: bulk.oldest_wall_ms(reading, floor), None)
        return [
            msgspec.structs.replace(depth, oldest_wall_ms=oldest if depth.waiting else None)
            if depth.stream is Stream.BULK
            else depth
            for depth in outbox.depth(self._main)
        ]

    def mark(self, stream: Stream, seq: int) -> str | None:
        """What tells the event `seq` from any other with its number; None if it does not wait."""
        if stream is not Stream.BULK:
            return outbox.mark(self._main, stream, seq)
        found = self.events(stream, after=seq - 1, limit=1)
        if not found or found[0].seq != seq:
            return None
        moment = found[0].moment
        return outbox.mark_of(bytes(found[0].body), moment.boot, moment.mono_ms)

    def waiting(self, stream: Stream, after: int, limit: int) -> Waiting:
        """What waits next above number `after`: at most `limit` events, or a sealed segment.

        Numbers that were given up are skipped.
        """
        if stream is not Stream.BULK:
            return outbox.pending(self._main, self._origin(), stream, after=after, limit=limit)
        after = max(after, outbox.floor(self._main, stream))
        nothing: Waiting = []
        return self._from_bulk(lambda reading: self._next_of_bulk(reading, after, limit), nothing)

    def events(self, stream: Stream, after: int, limit: int) -> list[Event]:
        """The same, never sealed."""
        found = self.waiting(stream, after, limit)
        if not isinstance(found, Sealed):
            return found
        nothing: list[Event] = []
        return self._from_bulk(lambda _: self._opened(found, self._epoch()), nothing)[:limit]

    def everything(self) -> Iterator[Event]:
        """All that waits, stream by stream."""
        for stream in Stream:
            after = 0
            while events := self.events(stream, after, PAGE_EVENTS):
                yield from events
                after = events[-1].seq

    def _next_of_bulk(self, reading: Any, after: int, limit: int) -> Waiting:
        segment = bulk.segment_after(reading, after)
        if segment is None:
            rows = bulk.rows_after(reading, after, limit)
            return [outbox.event(self._origin(), Stream.BULK, row) for row in rows]
        first, last, origin, epoch, body = segment
        sealed = Sealed(first, last, last - first + 1, body)
        known = self._sealing is not None and origin == self._sealing.origin
        if known and epoch == self._epoch() and first > after and sealed.n <= limit:
            return sealed
        return [event for event in self._opened(sealed, epoch) if event.seq > after][:limit]

    def _opened(self, sealed: Sealed, epoch: str) -> list[Event]:
        """Its events, as of today's box and epoch."""
        if self._sealing is None:
            return []
        key = (epoch, sealed.first)
        if self._unsealed[0] != key:
            self._unsealed = (key, self._sealing.unseal(sealed.body))
        box, today = self._origin()
        return [msgspec.structs.replace(event, box=box, epoch=today) for event in self._unsealed[1]]

    def _from_bulk(self, read: Callable[[Any], T], nothing: T) -> T:
        """What `read` finds in one state of the bulk file; `nothing` if it cannot be read."""
        reading = self._bulk_reading()
        if reading is None:
            return nothing
        try:
            reading.execute("BEGIN")  # else a segment may be made between two looks
            try:
                return read(reading)
            finally:
                reading.execute("COMMIT")
        except (sqlcipher.Error, InputError) as error:
            self._on_damage(error)
            return nothing

    def _origin(self) -> tuple[str, str]:
        box = bulk.box_of(self._sealing.origin) if self._sealing is not None else ""
        return box, self._epoch()

    def _epoch(self) -> str:
        row = self._main.execute("SELECT value FROM meta WHERE name = 'epoch'").fetchone()
        return str(row[0])
