"""A mad broker: whatever it does, nothing is lost, the log stays short, and all drains after."""

import asyncio
import contextlib
import logging
import random
from dataclasses import replace

import pytest

from edge.errors import BrokerRefused, BrokerUnreachable
from edge.records import Stream
from sync.messages import Ack, Greeting, encode
from sync.mqtt import BrokerSettings, Connection
from sync.paho_driver import INCOMING_BYTES_MAX, INCOMING_HELD_BYTES_MAX, INCOMING_HELD_MAX
from tests.hostile import CONNACK, PUBLISH, HostileBroker, varint
from tests.system.sync_box import ADDRESS, Box, quick, running, until

CONNACK_CODES = (
    *(0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90, 0x95, 0x97),
    *(0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9F),
)
DISCONNECT_CODES = (
    *(0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8D, 0x8E, 0x8F, 0x90, 0x93, 0x94, 0x95),
    *(0x96, 0x97, 0x98, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0, 0xA1, 0xA2),
)
PASSING = (0x00, 0x88, 0x89, 0x8B, 0x8D, 0x98, 0x9F, 0xA0)
UNKNOWN_TO_PAHO = 0x99
"""In CONNACK: to us the connection just ends."""


def at(broker, **changes):
    """Settings that log in at `broker`."""
    return BrokerSettings("127.0.0.1", broker.port, "box-1", keepalive_s=5, protocol="5", **changes)


def warnings(caplog, said_by="sync."):
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelno >= logging.WARNING and record.name.startswith(said_by)
    ]


async def test_left_alone_it_is_a_broker(tmp_path):
    async with HostileBroker() as broker, running(Box(tmp_path, broker.port)) as box:
        await box.emit(Stream.BULK, 1200)
        await box.emit(Stream.CRIT, 3)
        assert await box.link.drained(20)
        assert box.link.status().protocol == "5"
    assert sum(broker.cursors.values()) == 1203


# --- who does not let us in, or sends us away


async def test_each_reason_for_not_letting_in_is_told_apart():
    async with HostileBroker() as broker:
        for broker.connack in CONNACK_CODES:
            passing = broker.connack in (*PASSING, UNKNOWN_TO_PAHO)
            expected = BrokerUnreachable if passing else BrokerRefused
            with pytest.raises(expected) as raised:
                await Connection.open(at(broker))
            assert raised.value.remedy
            if expected is BrokerRefused:
                assert raised.value.code == broker.connack


async def test_each_reason_for_sending_us_away_is_told_apart():
    async with HostileBroker() as broker:
        for broker.disconnect in DISCONNECT_CODES:
            connection = await Connection.open(at(broker))
            with contextlib.suppress(BrokerRefused, BrokerUnreachable):
                await connection.subscribe("news")  # it may be gone before we know
            async with asyncio.timeout(5):
                error = await connection.closed
            assert isinstance(error, BrokerRefused) == (broker.disconnect not in PASSING), error
            assert error.remedy


@pytest.mark.parametrize(
    ("code", "broken"), [(0x87, "connack"), (0x97, "disconnect"), (0x8B, "disconnect")]
)
async def test_a_box_that_is_not_let_in_keeps_everything_and_says_it_once(
    tmp_path, caplog, code, broken
):
    async with HostileBroker() as broker:
        setattr(broker, broken, code)
        settings = quick(broker.port, first_retry_s=0.05, retry_max_s=0.1)
        async with running(Box(tmp_path, broker.port, settings)) as box:
            await box.emit(Stream.CRIT, 4)
            await until(lambda: broker.connects >= 5, "tried again and again")
            assert box.waiting() == 4
            said = [text for text in warnings(caplog) if "broker at" in text]
            # What we write to a closed socket may be answered before its last packet was read: then
            # the connection merely ended, which is one more thing to say, once.
            assert 1 <= len(said) == len(set(said)) <= 2, said
            setattr(broker, broken, 0 if broken == "connack" else None)
            assert await box.link.drained(20)


async def test_a_box_whose_place_was_taken_waits_long_and_raises_an_alarm(tmp_path):
    async with HostileBroker() as broker:
        broker.disconnect = 0x8E
        async with running(Box(tmp_path, broker.port)) as box:
            await until(lambda: box.counters.get("link.taken_over"), "taken over")
            assert "same tenant, store and box" in " ".join(box.link.status().alarms)
            with pytest.raises(AssertionError):
                await until(lambda: broker.connects > 1, "a second try", 1.0)


# --- what becomes of a publish


@pytest.mark.parametrize("maximum", [1, 3])
async def test_the_receive_maximum_is_kept_to_and_every_stream_gets_through(tmp_path, maximum):
    async with HostileBroker() as broker:
        broker.receive_maximum, broker.confirm_after_s = maximum, 0.01
        async with running(Box(tmp_path, broker.port)) as box:
            for stream in Stream:
                await box.emit(stream, 3000 if stream is Stream.BULK else 600)
            assert await box.link.drained(20)
        assert broker.unconfirmed_max <= maximum
        assert sum(broker.cursors.values()) == 4200


@pytest.mark.parametrize("code", [0x87, 0x97, 0x99])
async def test_what_the_broker_does_not_take_is_kept_offered_slowly_and_told_once(
    tmp_path, caplog, code
):
    async with HostileBroker() as broker:
        broker.confirm = lambda _, topic: code if topic.endswith("up/bulk") else 0
        async with running(Box(tmp_path, broker.port)) as box:
            await box.emit(Stream.BULK, 1200)
            await until(lambda: box.link.status().refused, "refused")
            await box.emit(Stream.CRIT, 5)
            await until(lambda: box.waiting() == 1200, "the other stream goes on")
            await until(lambda: len(broker.on("up/bulk")) >= 4, "offered again")
            status = box.link.status()
            assert status.connected
            assert dict(status.refused).keys() == {Stream.BULK}
            assert any("bulk" in alarm for alarm in status.alarms)
            broker.confirm = lambda _, _topic: 0
            assert await box.link.drained(20)
            assert not box.link.status().refused
            assert not box.link.status().alarms
        assert broker.connects == 1, "no reconnect"
        assert len(warnings(caplog)) == 1, warnings(caplog)


async def test_what_the_platform_refuses_is_kept_and_offered_again(tmp_path, caplog):
    async with HostileBroker() as broker:
        broker.refused = {Stream.VISIT: "the disk is full"}
        async with running(Box(tmp_path, broker.port)) as box:
            await box.emit(Stream.VISIT, 5)
            await until(lambda: box.link.status().refused, "refused")
            assert dict(box.link.status().refused) == {Stream.VISIT: "the disk is full"}
            await box.emit(Stream.CRIT, 2)
            await until(lambda: box.waiting() == 5, "crit goes on")
            await until(lambda: len(broker.on("up/visit")) >= 2, "offered again")
            broker.refused = {}
            assert await box.link.drained(20)
        assert len(warnings(caplog)) == 1


@pytest.mark.parametrize("how", ["twice", "never"])
async def test_confirmations_that_come_twice_or_never_change_nothing(tmp_path, how):
    async with HostileBroker() as broker:
        broker.confirm = lambda _, topic: how if topic.endswith(("bulk", "visit")) else 0
        async with running(Box(tmp_path, broker.port)) as box:
            await box.emit(Stream.BULK, 2600)
            await box.emit(Stream.VISIT, 40)
            assert await box.link.drained(20)
        assert sum(broker.cursors.values()) == 2640


async def test_a_message_that_the_broker_swallowed_is_sent_again(tmp_path):
    async with HostileBroker() as broker:
        swallowed = []

        def confirm(number, topic):
            if topic.endswith("up/crit") and number == 1:
                swallowed.append(number)
                return 0x10  # no failure, but the obliging platform never sees it
            return 0

        broker.confirm = confirm
        async with running(Box(tmp_path, broker.port)) as box:
            await box.emit(Stream.CRIT)
            assert await box.link.drained(20)
            assert box.counters.get("link.sent_again") == 1
        assert swallowed == [1]


async def test_late_confirmations_in_the_wrong_order_free_the_window_and_nothing_else(tmp_path):
    async with HostileBroker() as broker:
        broker.obliging = False
        broker.confirm = lambda _, topic: "held" if topic.endswith("bulk") else 0
        async with running(Box(tmp_path, broker.port)) as box:
            await until(lambda: broker.on("up/hello"), "hello")
            broker.deliver(ADDRESS.ack, encode(Ack(1, box.database.epoch, {}, conn=1)))
            await box.emit(Stream.BULK, 1600)
            await until(lambda: len(broker.on("up/bulk")) >= 3, "three batches")
            broker.release(backwards=True)
            await box.emit(Stream.CRIT)
            await until(lambda: broker.on("up/crit"), "the line goes on")
            assert box.waiting() == 1601, "a PUBACK deletes nothing"
            for upto in (1000, 400, 1000, 1600, 1600, 20):  # late, twice, backwards
                ack = Ack(1, box.database.epoch, {Stream.BULK: upto})
                broker.deliver(ADDRESS.ack, encode(ack), again=2)
            broker.deliver(ADDRESS.ack, encode(Ack(1, box.database.epoch, {Stream.CRIT: 1})))
            await until(lambda: box.waiting() == 0, "all acknowledged")
            assert box.link.status().connected


# --- what comes down


async def test_what_a_broker_kept_for_years_is_not_believed(tmp_path, caplog):
    async with HostileBroker() as broker:
        broker.obliging = False
        box = Box(tmp_path, broker.port)
        await box.emit(Stream.CRIT, 3)
        epoch = box.database.epoch
        broker.retained = [
            (ADDRESS.ack, encode(Ack(1, epoch, {Stream.CRIT: 3}))),
            (ADDRESS.ack, encode(Ack(1, epoch, {Stream.CRIT: 99}))),
            (ADDRESS.greeting, encode(Greeting(1))),
        ]
        broker.session_present = 1  # though there is none: we subscribe all the same
        async with running(box):
            await until(lambda: box.counters.get("link.stale") == 3, "all three passed over")
            assert box.database.epoch == epoch
            assert box.waiting() == 3
            assert len(broker.on("up/hello")) == 1
            assert not broker.on("up/crit")
            broker.retained = []
            broker.obliging = True
            broker.deliver(ADDRESS.greeting, encode(Greeting(1)))
            assert await box.link.drained(20)
        assert len([text for text in warnings(caplog) if "link.stale" in text]) == 1


async def test_a_flood_of_nonsense_on_every_topic_is_one_line_in_the_log_for_each_kind(
    tmp_path, caplog
):
    rng = random.Random(3)
    nonsense = (b"", b"\xff" * 300, b"[" * 50_000, b'{"v":9}', b"null", rng.randbytes(2000))
    mine = ("dn/ack", "dn/hello", "dn/d/members", "dn/d/nothing", "dn/cmd", "rs/b", "dn/x")
    topics = [f"sb/v1/{ADDRESS}/{what}" for what in mine]
    topics += ["sb/v1/chain/-/-/dn/d/prices", "sb/v1/chain/-/-/dn/ack", "other"]
    topics += ["sb/v1/chain/shop-1/box-2/dn/ack"]
    async with HostileBroker() as broker, running(Box(tmp_path, broker.port)) as box:
        await until(lambda: box.link.status().connected, "connected")
        for _ in range(3):
            for topic in topics:
                for payload in nonsense:
                    broker.deliver(topic, payload)
                await until(broker.all_confirmed, "all dealt with")
        assert box.link.status().connected
        assert broker.connects == 1
        await box.emit(Stream.CRIT, 2)
        assert await box.link.drained(20)
        kinds = {name for name in box.counters.snapshot() if name.startswith("link.")}
        assert {"link.bad_message", "link.unknown_topic", "link.another_box"} <= kinds
    said = warnings(caplog, "sync.link")
    assert len(said) <= len(kinds), said


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("when", ["before_connack", "after_connack"])
async def test_bytes_that_are_no_mqtt_end_the_connection_and_no_more(tmp_path, when):
    rng = random.Random(5)
    garbage = [
        *(rng.randbytes(rng.choice((1, 2, 5, 40, 3000))) for _ in range(25)),
        bytes((CONNACK << 4, 3, 0, 0xFF, 0)),
        bytes((CONNACK << 4, 5, 0, 0, 2, 0x7F, 1)),
        bytes((PUBLISH << 4 | 2, 3, 0, 50, 65)),
        bytes((PUBLISH << 4 | 6, 5, 0, 1, 65, 0, 1)),
        b"\x40\x02",
        b"\x90\x00",
        b"\xe0\x02\xff\x00",
    ]
    settings = quick(1, first_retry_s=0.01, retry_max_s=0.02)
    async with HostileBroker() as broker:
        broker_at = replace(settings.broker, port=broker.port, protocol="5")
        async with running(Box(tmp_path, 1, replace(settings, broker=broker_at))) as box:
            await box.emit(Stream.CRIT)
            for each in garbage:
                before = broker.connects
                setattr(broker, when, each)
                for session in list(broker.sessions):
                    session.send(each)
                    session.writer.close()
                await until(lambda: broker.connects > before, f"seed 5, after {each[:40]!r}")  # noqa: B023
            setattr(broker, when, b"")
            await box.emit(Stream.CRIT)
            assert await box.link.drained(20)


async def test_a_packet_larger_than_agreed_is_not_collected():
    async with HostileBroker() as broker:
        connection = await Connection.open(at(broker))
        (session,) = broker.sessions
        length = 200 << 20
        session.send(bytes((PUBLISH << 4,)) + varint(length) + bytes(INCOMING_BYTES_MAX))
        async with asyncio.timeout(5):
            assert "no MQTT" in (await connection.closed).what


@pytest.mark.parametrize(
    ("payload", "count"),
    [
        (b"x", INCOMING_HELD_MAX + 1),
        (bytes(INCOMING_BYTES_MAX // 2), 2 * INCOMING_HELD_BYTES_MAX // INCOMING_BYTES_MAX + 1),
    ],
    ids=["many", "large"],
)
async def test_who_sends_more_than_agreed_without_waiting_is_left(payload, count):
    async with HostileBroker() as broker:
        connection = await Connection.open(at(broker))
        for _ in range(count):
            broker.deliver("news", payload)
        async with asyncio.timeout(5):
            assert "more than it may" in (await connection.closed).what


# --- small messages


async def test_a_broker_that_takes_one_kib_gets_small_batches(tmp_path):
    async with HostileBroker() as broker:
        broker.maximum_packet = 1024
        async with running(Box(tmp_path, broker.port)) as box:
            await box.emit(Stream.BULK, 300)
            await box.emit(Stream.CRIT, 3)
            rng = random.Random(9)
            now = box.clock.now()
            body = {"text": "".join(rng.choice("abcdefghijklmnop") for _ in range(4000))}
            await box.database.transact(lambda tx: tx.emit(Stream.VISIT, "big.v1", body, now))
            await box.database.transact(lambda tx: tx.emit(Stream.VISIT, "small.v1", {}, now))
            await until(lambda: box.waiting() == 2, "all that fits has gone")
            await until(lambda: box.link.status().refused, "the large one is refused")
            status = box.link.status()
            assert status.connected
            assert "takes" in dict(status.refused)[Stream.VISIT]
            assert any("visit" in alarm for alarm in status.alarms)
            assert max(each.packet_bytes for each in broker.published) <= 1024
            assert broker.connects == 1
            broker.maximum_packet = 0
            for session in list(broker.sessions):
                session.writer.close()
            assert await box.link.drained(20)
