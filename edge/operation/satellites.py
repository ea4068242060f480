"""The primary's line to the satellites of its shop, over the shop's own broker.

Run by the daemon when `[shop_broker]` is configured. Satellites' events go to `sync/relay.py`;
their sensors are reached by `reach`, which gives the supervisor a socket like any other sensor's:
the intake does not know that a broker lies between. It never looks at a reading.
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
from edge.errors import BadMessage, DeviceNotFound, StorageError, SyncError
from edge.records import Stream
from sync import tunnel
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
        self._random = random.Random(str(home))  # noqa: S311 - spreads retries, no secret
        self._connection: Connection | None = None
        self._sessions: dict[str, _Session] = {}
        self._known: set[Address] = set()
        self.trouble = "The line to the shop's broker has not been tried."
        """Why the satellites cannot be heard; empty while they can."""

    async def run(self) -> None:
        """Keep connected until cancelled."""
        while True:
            try:
                await self._connected_once()
            except* (SyncError, StorageError) as group:
                error = group.exceptions[0]
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
            for address in self._known:  # so that what they repeat need not wait for its time
                await connection.publish(address.greeting, encode(Greeting(v=1)))
            while True:
                message = await connection.receive()
                await self._take(message, connection)
                message.ack()
        finally:
            self._connection = None
            for session in self._sessions.values():
                session.writer.close()
            connection.abort()

    async def _take(self, message: Message, connection: Connection) -> None:
        try:
            address, what = parse_topic(message.topic)
            if address == self._home:
                raise BadMessage("Another box of this shop uses the name of this one.")
            self._meet(address)
            if what.startswith("su/"):
                self._take_piece(address, what.removeprefix("su/"), message.payload)
                return
            ack = await self._answer(address, what, message.payload)
            await connection.publish(address.ack, encode(ack))
        except BadMessage as error:
            self._counters.add("satellites.bad_message")
            log.warning("refused a message on %s: %s", message.topic[:200], error)

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
        if not session.incoming.follows(piece) or piece.kind is PieceKind.END:
            session.writer.close()
        elif piece.kind is PieceKind.BYTES:
            session.writer.write(piece.payload)
