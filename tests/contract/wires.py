"""A box and a platform without a broker: what they are handed goes into their real dispatch.

The wire is the only thing that is not real here: it takes what is published and hands over what the
test says. Used by the fuzz tests, which say thousands of things.
"""

import asyncio
import contextlib
import hashlib
import json
import sqlite3
from collections import deque
from pathlib import Path

from edge.clock import SystemClock
from edge.counters import Counters
from edge.lease import Lease
from edge.records import Stream
from edge.storage.database import Database
from sync.calls import Calls
from sync.commands import Authority, Commands
from sync.downward import Downward, Told
from sync.ingest import Ingest
from sync.ingest.commands import Commands as PlatformCommands
from sync.ingest.coupons import Claims
from sync.link import Link, LinkSettings
from sync.messages import PAYLOAD_BYTES_MAX
from sync.mqtt import BrokerSettings, Message
from sync.reference.answers import Desk
from sync.reference.commanding import Commander
from sync.reference.platform import Platform, Rooms
from sync.reference.serving import DatasetServer
from sync.reference.shelf import Shelf
from sync.replica import Replica, ReplicaSettings
from sync.signing import SigningKey, TrustedKeys
from tests.contract.golden import GOLDEN, PUBLIC_KEY
from tests.contract.specimens import ADDRESS, CATALOGUE

ANSWER_S_MAX = 20.0
KEYS = TrustedKeys.read(GOLDEN / "v1" / PUBLIC_KEY)
SAID_KEPT = 100


class Wire:
    """A connection of which the test has the other end."""

    window = 64

    def __init__(self) -> None:
        self.said: deque[tuple[str, bytes]] = deque(maxlen=SAID_KEPT)
        self._arriving: asyncio.Queue[Message] = asyncio.Queue()

    def payload_max(self, topic: str) -> int:
        """No limit but our own."""
        return PAYLOAD_BYTES_MAX

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Taken, and that is all."""
        self.said.append((topic, payload))

    async def receive(self) -> Message:
        """What the test hands over."""
        return await self._arriving.get()

    async def hand_over(self, topic: str, payload: bytes, *, retained: bool = False) -> None:
        """Say something, and wait until it was dealt with."""
        done = asyncio.Event()
        self._arriving.put_nowait(Message(topic, payload, retained, done.set))
        async with asyncio.timeout(ANSWER_S_MAX):
            await done.wait()


class FedBox:
    """Everything of a box that messages come down to; `feed` it."""

    def __init__(self, directory: Path) -> None:
        clock = SystemClock()
        self.counters = Counters()
        self.database = Database.open(directory)
        self.wire = Wire()
        lease = Lease(self.database, clock, lease_s=3600.0, counters=self.counters)
        commands = Commands(
            self.database,
            clock,
            authority=Authority(ADDRESS, KEYS),
            lease=lease,
            counters=self.counters,
        )
        replica = Replica(
            self.database, clock, self.counters, settings=ReplicaSettings(ADDRESS, KEYS)
        )
        self.calls = Calls(self.database, clock, address=ADDRESS, counters=self.counters)
        self.link = Link(
            self.database,
            clock,
            settings=LinkSettings(ADDRESS, BrokerSettings("127.0.0.1", 1, "fed")),
            downward=Downward(
                replica, commands, self.calls, told=Told(commands=lambda: commands.last)
            ),
            counters=self.counters,
        )
        self.boot = clock.now().boot
        self._clock = clock
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """As after a connect: hello said, listening; a few events wait."""
        now = self._clock.now()
        for stream in Stream:
            await self.database.transact(
                lambda tx, stream=stream: tx.emit(stream, "test.made.v1", {"number": 1}, now)
            )
        self.calls.attach(self.wire.publish)
        await self.link._uplink.begin(self.wire)
        self._tasks = [
            asyncio.create_task(self.link._receive(self.wire)),
            asyncio.create_task(self.link._uplink.run()),
        ]

    async def feed(self, topic: str, payload: bytes, *, retained: bool = False) -> None:
        """One message; the box must live on."""
        await self.wire.hand_over(topic, payload, retained=retained)
        assert not any(task.done() for task in self._tasks), "the box no longer listens"

    def state(self) -> str:
        """A digest of all that the box keeps in its main file."""
        return contents(self.database.reading)

    async def stop(self) -> None:
        """End it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.calls.detach()
        self.database.close()


class FedPlatform:
    """The reference platform behind its connection, on a SQLite file; `feed` it."""

    def __init__(self, directory: Path) -> None:
        folder = directory / "datasets"
        folder.mkdir()
        (folder / "catalogue.json").write_text(json.dumps(CATALOGUE))
        self.path = directory / "platform.db"
        self.wire = Wire()
        self._ingest = Ingest(self.path)
        key = SigningKey.open(directory / "platform.key")
        rooms = Rooms(
            commander=Commander(PlatformCommands(self._ingest.database), key),
            desk=Desk(folder, Claims(self._ingest.database)),
            datasets=DatasetServer(Shelf(folder), key),
        )
        settings = BrokerSettings("127.0.0.1", 1, "fed")
        self.platform = Platform(settings, self._ingest, rooms)
        self._arriving: asyncio.Queue[Message] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """As after a connect."""
        self._tasks = [
            asyncio.create_task(self.platform._dispatch(self._arriving)),
            asyncio.create_task(self.platform._answers.send(self.wire)),
            asyncio.create_task(self.platform._wishes.send(self.wire)),
        ]

    async def feed(self, topic: str, payload: bytes) -> None:
        """One message; the platform must live on."""
        done = asyncio.Event()
        self._arriving.put_nowait(Message(topic, payload, False, done.set))
        async with asyncio.timeout(ANSWER_S_MAX):
            await done.wait()
        assert not any(task.done() for task in self._tasks), "the platform no longer listens"

    def state(self, *but: str) -> str:
        """A digest of all that it keeps, but for these tables."""
        with contextlib.closing(sqlite3.connect(self.path)) as connection:
            return contents(connection, but=but)

    def count(self, table: str) -> int:
        """How many rows a table has."""
        with contextlib.closing(sqlite3.connect(self.path)) as connection:
            return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])

    async def stop(self) -> None:
        """End it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.platform._reception.close()
        self.platform._wishes.close()
        self._ingest.close()


def contents(connection, *, but: tuple[str, ...] = ()) -> str:
    """A digest of all rows of all tables, except of those named."""
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    digest = hashlib.sha256()
    for (name,) in sorted(names):
        if name not in but and not name.startswith("sqlite_"):
            digest.update(name.encode())
            for row in connection.execute(f'SELECT * FROM "{name}"').fetchall():
                digest.update(repr(row).encode())
    return digest.hexdigest()
