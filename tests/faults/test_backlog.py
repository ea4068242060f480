"""Row 7 of the fault matrix: a week off line.

Pass: memory and starting time do not depend on how much waits, and it drains. Ten million events
and the time against rivals are figures of `make bench`.
"""

import asyncio
import time
from dataclasses import dataclass

import pytest

from edge.records import Stream
from tests.faults.oracle import assert_kept, examine
from tests.faults.rig import Shop, peak_bytes

pytestmark = pytest.mark.alone

BURST = 500
RSS_GROWTH_MAX = 16 << 20
"""Over the process as it was with an empty outbox."""
START_S_MAX = 2.0
VISITS, ORDERS = 0.02, 0.01
"""Their share of the events; the rest is bulk."""


@dataclass(frozen=True)
class Backlog:
    events: int
    drain_s_max: float


SHORT, LONG = Backlog(30_000, 20.0), Backlog(500_000, 120.0)


@pytest.mark.parametrize(
    "backlog", [SHORT, pytest.param(LONG, marks=pytest.mark.slow)], ids=["short", "long"]
)
@pytest.mark.timeout(600)
async def test_row_7_a_week_off_line_costs_no_memory_and_drains(tmp_path, backlog):
    with Shop(tmp_path, streams=(), drain_s=backlog.drain_s_max) as shop:
        await asyncio.to_thread(shop.box.start)
        shop.box.ask("status")
        empty_bytes = shop.box.peak_bytes()
        await asyncio.to_thread(fill, shop.box, backlog.events)
        filling_bytes = shop.box.peak_bytes()
        shop.box.kill()
        began_s = time.monotonic()
        await asyncio.to_thread(shop.box.start)
        start_s = time.monotonic() - began_s
        waiting = shop.box.ask("status")["waiting"]
        at_rest = sum(path.stat().st_size for path in (tmp_path / "state").glob("*.db*"))
        shop.platform.start()
        began_s = time.monotonic()
        peak = asyncio.create_task(follow_peak(shop.box.pid))
        assert await asyncio.to_thread(shop.box.finish) == 0
        drain_s = time.monotonic() - began_s
        shop.platform.kill()
        draining_bytes = await peak
    print(
        f"{waiting} events, {at_rest / max(1, waiting):.0f} B each at rest; start {start_s:.2f} s;"
        f" drained in {drain_s:.1f} s; {empty_bytes >> 20} MiB with nothing waiting, at most"
        f" {filling_bytes >> 20} MiB while filling and {draining_bytes >> 20} MiB while draining"
    )
    examined = examine(tmp_path, shop.platform.log)
    assert waiting == backlog.events
    assert start_s <= START_S_MAX
    assert max(filling_bytes, draining_bytes) - empty_bytes <= RSS_GROWTH_MAX
    assert_kept(examined)
    assert examined.declared == 0


def fill(box, events):
    for burst in range(events // BURST):
        stream = Stream.BULK
        if burst % 100 < 100 * ORDERS:
            stream = Stream.CRIT
        elif burst % 100 < 100 * (ORDERS + VISITS):
            stream = Stream.VISIT
        assert box.emit(stream, BURST) == BURST


async def follow_peak(pid):
    """The most memory that the process had while it lived."""
    most = 0
    while True:
        try:
            most = max(most, peak_bytes(pid))
        except (OSError, AssertionError):
            return most
        await asyncio.sleep(0.1)
