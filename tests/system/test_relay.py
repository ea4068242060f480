"""A satellite's events reach the platform through its primary, once and in order, under their own
ids - also when a broker, the primary's database file or the satellite's begins anew in between.

Two brokers: the shop's own (the satellite and the primary's near side) and the chain's.
"""

import asyncio
import random
import shutil
import sqlite3
from contextlib import asynccontextmanager
from functools import partial

import pytest

from edge.counters import Counters
from edge.operation.satellites import Satellites
from edge.records import Stream
from edge.storage import journal, relayed
from sync.downward import Downward
from sync.ingest.log import read_log
from sync.link import Link
from sync.messages import Ack, Address, ClockState, Hello, decode, encode
from sync.mqtt import BrokerSettings
from sync.reference.judge import judge
from sync.relay import Relay
from sync.relaying import SatelliteUplinks
from tests.contract.tap import TappedBroker
from tests.system.sync_box import ADDRESS, Box, PlatformProcess, listener, quick, running, until

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
        self.relays = SatelliteUplinks(ADDRESS, self.database, self.clock, relay, self.counters)
        near = BrokerSettings("127.0.0.1", shop_port, "primary", keepalive_s=5)
        self.near = Counters()
        self.satellites = Satellites(near, ADDRESS, relay=relay, counters=self.near)
        self.link = Link(
            self.database,
            self.clock,
            settings=self.settings,
            downward=Downward(self.replica, relays=self.relays),
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
        room = relayed.BYTES_MAX[Stream.BULK]
        tx.execute("INSERT INTO relay_kept VALUES ('bulk', ?)", (room,))

    await home.database.transact(fill)
    async with serving(home), running(satellite(tmp_path / "door", shop_broker.port)) as door:
        await door.emit(Stream.BULK, 3)
        await until(lambda: door.link.status().refused, "the satellite is told")
        await door.emit(Stream.CRIT, 2)
        await until(lambda: door.waiting() == 3, "orders are taken all the same")
        await home.database.transact(lambda tx: tx.execute("UPDATE relay_kept SET bytes = 0"))
        assert await door.link.drained(20)


@pytest.mark.parametrize("produced_since", [1, 10])
async def test_a_satellite_restored_from_a_backup_loses_nothing_that_it_made_since(
    mosquitto, shop_broker, tmp_path, produced_since
):
    door_box = satellite(tmp_path / "door", shop_broker.port)
    await door_box.emit(Stream.CRIT, 2)
    door_box.database.close()
    shutil.copytree(tmp_path / "door", tmp_path / "backup")
    home = Primary(tmp_path / "home", mosquitto.port, shop_broker.port)
    with PlatformProcess(tmp_path, mosquitto.port) as platform:
        async with serving(home):
            async with running(satellite(tmp_path / "door", shop_broker.port)) as door:
                await door.emit(Stream.CRIT, 3)
                assert await door.link.drained(20)
            door_box = satellite(tmp_path / "backup", shop_broker.port)
            for number in range(produced_since):
                await door_box.database.transact(partial(made_since, number, door_box.clock.now()))
            async with running(door_box) as door:
                assert await door.link.drained(20)
            await until(
                lambda: (
                    {b'{"since":%d}' % number for number in range(produced_since)}
                    <= {row.body for row in read_log(platform.log)}
                ),
                "all of it at the platform",
            )


def made_since(number, moment, tx):
    tx.emit(Stream.CRIT, "test.made.v1", {"since": number}, moment)


async def test_what_died_with_a_primary_is_declared_and_the_line_goes_on(
    mosquitto, shop_broker, tmp_path
):
    with PlatformProcess(tmp_path, mosquitto.port) as platform:
        async with running(satellite(tmp_path / "door", shop_broker.port)) as door:
            origin = relayed.Origin(str(DOOR), door.database.epoch)
            first = Primary(tmp_path / "first", mosquitto.port, shop_broker.port)
            async with serving(first):
                await door.emit(Stream.CRIT, 5)
                reading = first.database.reading
                await until(lambda: relayed.cursors(reading, origin)[Stream.CRIT] == (5, 5), "5")
                mosquitto.kill()
                await door.emit(Stream.CRIT, 5)
                assert await door.link.drained(20)
            mosquitto.start()
            second = Primary(tmp_path / "next", mosquitto.port, shop_broker.port)
            async with serving(second) as home:
                await door.emit(Stream.CRIT, 5)
                reading = home.database.reading
                await until(
                    lambda: relayed.cursors(reading, origin)[Stream.CRIT] == (15, 15), "all 15", 20
                )
                assert relayed.waiting(reading, origin) == 0
                assert home.counters.get("relay.declared_lost") <= 1
    with sqlite3.connect(platform.log) as log:
        gaps = log.execute("SELECT first, last, reason FROM gap WHERE stream = 'crit'").fetchall()
    log.close()
    assert gaps == [(6, 10, "missing here, deleted at the box")]
    rows = [row.seq for row in read_log(platform.log) if row.address == str(DOOR)]
    assert rows == [*range(1, 6), *range(11, 16)]


async def test_a_restored_primary_greets_the_satellites_it_knows(shop_broker, tmp_path):
    home = Primary(tmp_path / "home", 1, shop_broker.port)
    await take(home, first=1)
    task = asyncio.create_task(home.satellites.run())
    try:
        async with listener(shop_broker.port, DOOR.greeting) as spy:
            async with asyncio.timeout(10):
                assert (await spy.receive()).topic == DOOR.greeting
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        home.database.close()


async def take(home, *, first, origin=None):
    """A batch of the door's at its primary, which only the platform could read."""
    origin = origin or relayed.Origin(str(DOOR), "0badcafe")
    span = relayed.Span(Stream.CRIT, first, first)
    await home.database.transact(
        lambda tx: relayed.take(tx, origin, span, b"?", content=relayed.UNREAD)
    )


async def test_what_cannot_be_kept_of_one_satellite_ends_nobodys_line(shop_broker, tmp_path):
    home = Primary(tmp_path / "home", 1, shop_broker.port)
    for number in range(relayed.LIVES_MAX):
        await take(home, first=1, origin=relayed.Origin(str(DOOR), f"{number:08x}"))
    task = asyncio.create_task(home.satellites.run())
    gate = Address(DOOR.tenant, DOOR.store, "gate")
    try:
        async with listener(shop_broker.port, DOOR.ack, gate.ack) as spy:
            await until(lambda: not home.satellites.trouble, "connected")
            for address in (DOOR, gate):
                now = home.clock.now()
                said = Hello(1, "ffffffff", now.boot, 7, 0, ClockState.SYNCED, {}, {})
                await spy.publish(address.up("hello"), encode(said))
            async with asyncio.timeout(10):
                message = await spy.receive()
            assert message.topic == gate.ack
            assert decode(message.payload, Ack).conn == 7
            await until(lambda: home.near.get("satellites.not_kept") == 1, "counted")
            assert not home.satellites.trouble
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        home.database.close()
