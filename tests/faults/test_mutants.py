"""Each mutant is caught, and what it is a mutant of passes the very same test.

A proof that nothing is lost is worth something only if it sees a loss: delete on PUBACK, no gap
records, and an acknowledgement before the commit. synchronous=NORMAL is in `test_power_cut.py`.
"""

import asyncio
import contextlib

import pytest

from edge.records import Stream
from edge.storage.database import Database
from sync.batch import BatchSealing
from sync.downward import Dispatch, Downward
from sync.messages import ClockState, Hello, StreamState
from sync.mqtt import Connection
from sync.source import OutboxSource
from tests.faults.mutants import Counting, Silent, Trusting
from tests.faults.oracle import examine
from tests.system.sync_box import ADDRESS, Box, PlatformProcess, running, until

EVENTS = 50
BULK_BYTES_MAX = 1 << 20
BURSTS_MAX = 500
DRAIN_S = 10.0
STUCK_S = 3.0
"""A platform that misses a number never acknowledges what is behind it; longer changes nothing."""


@pytest.mark.parametrize(("uplink", "lost"), [(Counting, 0), (Trusting, EVENTS)])
async def test_deleting_on_puback_is_caught(mosquitto, tmp_path, uplink, lost):
    platform = PlatformProcess(tmp_path, mosquitto.port)
    box = Box(tmp_path, mosquitto.port)
    try:
        platform.start()
        async with connected(box, uplink) as up:
            await box.emit(Stream.VISIT)
            assert await up.drained(DRAIN_S)
            platform.kill()
            before = up.confirmed
            await box.emit(Stream.CRIT, EVENTS)
            await until(lambda: up.confirmed > before, "the broker has confirmed")
            await until(lambda: box.waiting() == EVENTS - lost, "deleted, or not")
        mosquitto.kill()  # and with it what it had confirmed
        mosquitto.start()
        platform.start()
        async with connected(box, uplink) as up:
            assert await up.drained(DRAIN_S), "the box believes that all is well"
    finally:
        platform.kill()
        box.database.close()
    assert examine(tmp_path, platform.log).verdict.lost == lost


@contextlib.asynccontextmanager
async def connected(box, uplink):
    """One connection of `box`, with an uplink of this kind."""
    source = OutboxSource(box.database, box.clock, ADDRESS)
    pace = box.settings.pace
    up = uplink(source, lambda again: hello(box, again), pace=pace, counters=box.counters)
    box.database.on_commit(lambda _: up.wake())
    dispatch = Dispatch(
        ADDRESS, up, Downward(box.replica), acknowledged=lambda: None, unknown=lambda *_: None
    )
    connection = await Connection.open(box.settings.broker)
    try:
        await connection.subscribe(*ADDRESS.down)
        await up.begin(connection)
        tasks = [asyncio.create_task(up.run()), asyncio.create_task(receive(connection, dispatch))]
        try:
            yield up
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    finally:
        connection.abort()


async def receive(connection, dispatch):
    while True:
        message = await connection.receive()
        await dispatch.take(message.topic, message.payload, retained=message.retained)
        message.ack()


def hello(box, again):
    now, cursors = box.clock.now(), box.database.cursors()
    streams = {stream: StreamState(*cursors[stream]) for stream in Stream}
    clock = ClockState.of(now.trusted)
    return Hello(
        v=1,
        epoch=box.database.epoch,
        boot=now.boot,
        conn=1,
        sent=now.wall_ms,
        clock=clock,
        streams=streams,
        datasets={},
        again=again,
    )


@pytest.mark.parametrize("kind", [Database, Silent])
async def test_giving_up_events_without_a_gap_record_is_caught(mosquitto, tmp_path, kind):
    database = kind.open(
        tmp_path / "state",
        tmp_path / "journal",
        sealing=BatchSealing(ADDRESS),
        bulk_bytes_max=BULK_BYTES_MAX,
    )
    box = Box(tmp_path, mosquitto.port, database=database)
    moment = box.clock.now()

    def burst(tx):
        for number in range(200):
            body = {"number": number, "t": f"{number * 2654435761:x}" * 40}
            tx.emit(Stream.BULK, "test.made.v1", body, moment)

    for _ in range(BURSTS_MAX):
        await box.database.transact(burst)
        if box.database.evicted()[Stream.BULK]:
            break
    await box.emit(Stream.CRIT, EVENTS)
    with PlatformProcess(tmp_path, mosquitto.port) as platform:
        async with running(box):
            drained = await box.link.drained(DRAIN_S if kind is Database else STUCK_S)
        examined = examine(tmp_path, platform.log)
    honest = kind is Database
    assert drained is honest
    assert (examined.holes == 0) is honest, examined
    assert (examined.verdict.lost == 0) is honest, examined
    assert (examined.declared > 0) is honest, examined


@pytest.mark.parametrize(
    ("ingest", "lost"), [("sync.ingest:Ingest", 0), ("tests.faults.mutants:Early", EVENTS)]
)
async def test_acknowledging_before_the_commit_is_caught(mosquitto, tmp_path, ingest, lost):
    platform = PlatformProcess(tmp_path, mosquitto.port, "--ingest", ingest)
    async with running(Box(tmp_path, mosquitto.port)) as box:
        try:
            platform.start()
            await box.emit(Stream.VISIT)
            assert await box.link.drained(DRAIN_S)
            moment = box.clock.now()

            def order(tx):
                for number in range(EVENTS):
                    tx.emit(Stream.CRIT, "test.made.v1", {"number": number}, moment)

            await box.database.transact(order)
            assert await box.link.drained(DRAIN_S)
        finally:
            platform.kill()
    assert examine(tmp_path, platform.log).verdict.lost == lost
