"""Batches of events on their way into the database: many in one commit, acknowledged after it.

Used by `platform.py`. What can never be accepted is put away; what cannot be written now is
refused, and stays on its box. With several workers a batch may arrive here before the one that
precedes it is committed elsewhere: it is held for a moment before it is asked for again.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from msgspec import Struct

from edge.counters import Counters
from edge.errors import BadMessage, StorageError, StorageFull
from edge.records import Stream
from sync.batch import Batch, read_header, unpack
from sync.complaints import Complaints
from sync.ingest import Ingest
from sync.messages import Ack, Address, BatchHeader

log = logging.getLogger(__name__)

GROUP_MAX = 16
"""Batches in one commit: an fsync for 8000 events, and an order waits for no more than that."""
HELD_MAX = 64
"""Batches held at the same time (6 MB); beyond it they are asked for again at once."""
HOLD_S = 0.5
"""A third of what boxes wait before they go back by themselves; commits take 20 ms."""
LOOK_S = 0.025

T = TypeVar("T")


class Arrived(Struct, frozen=True):
    """One message on `up/{stream}`."""

    address: Address
    stream: Stream
    topic: str
    payload: bytes


class Legible(Struct, frozen=True):
    """A message that is a batch."""

    message: Arrived
    batch: Batch


class Outcome(Struct, frozen=True):
    """What became of a batch: committed `upto`, or refused for a reason."""

    address: Address
    header: BatchHeader
    upto: int | None
    refused: str = ""
    entry: Legible | None = None

    @property
    def behind_a_hole(self) -> bool:
        """Whether something before it is missing."""
        return self.upto is not None and self.upto < self.header.first - 1

    @property
    def ack(self) -> Ack:
        """What the box is told."""
        stream, epoch = self.header.stream, self.header.epoch
        if self.upto is None:
            return Ack(v=1, epoch=epoch, upto={}, refused={stream: self.refused})
        missing = (stream,) if self.behind_a_hole else ()
        return Ack(v=1, epoch=epoch, upto={stream: self.upto}, resend=missing)


class Reception:
    """Takes batches; `tell` is called with each box's acknowledgement after the commit."""

    def __init__(
        self, ingest: Ingest, tell: Callable[[Address, Ack], None], *, hold_s: float = 0.0
    ) -> None:
        self._complaints = Complaints(log, Counters())
        self._ingest = ingest
        self._tell = tell
        self._hold_s = hold_s
        self._held: list[tuple[float, Legible]] = []
        self._holding = asyncio.Event()
        self.taken = 0
        """Batches that came here."""
        # One thread: the database's calls wait for the disk, one at a time.
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="ingest")

    async def take(self, arrived: Sequence[Arrived]) -> None:
        """Commit what arrived, in order, and answer."""
        now = asyncio.get_running_loop().time()
        self.taken += len(arrived)
        for outcome in await self.on_disk(lambda: self._received(arrived)):
            if outcome.behind_a_hole and outcome.entry is not None and self._may_hold():
                self._held.append((now + self._hold_s, outcome.entry))
                self._holding.set()
            else:
                self._tell(outcome.address, outcome.ack)

    async def look_after_held(self) -> None:
        """Try again, until cancelled, what waits for the batch before it."""
        while True:
            await self._holding.wait()
            await asyncio.sleep(LOOK_S)
            held = sorted(self._held, key=lambda each: each[1].batch.header.first)
            self._held = []
            self._holding.clear()
            now = asyncio.get_running_loop().time()
            entries = [entry for _, entry in held]
            outcomes = await self.on_disk(partial(self._committed, entries))
            until = {id(entry): until_s for until_s, entry in held}
            for outcome in outcomes:
                until_s = until.get(id(outcome.entry), now)
                if outcome.behind_a_hole and outcome.entry is not None and until_s > now:
                    self._held.append((until_s, outcome.entry))
                    self._holding.set()
                else:
                    self._tell(outcome.address, outcome.ack)

    async def on_disk(self, work: Callable[[], T]) -> T:
        """Do something with the database, in its thread."""
        return await asyncio.get_running_loop().run_in_executor(self._disk, work)

    def forget(self) -> None:
        """On a new connection boxes send again whatever was not acknowledged."""
        self._held = []
        self._holding.clear()

    def close(self) -> None:
        """End the thread."""
        self._disk.shutdown()

    def _may_hold(self) -> bool:
        return self._hold_s > 0 and len(self._held) < HELD_MAX

    # --- in the database's thread

    def _received(self, arrived: Sequence[Arrived]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        entries: list[Legible] = []
        for message in arrived:
            try:
                header, body = read_header(message.payload)
                if header.stream is not message.stream:
                    raise BadMessage(f"A batch of {header.stream} came as {message.stream}.")
            except BadMessage as error:
                self.put_away(message.topic, message.payload, error)
                continue
            try:
                entries.append(Legible(message, unpack(message.address, header, body)))
            except BadMessage as error:
                outcomes.append(self._refused_for_good(message, header, error))
        return outcomes + self._committed(entries)

    def _committed(self, entries: Sequence[Legible]) -> list[Outcome]:
        if not entries:
            return []
        try:
            answers = self._ingest.apply_all([entry.batch for entry in entries])
        except BadMessage as error:
            if len(entries) == 1:
                (one,) = entries
                return [self._refused_for_good(one.message, one.batch.header, error)]
            # One of them spoils the commit: each for itself.
            return [outcome for entry in entries for outcome in self._committed([entry])]
        except StorageError as error:
            self._complaints.say("platform.not_stored", error, time.monotonic())
            refused = partial(Outcome, upto=None, refused=_reason(error))
            return [refused(e.batch.address, e.batch.header) for e in entries]
        return [
            Outcome(entry.batch.address, entry.batch.header, upto, "", entry)
            for entry, upto in zip(entries, answers, strict=True)
        ]

    def _refused_for_good(
        self, message: Arrived, header: BatchHeader, error: BadMessage
    ) -> Outcome:
        text = f"A batch of {message.address} was put into quarantine: {error}"
        self._complaints.say("platform.poison", text, time.monotonic())
        of = (message.address, header)
        try:
            self._ingest.quarantine(message.topic, message.payload, str(error), of=of)
            upto = self._ingest.cursors(message.address, header.epoch)[header.stream]
        except StorageError as full:
            self._complaints.say("platform.not_stored", full, time.monotonic())
            return Outcome(message.address, header, None, _reason(full))
        return Outcome(message.address, header, upto)

    def put_away(self, topic: str, payload: bytes, error: BadMessage) -> None:
        """Keep a message that nobody can read, for a person to look at, while there is room."""
        text = f"A message on {topic[:200]} was put into quarantine: {error}"
        self._complaints.say("platform.unreadable", text, time.monotonic())
        try:
            self._ingest.quarantine(topic, payload, str(error), of=None)
        except StorageError as full:
            self._complaints.say("platform.not_stored", full, time.monotonic())


def _reason(error: StorageError) -> str:
    full = isinstance(error, StorageFull)
    return "The platform's disk is full." if full else "The platform's database is not there."
