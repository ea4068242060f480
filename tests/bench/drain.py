"""A backlog of a week off line: put, kept, drained and committed, against what others reach.

Called by the benchmark runner (AREA=sync). The box, the platform and mosquitto are processes of
their own on this machine. A second, smaller backlog goes through a line that counts bytes, and
while it drains orders are placed.
"""

import asyncio
from pathlib import Path
from typing import Any

from tests.bench import rig, rivals
from tests.bench.rivals import Rates
from tests.faults.proxy import FaultProxy

EVENTS = 500_000
LINE_EVENTS = 250_000
ORDERS, ORDERS_EVERY_S = 120, 0.02
RATIO_GOAL = 10
WIRE_GOAL, REST_GOAL = 45, 50
"""Bytes per event."""
BOX_CPU_GOAL_US = 10
ORDER_GOAL_S = 1.0


def run() -> list[dict[str, Any]]:
    """Rates and costs per event, then the same of others."""
    return asyncio.run(_run())


async def _run() -> list[dict[str, Any]]:
    with rig.folder() as directory:
        drained, entries = await _drained(directory)
        entries += await _counted(directory)
        entries += _compared(drained, "plain paho QoS 1", await rivals.paho(directory))
        return entries + _compared(drained, "a mosquitto bridge", await rivals.bridge(directory))


async def _drained(directory: Path) -> tuple[float, list[dict[str, Any]]]:
    state = directory / "state"
    put = await rig.box("fill", state, count=EVENTS)
    async with rig.site(directory) as site:
        before = site.cpu_s()
        found = await rig.box("drain", state, port=site.port)
        used_s = {name: cpu_s - before[name] for name, cpu_s in site.cpu_s().items()}
        assert found["done"], f"not drained: {found}"
        assert found["events"] == EVENTS, f"{found['events']} of {EVENTS} events were there"
        rig.check_log(site.log, EVENTS)
    rate = EVENTS / found["wall_s"]
    us = 1e6 / EVENTS
    return rate, [
        rig.entry("500,000 events drained and committed", found["wall_s"], "s"),
        rig.entry("events drained and committed", rate, "events/s"),
        rig.entry("CPU of the box, draining", found["cpu_s"] * us, "us/event", BOX_CPU_GOAL_US),
        rig.entry("CPU of the platform, draining", used_s["platform"] * us, "us/event"),
        rig.entry("CPU of mosquitto, draining", used_s["broker"] * us, "us/event"),
        rig.entry("events put, 500 a commit", EVENTS / put["wall_s"], "events/s"),
        rig.entry("CPU of the box, putting", put["cpu_s"] * us, "us/event"),
        rig.entry("at rest, bulk.db", put["bulk_bytes"] / put["bulk"], "B/event", REST_GOAL),
    ]


async def _counted(directory: Path) -> list[dict[str, Any]]:
    state = directory / "counted"
    await rig.box("fill", state, count=LINE_EVENTS)
    async with rig.site(directory) as site:
        line = await FaultProxy.open(site.port)
        try:
            found = await rig.box(
                "drain", state, port=line.port, orders=ORDERS, every_s=ORDERS_EVERY_S
            )
        finally:
            await line.close()
        rig.check_log(site.log, LINE_EVENTS)
    latencies_s = found["latencies_s"]
    assert found["done"], f"not drained: {found}"
    assert len(latencies_s) == ORDERS, f"{len(latencies_s)} of {ORDERS} orders were placed"
    p99_s = rig.quantile(latencies_s, 0.99)
    bytes_up = line.ways["up"].passed / (LINE_EVENTS + ORDERS)
    bytes_both = line.passed / (LINE_EVENTS + ORDERS)
    return [
        rig.entry("on the wire, from the box", bytes_up, "B/event"),
        rig.entry("on the wire, both ways", bytes_both, "B/event", WIRE_GOAL),
        rig.entry(f"order in mid-drain to committed, p99 of {ORDERS}", p99_s, "s", ORDER_GOAL_S),
        rig.entry("order in mid-drain to committed, median", rig.quantile(latencies_s, 0.5), "s"),
    ]


def _compared(rate: float, whom: str, rates: Rates) -> list[dict[str, Any]]:
    """The goal is for who promises the same; the others promise less and are given beside it."""
    name = f"drained and committed, against {whom}"
    same = rig.entry(name, rate, "events/s", RATIO_GOAL, baseline=rates.each)
    return [
        same | {"met": rate >= RATIO_GOAL * rates.each},
        rig.entry(
            f"{name} that commits after it confirms", rate, "events/s", baseline=rates.grouped
        ),
        rig.entry(f"{name} and nobody commits", rate, "events/s", baseline=rates.nothing),
    ]
