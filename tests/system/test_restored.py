"""A box restored from a backup: its old numbers must not be taken for events that it made since."""

import shutil

import msgspec
import pytest

from edge.records import Stream
from edge.storage import journal, outbox
from edge.storage.database import connect
from sync.ingest.log import read_log
from sync.messages import Ack, Greeting, encode
from tests.system.sync_box import ADDRESS, Box, PlatformProcess, listener, running, until


async def test_nothing_is_sent_before_the_platform_has_said_what_it_has(mosquitto, tmp_path):
    topics = (ADDRESS.up("hello"), ADDRESS.up(Stream.CRIT))
    async with listener(mosquitto.port, *topics) as spy:

        async def told():
            message = await spy.receive()
            message.ack()
            return message.topic

        async with running(Box(tmp_path, mosquitto.port)) as box:
            await box.emit(Stream.CRIT)
            assert await told() == ADDRESS.up("hello")
            await until(lambda: box.link.status().connected, "connected")
            await spy.publish(ADDRESS.greeting, encode(Greeting(1)))
            assert await told() == ADDRESS.up("hello"), "not a batch, which is due long since"
            await spy.publish(ADDRESS.ack, encode(Ack(1, "ffffffff", {})))  # of another epoch
            await spy.publish(ADDRESS.greeting, encode(Greeting(1)))
            assert await told() == ADDRESS.up("hello")
            early = Ack(1, box.database.epoch, {})  # it waited in the broker, for an older hello
            await spy.publish(ADDRESS.ack, encode(early))
            await spy.publish(ADDRESS.greeting, encode(Greeting(1)))
            assert await told() == ADDRESS.up("hello")
            assert box.counters.get("link.ack_before_comparison") == 1
            await spy.publish(ADDRESS.ack, encode(msgspec.structs.replace(early, conn=1)))
            assert await told() == ADDRESS.up(Stream.CRIT)


@pytest.mark.parametrize("produced_since", [0, 3, 60])
async def test_a_box_restored_from_a_backup_loses_nothing_that_it_made_since(
    mosquitto, tmp_path, produced_since
):
    with PlatformProcess(tmp_path, mosquitto.port) as platform:
        async with running(Box(tmp_path, mosquitto.port)) as box:
            await box.emit(Stream.CRIT, 5)
            await box.emit(Stream.BULK, 9)
            assert await box.link.drained(20)
        box = Box(tmp_path, mosquitto.port)
        await box.emit(Stream.CRIT, 2)  # these wait in the backup
        first_order = await box.database.transact(lambda tx: tx.next_number("order"))
        box.database.close()
        shutil.copytree(tmp_path / "state", tmp_path / "backup")
        async with running(Box(tmp_path, mosquitto.port)) as box:
            await box.emit(Stream.CRIT, 20)
            assert await box.link.drained(20)
            former = box.database.epoch
        shutil.rmtree(tmp_path / "state")
        (tmp_path / "backup").rename(tmp_path / "state")
        box = Box(tmp_path, mosquitto.port)
        assert box.database.epoch == former
        await box.emit(Stream.CRIT, produced_since)
        await box.emit(Stream.VISIT, 3)
        async with running(box):
            await until(lambda: box.database.epoch != former, "a new epoch")
            await box.emit(Stream.CRIT, 1)
            assert await box.link.drained(20)
            verdict = box.verdict(platform.log)
            assert verdict.flawless, verdict
            renewed = [row for row in read_log(platform.log) if row.epoch == box.database.epoch]
            assert len(renewed) == 2 + produced_since + 3 + 1
            order = await box.database.transact(lambda tx: tx.next_number("order"))
            assert order > first_order + 100, "numbers given since the backup are not given again"
        async with running(Box(tmp_path, mosquitto.port)) as box:
            again = box.database.epoch
            await box.emit(Stream.CRIT, 1)
            assert await box.link.drained(20)
            assert box.database.epoch == again != former, "once is enough"


async def test_a_renewal_cut_short_by_a_power_cut_is_finished_at_the_next_start(tmp_path):
    box = Box(tmp_path, 1)
    former = box.database.epoch
    await box.emit(Stream.CRIT, 2)
    box.database.close()
    connection = connect(tmp_path / "state" / "storebox.db", box.database.vault)
    outbox.renew_epoch(connection)  # committed, and the process died before it could promise again
    connection.close()
    for _ in range(2):
        box = Box(tmp_path, 1)
        epoch = box.database.epoch
        box.database.close()
        again = [(line[0], *line[2:]) for line in journal.read(tmp_path / "journal")[2:]]
        assert again == [(f"{epoch}-crit-{n}", f"{former}-crit-{n}") for n in (1, 2)]


async def test_an_acknowledgement_beyond_what_was_produced_deletes_nothing(mosquitto, tmp_path):
    with PlatformProcess(tmp_path, mosquitto.port) as platform:
        async with running(Box(tmp_path, mosquitto.port)) as box:
            await box.emit(Stream.CRIT, 3)
            assert await box.link.drained(20)
            former = box.database.epoch
            platform.kill()
            await box.emit(Stream.CRIT, 3)
            async with listener(mosquitto.port) as spy:
                await spy.publish(ADDRESS.ack, encode(Ack(1, former, {Stream.CRIT: 99})))
            await until(lambda: box.database.epoch != former, "a new epoch")
            assert box.counters.get("link.ack_beyond_produced") == 1
            assert box.waiting() == 3
            platform.start()
            assert await box.link.drained(20)
            verdict = box.verdict(platform.log)
            assert not verdict.lost
            assert not verdict.altered


async def test_half_a_promise_that_a_power_cut_left_is_taken_away(tmp_path):
    for torn in ("", "0badcafe-crit-7 12", "0badcafe"):
        with (tmp_path / "journal").open("a") as file:
            file.write(torn)
        box = Box(tmp_path, 1)
        await box.emit(Stream.CRIT, 1)
        box.database.close()
    promised = journal.read(tmp_path / "journal")
    assert [event for event, _ in promised] == [f"{box.database.epoch}-crit-{n}" for n in (1, 2, 3)]
