"""The primary's side of its satellites' events: taken over, acknowledged after the commit, sent on.

To a satellite the primary is the platform: the same hello, the same batches, the same cumulative
acknowledgement - over the shop's own broker. To the platform it is the satellite: an `Uplink` sends
the stored batches on, byte for byte, under the satellite's name, and what is kept here is deleted
only when the platform has acknowledged it. Numbers and ids stay those of the origin, and what
arrives twice is told by them. Used by `edge/operation/satellites.py`.
"""

import logging
from collections.abc import Callable

from edge.counters import Counters
from edge.errors import BadMessage, StorageError
from edge.records import Stream
from edge.storage import relayed
from edge.storage.database import Database, Transaction
from edge.storage.outbox import GAP_TYPE, Gap
from edge.storage.relayed import Origin, Span
from sync.batch import Batch, read_header, unpack
from sync.messages import SEQ_MAX, Ack, Address, BatchHeader, Hello, decode, decode_json

log = logging.getLogger(__name__)

FULL = "the primary box has no room left"


class Relay:
    """Takes over the events of the satellites of one shop."""

    def __init__(self, database: Database, counters: Counters) -> None:
        self._database = database
        self._counters = counters
        self._listeners: list[Callable[[], None]] = []

    def on_taken(self, listener: Callable[[], None]) -> None:
        """Call `listener` on the loop when there is something new to send on."""
        self._listeners.append(listener)

    async def hello(self, address: Address, payload: bytes) -> Ack:
        """A satellite says hello: what is here of its events. BadMessage if it makes no sense."""
        hello = decode(payload, Hello)
        origin = Origin(str(address), hello.epoch)
        acked = {stream: state.upto for stream, state in hello.streams.items()}
        upto = await self._database.transact(lambda tx: relayed.resume(tx, origin, acked))
        return Ack(v=1, epoch=hello.epoch, upto=upto, conn=hello.conn)

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
        gaps = self._declared(address, header, body)
        if relayed.full(self._database.reading):
            self._counters.add("relay.refused_full")
            return Ack(v=1, epoch=header.epoch, upto={}, refused={stream: FULL})

        def change(tx: Transaction) -> int:
            return relayed.take(tx, origin, span, payload, gaps=gaps)

        try:
            upto = await self._database.transact(change)
        except StorageError as error:
            self._counters.add("relay.refused_storage")
            log.warning("a batch of satellite %s was not kept: %s", address.box, error)
            return Ack(v=1, epoch=header.epoch, upto={}, refused={stream: FULL})
        for listener in self._listeners:
            listener()
        missing = (stream,) if upto < header.first - 1 else ()
        return Ack(v=1, epoch=header.epoch, upto={stream: upto}, resend=missing)

    def _declared(self, address: Address, header: BatchHeader, body: bytes) -> list[Span]:
        """The holes that gap records in a crit batch declare."""
        if header.stream is not Stream.CRIT:
            return []
        try:
            batch: Batch = unpack(address, header, body)
            gaps = [decode_json(e.data, Gap) for e in batch.events if e.type == GAP_TYPE]
        except BadMessage as error:
            self._counters.add("relay.passed_on_unread")
            log.warning("a batch of satellite %s cannot be read: %s", address.box, error)
            return []
        return [
            Span(gap.stream, gap.first, gap.last)
            for gap in gaps
            if 1 <= gap.first <= gap.last <= SEQ_MAX
        ]
