"""The small platform: takes the boxes' events, acknowledges after its own commit, answers them.

Run by `sync/reference/main.py` for the demo, for tests and for chains that start without a
platform of their own. Here are its connection and the dispatch of what arrives; batches are taken
by `receiving`, what it says goes through `downward`. It makes no decision about a shop, and keeps
nothing: what it knows of boxes stands in the database, where every worker finds it.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from edge.errors import BadMessage, StorageError, StoreboxError, SyncError
from edge.records import Stream
from sync.datasets import Want
from sync.ingest import Ingest
from sync.ingest.boxes import Boxes
from sync.messages import (
    ROOT,
    UPWARD_FILTERS,
    Ack,
    Address,
    Hello,
    Presence,
    decode,
    parse_topic,
)
from sync.mqtt import BrokerSettings, Connection, Message
from sync.reference.answers import Desk
from sync.reference.commanding import Commander
from sync.reference.downward import Answers, Datasets, Outgoing, Wishes
from sync.reference.receiving import GROUP_MAX, HOLD_S, Arrived, Reception
from sync.reference.remedies import told
from sync.spoken import Request, Service

log = logging.getLogger(__name__)

RETRY_S_MAX = 1.0
LOOK_S = 0.5
"""How often the folder of datasets and the table of commands are looked at."""
ARRIVED_MAX = 1024
"""Messages between the broker and the database (20 MB of batches). Receive Maximum should keep them
at 64, but mosquitto 2.0.11 was seen to send 288; beyond this the connection ends and all comes
again."""

T = TypeVar("T")

_UP = {f"up/{stream}": stream for stream in Stream}


@dataclass(frozen=True, slots=True)
class Rooms:
    """Who does what on behalf of the platform.

    Without `datasets` this worker serves none: one of several is enough. `share` names the group
    in which the broker shares out the boxes' messages among workers; "" takes all of them.
    """

    commander: Commander
    desk: Desk
    datasets: Datasets | None = None
    share: str = ""


class Platform:
    """The platform's side of the wire. `run` until cancelled."""

    def __init__(self, broker: BrokerSettings, ingest: Ingest, rooms: Rooms) -> None:
        self._broker = broker
        self._ingest = ingest
        self._boxes = Boxes(ingest.database)
        self._rooms = rooms
        self._answers = Answers()
        self._wishes = Wishes(rooms.datasets) if rooms.datasets is not None else None
        hold_s = HOLD_S if rooms.share else 0.0
        self._reception = Reception(ingest, self._answers.acknowledge, hold_s=hold_s)
        self.connected = False
        self._reason: str | None = None

    async def run(self) -> None:
        """Serve, reconnecting, until cancelled."""
        try:
            while True:
                try:
                    await self._connected_once()
                except* (SyncError, StorageError) as group:
                    self._note(told(_first(group)))
                self.connected = False
                await asyncio.sleep(random.uniform(0.1, RETRY_S_MAX))  # noqa: S311
        finally:
            self._reception.close()
            if self._wishes is not None:
                self._wishes.close()

    @property
    def batches(self) -> int:
        """How many came to this worker."""
        return self._reception.taken

    def _note(self, reason: str) -> None:
        """Say once why there is no connection, and once when there is."""
        if reason != self._reason:
            self._reason = reason
            if reason:
                log.warning("%s", reason)
            else:
                log.info("connected to the broker")

    async def _connected_once(self) -> None:
        self._answers.clear()
        self._reception.forget()
        connection = await Connection.open(self._broker)
        try:
            async with asyncio.TaskGroup() as group:
                if self._wishes is not None:
                    self._wishes.look()  # before any box says hello
                    group.create_task(self._wishes.send(connection))
                await connection.subscribe(*self._filters())
                self.connected = True
                self._note("")
                arrivals: asyncio.Queue[Message] = asyncio.Queue(ARRIVED_MAX)
                group.create_task(_hand_over(connection, arrivals))
                group.create_task(self._dispatch(arrivals))
                group.create_task(self._answers.send(connection))
                group.create_task(self._reception.look_after_held())
                group.create_task(self._look_around())
                # Boxes that waited for us need not wait for their next try.
                for address in await self._on_disk(self._ingest.known):
                    self._answers.greet(address)
        finally:
            self.connected = False
            connection.abort()

    def _filters(self) -> tuple[str, ...]:
        """Presences go to every worker, because a broker shares out no retained message.

        Datasets are asked of the one worker that serves them; it hears all hellos for that.
        """
        share = self._rooms.share
        if not share:
            return UPWARD_FILTERS
        services = [f"$share/{share}/{ROOT}/+/+/+/rq/{service}" for service in Service]
        shared = (f"$share/{share}/{ROOT}/+/+/+/up/+", *services, f"{ROOT}/+/+/+/st")
        if self._wishes is None:
            return shared
        return (*shared, f"{ROOT}/+/+/+/up/hello", f"{ROOT}/+/+/+/rq/dataset")

    # --- upward

    async def _dispatch(self, arrivals: asyncio.Queue[Message]) -> None:
        """Batches that wait together are committed together; all else one by one, in order."""
        while True:
            messages = [await arrivals.get()]
            while len(messages) < GROUP_MAX and not arrivals.empty():
                messages.append(arrivals.get_nowait())
            batches: list[Arrived] = []
            for message in messages:
                try:
                    address, what = parse_topic(message.topic)
                    if (stream := _UP.get(what)) is not None:
                        batches.append(Arrived(address, stream, message.topic, message.payload))
                        continue
                    await self._take_batches(batches)
                    await self._take(address, what, message)
                except BadMessage as error:
                    await self._refuse(message, error)
                except (SyncError, StorageError):
                    raise  # it comes again on the next connection
                except Exception as error:  # a border: one message must not end the platform
                    log.error("a message on %s could not be used: %r", message.topic[:200], error)
            await self._take_batches(batches)
            for message in messages:
                message.ack()

    async def _take_batches(self, batches: list[Arrived]) -> None:
        if batches:
            await self._reception.take(batches)
            batches.clear()

    async def _take(self, address: Address, what: str, message: Message) -> None:
        service = what.removeprefix("rq/")
        if what == "st":
            await self._take_presence(address, message)
        elif what == "up/hello":
            await self._take_hello(address, decode(message.payload, Hello))
        elif what == "rq/dataset":
            if self._wishes is not None:
                self._wishes.want(address, decode(message.payload, Want))
        elif what.startswith("rq/") and service in set(Service):
            request = decode(message.payload, Request)
            answer = await self._on_disk(
                lambda: self._rooms.desk.answer(address, Service(service), request)
            )
            self._answers.say((address.responses(request.boot), answer, False))
        else:
            raise BadMessage(f"Nothing is known of the topic {message.topic[:200]}.")

    async def _take_presence(self, address: Address, message: Message) -> None:
        presence = decode(message.payload, Presence)
        await self._on_disk(lambda: self._boxes.was_seen(address, presence))
        if presence.state == "online" and message.retained:
            self._answers.greet(address)  # its hello was said before we listened

    async def _take_hello(self, address: Address, hello: Hello) -> None:
        def compared() -> tuple[Ack, list[Outgoing]]:
            acked = {stream: state.upto for stream, state in hello.streams.items()}
            upto = self._ingest.resume(address, hello.epoch, acked)
            marks = self._ingest.marks(address, hello.epoch)
            self._boxes.said_hello(address, hello)
            commands = self._rooms.commander.on_hello(address, hello, upto[Stream.CRIT])
            ack = Ack(v=1, epoch=hello.epoch, upto=upto, marks=marks, conn=hello.conn)
            return ack, [] if hello.relayed else list(commands)

        ack, commands = await self._on_disk(compared)
        self._answers.acknowledge(address, ack)
        self._answers.say(*commands)
        if self._wishes is not None and not hello.relayed:
            self._wishes.hello(address, hello.datasets)

    async def _refuse(self, message: Message, error: BadMessage) -> None:
        await self._on_disk(lambda: self._reception.put_away(message.topic, message.payload, error))

    # --- from time to time

    async def _look_around(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            if self._wishes is not None:
                self._wishes.look()
            self._answers.say(*await self._on_disk(lambda: list(self._rooms.commander.new())))

    async def _on_disk(self, work: Callable[[], T]) -> T:
        return await self._reception.on_disk(work)


async def _hand_over(connection: Connection, arrivals: asyncio.Queue[Message]) -> None:
    while True:
        await arrivals.put(await connection.receive())


def _first(group: BaseException) -> StoreboxError:
    """The one error to show: tasks of one connection end for the same reason."""
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    assert isinstance(group, StoreboxError), "only such ones are caught"
    return group
