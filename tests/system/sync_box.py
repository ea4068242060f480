"""A box's sync side and the reference platform, real ones, for the tests of the line."""

import asyncio
import base64
import contextlib
import json
import struct
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from edge.clock import SystemClock
from edge.counters import Counters
from edge.face_models import DLIB
from edge.records import Stream
from edge.storage import journal, outbox
from edge.storage.database import Database
from sync.batch import BatchSealing
from sync.downward import Downward
from sync.ingest.log import read_log
from sync.link import Link, LinkSettings
from sync.messages import Address
from sync.mqtt import BrokerSettings, Connection
from sync.reference.judge import Verdict, judge
from sync.replica import Replica, ReplicaSettings
from sync.uplink import Pace
from tests.contract import tap
from tests.waiting import until

ROOT = Path(__file__).resolve().parent.parent.parent
ADDRESS = Address("chain", "shop-1", "box-1")

CONSENT = {"given_ms": 1, "text_version": "1", "channel": "till"}
PROGRAMME = {"kind": "programme", **CONSENT}
FACE = {"kind": "face", **CONSENT}
VECTOR = base64.b64encode(struct.pack("<128f", *[0.1] * 128)).decode()


def member(name: str, *consents: dict[str, object]) -> dict[str, object]:
    """A row of members, with their consents."""
    return {"id": name, "name": name.title(), "card": f"card-{name}", "consents": consents}


def template(name: str) -> dict[str, object]:
    """A row of templates."""
    return {"member": name, "model": DLIB, "vectors": [VECTOR, VECTOR]}


class Box:
    """Database, replica and link of one box, as the daemon puts them together."""

    def __init__(
        self,
        directory: Path,
        port: int,
        settings: LinkSettings | None = None,
        *,
        database: Database | None = None,
    ) -> None:
        self.directory = directory
        self.clock = SystemClock()
        self.counters = Counters()
        self.database = database or Database.open(
            directory / "state", directory / "journal", sealing=BatchSealing(ADDRESS)
        )
        self.settings = settings or quick(port)
        self.replica = Replica(
            self.database,
            self.clock,
            self.counters,
            settings=ReplicaSettings(ADDRESS, patience_s=self.settings.missing_part_s),
        )
        self.link = Link(
            self.database,
            self.clock,
            settings=self.settings,
            downward=self.downward(),
            counters=self.counters,
        )

    def downward(self) -> Downward:
        """What messages come down to."""
        return Downward(self.replica)

    async def emit(self, stream: Stream, count: int = 1) -> None:
        """Produce `count` events, each in a change of its own, and wait for the commit."""
        moment = self.clock.now()

        def one(number: int) -> None:
            return lambda tx: tx.emit(stream, "test.made.v1", {"number": number}, moment)

        await asyncio.gather(*(self.database.transact(one(n)) for n in range(count)))

    def waiting(self) -> int:
        """How many events are in the outbox."""
        return sum(depth.waiting for depth in outbox.depth(self.database.reading))

    def verdict(self, log: Path) -> Verdict:
        """The judge's, on this box's journal and the platform's log."""
        return judge(journal.read(self.directory / "journal"), read_log(log))


def quick(port: int, **changes: object) -> LinkSettings:
    """Settings for tests: the same code, less patience."""
    broker = BrokerSettings("127.0.0.1", port, f"box-{ADDRESS.box}", keepalive_s=5)
    settings = LinkSettings(
        ADDRESS,
        broker,
        first_retry_s=0.05,
        retry_max_s=0.5,
        pace=Pace(visit_flush_s=0.05, bulk_flush_s=0.1, refused_s=0.1),
        will_delay_s=0,
        seed=1,
    )
    return replace(settings, **changes)


@asynccontextmanager
async def running(box: Box) -> AsyncIterator[Box]:
    """The box with its link running."""
    task = asyncio.create_task(box.link.run())
    try:
        yield box
    finally:
        await box.link.stop()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        box.database.close()


class Spy(Connection):
    """A client of the test's own. What it says itself need not keep to the contract."""

    async def publish(self, topic: str, payload: bytes, **options: object) -> None:
        """As ever, told to the bus tap before."""
        tap.excuse(topic, payload)
        await super().publish(topic, payload, **options)


@asynccontextmanager
async def listener(port: int, *filters: str, name: str = "spy") -> AsyncIterator[Connection]:
    """A client of the test's own, subscribed to `filters`."""
    connection = await Spy.open(BrokerSettings("127.0.0.1", port, name, keepalive_s=5))
    try:
        if filters:
            await connection.subscribe(*filters)
        yield connection
    finally:
        await connection.close()


class PlatformProcess:
    """The reference platform as a process of its own. `stop` and `start` as often as wanted."""

    def __init__(self, directory: Path, port: int, *options: str) -> None:
        self.log = directory / "platform.db"
        self.datasets = directory / "datasets"
        self.datasets.mkdir(exist_ok=True)
        self.page = ""
        self._port = port
        self._options = options
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it and wait until it is ready."""
        command = [sys.executable, "-m", "sync.reference.main", "--broker-port", str(self._port)]
        files = ["--database", str(self.log), "--datasets", str(self.datasets)]
        self._process = subprocess.Popen(
            [*command, *files, *self._options], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        line = self._process.stdout.readline()
        assert line.startswith("READY http://127.0.0.1:"), line
        self.page = line.split()[1]

    async def connected(self) -> None:
        """Wait until it listens to the broker; what is published before does not reach it."""
        await until(lambda: b"true" in self.fetch("/api/platform"), "platform connected")

    def fetch(self, path: str) -> bytes:
        """What its page answers."""
        with urllib.request.urlopen(self.page + path, timeout=5) as answer:
            return answer.read()

    def stop(self) -> int:
        """End it with SIGTERM; its exit code."""
        process, self._process = self._process, None
        process.terminate()
        code = process.wait(3.0)
        process.stdout.close()
        return code

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()
            self._process = None

    def put(self, dataset: str, rows: list[object]) -> None:
        """Write a dataset's file as a whole."""
        draft = self.datasets / f"{dataset}.draft"
        draft.write_text(json.dumps(rows))
        draft.rename(self.datasets / f"{dataset}.json")

    def __enter__(self) -> "PlatformProcess":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
