"""The primary's line to the satellites of its shop, over the shop's own broker.

Run by the daemon when `[shop_broker]` is configured. Satellites' events go to `sync/relay.py`;
their sensors are reached by `reach`, which gives the supervisor a socket like any other sensor's:
the intake does not know that a broker lies between. It never looks at a reading, and what one
satellite sends neither ends the line nor holds up another's sensors.
"""

import asyncio
import contextlib
import logging
import random
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from edge.counters import Counters
from edge.errors import BadMessage, DeviceNotFound, PublishRefused, StorageError, SyncError
from edge.records import Stream
from sync import tunnel
from sync.complaints import Complaints
from sync.messages import ROOT, Ack, Address, Greeting, encode, parse_topic
from sync.mqtt import BrokerSettings, Connection, Message
from sync.relay import Relay
from sync.tunnel import Piece, PieceKind, Way

log = logging.getLogger(__name__)

DEVICE_PREFIX = "satellite:"
"""`device = "satellite:BOX/SENSOR"`: that sensor of that satellite."""
RETRY_S = 0.5, 5.0
SATELLITES_MAX = 16
"""Boxes of one shop that a primary serves."""
LINE_MAX = 40
"""Messages of one satellite that wait for the disk: its window (32 batches, 2 of crit) and some
more. What is beyond is dropped; the satellite sends it again, as nobody acknowledged it."""
BEHIND_BYTES_MAX = 1 << 20
"""Of one sensor, waiting for the intake. More of it would be old: the sensor begins anew."""
GREETING_PAUSE_S = 1.0
"""A satellite that lacks something is asked for a hello at most so often."""

_Line = asyncio.Queue[tuple[str, bytes]]
"""What one satellite said, waiting for its turn: the rest of the topic, and the payload."""


@dataclass(slots=True)
class _Session:
    """One connection to a satellite's sensor."""

    incoming: Way
    writer: asyncio.StreamWriter


class Satellites:
    """The connection to the shop's broker, and what comes and goes on it."""

    def __init__(
        self, broker: BrokerSettings, home: Address, *, relay: Relay, counters: Counters
    ) -> None:
        self._broker = broker
        self._home = home
        self._relay = relay
        self._counters = counters
        self._complaints = Complaints(log, counters)
        self._random = random.Random(str(home))  # noqa: S311 - spreads retries, no secret
        self._connection: Connection | None = None
        self._sessions: dict[str, _Session] = {}
        self._known: set[Address] = set()
        self._greeted_at: dict[Address, float] = {}
        self.trouble = "The line to the shop's broker has not been tried."
        """Why the satellites cannot be heard; empty while they can."""

    async def run(self) -> None:
        """Keep connected until cancelled."""
        while True:
            try:
                await self._connected_once()
            except* (SyncError, StorageError) as group:
                error = _first(group)
                if str(error) != self.trouble:
                    log.warning("the shop's broker: %s", error)
                self.trouble = str(error)
            await asyncio.sleep(self._random.uniform(*RETRY_S))

    async def _connected_once(self) -> None:
        shop = f"{ROOT}/{self._home.tenant}/{self._home.store}/+"
        connection = await Connection.open(self._broker)
        try:
            await connection.subscribe(f"{shop}/up/#", f"{shop}/su/+")
            self._connection, self.trouble = connection, ""
            self._known |= self._relay.known()
            for address in sorted(self._known):  # so that repetitions need not wait for their time
                await self._greet(address, connection)
            async with asyncio.TaskGroup() as group:
                await self._receive(connection, group)
        finally:
            self._connection = None
            for session in self._sessions.values():
                session.writer.close()
            connection.abort()

    async def _receive(self, connection: Connection, group: asyncio.TaskGroup) -> None:
        """Pieces are handed on at once, all else in the satellite's own order, one by one."""
        lines: dict[Address, _Line] = {}
        while True:
            message = await connection.receive()
            try:
                address, what = self._sender(message)
                if what.startswith("su/"):
                    self._take_piece(address, what.removeprefix("su/"), message.payload)
                else:
                    if (line := lines.get(address)) is None:
                        line = lines[address] = asyncio.Queue(LINE_MAX)
                        group.create_task(self._answer_all(address, line, connection))
                    line.put_nowait((what, message.payload))
            except asyncio.QueueFull:
                self._counters.add("satellites.dropped")
            except BadMessage as error:
                text = f"A message on {message.topic[:100]!r} was refused: {error}"
                self._complaints.say("satellites.bad_message", text, _now())
            except Exception as error:  # a border: one message must not end the line of all
                text = f"A message on {message.topic[:100]!r} could not be used: {error!r}"
                self._complaints.say("satellites.failed_message", text, _now())
            # Ours is the acknowledgement that counts: the broker may send the next one.
            message.ack()

    def _sender(self, message: Message) -> tuple[Address, str]:
        """Which satellite, and the rest of the topic. BadMessage if it is none of ours."""
        address, what = parse_topic(message.topic)
        if address == self._home:
            raise BadMessage("Another box of this shop uses the name of this one.")
        self._meet(address)
        return address, what

    async def _answer_all(self, address: Address, line: _Line, connection: Connection) -> None:
        """What one satellite says, after another; SyncError when the connection ends."""
        while True:
            what, payload = await line.get()
            try:
                ack = await self._answer(address, what, payload)
                await connection.publish(address.ack, encode(ack))
                if ack.resend:  # we know less than it thinks: it tells where it stands
                    await self._greet(address, connection)
            except BadMessage as error:
                text = f"What satellite {address.box} said on {what[:40]!r} was refused: {error}"
                self._complaints.say("satellites.bad_message", text, _now())
            except StorageError as error:  # without an answer it will say it again
                text = f"What satellite {address.box} said could not be kept: {error}"
                self._complaints.say("satellites.not_kept", text, _now())
            except PublishRefused as error:
                self._complaints.say("satellites.answer_refused", error, _now())
            except SyncError:
                raise
            except Exception as error:  # a border, as above
                text = f"What satellite {address.box} said could not be used: {error!r}"
                self._complaints.say("satellites.failed_message", text, _now())

    async def _greet(self, address: Address, connection: Connection) -> None:
        now = _now()
        if now - self._greeted_at.get(address, float("-inf")) < GREETING_PAUSE_S:
            return
        self._greeted_at[address] = now
        try:
            await connection.publish(address.greeting, encode(Greeting(v=1)))
        except PublishRefused as error:
            self._complaints.say("satellites.answer_refused", error, now)

    def _meet(self, address: Address) -> None:
        if address not in self._known and len(self._known) >= SATELLITES_MAX:
            raise BadMessage(f"There are more than {SATELLITES_MAX} satellites.")
        self._known.add(address)

    async def _answer(self, address: Address, what: str, payload: bytes) -> Ack:
        if what == "up/hello":
            return await self._relay.hello(address, payload)
        stream = what.removeprefix("up/")
        if not what.startswith("up/") or stream not in set(Stream):
            raise BadMessage("Nothing is known of this topic.")
        return await self._relay.batch(address, Stream(stream), payload)

    # --- sensors

    @asynccontextmanager
    async def reach(self, device: str) -> AsyncIterator[socket.socket]:
        """A socket to the worker of `satellite:BOX/SENSOR`; leaving the block ends the worker.

        DeviceNotFound while the shop's broker cannot be reached.
        """
        box, _, sensor = device.removeprefix(DEVICE_PREFIX).partition("/")
        address = Address(self._home.tenant, self._home.store, box)
        ours, inner = socket.socketpair()
        with ours:
            reader, writer = await asyncio.open_connection(sock=inner)
            incoming, outgoing = (Way(session := secrets.randbits(64)), Way(session))
            topic = address.sensed(sensor)
            self._sessions[topic] = _Session(incoming, writer)
            pump = asyncio.create_task(self._pump(reader, outgoing, address.led(sensor)))
            try:
                if self._connection is None:
                    raise DeviceNotFound(
                        f"Satellite {box} cannot be reached: {self.trouble}",
                        "Check [shop_broker], and that the shop's broker runs.",
                    )
                yield ours
            finally:
                self._sessions.pop(topic, None)
                pump.cancel()
                await asyncio.gather(pump, return_exceptions=True)
                writer.close()
                await self._say(address.led(sensor), outgoing.end())

    async def _pump(self, reader: asyncio.StreamReader, way: Way, topic: str) -> None:
        """What the intake says, to the satellite; and now and then that we are here."""
        while True:
            try:
                async with asyncio.timeout(tunnel.ALIVE_S):
                    payload = await reader.read(tunnel.PIECE_BYTES_MAX)
            except TimeoutError:
                await self._say(topic, way.alive())
                continue
            if not payload:
                return
            for piece in way.pieces(payload):
                await self._say(topic, piece)

    async def _say(self, topic: str, piece: Piece) -> None:
        connection = self._connection
        if connection is None:
            return  # the session ends with the connection
        with contextlib.suppress(SyncError):  # likewise
            await connection.publish(topic, tunnel.encode(piece))

    def _take_piece(self, address: Address, sensor: str, payload: bytes) -> None:
        piece = tunnel.decode(payload)
        session = self._sessions.get(address.sensed(sensor))
        if session is None or piece.session != session.incoming.session:
            return  # of a session that has ended
        if session.writer.is_closing():
            return  # likewise, but its reader has not noticed yet
        if not session.incoming.follows(piece) or piece.kind is PieceKind.END:
            session.writer.close()
        elif piece.kind is PieceKind.BYTES:
            session.writer.write(piece.payload)
            transport = session.writer.transport
            if transport.get_write_buffer_size() > BEHIND_BYTES_MAX:
                self._counters.add("satellites.sensor_behind")
                transport.abort()  # what waits is thrown away with it


def _now() -> float:
    """The loop's time."""
    return asyncio.get_running_loop().time()


def _first(group: BaseExceptionGroup[SyncError | StorageError]) -> BaseException:
    """The one error to show: tasks of one connection end for the same reason."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
