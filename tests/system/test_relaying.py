"""What a primary passes on stays out of the way of its own: on its line, and at the platform."""

import asyncio

import pytest
from msgspec import structs

from edge.errors import BrokerUnreachable
from edge.records import Stream
from sync.messages import ROOT, ClockState, Greeting, Hello, decode, encode
from sync.relaying import SharedSlots
from tests.broker import Broker
from tests.hostile import HostileBroker
from tests.system.sync_box import ADDRESS, PlatformProcess, listener, running, until
from tests.system.test_relay import DOOR, Primary, take


class Line:
    """A connection of which the test says when it confirms."""

    def __init__(self, window):
        self.window = window
        self.said = []
        self.closed = False
        self.confirmed = asyncio.Event()

    def payload_max(self, topic):
        return 100_000

    async def publish(self, topic, payload, *, retain=False):
        if self.closed:
            raise BrokerUnreachable("The connection has ended.")
        self.said.append((topic, payload))
        await self.confirmed.wait()


async def test_a_greeting_between_two_connections_speaks_on_neither(tmp_path):
    home = Primary(tmp_path / "home", 1, 1)
    relays = home.relays
    await take(home, first=1)
    numbers = []
    for _ in range(2):
        line = Line(20)
        task = asyncio.create_task(relays.run(line))
        await until(lambda line=line: line.said, "its hello")
        hello = decode(line.said[0][1], Hello)
        assert hello.relayed
        numbers.append(hello.conn)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        line.closed = True
        await relays.receive(DOOR, "dn/hello", encode(Greeting(v=1)))
    assert numbers[1] > numbers[0] > 0
    home.database.close()


@pytest.mark.parametrize(("window", "left"), [(20, 16), (5, 1), (1, 1)])
async def test_satellites_leave_room_on_the_connection_for_the_primarys_own(window, left):
    line = Line(window)
    shared = SharedSlots(line)
    tasks = [asyncio.create_task(shared.publish("t", b"")) for _ in range(40)]
    await until(lambda: len(line.said) == left, "as many as may")
    await asyncio.sleep(0)
    assert len(line.said) == left == shared.window
    line.confirmed.set()
    await asyncio.gather(*tasks)
    assert len(line.said) == 40


async def test_a_broker_that_refuses_the_satellites_messages_leaves_the_primarys_line_up(tmp_path):
    access = tmp_path / "access"
    access.write_text(f"topic readwrite {ROOT}/{ADDRESS}/#\ntopic read {ROOT}/#\n")
    tmp_path.chmod(0o755)
    broker = Broker(tmp_path, f"allow_anonymous true\nacl_file {access}")
    broker.start()
    try:
        home = Primary(tmp_path / "home", broker.port, 1)
        await take(home, first=1)
        async with running(home):
            refusals = lambda: home.counters.get("relay.refused_by_broker")  # noqa: E731
            await until(lambda: refusals() >= 2, "tried again")
            assert home.link.status().connected
            assert home.counters.get("link.ended_PublishRefused_87") == 0
    finally:
        broker.stop()


async def test_a_broker_that_lets_us_hear_nothing_for_satellites_leaves_our_line_up(tmp_path):
    async with HostileBroker() as broker:
        broker.declined = "/+/dn/"
        home = Primary(tmp_path / "home", broker.port, 1)
        await take(home, first=1)
        async with running(home):
            await home.emit(Stream.CRIT, 3)
            assert await home.link.drained(10)
            (alarm,) = home.link.status().alarms
            assert "/+/dn/" in alarm
            assert broker.connects == 1


async def test_the_platform_offers_nothing_to_a_box_whose_primary_speaks_for_it(
    mosquitto, tmp_path
):
    with PlatformProcess(tmp_path, mosquitto.port) as platform:
        platform.put("stock", [])
        await platform.connected()
        async with listener(mosquitto.port, f"{ROOT}/{DOOR}/dn/#") as spy:
            said = Hello(1, "0badcafe", "b", 1, 0, ClockState.SYNCED, {}, {}, relayed=True)
            await spy.publish(DOOR.up("hello"), encode(said))
            heard = []
            async with asyncio.timeout(10):
                while not heard or "/dn/d/" not in heard[-1]:
                    message = await spy.receive()
                    message.ack()
                    heard.append(message.topic)
                    if len(heard) == 1:
                        itself = structs.replace(said, conn=2, relayed=False)
                        await spy.publish(DOOR.up("hello"), encode(itself))
            assert heard.count(DOOR.ack) == 2, "datasets only after the second hello"
