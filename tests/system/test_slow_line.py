"""The window on a long and slow line: a drain keeps it busy, and an order does not wait for it."""

import asyncio
import random
import time
from dataclasses import dataclass

import pytest

from edge.records import Stream
from tests.faults.proxy import FaultProxy
from tests.system.sync_box import Box, PlatformProcess, quick, running, until

ORDER_EVERY_S = 0.25
CHUNK = 500
SATELLITE_S = 0.3
"""Half of a round trip of 600 ms."""


@dataclass(frozen=True)
class Drain:
    """How much drains over which line, and what it must show. `busy_min` is of the line's rate."""

    events: int
    delay_s: float
    rate_bps: float | None
    busy_min: float
    order_p99_s: float
    timeout_s: float = 300.0


SHORT = Drain(30_000, SATELLITE_S, 1e6, 0.7, 2.0)
"""The first round trips, in which the window opens, weigh most in so short a drain."""
LONG = Drain(250_000, SATELLITE_S, 1e6, 0.85, 3.0)
LAN = Drain(60_000, 0.0, None, 0.0, 1.0)


@pytest.mark.parametrize(
    "drain", [SHORT, pytest.param(LONG, marks=pytest.mark.slow), LAN], ids=["short", "long", "lan"]
)
@pytest.mark.timeout(400)
@pytest.mark.alone
@pytest.mark.untapped("a tap would take part of the line that is measured")
async def test_a_drain_fills_the_line_and_lets_orders_pass(mosquitto, tmp_path, drain):
    proxy = await FaultProxy.open(mosquitto.port)
    proxy.delay_s, proxy.rate_bps = drain.delay_s, drain.rate_bps
    try:
        with PlatformProcess(tmp_path, mosquitto.port) as platform:
            await platform.connected()
            box = Box(tmp_path, proxy.port, quick(proxy.port))
            await produced(box, drain.events)
            async with running(box):
                await until(lambda: box.link.status().last_ack, "the platform is there")
                began_s, before = time.monotonic(), proxy.ways["up"].passed
                waited_s, took_s = await orders_until_drained(box, drain)
                passed = proxy.ways["up"].passed - before
            assert took_s < drain.timeout_s
            busy = passed * 8 / took_s / (drain.rate_bps or float("inf"))
            waited_s.sort()
            p99_s = waited_s[len(waited_s) * 99 // 100]
            print(
                f"{drain.events / took_s:.0f} events/s, {passed / drain.events:.1f} B/event,"
                f" line {busy:.0%}, {len(waited_s)} orders: p99 {p99_s:.2f} s,"
                f" began {began_s:.0f}, sent again {box.counters.get('link.sent_again')}"
            )
            assert busy >= drain.busy_min
            assert p99_s <= drain.order_p99_s
            assert box.counters.get("link.sent_again") == 0, "a slow line is no lost batch"
    finally:
        await proxy.close()


async def produced(box, count):
    """Counts as sensors make them: no two alike."""
    rng, now = random.Random(1), box.clock.now()

    def chunk(tx):
        for _ in range(CHUNK):
            body = {"number": rng.getrandbits(50), "text": f"{rng.getrandbits(64):016x}"}
            tx.emit(Stream.BULK, "test.made.v1", body, now)

    for _ in range(0, count, CHUNK):
        await box.database.transact(chunk)


async def orders_until_drained(box, drain):
    """Place orders while counts drain: how long each took to be committed, and the whole drain."""
    began_s, waited_s = time.monotonic(), []
    counts = asyncio.ensure_future(drained_at(box, drain))
    while not counts.done():
        now, placed_s = box.clock.now(), time.monotonic()
        body = {"number": len(waited_s), "text": "x" * 300}
        await box.database.transact(
            lambda tx, body=body, now=now: tx.emit(Stream.CRIT, "test.made.v1", body, now)
        )
        number = len(waited_s) + 1
        await until(lambda number=number: upto(box, Stream.CRIT) >= number, "committed", 60.0)
        waited_s.append(time.monotonic() - placed_s)
        await asyncio.wait({counts}, timeout=ORDER_EVERY_S)
    return waited_s, await counts - began_s


async def drained_at(box, drain):
    """When the last count was committed."""
    await until(lambda: upto(box, Stream.BULK) >= drain.events, "counts committed", drain.timeout_s)
    return time.monotonic()


def upto(box, stream):
    return box.database.cursors()[stream][1]
