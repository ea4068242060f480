"""A backlog over a slow line (600 ms there and back, 1 Mbit/s), while orders are placed.

Called by the benchmark runner (AREA=sync). The line is `tests/faults/proxy.py`. What is useful of
the bytes that pass is what the same events take on a line without faults, so that repetitions
count as waste.
"""

import asyncio
from pathlib import Path
from typing import Any

from tests.bench import rig
from tests.faults.proxy import FaultProxy

EVENTS = 160_000
DELAY_S = 0.3
RATE_BPS = 1_000_000
SHARE_GOAL = 0.85
ORDERS, ORDERS_EVERY_S = 36, 1.2
ORDER_GOAL_S = 3.0


def run() -> list[dict[str, Any]]:
    """The share of the line, and how long an order takes."""
    return asyncio.run(_run())


async def _run() -> list[dict[str, Any]]:
    with rig.folder() as directory:
        easy, bytes_needed = await _over(directory / "easy", slow=False)
        found, bytes_sent = await _over(directory / "slow", slow=True)
        latencies_s = found["latencies_s"]
        assert len(latencies_s) == ORDERS, f"{len(latencies_s)} of {ORDERS} orders were placed"
        assert easy["events"] == EVENTS, f"{easy['events']} of {EVENTS} events were there"
        share = bytes_needed * 8 / (found["wall_s"] * RATE_BPS)
        wasted = bytes_sent / bytes_needed - 1
        name = "at 600 ms and 1 Mbit/s"
        reached = rig.entry(f"share of the line {name}", share, "", SHARE_GOAL)
        return [
            reached | {"met": share >= SHARE_GOAL},
            rig.entry(f"events {name}", found["events"] / found["wall_s"], "events/s"),
            rig.entry(f"sent more than once {name}", 100 * wasted, "%"),
            rig.entry(
                f"order in mid-drain to committed {name}, p99 of {ORDERS}",
                rig.quantile(latencies_s, 0.99),
                "s",
                ORDER_GOAL_S,
            ),
            rig.entry(
                f"order in mid-drain to committed {name}, median",
                rig.quantile(latencies_s, 0.5),
                "s",
            ),
        ]


async def _over(state: Path, *, slow: bool) -> tuple[dict[str, Any], int]:
    """Drain the same events; what the box measured, and the bytes it sent."""
    await rig.box("fill", state, count=EVENTS)
    async with rig.site(state.parent) as site:
        line = await FaultProxy.open(site.port)
        if slow:
            line.delay_s, line.rate_bps = DELAY_S, RATE_BPS
        orders = {"orders": ORDERS, "every_s": ORDERS_EVERY_S} if slow else {}
        try:
            found = await rig.box("drain", state, port=line.port, **orders)
        finally:
            await line.close()
        assert found["done"], f"not drained: {found}"
        rig.check_log(site.log, EVENTS)
        return found, line.ways["up"].passed
