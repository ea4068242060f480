"""The reference platform at the wire: commands, answers, its page, and enrolling a box with TLS.

The box's part is played by a plain MQTT client, so that only the platform is looked at.
"""

import subprocess
import sys
from contextlib import asynccontextmanager

import msgspec

from edge.records import Event, Moment, Stream
from sync.batch import pack
from sync.ingest.log import quarantined
from sync.messages import Ack, ClockState, Hello, Presence, StreamState, decode, encode
from sync.signing import TrustedKeys
from sync.spoken import Command, Request, Response, Service
from tests.system.sync_box import ADDRESS, ROOT, PlatformProcess, listener, until

EPOCH = "0badcafe"
NOW = Moment(1_800_000_000_000, 5_000, "b00tb00t", True)
BOX = str(ADDRESS)


class WireBox:
    """Says what a box says, and remembers what it is told."""

    def __init__(self, connection):
        self._connection = connection

    async def hello(self, *, last=0, commands=0):
        streams = {Stream.CRIT: StreamState(last, 0)}
        hello = Hello(1, EPOCH, "b00t", 1, 1, ClockState.SYNCED, streams, {}, commands=commands)
        await self._connection.publish(ADDRESS.up("hello"), encode(hello))

    async def send(self, *events):
        """(type, body) pairs of crit, from number 1."""
        made = [
            Event(ADDRESS.box, EPOCH, Stream.CRIT, seq, type_, NOW, msgspec.Raw(body))
            for seq, (type_, body) in enumerate(events, start=1)
        ]
        await self._connection.publish(ADDRESS.up(Stream.CRIT), pack(ADDRESS, made, NOW)[0])

    async def ask(self, service, **args):
        request = Request(1, f"q-{service}", "b00t", args, 500)
        await self._connection.publish(ADDRESS.request(service), msgspec.json.encode(request))
        return decode((await self.told("rs/b00t")).payload, Response)

    async def told(self, what):
        """The next message on `what`; others are passed over."""
        while True:
            message = await self._connection.receive()
            message.ack()
            if message.topic.endswith(what):
                return message

    async def command(self):
        return msgspec.json.decode((await self.told("dn/cmd")).payload)


@asynccontextmanager
async def wired(platform, port):
    await platform.connected()
    async with listener(port, *ADDRESS.down, name="wire-box") as connection:
        yield WireBox(connection)


def cli(platform, *words):
    """`storebox platform ...` on this platform's database."""
    command = [sys.executable, "-m", "edge.cli.main", "platform", *words]
    run = subprocess.run(
        [*command, "--database", str(platform.log)], cwd=ROOT, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


async def test_a_command_is_signed_and_sent_in_order_until_the_box_has_it(mosquitto, tmp_path):
    with PlatformProcess(tmp_path, mosquitto.port) as platform:
        trusted = TrustedKeys.read(tmp_path / "platform.pub")
        first = cli(platform, "command", BOX, "member.erase", '{"member": "anna"}')
        async with wired(platform, mosquitto.port) as box:
            await box.hello()
            erase = await box.command()
            trusted.check(erase)
            assert msgspec.convert(erase, Command).exp == 0, "an erasure never expires"
            known = (erase["id"], erase["box"], erase["counter"], erase["args"])
            assert known == (first, BOX, 1, {"member": "anna"})
            second = cli(platform, "command", BOX, "box.report")  # on line: without a hello
            assert [(await box.command())["id"] for _ in range(2)] == [first, second]
            await box.hello(commands=1)
            assert (await box.command())["id"] == second
            await box.send(done(first, "member.erase"), done(second, "box.report"))
            await acked(box, 2)
            await box.hello(last=2, commands=2)
            await acked(box, 2)
            third = cli(platform, "command", BOX, "box.report")
            assert (await box.command())["id"] == third, "and none of those before"
        assert f'"id":"{second}"'.encode() in platform.fetch("/").replace(b"&quot;", b'"')


async def test_a_restored_box_is_told_again_and_a_lost_command_comes_under_a_new_number(
    mosquitto, tmp_path
):
    with PlatformProcess(tmp_path, mosquitto.port) as platform:
        erase = cli(platform, "command", BOX, "member.erase", '{"member": "anna"}')
        report = cli(platform, "command", BOX, "box.report")
        async with wired(platform, mosquitto.port) as box:
            await box.send(done(report, "box.report"))
            await acked(box, 1)
            # The box is at 2 and has told all there is to tell: it never saw the erasure.
            await box.hello(last=1, commands=2)
            again = await box.command()
            assert (again["id"], again["counter"]) == (erase, 3)
            await box.hello(last=1, commands=1)  # restored from a backup
            assert [(await box.command())["id"] for _ in range(2)] == [report, erase]


def done(identity, type_):
    body = {"id": identity, "type": type_, "ok": True, "reason": ""}
    return "command.done.v1", msgspec.json.encode(body)


async def acked(box, number):
    """Wait until the platform has said that crit is committed up to `number`."""
    while decode((await box.told("dn/ack")).payload, Ack).upto[Stream.CRIT] < number:
        pass


async def test_questions_are_answered_alike_each_time_and_a_coupon_is_one_orders(
    mosquitto, tmp_path
):
    platform = PlatformProcess(tmp_path, mosquitto.port)
    platform.put("stock", [{"sku": "s", "place": "p", "quantity": 2, "as_of_ms": 1}])
    platform.put("balances", [{"member": "anna", "points": 70, "as_of_ms": 1}])
    platform.put("order_status", [{"number": "N1", "status": "packed", "as_of_ms": 1}])
    platform.put("coupons", [{"id": "c1", "code": "WINTER", "percent": 10}])
    with platform:
        async with wired(platform, mosquitto.port) as box:
            stock = await box.ask(Service.STOCK, sku="s")
            assert stock.value["rows"][0]["quantity"] == 2
            assert (await box.ask(Service.BALANCE, member="anna")).value["points"] == 70
            assert "balance" in (await box.ask(Service.BALANCE, member="vera")).reason
            assert (await box.ask(Service.ORDER_STATUS, number="N1")).value["status"] == "packed"
            link = await box.ask(Service.PAYMENT_LINK, order="N1", amount_minor=5)
            assert link == await box.ask(Service.PAYMENT_LINK, order="N1", amount_minor=5)
            phone = {"phone": "+7 900 123-45-67"}
            assert (await box.ask(Service.PHONE_VERIFY, **phone)).value == {"sent": True}
            assert not (await box.ask(Service.PHONE_VERIFY, **phone, code="0000")).ok
            assert (await box.ask(Service.PHONE_VERIFY, **phone, code="4567")).ok
            assert not (await box.ask(Service.STOCK)).ok
            await coupons(box)


async def coupons(box):
    ours, theirs = {"coupon": "WINTER", "order": "N1"}, {"coupon": "c1", "order": "N2"}
    for _ in range(2):
        assert (await box.ask(Service.COUPON_CLAIM, **ours)).value["percent"] == 10
    assert not (await box.ask(Service.COUPON_CLAIM, **theirs)).ok
    assert not (await box.ask(Service.COUPON_CONFIRM, **theirs)).ok
    assert (await box.ask(Service.COUPON_RELEASE, **theirs)).ok
    assert not (await box.ask(Service.COUPON_CLAIM, **theirs)).ok, "it was not theirs to release"
    assert (await box.ask(Service.COUPON_RELEASE, **ours)).ok
    assert (await box.ask(Service.COUPON_CLAIM, **theirs)).ok
    for _ in range(2):
        assert (await box.ask(Service.COUPON_CONFIRM, **theirs)).ok
    assert not (await box.ask(Service.COUPON_RELEASE, **theirs)).ok, "used up"
    assert not (await box.ask(Service.COUPON_CLAIM, coupon="nothing", order="N1")).ok


async def test_the_page_shows_what_boxes_say_and_any_worker_shows_it(mosquitto, tmp_path):
    with PlatformProcess(tmp_path, mosquitto.port) as platform:
        async with wired(platform, mosquitto.port) as box:
            await box.hello(last=4)
            await box.send(("test.made.v1", b'{"a":"<b>"}'))
            await acked(box, 1)
            online = encode(Presence(1, "online", "b00t", 1))
            await box._connection.publish(ADDRESS.presence, online, retain=True)
        other = PlatformProcess(tmp_path, 1)  # of no broker
        other.start()
        (seen,) = msgspec.json.decode(other.fetch("/api/boxes"))
        known = (seen["box"], seen["online"], seen["behind"], seen["committed"]["crit"])
        assert known == (BOX, True, 3, 1)
        assert seen["oldest_ms"] == NOW.wall_ms
        page = other.fetch("/").decode()
        other.kill()
        assert "1 on line, 3 events behind" in page
        assert "<b>" not in page.replace("<b class", "")
        offline = encode(Presence(1, "offline", "b00t", 0))  # the will of an older connection
        async with listener(mosquitto.port, name="old") as old:
            await old.publish(ADDRESS.presence, offline, retain=True)
            await old.publish(ADDRESS.presence, msgspec.json.encode({"v": 9}))
            await until(lambda: quarantined(platform.log), "the second one put away")
        (seen,) = msgspec.json.decode(platform.fetch("/api/boxes"))
        assert seen["online"]
