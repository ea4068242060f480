"""Rows 5 and 6 of the fault matrix: a slow line that is cut again and again, and a half-open one.

Pass on the slow line: while it stands the drain keeps it busy and an order placed meanwhile does
not queue behind the backlog; a cut costs some round trips and no event. Pass on the half-open one:
it is noticed within one and a half keepalives, memory stays flat, and everything arrives once it
is healed. The line without cuts is `tests/system/test_slow_line.py`.
"""

import asyncio
import time
from dataclasses import dataclass

import pytest

from edge.records import Stream
from sync.ingest.log import read_log
from tests.faults.oracle import assert_kept, examine
from tests.faults.proxy import FaultProxy
from tests.faults.rig import Shop, wait_for

pytestmark = pytest.mark.alone

BURST = 500
CALIBRATION_EVENTS = 2000


@dataclass(frozen=True)
class Slow:
    """A drain over a slow line; `goodput_min` is the share of the line that events must get."""

    events: int
    delay_s: float
    rate_bps: float
    bytes_between_cuts: int
    goodput_min: float
    crit_p99_s: float

    @property
    def coming_back_s(self) -> float:
        """What a cut costs anybody: connecting, subscribing, presence, hello and its answer are

        a round trip each, and what was under way is sent again.
        """
        return 6 * 2 * self.delay_s


SHORT = Slow(10_000, 0.1, 1e6, 150_000, 0.4, 3.0)
LONG = Slow(250_000, 0.3, 1e6, 2_500_000, 0.8, 3.0)
"""One second in twenty has a cut."""
ORDER_EVERY_S = 0.3
DRAIN_S_MAX = 240.0


@pytest.mark.parametrize(
    "slow", [SHORT, pytest.param(LONG, marks=pytest.mark.slow)], ids=["short", "long"]
)
@pytest.mark.timeout(400)
async def test_row_5_a_slow_line_that_is_cut_stays_busy_and_lets_orders_pass(tmp_path, slow):
    proxy = await FaultProxy.open(0)
    try:
        with Shop(tmp_path, box_port=proxy.port, streams=(), drain_s=DRAIN_S_MAX) as shop:
            proxy.target_port = shop.broker.port
            shop.platform.start()
            await asyncio.to_thread(shop.box.start)
            bytes_per_event = await calibrated(shop, proxy)
            proxy.blackhole()
            proxy.reset()
            await backlog(shop.box, slow.events)
            proxy.delay_s, proxy.rate_bps = slow.delay_s, slow.rate_bps
            proxy.heal()
            began_s = time.monotonic()
            cuts = await cut_and_order(shop, proxy, slow)
            took_s = time.monotonic() - began_s
            assert await asyncio.to_thread(shop.box.finish) == 0
            shop.platform.kill()
    finally:
        await proxy.close()
    untouched, touched = lateness(shop.platform.log, cuts, slow)
    p99_s = untouched[int(len(untouched) * 0.99)]
    worst_s = max(touched, default=0.0)
    share = slow.events * bytes_per_event * 8 / slow.rate_bps / took_s
    standing = 1 - len(cuts) * slow.coming_back_s / took_s
    print(
        f"{slow.events} events at {bytes_per_event:.1f} B in {took_s:.1f} s with {len(cuts)} cuts:"
        f" {share:.0%} of the line, {share / standing:.0%} while it stood;"
        f" {len(untouched)} orders p99 {p99_s:.2f} s, {len(touched)} in a cut {worst_s:.2f} s"
    )
    examined = examine(tmp_path, shop.platform.log)
    assert_kept(examined)
    assert cuts
    assert share / standing >= slow.goodput_min
    assert p99_s <= slow.crit_p99_s
    assert worst_s <= slow.crit_p99_s + slow.coming_back_s


async def calibrated(shop, proxy):
    """Bytes upward for one event, measured on the clean line, with all that goes with it."""
    before = proxy.ways["up"].passed
    await backlog(shop.box, CALIBRATION_EVENTS)
    await wait_for(lambda: shop.box.ask("status")["waiting"] == 0, "the clean line drained")
    return (proxy.ways["up"].passed - before) / CALIBRATION_EVENTS


async def backlog(box, events):
    for _ in range(events // BURST):
        assert await asyncio.to_thread(box.emit, Stream.BULK, BURST) == BURST


async def cut_and_order(shop, proxy, slow):
    """Cut the line in mid-message and place orders all the time, until the backlog is gone.

    When it was cut, as Unix milliseconds.
    """
    cuts = []
    deadline_s = time.monotonic() + DRAIN_S_MAX
    proxy.on_cut = lambda: cuts.append(time.time_ns() // 1_000_000)
    while (await asyncio.to_thread(shop.box.ask, "status"))["behind"][Stream.BULK]:
        assert time.monotonic() < deadline_s, "the backlog does not drain"
        if proxy.ways["up"].cut_at is None:
            proxy.cut_after(int(slow.bytes_between_cuts * shop.rng.uniform(0.5, 1.5)))
        await asyncio.to_thread(shop.box.emit, Stream.CRIT, 1)
        await asyncio.sleep(ORDER_EVERY_S)
    proxy.ways["up"].cut_at = None
    return cuts


def lateness(log, cuts, slow):
    """How long orders took from the tap to the platform's commit, in seconds, sorted.

    Those that no cut touched, and those that waited for the line to come back.
    """
    untouched, touched = [], []
    for row in read_log(log):
        if row.stream is Stream.CRIT:
            back_ms = slow.coming_back_s * 1000
            hit = any(row.event_ms <= cut + back_ms and row.received_ms >= cut for cut in cuts)
            (touched if hit else untouched).append((row.received_ms - row.event_ms) / 1000)
    return sorted(untouched), sorted(touched)


HALF_OPEN = {"short": (2, 5.0, 2.0), "long": (10, 90.0, 10.0)}
"""Keepalive in seconds, how long the line is half open, and the margin of a busy machine."""
RSS_GROWTH_MAX = 16 << 20
"""The caches fill as the backlog grows; it is flat from then on."""


@pytest.mark.parametrize("length", ["short", pytest.param("long", marks=pytest.mark.slow)])
@pytest.mark.timeout(400)
async def test_row_6_a_half_open_line_is_noticed_and_costs_no_memory(tmp_path, length):
    keepalive_s, open_s, margin_s = HALF_OPEN[length]
    proxy = await FaultProxy.open(0)
    try:
        with Shop(tmp_path, box_port=proxy.port, keepalive_s=keepalive_s, rate=500.0) as shop:
            proxy.target_port = shop.broker.port
            shop.platform.start()
            await asyncio.to_thread(shop.box.start)
            await wait_for(lambda: shop.box.ask("status")["counters"] is not None, "answering")
            await wait_for(lambda: shop.box.ask("status")["connected"], "connected")
            await asyncio.sleep(1)
            before = shop.box.rss_bytes()
            proxy.blackhole()
            began_s = time.monotonic()
            noticed_s = await wait_for(
                lambda: not shop.box.ask("status")["connected"],
                "noticed",
                1.5 * keepalive_s + margin_s,
            )
            reason = shop.box.ask("status")["reason"]
            await asyncio.sleep(max(0.0, began_s + open_s - time.monotonic()))
            grown = shop.box.rss_bytes() - before
            shop.box.ask("quiet")
            proxy.heal()
            assert await asyncio.to_thread(shop.box.finish) == 0
            shop.platform.kill()
    finally:
        await proxy.close()
    print(f"noticed after {noticed_s:.1f} s ({reason}); RSS grew by {grown >> 10} KiB")
    assert reason
    assert grown <= RSS_GROWTH_MAX
    assert_kept(examine(tmp_path, shop.platform.log))
