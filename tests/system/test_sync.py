"""Box, broker and platform together: every event arrives once and in order, whatever breaks."""

from functools import partial

import msgspec
import pytest

from edge.errors import StorageError
from edge.records import Stream
from edge.storage import outbox, templates
from edge.storage.database import Transaction
from sync.batch import pack, read_header
from sync.downward import Downward
from sync.ingest.log import quarantined, read_log
from sync.link import Link
from sync.messages import Ack, Presence, decode, encode
from sync.reference.broker import EmbeddedBroker
from sync.reference.line import Line
from sync.uplink import Pace
from tests.system.sync_box import (
    ADDRESS,
    FACE,
    PROGRAMME,
    Box,
    PlatformProcess,
    listener,
    member,
    quick,
    running,
    template,
    until,
)


async def test_an_event_leaves_the_box_only_after_the_platform_has_committed_it(
    mosquitto, tmp_path
):
    async with running(Box(tmp_path, mosquitto.port)) as box:
        async with listener(mosquitto.port, ADDRESS.up(Stream.CRIT)) as spy:
            await box.emit(Stream.CRIT, 3)
            await until(lambda: box.link.status().connected, "connected")
            await spy.publish(ADDRESS.ack, encode(Ack(1, box.database.epoch, {}, conn=1)))
            await spy.receive()  # the broker has taken it and handed it on
            assert box.waiting() == 3
        with PlatformProcess(tmp_path, mosquitto.port) as platform:
            assert await box.link.drained(20)
            assert box.waiting() == 0
            assert [row.seq for row in read_log(platform.log)] == [1, 2, 3]
            assert platform.stop() == 0


async def test_all_streams_arrive_once_and_in_order(mosquitto, tmp_path):
    with PlatformProcess(tmp_path, mosquitto.port) as platform:
        async with running(Box(tmp_path, mosquitto.port)) as box:
            for stream, count in ((Stream.BULK, 1800), (Stream.VISIT, 60), (Stream.CRIT, 20)):
                await box.emit(stream, count)
            assert await box.link.drained(20)
            verdict = box.verdict(platform.log)
            assert verdict.flawless
            assert verdict.created == verdict.acknowledged == 1880
            status = box.link.status()
            assert dict(status.acked) == {Stream.CRIT: 20, Stream.VISIT: 60, Stream.BULK: 1800}
            assert status.last_ack is not None


async def test_a_broker_that_dies_and_returns_loses_nothing(mosquitto, tmp_path):
    with PlatformProcess(tmp_path, mosquitto.port) as platform:
        async with running(Box(tmp_path, mosquitto.port)) as box:
            for end in (mosquitto.kill, mosquitto.stop, mosquitto.kill):
                await box.emit(Stream.BULK, 700)
                await box.emit(Stream.CRIT, 5)
                end()
                await until(lambda: not box.link.status().connected, "disconnected")
                await box.emit(Stream.CRIT, 5)
                mosquitto.start()
            assert await box.link.drained(30)
            verdict = box.verdict(platform.log)
            assert verdict.flawless
            assert verdict.created == 3 * 710


async def test_a_platform_that_dies_and_returns_loses_nothing(mosquitto, tmp_path):
    platform = PlatformProcess(tmp_path, mosquitto.port)
    async with running(Box(tmp_path, mosquitto.port)) as box:
        for _ in range(3):
            with platform:
                await box.emit(Stream.BULK, 700)
                await box.emit(Stream.CRIT, 5)
            await box.emit(Stream.VISIT, 5)
        with platform:
            assert await box.link.drained(30)
            assert box.verdict(platform.log).flawless
            assert len(read_log(platform.log)) == 3 * 710


async def test_a_cut_line_is_reported_and_mended(mosquitto, tmp_path):
    line = await Line.open(mosquitto.port)
    with PlatformProcess(tmp_path, mosquitto.port) as platform:
        async with running(Box(tmp_path, line.port)) as box:
            await box.emit(Stream.CRIT)
            assert await box.link.drained(20)
            await line.cut()
            await until(lambda: not box.link.status().connected, "disconnected")
            assert "Check the line" in box.link.status().remedy
            await box.emit(Stream.CRIT, 4)
            assert not await box.link.drained(0.2)
            await line.restore()
            assert await box.link.drained(20)
            assert box.verdict(platform.log).flawless
    await line.close()


async def test_what_can_never_be_accepted_is_put_away_and_the_stream_goes_on(mosquitto, tmp_path):
    with PlatformProcess(tmp_path, mosquitto.port) as platform:
        async with running(Box(tmp_path, mosquitto.port)) as box:
            await box.emit(Stream.CRIT, 1)
            assert await box.link.drained(20)
            async with listener(mosquitto.port) as spy:
                for garbage in (b"", b"\xff" * 200, b'{"v":1}\nx', b"[" * 100_000):
                    await spy.publish(ADDRESS.up(Stream.CRIT), garbage)
                await spy.publish("sb/v1/chain/shop-1/box-1/up/nothing", b"{}")
                await spy.publish(ADDRESS.up("hello"), b'{"v":9}')
                await until(lambda: len(quarantined(platform.log)) == 6, "six put away")
            await box.emit(Stream.CRIT, 1)
            assert await box.link.drained(20)
            assert box.verdict(platform.log).flawless


async def test_a_batch_of_an_unknown_version_is_acknowledged_into_quarantine(mosquitto, tmp_path):
    box = Box(tmp_path, mosquitto.port)
    await box.emit(Stream.CRIT, 2)
    origin = (ADDRESS.box, box.database.epoch)
    events = outbox.pending(box.database.reading, origin, Stream.CRIT, after=0, limit=10)
    payload, _ = pack(ADDRESS, events, box.clock.now())
    header, body = read_header(payload)
    newer = msgspec.json.encode(msgspec.structs.replace(header, v=2)) + b"\n" + body
    with PlatformProcess(tmp_path, mosquitto.port) as platform:
        await platform.connected()
        async with listener(mosquitto.port, ADDRESS.ack) as spy:
            await spy.publish(ADDRESS.up(Stream.CRIT), newer)
            ack = decode((await spy.receive()).payload, Ack)
            assert ack.upto == {Stream.CRIT: 2}
            assert ack.resend == ()
        assert read_log(platform.log) == []
        assert "version 2" in quarantined(platform.log)[0][1]
    box.database.close()


async def test_a_batch_behind_a_hole_is_ignored_until_the_hole_is_filled(mosquitto, tmp_path):
    box = Box(tmp_path, mosquitto.port)
    await box.emit(Stream.VISIT, 4)
    origin = (ADDRESS.box, box.database.epoch)
    events = outbox.pending(box.database.reading, origin, Stream.VISIT, after=0, limit=10)
    late, _ = pack(ADDRESS, events[2:], box.clock.now())
    whole, _ = pack(ADDRESS, events, box.clock.now())
    with PlatformProcess(tmp_path, mosquitto.port) as platform:
        await platform.connected()
        async with listener(mosquitto.port, ADDRESS.ack) as spy:
            await spy.publish(ADDRESS.up(Stream.VISIT), late)
            ignored = decode((await spy.receive()).payload, Ack)
            assert ignored.upto == {Stream.VISIT: 0}
            assert ignored.resend == (Stream.VISIT,)
            assert read_log(platform.log) == []
            await spy.publish(ADDRESS.up(Stream.VISIT), whole)
            assert decode((await spy.receive()).payload, Ack).upto == {Stream.VISIT: 4}
            await spy.publish(ADDRESS.up(Stream.VISIT), late)  # once more: known already
            assert decode((await spy.receive()).payload, Ack).upto == {Stream.VISIT: 4}
        assert [row.seq for row in read_log(platform.log)] == [1, 2, 3, 4]
    box.database.close()


async def test_what_nobody_foresaw_in_one_message_ends_neither_the_link_nor_the_box(
    mosquitto, tmp_path
):
    class Careless:
        incomplete = False

        async def take(self, payload: bytes) -> bool:
            raise KeyError(payload)

    box = Box(tmp_path, mosquitto.port)
    down = Downward(box.replica, commands=Careless())
    box.link = Link(
        box.database, box.clock, settings=box.settings, downward=down, counters=box.counters
    )
    async with running(box):
        await until(lambda: box.link.status().connected, "connected")
        async with listener(mosquitto.port) as spy:
            await spy.publish(ADDRESS.command, b"{}")
            await until(lambda: box.counters.get("link.failed_message"), "counted")
        assert box.link.status().connected


async def test_an_orderly_stop_does_not_wait_for_a_batch_to_fill(mosquitto, tmp_path):
    settings = quick(mosquitto.port, pace=Pace(600.0, 600.0))
    with PlatformProcess(tmp_path, mosquitto.port) as platform:
        async with running(Box(tmp_path, mosquitto.port, settings)) as box:
            await box.emit(Stream.CRIT, 1)
            await until(lambda: box.waiting() == 0, "the platform is there")
            await box.emit(Stream.BULK, 3)
            await box.emit(Stream.VISIT, 1)
            assert await box.link.drained(10)
            assert box.verdict(platform.log).flawless


async def test_an_acknowledgement_of_another_epoch_deletes_nothing(mosquitto, tmp_path):
    async with running(Box(tmp_path, mosquitto.port)) as box:
        await box.emit(Stream.CRIT, 3)
        right = Ack(v=1, epoch=box.database.epoch, upto={Stream.CRIT: 2}, conn=1)
        await until(lambda: box.link.status().connected, "connected")
        async with listener(mosquitto.port) as spy:
            wrong = msgspec.structs.replace(right, epoch="ffffffff")
            await spy.publish(ADDRESS.ack, encode(wrong))
            counter = "link.ack_of_another_epoch"
            await until(lambda: box.counters.get(counter), counter)
            assert box.waiting() == 3
            await spy.publish(ADDRESS.ack, b"garbage")
            await until(lambda: box.counters.get("link.bad_message"), "garbage counted")
            await spy.publish(ADDRESS.ack, encode(right))
            await until(lambda: box.waiting() == 1, "the right one counts")


async def test_the_platform_sees_who_is_there(mosquitto, tmp_path):
    async with listener(mosquitto.port, ADDRESS.presence) as spy:

        async def next_state():
            message = await spy.receive()
            message.ack()
            return decode(message.payload, Presence)

        async with running(Box(tmp_path, mosquitto.port)):
            first = await next_state()
            assert first.state == "online"
        assert (await next_state()).state == "offline"  # said by the box itself
        async with running(Box(tmp_path, mosquitto.port)) as box:
            second = await next_state()
            assert (second.state, second.conn) == ("online", first.conn + 1)
            box.link._connection.abort()  # the line breaks: the will says it
            assert await next_state() == Presence(1, "offline", second.boot, second.conn)
            assert (await next_state()).conn == second.conn + 1


@pytest.mark.parametrize(("kind", "lost", "duplicated"), [("Losing", 1, 0), ("Doubling", 0, 40)])
async def test_the_judge_notices_a_platform_that_errs(mosquitto, tmp_path, kind, lost, duplicated):
    options = ("--ingest", f"tests.system.erring_ingest:{kind}")
    with PlatformProcess(tmp_path, mosquitto.port, *options) as platform:
        async with running(Box(tmp_path, mosquitto.port)) as box:
            await box.emit(Stream.CRIT, 40)
            assert await box.link.drained(20)
            verdict = box.verdict(platform.log)
            assert (verdict.lost, verdict.duplicated) == (lost, duplicated)
            assert not verdict.flawless


async def test_the_platform_shows_its_boxes_and_its_log(mosquitto, tmp_path):
    with PlatformProcess(tmp_path, mosquitto.port) as platform:
        async with running(Box(tmp_path, mosquitto.port)) as box:
            await box.emit(Stream.CRIT, 2)
            assert await box.link.drained(20)
            fetch = platform.fetch
            (seen,) = msgspec.json.decode(fetch("/api/boxes"))
            assert (seen["box"], seen["online"], seen["behind"]) == (str(ADDRESS), True, 0)
            rows = [msgspec.json.decode(line) for line in fetch("/api/received").splitlines()]
            assert [(row["seq"], row["body"]) for row in rows] == [
                (1, {"number": 0}),
                (2, {"number": 1}),
            ]
            assert fetch(f"/api/received?after={rows[0]['position']}").count(b"\n") == 1
            page = fetch("/").decode()
            assert "test.made.v1" in page
            assert "://" not in page  # no asset from outside


async def test_a_platform_restored_from_nothing_does_not_wait_for_what_is_gone(mosquitto, tmp_path):
    platform = PlatformProcess(tmp_path, mosquitto.port)
    async with running(Box(tmp_path, mosquitto.port)) as box:
        with platform:
            await box.emit(Stream.CRIT, 5)
            assert await box.link.drained(20)
        for file in tmp_path.glob("platform.db*"):
            file.unlink()
        with platform:
            await box.emit(Stream.CRIT, 2)
            assert await box.link.drained(20)
            assert [row.seq for row in read_log(platform.log)] == [6, 7]


async def test_an_event_that_could_never_be_sent_is_refused_when_it_is_made(mosquitto, tmp_path):
    with PlatformProcess(tmp_path, mosquitto.port) as platform:
        async with running(Box(tmp_path, mosquitto.port)) as box:
            database, now = box.database, box.clock.now()
            longest = "x" * (outbox.EVENT_BYTES_MAX - 2)  # and two quotation marks
            for text in (longest + "x", longest):
                emit = partial(
                    Transaction.emit, stream=Stream.CRIT, type_="t.v1", body=text, moment=now
                )
                if text == longest:
                    await database.transact(emit)
                else:
                    with pytest.raises(StorageError, match="too large"):
                        await database.transact(emit)
            assert await box.link.drained(20)
            assert [len(row.body) for row in read_log(platform.log)] == [outbox.EVENT_BYTES_MAX]


async def test_the_embedded_broker_carries_it_too(tmp_path):
    with (
        EmbeddedBroker() as broker,
        PlatformProcess(tmp_path, broker.port) as platform,
    ):
        platform.put("members", [member("anna", PROGRAMME, FACE)])
        platform.put("templates", [template("anna")])
        async with running(Box(tmp_path, broker.port)) as box:
            await box.emit(Stream.BULK, 600)
            await box.emit(Stream.CRIT, 10)
            broker.stop()
            await until(lambda: not box.link.status().connected, "disconnected")
            await box.emit(Stream.CRIT, 10)
            broker.start()
            assert await box.link.drained(30)
            assert box.verdict(platform.log).flawless
            reading = box.database.reading
            # A question that got lost as the broker stopped is asked again after 20 s.
            await until(lambda: templates.owners(reading) == {"anna"}, "template", timeout_s=45)
