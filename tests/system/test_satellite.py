"""A satellite's sensors at its primary, over a real broker: as if they stood beside it."""

import asyncio
import os
import pty
import threading
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial

from edge.clock import SystemClock
from edge.control import ask
from edge.counters import Counters
from edge.intake import Intake
from edge.operation.outpost import Lent, Outpost
from edge.operation.satellites import BEHIND_BYTES_MAX, LINE_MAX, Satellites
from edge.operation.sensors import started, supervise
from edge.records import CodeReading
from edge.sensor_spec import SensorSpec
from edge.storage.database import Database
from sync import tunnel
from sync.messages import Address, ClockState, Hello, encode
from sync.mqtt import BrokerSettings
from sync.relay import Relay
from sync.tunnel import Way
from tests.programs import program
from tests.programs import until as wait_for
from tests.system.sync_box import listener, until

HOME = Address("chain", "shop-1", "counter")
DOOR = Address("chain", "shop-1", "door")
REMOTE = SensorSpec("door-scanner", "code", "satellite:door/scanner", {}, "main", 15)


class Scanner:
    """A serial scanner as a pty."""

    def __init__(self) -> None:
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        self.device = os.ttyname(self._slave)

    def scan(self, text: str) -> None:
        os.write(self._master, text.encode() + b"\r")

    def close(self) -> None:
        os.close(self._slave)
        os.close(self._master)


def broker(port: int, name: str) -> BrokerSettings:
    return BrokerSettings("127.0.0.1", port, name, keepalive_s=5)


@asynccontextmanager
async def tasks(*ways) -> AsyncIterator[None]:
    running = [asyncio.create_task(way) for way in ways]
    try:
        yield
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


class Primary:
    """The primary's side: the line to the shop's broker, and an intake with one remote sensor."""

    def __init__(self, directory, port):
        self.database = Database.open(directory / "primary")
        self.counters = Counters()
        relay = Relay(self.database, self.counters)
        settings = broker(port, "primary")
        self.satellites = Satellites(settings, HOME, relay=relay, counters=self.counters)
        self.intake = Intake(SystemClock(), [REMOTE])
        self.seen = []

    async def gather(self):
        async for batch in self.intake.batches():
            self.seen.extend(batch)

    def texts(self):
        return [o.reading.text for o in self.seen if isinstance(o.reading, CodeReading)]

    def ways(self):
        reach = partial(self.satellites.reach, REMOTE.device)
        watched = supervise(REMOTE, reach, self.intake, seed=1)
        return self.satellites.run(), self.gather(), watched


def outpost(port, scanner):
    local = SensorSpec("scanner", "code", scanner.device, {}, "", 15)
    lent = Lent(local, partial(started, "code", "scanner", ""))
    return Outpost(broker(port, "door-sensors"), DOOR, [lent], Counters())


async def test_a_satellites_sensor_speaks_with_the_primary(mosquitto, tmp_path):
    scanner, primary = Scanner(), Primary(tmp_path, mosquitto.port)
    try:
        async with tasks(*primary.ways(), outpost(mosquitto.port, scanner).run()):
            await until(lambda: primary.intake.status("door-scanner").ok, "sensor connected")
            scanner.scan("4600000000017")
            await until(lambda: primary.texts() == ["4600000000017"], "the scan at the primary")
            heard = {("sensed", "piece"), ("led", "piece")}  # all that the document has for it
            await until(lambda: heard == set(mosquitto.tap.heard().seen) & heard, "both ways")
        (seen,) = primary.seen
        assert seen.sensor == "door-scanner"
        assert seen.seen.boot == SystemClock().now().boot
    finally:
        primary.database.close()
        scanner.close()


async def test_after_the_shops_broker_was_away_the_sensor_comes_back(mosquitto, tmp_path):
    scanner, primary = Scanner(), Primary(tmp_path, mosquitto.port)
    try:
        async with tasks(*primary.ways(), outpost(mosquitto.port, scanner).run()):
            await until(lambda: primary.intake.status("door-scanner").ok, "sensor connected")
            mosquitto.kill()
            await until(lambda: not primary.intake.status("door-scanner").ok, "sensor gone")
            mosquitto.start()
            await until(lambda: primary.intake.status("door-scanner").ok, "sensor back", 40)
            scanner.scan("again")
            await until(lambda: "again" in primary.texts(), "the scan at the primary")
    finally:
        primary.database.close()
        scanner.close()


async def test_without_its_primary_no_sensor_of_a_satellite_runs(mosquitto, tmp_path):
    scanner, primary = Scanner(), Primary(tmp_path, mosquitto.port)
    lending = outpost(mosquitto.port, scanner)
    try:
        async with tasks(lending.run()):
            async with tasks(*primary.ways()):
                await until(lambda: primary.intake.status("door-scanner").ok, "sensor connected")
                assert lending.running() == {"scanner"}
            await until(lambda: lending.running() == set(), "the worker ended")
    finally:
        primary.database.close()
        with suppress(OSError):
            scanner.close()


async def test_a_batch_that_waits_for_the_disk_holds_up_no_scan(mosquitto, tmp_path):
    scanner, primary = Scanner(), Primary(tmp_path, mosquitto.port)
    written = threading.Event()
    try:
        async with tasks(*primary.ways(), outpost(mosquitto.port, scanner).run()):
            await until(lambda: primary.intake.status("door-scanner").ok, "sensor connected")
            slow = asyncio.create_task(primary.database.transact(lambda _: written.wait(20)))
            async with listener(mosquitto.port, DOOR.ack) as spy:
                said = Hello(1, "0badcafe", "b", 1, 0, ClockState.SYNCED, {}, {})
                for _ in range(1 + LINE_MAX + 2):
                    await spy.publish(DOOR.up("hello"), encode(said))
                dropped = lambda: primary.counters.get("satellites.dropped")  # noqa: E731
                await until(lambda: dropped() == 2, "one is worked on, and the line is full")
                scanner.scan("meanwhile")
                await until(lambda: primary.texts() == ["meanwhile"], "the scan at the primary")
                assert not slow.done()
                written.set()
                async with asyncio.timeout(10):
                    assert (await spy.receive()).topic == DOOR.ack
    finally:
        written.set()
        primary.database.close()
        scanner.close()


async def test_a_sensor_that_nobody_reads_is_ended_before_it_fills_the_memory(mosquitto, tmp_path):
    primary = Primary(tmp_path, mosquitto.port)
    behind = lambda: primary.counters.get("satellites.sensor_behind")  # noqa: E731
    try:
        async with (
            tasks(primary.satellites.run()),
            listener(mosquitto.port, DOOR.led("scanner")) as spy,
        ):
            await until(lambda: not primary.satellites.trouble, "connected")
            async with primary.satellites.reach(REMOTE.device) as unread:
                unread.send(b"begin")
                way = Way(tunnel.decode((await spy.receive()).payload).session)
                for piece in way.pieces(bytes(3 * BEHIND_BYTES_MAX)):
                    await spy.publish(DOOR.sensed("scanner"), tunnel.encode(piece))
                await until(lambda: behind() == 1, "ended")
                unread.setblocking(False)
                read = 0
                while part := unread.recv(1 << 20):
                    read += len(part)
                assert read < BEHIND_BYTES_MAX
    finally:
        primary.database.close()


def configured(folder, box, port, more):
    folder.mkdir()
    path = folder / "storebox.toml"
    path.write_text(
        f'[box]\ntenant = "chain"\nstore = "shop-1"\nbox = "{box}"\n'
        f'[state]\ndirectory = "{folder}/state"\ncontrol_socket = "{folder}/control.sock"\n'
        f"[broker]\nport = {port}\nfirst_retry_s = 0.1\nretry_max_s = 0.5\n"
        f"[kiosk]\nport = 0\n{more}"
    )
    return path


def test_two_daemons_of_one_shop_by_their_configuration(mosquitto, tmp_path):
    scanner, port = Scanner(), mosquitto.port
    home = configured(
        tmp_path / "home",
        "counter",
        port,
        f"[shop_broker]\nport = {port}\n"
        '[sensors.door-scanner]\nkind = "code"\ndevice = "satellite:door/scanner"\n'
        'screen = "main"\n',
    )
    door = configured(
        tmp_path / "door",
        "door",
        port,
        f'[satellite]\nprimary = "counter"\n[sensors.scanner]\nkind = "code"\n'
        f'device = "{scanner.device}"\n',
    )
    try:
        with (
            program(["edge.cli.main", "run", "-c", str(home)], tmp_path / "home.log"),
            program(["edge.cli.main", "run", "-c", str(door)], tmp_path / "door.log"),
        ):
            control = tmp_path / "home" / "control.sock"
            sensor = lambda: ask(control, "status")["sensors"][0]  # noqa: E731
            wait_for(lambda: sensor()["ok"], "the satellite's sensor at the primary")
            scanner.scan("4600000000017")
            wait_for(lambda: sensor()["observations"] == 1, "the scan at the primary")
            assert ask(tmp_path / "door" / "control.sock", "status")["sensors"] == []
    finally:
        scanner.close()
