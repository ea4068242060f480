"""A satellite's events reach the platform through its primary, once and in order, under their own
ids - also when a broker, the primary's database file or the satellite's begins anew in between.

Two brokers: the shop's own (the satellite and the primary's near side) and the chain's.
"""

import asyncio
import random
from contextlib import asynccontextmanager

import pytest

from edge.counters import Counters
from edge.operation.satellites import Satellites
from edge.records import Stream
from edge.storage import journal, relayed
from sync.downward import Downward
from sync.ingest.log import read_log
from sync.link import Link
from sync.messages import Address
from sync.mqtt import BrokerSettings
from sync.reference.judge import judge
from sync.relay import Relay
from sync.relaying import SatelliteUplinks
from tests.contract.tap import TappedBroker
from tests.system.sync_box import ADDRESS, Box, PlatformProcess, quick, running, until

DOOR = Address(ADDRESS.tenant, ADDRESS.store, "door")


@pytest.fixture
def shop_broker(tmp_path):
    directory = tmp_path / "shop-broker"
    directory.mkdir()
    broker = TappedBroker(directory)
    broker.start()
    yield broker
    broker.stop()
    broker.verify()


class Primary(Box):
    """A box that also serves satellites, as the daemon puts it together."""

    def __init__(self, directory, port, shop_port):
        directory.mkdir(exist_ok=True)
        super().__init__(directory, port)
        relay = Relay(self.database, self.counters)
        uplinks = SatelliteUplinks(ADDRESS, self.database, self.clock, relay, self.counters)
        near = BrokerSettings("127.0.0.1", shop_port, "primary", keepalive_s=5)
        self.satellites = Satellites(near, ADDRESS, relay=relay, counters=Counters())
        self.link = Link(
            self.database,
            self.clock,
            settings=self.settings,
            downward=Downward(self.replica, relays=uplinks),
            counters=self.counters,
        )


def satellite(directory, shop_port):
    directory.mkdir(exist_ok=True)
    broker = BrokerSettings("127.0.0.1", shop_port, "box-door", keepalive_s=5)
    return Box(directory, shop_port, quick(shop_port, address=DOOR, broker=broker))


@asynccontextmanager
async def serving(primary):
    async with running(primary):
        task = asyncio.create_task(primary.satellites.run())
        try:
            yield primary
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def everything_there(log, directory):
    promised = journal.read(directory / "journal")
    await until(
        lambda: {row.id for row in read_log(log)} >= {line[0] for line in promised},
        "everything promised at the platform",
        40,
    )
    return judge(promised, read_log(log))


async def test_a_satellites_events_keep_their_ids_on_the_way(mosquitto, shop_broker, tmp_path):
    with PlatformProcess(tmp_path, mosquitto.port) as platform:
        primary = Primary(tmp_path / "home", mosquitto.port, shop_broker.port)
        door_box = satellite(tmp_path / "door", shop_broker.port)
        async with serving(primary) as home, running(door_box) as door:
            for stream in Stream:
                await door.emit(stream, 700)
            await home.emit(Stream.CRIT, 5)
            assert await door.link.drained(20)
            verdict = await everything_there(platform.log, tmp_path / "door")
            assert verdict.flawless, verdict
            assert (await everything_there(platform.log, tmp_path / "home")).flawless
            rows = [row for row in read_log(platform.log) if row.address == str(DOOR)]
            assert len(rows) == 2100
            origin = relayed.Origin(str(DOOR), door.database.epoch)
            reading = home.database.reading
            await until(lambda: relayed.waiting(reading, origin) == 0, "nothing kept")
            assert relayed.next_batch(reading, origin, Stream.BULK, after=0) is None


async def test_what_the_satellite_was_told_is_safe_stays_safe_without_the_line(
    mosquitto, shop_broker, tmp_path
):
    platform = PlatformProcess(tmp_path, mosquitto.port)
    home = Primary(tmp_path / "home", mosquitto.port, shop_broker.port)
    async with running(satellite(tmp_path / "door", shop_broker.port)) as door:
        async with serving(home):  # no platform: the primary alone takes it over
            await door.emit(Stream.CRIT, 30)
            assert await door.link.drained(20)
        assert door.waiting() == 0
        home = Primary(tmp_path / "home", mosquitto.port, shop_broker.port)
        with platform:
            async with serving(home):
                verdict = await everything_there(platform.log, tmp_path / "door")
                assert verdict.flawless, verdict


async def test_a_reimaged_satellite_has_its_former_life_sent_first(
    mosquitto, shop_broker, tmp_path
):
    platform = PlatformProcess(tmp_path, mosquitto.port)
    home = Primary(tmp_path / "home", mosquitto.port, shop_broker.port)
    async with serving(home):
        for life in ("first", "second"):
            async with running(satellite(tmp_path / life, shop_broker.port)) as door:
                await door.emit(Stream.VISIT, 20)
                assert await door.link.drained(20)
        with platform:
            for life in ("first", "second"):
                verdict = await everything_there(platform.log, tmp_path / life)
                assert verdict.flawless, verdict


async def test_brokers_that_come_and_go_lose_and_double_nothing(mosquitto, shop_broker, tmp_path):
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    with PlatformProcess(tmp_path, mosquitto.port) as platform:
        primary = Primary(tmp_path / "home", mosquitto.port, shop_broker.port)
        door_box = satellite(tmp_path / "door", shop_broker.port)
        async with serving(primary) as home, running(door_box) as door:
            for _ in range(6):
                victim = rng.choice([mosquitto, shop_broker])
                await door.emit(rng.choice(list(Stream)), rng.randint(1, 400))
                victim.kill()
                await door.emit(rng.choice(list(Stream)), rng.randint(1, 400))
                victim.start()
            assert await door.link.drained(60)
            verdict = await everything_there(platform.log, tmp_path / "door")
            assert verdict.flawless, verdict
            assert home.counters.get("link.failed_message") == 0


async def test_a_primary_without_room_refuses_and_the_satellite_keeps(
    mosquitto, shop_broker, tmp_path
):
    home = Primary(tmp_path / "home", mosquitto.port, shop_broker.port)

    def fill(tx):
        tx.executemany(
            "INSERT INTO relayed VALUES (?, ?, ?, ?, ?, ?)",
            [("other", "0badcafe", "bulk", n, n, b"") for n in range(relayed.RELAYED_BATCHES_MAX)],
        )

    await home.database.transact(fill)
    async with serving(home), running(satellite(tmp_path / "door", shop_broker.port)) as door:
        await door.emit(Stream.CRIT, 3)
        await until(lambda: door.link.status().refused, "the satellite is told")
        assert door.waiting() == 3
        await home.database.transact(lambda tx: tx.execute("DELETE FROM relayed"))
        assert await door.link.drained(20)
