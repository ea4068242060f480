"""A satellite's sensors, lent to its primary: each worker's socket, carried over the shop's broker.

Run by the daemon instead of the local intake when `[satellite]` is configured. A worker runs only
while the primary asks for it and shows that it is there: nothing is captured while the core that
knows who agreed to it is away. Readings are neither looked at nor kept.
"""

import asyncio
import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass

from edge.counters import Counters
from edge.errors import BadMessage, BadWireFrame, DeviceError, SyncError
from edge.operation.sensors import Reach
from edge.racing import first_of
from edge.sensor_spec import SensorSpec
from sensors import wire
from sync import tunnel
from sync.messages import Address, parse_topic
from sync.mqtt import BrokerSettings, Connection, Message
from sync.tunnel import Piece, PieceKind, Way

log = logging.getLogger(__name__)

RETRY_S = 0.5, 5.0
PIECES_MAX = 64
"""Of the primary's, waiting for a worker; it says little, so more means that nobody listens."""


@dataclass(frozen=True, slots=True)
class Lent:
    """One sensor of this satellite: what it is, and how its worker is reached."""

    spec: SensorSpec
    reach: Reach


class _Session:
    """One run of a worker for the primary."""

    def __init__(self, lent: Lent, piece: Piece) -> None:
        self.lent = lent
        self.incoming, self.outgoing = Way(piece.session), Way(piece.session)
        self.pieces: asyncio.Queue[Piece] = asyncio.Queue(PIECES_MAX)
        self.reader = wire.FrameReader(down=True)
        self.task: asyncio.Task[None] | None = None

    def translated(self, payload: bytes) -> bytes:
        """What the primary says, with the device and options that only this box knows."""
        said = b""
        for message in self.reader.feed(payload):
            if isinstance(message, wire.Configure):
                spec = self.lent.spec
                message = wire.Configure(
                    message.sensor,
                    spec.device,
                    spec.options,
                    message.salt,
                    message.boot,
                    secret=spec.secret(),
                    opt_outs=message.opt_outs,
                )
            assert isinstance(message, wire.Configure | wire.Salt | wire.Leave | wire.OptOuts)
            said += wire.encode(message)
        return said


class Outpost:
    """The sensors of one satellite."""

    def __init__(
        self, broker: BrokerSettings, address: Address, lent: Sequence[Lent], counters: Counters
    ) -> None:
        self._broker = broker
        self._address = address
        self._lent = {each.spec.name: each for each in lent}
        self._counters = counters
        self._random = random.Random(str(address))  # noqa: S311 - spreads retries, no secret
        self._sessions: dict[str, _Session] = {}

    def running(self) -> set[str]:
        """The sensors whose workers run for the primary now."""
        return set(self._sessions)

    async def run(self) -> None:
        """Keep connected until cancelled; all workers end with the connection."""
        said = ""
        while True:
            try:
                await self._connected_once()
            except SyncError as error:
                if str(error) != said:
                    log.warning("the shop's broker: %s", error)
                said = str(error)
            await asyncio.sleep(self._random.uniform(*RETRY_S))

    async def _connected_once(self) -> None:
        connection = await Connection.open(self._broker)
        try:
            await connection.subscribe(self._address.led("+"))
            while True:
                message = await connection.receive()
                try:
                    self._take(message, connection)
                except BadMessage as error:
                    self._counters.add("outpost.bad_message")
                    log.warning("refused a message on %s: %s", message.topic[:200], error)
                message.ack()
        finally:
            tasks = [each.task for each in self._sessions.values() if each.task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            connection.abort()

    def _take(self, message: Message, connection: Connection) -> None:
        _, what = parse_topic(message.topic)
        name = what.removeprefix("sd/")
        lent = self._lent.get(name)
        if lent is None:
            raise BadMessage(f"This satellite has no sensor {name[:40]!r}.")
        piece = tunnel.decode(message.payload)
        session = self._sessions.get(name)
        if session is None or session.incoming.session != piece.session:
            if piece.number != 0 or piece.kind is PieceKind.END:
                return  # of a session that has ended
            if session is not None and session.task is not None:
                session.task.cancel()
            session = self._sessions[name] = _Session(lent, piece)
            session.task = asyncio.create_task(self._serve(session, connection))
        if not session.incoming.follows(piece) or session.pieces.full():
            if session.task is not None:
                session.task.cancel()
            return
        session.pieces.put_nowait(piece)

    async def _serve(self, session: _Session, connection: Connection) -> None:
        """Run one worker until the primary leaves, the worker ends, or the line does."""
        name = session.lent.spec.name
        topic = self._address.sensed(name)
        try:
            async with session.lent.reach() as worker:
                reader, writer = await asyncio.open_connection(sock=worker.dup())
                try:
                    await first_of(
                        self._down(session, writer), self._up(session, reader, connection, topic)
                    )
                finally:
                    writer.close()
        except (DeviceError, BadWireFrame, OSError) as error:
            self._counters.add("outpost.sensor_failed")
            log.warning("sensor %s: %s", name, error)
        except SyncError:
            return  # the connection says why
        finally:
            if self._sessions.get(name) is session:
                del self._sessions[name]
        try:
            await connection.publish(topic, tunnel.encode(session.outgoing.end()))
        except SyncError:
            return  # the primary notices by itself

    async def _down(self, session: _Session, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                async with asyncio.timeout(tunnel.SILENCE_S):
                    piece = await session.pieces.get()
            except TimeoutError:
                log.warning("the primary is silent: sensor %s ends", session.lent.spec.name)
                return
            if piece.kind is PieceKind.END:
                return
            if piece.kind is PieceKind.BYTES:
                writer.write(session.translated(piece.payload))
                await writer.drain()

    async def _up(
        self, session: _Session, reader: asyncio.StreamReader, connection: Connection, topic: str
    ) -> None:
        while payload := await reader.read(tunnel.PIECE_BYTES_MAX):
            for piece in session.outgoing.pieces(payload):
                await connection.publish(topic, tunnel.encode(piece))
