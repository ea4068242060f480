"""The primary's side of its satellites' events: taken over, acknowledged after the commit, sent on.

To a satellite the primary is the platform: the same hello, the same batches, the same cumulative
acknowledgement - over the shop's own broker. To the platform it is the satellite: an `Uplink` sends
the stored batches on, byte for byte, under the satellite's name, and what is kept here is deleted
only when the platform has acknowledged it. Numbers and ids stay those of the origin, and what
arrives twice is told by them. Used by `edge/operation/satellites.py`.
"""

import asyncio
import logging
from collections.abc import Callable

from edge.counters import Counters
from edge.errors import BadMessage, StorageError
from edge.records import Stream
from edge.storage import relayed
from edge.storage.database import Database, Transaction
from edge.storage.outbox import GAP_TYPE, Gap, mark_of
from edge.storage.relayed import UNREAD, Content, Origin, Span
from sync.batch import read_header, unpack
from sync.complaints import Complaints
from sync.messages import SEQ_MAX, Ack, Address, BatchHeader, Hello, decode, decode_json

log = logging.getLogger(__name__)

FULL = "the primary box has no room left"


class Relay:
    """Takes over the events of the satellites of one shop."""

    def __init__(self, database: Database, counters: Counters) -> None:
        self._database = database
        self._counters = counters
        self._complaints = Complaints(log, counters)
        self._listeners: list[Callable[[], None]] = []

    def on_taken(self, listener: Callable[[], None]) -> None:
        """Call `listener` on the loop when there is something new to send on."""
        self._listeners.append(listener)

    def known(self) -> set[Address]:
        """The satellites of which something was taken over before."""
        boxes = {origin.box for origin in relayed.origins(self._database.reading)}
        return {Address(*box.split("/")) for box in boxes}

    async def hello(self, address: Address, payload: bytes) -> Ack:
        """A satellite says hello: what is here of its events. BadMessage if it makes no sense.

        StorageError if it cannot be noted; then there is no answer.
        """
        hello = decode(payload, Hello)
        origin = Origin(str(address), hello.epoch)
        acked = {stream: state.upto for stream, state in hello.streams.items()}

        def change(tx: Transaction) -> tuple[dict[Stream, int], dict[Stream, str]]:
            return relayed.resume(tx, origin, acked), relayed.marks(tx, origin)

        upto, marks = await self._database.transact(change)
        self._tell()
        return Ack(v=1, epoch=hello.epoch, upto=upto, marks=marks, conn=hello.conn)

    async def batch(self, address: Address, stream: Stream, payload: bytes) -> Ack:
        """A batch of a satellite, kept before it is acknowledged.

        What breaks the contract is passed on all the same: whether it can be accepted is for the
        platform to say, and its quarantine is where people look for it. BadMessage only for what
        was damaged on the way, or is another box's.
        """
        header, body = read_header(payload)
        if header.stream is not stream or header.box != address.box:
            raise BadMessage(f"A batch of {header.box}/{header.stream} came as {address}/{stream}.")
        origin = Origin(str(address), header.epoch)
        span = Span(header.stream, header.first, header.last)
        if relayed.full(self._database.reading, stream):
            self._counters.add("relay.refused_full")
            return Ack(v=1, epoch=header.epoch, upto={}, refused={stream: FULL})

        content = self._content(address, header, body)

        def change(tx: Transaction) -> int:
            return relayed.take(tx, origin, span, payload, content=content)

        try:
            upto = await self._database.transact(change)
        except StorageError as error:
            text = f"A batch of satellite {address.box} was not kept: {error}"
            self._complaints.say("relay.refused_storage", text, _now())
            return Ack(v=1, epoch=header.epoch, upto={}, refused={stream: FULL})
        self._tell()
        missing = (stream,) if upto < header.first - 1 else ()
        return Ack(v=1, epoch=header.epoch, upto={stream: upto}, resend=missing)

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()

    def _content(self, address: Address, header: BatchHeader, body: bytes) -> Content:
        """What stands in a batch, as far as it concerns this box."""
        try:
            events = unpack(address, header, body).events
            told = [event for event in events if event.type == GAP_TYPE]
            gaps = [decode_json(event.data, Gap) for event in told]
        except BadMessage as error:
            text = f"A batch of satellite {address.box} cannot be read, and is passed on: {error}"
            self._complaints.say("relay.passed_on_unread", text, _now())
            return UNREAD
        last = events[-1]
        holes = (
            Span(gap.stream, gap.first, gap.last)
            for gap in gaps
            if header.stream is Stream.CRIT and 1 <= gap.first <= gap.last <= SEQ_MAX
        )
        return Content(tuple(holes), mark_of(bytes(last.data), last.boot, int(last.mono)))


def _now() -> float:
    return asyncio.get_running_loop().time()
