"""A simulated fleet at a real broker and platform: everybody gets in, and nobody all at once."""

import asyncio
import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import Refused
from sync.ingest.log import read_log
from sync.reference import wire
from sync.reference.fleet import BOXES_MAX, Plan, rate, simulate
from tests.broker import Broker
from tests.system.sync_box import ROOT, PlatformProcess

PEAK_TO_MEAN_MAX = 1.5
BROKER = "allow_anonymous true\nmax_connections -1"


async def test_each_box_of_a_fleet_is_served(mosquitto, tmp_path):
    plan = Plan(
        port=mosquitto.port, boxes=40, spread_s=1, duration_s=4, interval_s=0.4, events=5, seed=7
    )
    with PlatformProcess(tmp_path, mosquitto.port) as platform:
        await platform.connected()
        report = await simulate(plan)
        received = read_log(platform.log)
    assert report.connected == report.first_connects.count == 40
    assert report.reconnects.count == report.lost_connections == 0
    assert report.problems == {}
    assert report.batches_acknowledged > 40
    assert report.events_acknowledged <= len(received) <= report.batches_sent * plan.events
    assert len({(row.address, row.id) for row in received}) == len(received)
    assert report.bytes_out > report.events_acknowledged * 20


async def test_boxes_come_back_when_the_broker_does(mosquitto):
    plan = Plan(port=mosquitto.port, boxes=30, spread_s=0.5, duration_s=4, interval_s=60, seed=7)
    running = asyncio.create_task(simulate(plan))
    await asyncio.sleep(1)  # the length of the plan's own story, not a wait for something
    mosquitto.kill()
    mosquitto.start()
    report = await running
    assert report.lost_connections == report.reconnects.count == 30
    assert report.connected == 30


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_after_a_broker_restart_the_fleet_does_not_come_all_at_once(tmp_path):
    broker = Broker(tmp_path, BROKER)
    broker.start()
    plan = Plan(port=broker.port, boxes=2000, spread_s=30, duration_s=100, interval_s=60)
    try:
        running = asyncio.create_task(simulate(plan))
        await asyncio.sleep(35)
        broker.kill()
        broker.start()
        report = await running
    finally:
        broker.stop()
    print(report)
    assert report.connected == report.first_connects.count == 2000
    assert report.reconnects.count >= report.lost_connections == 2000
    assert report.first_connects.ratio <= PEAK_TO_MEAN_MAX
    assert report.reconnects.ratio <= PEAK_TO_MEAN_MAX


def test_a_crowd_is_seen():
    assert rate([n / 10 for n in range(100)], 10).ratio == 1
    assert rate([0.5] * 50 + [n / 10 for n in range(100)], 10).ratio == 4
    assert rate([], 10).ratio == 0


async def test_more_boxes_than_connections_are_refused():
    with pytest.raises(Refused, match="more connections"):
        await simulate(Plan(boxes=BOXES_MAX + 1))


def test_the_command_prints_its_figures(mosquitto):
    options = ("--boxes", "5", "--spread-s", "0", "--duration-s", "1", "--json")
    command = [sys.executable, "-m", "edge.cli.main", "fleet", "simulate", *options]
    run = subprocess.run(
        [*command, "--port", str(mosquitto.port)], cwd=ROOT, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["connected"] == 5


async def unpacked(packet):
    reader = asyncio.StreamReader()
    reader.feed_data(packet)
    reader.feed_eof()
    return await wire.read(reader)


@given(st.integers(1, 0xFFFF), st.text(min_size=1, max_size=50), st.binary(max_size=300))
def test_a_packet_is_read_as_it_was_written(number, topic, payload):
    kind, body = asyncio.run(unpacked(wire.publish(number, topic, payload)))
    assert wire.published(kind, body) == wire.Published(topic, payload, number)


@given(st.binary(max_size=40))
def test_whatever_a_broker_sends_is_a_packet_or_a_value_error(noise):
    async def look():
        try:
            kind, body = await unpacked(noise)
            wire.published(kind, body)
        except (ValueError, asyncio.IncompleteReadError):
            pass

    asyncio.run(look())
