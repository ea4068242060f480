"""What a backlog of millions of events costs the box in memory and in time to start.

Called by the benchmark runner (AREA=sync). The backlog is made through the product's own path and
a part of it is drained; the peak of a box whose outbox is all but empty is taken off. The goal is
for ten million: `STOREBOX_BENCH_BACKLOG=10000000` takes some minutes more than two million do.
"""

import asyncio
import os
from typing import Any

from tests.bench import rig

EVENTS = int(os.environ.get("STOREBOX_BENCH_BACKLOG", "2000000"))
DRAINED = 1_000_000
FEW = 2_000
"""An empty outbox that has sent something, so that all code has run."""
GROWTH_GOAL_MIB = 16


def run() -> list[dict[str, Any]]:
    """The growth of the resident memory, and the two peaks."""
    return asyncio.run(_run())


async def _run() -> list[dict[str, Any]]:
    with rig.folder() as directory:
        few, many = directory / "few", directory / "many"
        await rig.box("fill", few, count=FEW)
        put = await rig.box("fill", many, "again", count=EVENTS)
        async with rig.site(directory) as site:
            empty = await rig.box("drain", few, port=site.port)
        async with rig.site(directory) as site:
            full = await rig.box("drain", many, port=site.port, enough=min(DRAINED, EVENTS))
    growth = full["rss_mib"] - empty["rss_mib"]
    rate = full["events"] / full["wall_s"]
    return [
        rig.entry(
            f"memory beyond that of an empty outbox, {EVENTS:,} waiting and {DRAINED:,} drained",
            growth,
            "MiB",
            GROWTH_GOAL_MIB,
        ),
        rig.entry("memory with an empty outbox", empty["rss_mib"], "MiB"),
        rig.entry("memory with that backlog", full["rss_mib"], "MiB"),
        rig.entry("events put, 500 a commit, to that backlog", EVENTS / put["wall_s"], "events/s"),
        rig.entry("time to open that backlog", full["open_s"], "s"),
        rig.entry("events drained and committed from it", rate, "events/s"),
    ]
