"""The small platform: takes the boxes' events, acknowledges after its own commit, sends datasets.

Run by `sync/reference/main.py` for the demo, for tests and for chains that start without a
platform of their own. It makes no decision about a shop. What it knows of boxes between restarts
stands in the ingest's file; the rest it learns again from their hellos.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from edge.errors import BadMessage, SyncError
from edge.records import Stream
from sync.batch import read_header, unpack
from sync.ingest import Ingest
from sync.messages import (
    UPWARD_FILTERS,
    Ack,
    Address,
    BatchHeader,
    Dataset,
    Greeting,
    Hello,
    Presence,
    decode,
    encode,
    parse_topic,
)
from sync.mqtt import BrokerSettings, Connection, Message
from sync.reference.shelf import Shelf

log = logging.getLogger(__name__)

BOXES_MAX = 1000
RETRY_S_MAX = 1.0
REFRESH_S = 0.5
"""How often the folder of datasets is looked at."""

T = TypeVar("T")


@dataclass(slots=True)
class BoxView:
    """What the platform knows of one box. `last_*` are Unix milliseconds, 0 for never."""

    address: Address
    epoch: str = ""
    online: bool = False
    conn: int = 0
    greeted: int = 0
    """The connection of its last hello; `conn` may know of a later one."""
    produced: dict[Stream, int] = field(default_factory=dict)
    committed: dict[Stream, int] = field(default_factory=dict)
    datasets: dict[Dataset, str] = field(default_factory=dict)
    """The generation of each dataset that was sent on this connection, or that the box has."""
    last_event_ms: int = 0
    last_sent_ms: int = 0

    @property
    def behind(self) -> int:
        """Events that the box is known to have and that have not been committed here."""
        return sum(max(0, n - self.committed.get(s, 0)) for s, n in self.produced.items())

    @property
    def lag_ms(self) -> int:
        """How old the latest event was when it was sent, by the box's own clock."""
        return max(0, self.last_sent_ms - self.last_event_ms)


class Platform:
    """The platform's side of the wire. `run` until cancelled."""

    def __init__(self, broker: BrokerSettings, ingest: Ingest, shelf: Shelf) -> None:
        self._broker = broker
        self._ingest = ingest
        self._shelf = shelf
        # One thread: the ingest's calls wait for the disk, one at a time.
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="ingest")
        self._acks: dict[Address, Ack] = {}
        self._greetings: set[Address] = set()
        self._answers_waiting = asyncio.Event()
        self._shelf_changed = asyncio.Event()
        self._lacking: set[Address] = set()
        self.boxes: dict[Address, BoxView] = {}
        self.connected = False

    async def run(self) -> None:
        """Serve, reconnecting, until cancelled."""
        try:
            while True:
                try:
                    await self._connected_once()
                except* SyncError as group:
                    log.warning("%s", group.exceptions[0])
                self.connected = False
                await asyncio.sleep(random.uniform(0.1, RETRY_S_MAX))  # noqa: S311
        finally:
            self._disk.shutdown()

    async def _connected_once(self) -> None:
        await self._on_disk(self._shelf.refresh)
        connection = await Connection.open(self._broker)
        try:
            await connection.subscribe(*UPWARD_FILTERS)
            self.connected = True
            self._acks.clear()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._receive(connection))
                group.create_task(self._send_answers(connection))
                group.create_task(self._send_datasets(connection))
                group.create_task(self._watch_shelf())
                # Boxes that waited for us need not wait for their next try.
                for address in await self._on_disk(self._ingest.known):
                    self._greet(address)
        finally:
            self.connected = False
            connection.abort()

    # --- upward

    async def _receive(self, connection: Connection) -> None:
        while True:
            message = await connection.receive()
            try:
                await self._take(message)
            except BadMessage as error:
                await self._refuse(message, error)
            message.ack()

    async def _take(self, message: Message) -> None:
        address, what = parse_topic(message.topic)
        if what == "st":
            self._take_presence(address, message)
        elif what == "up/hello":
            await self._take_hello(address, decode(message.payload, Hello))
        elif what.removeprefix("up/") in set(Stream):
            await self._take_batch(address, Stream(what.removeprefix("up/")), message.payload)
        else:
            raise BadMessage(f"Nothing is known of the topic {message.topic[:200]}.")

    def _take_presence(self, address: Address, message: Message) -> None:
        presence = decode(message.payload, Presence)
        box = self._box(address)
        # The will of a connection that has been replaced since says nothing.
        if presence.state == "online" or presence.conn >= box.conn:
            box.online = presence.state == "online"
            box.conn = max(box.conn, presence.conn)
        if box.online and message.retained:
            self._greet(address)  # its hello was said before we listened

    async def _take_hello(self, address: Address, hello: Hello) -> None:
        box = self._box(address)
        acked = {stream: state.upto for stream, state in hello.streams.items()}
        box.committed = await self._on_disk(
            lambda: self._ingest.resume(address, hello.epoch, acked)
        )
        box.produced = {stream: state.last for stream, state in hello.streams.items()}
        has = {name: version.generation for name, version in hello.datasets.items()}
        if hello.again or (hello.epoch, hello.conn) != (box.epoch, box.greeted):
            box.datasets = has  # whatever was under way on an earlier connection may be lost
        else:
            box.datasets |= has
        box.epoch, box.greeted, box.online = hello.epoch, hello.conn, True
        marks = await self._on_disk(lambda: self._ingest.marks(address, hello.epoch))
        self._answer(address, Ack(v=1, epoch=hello.epoch, upto=dict(box.committed), marks=marks))
        self._lacking.add(address)
        self._shelf_changed.set()

    async def _take_batch(self, address: Address, stream: Stream, payload: bytes) -> None:
        header, body = read_header(payload)
        if header.stream is not stream:
            raise BadMessage(f"A batch of {header.stream} came as one of {stream}.")
        try:
            batch = unpack(address, header, body)
            upto = await self._on_disk(lambda: self._ingest.apply(batch))
        except BadMessage as error:
            await self._quarantine(address, header, payload, str(error))
            return
        box = self._box(address)
        last = batch.events[-1]
        box.last_event_ms = round(last.time.timestamp() * 1000)
        box.last_sent_ms = header.sent
        self._committed(address, header, upto)

    async def _quarantine(
        self, address: Address, header: BatchHeader, payload: bytes, reason: str
    ) -> None:
        topic = address.up(header.stream)
        log.warning("a batch of %s was put into quarantine: %s", address, reason)

        def put_away() -> int:
            self._ingest.quarantine(topic, payload, reason, of=(address, header))
            return self._ingest.cursors(address, header.epoch)[header.stream]

        self._committed(address, header, await self._on_disk(put_away))

    async def _refuse(self, message: Message, error: BadMessage) -> None:
        log.warning("a message on %s was put into quarantine: %s", message.topic[:200], error)
        await self._on_disk(
            lambda: self._ingest.quarantine(message.topic, message.payload, str(error), of=None)
        )

    def _committed(self, address: Address, header: BatchHeader, upto: int) -> None:
        box = self._box(address)
        if header.epoch == box.epoch or not box.epoch:
            box.committed[header.stream] = upto
            box.produced[header.stream] = max(box.produced.get(header.stream, 0), header.last)
        missing = (header.stream,) if upto < header.first - 1 else ()
        self._answer(
            address, Ack(v=1, epoch=header.epoch, upto={header.stream: upto}, resend=missing)
        )

    # --- downward

    def _greet(self, address: Address) -> None:
        self._greetings.add(address)
        self._answers_waiting.set()

    def _answer(self, address: Address, ack: Ack) -> None:
        """Queue an acknowledgement; a later one of the same epoch takes an earlier one in."""
        waiting = self._acks.get(address)
        if waiting is not None and waiting.epoch == ack.epoch:
            # Only what the later one does not answer still has to be sent again.
            resend = {s for s in waiting.resend if s not in ack.upto} | set(ack.resend)
            marks = {s: m for s, m in waiting.marks.items() if s not in ack.upto} | ack.marks
            upto = waiting.upto | ack.upto
            ack = Ack(v=1, epoch=ack.epoch, upto=upto, resend=tuple(resend), marks=marks)
        self._acks[address] = ack
        self._answers_waiting.set()

    async def _send_answers(self, connection: Connection) -> None:
        while True:
            await self._answers_waiting.wait()
            self._answers_waiting.clear()
            while self._greetings:
                address = self._greetings.pop()
                await connection.publish(address.greeting, encode(Greeting(v=1)))
            while self._acks:
                address, ack = self._acks.popitem()
                await connection.publish(address.ack, encode(ack))

    async def _send_datasets(self, connection: Connection) -> None:
        while True:
            await self._shelf_changed.wait()
            self._shelf_changed.clear()
            while self._lacking:
                await self._bring_up_to_date(self.boxes[self._lacking.pop()], connection)

    async def _bring_up_to_date(self, box: BoxView, connection: Connection) -> None:
        for snapshot in tuple(self._shelf.snapshots.values()):
            if box.datasets.get(snapshot.dataset) == snapshot.generation:
                continue
            box.datasets[snapshot.dataset] = snapshot.generation
            for part in snapshot.parts:
                await connection.publish(box.address.dataset(snapshot.dataset), part)

    async def _watch_shelf(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_S)
            if await self._on_disk(self._shelf.refresh):
                self._lacking.update(box.address for box in self.boxes.values() if box.online)
                self._shelf_changed.set()

    # --- small things

    def _box(self, address: Address) -> BoxView:
        if address not in self.boxes and len(self.boxes) >= BOXES_MAX:
            raise BadMessage(f"There are more than {BOXES_MAX} boxes.", "Use a real platform.")
        return self.boxes.setdefault(address, BoxView(address))

    async def _on_disk(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._disk, work)
