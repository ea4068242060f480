"""Two thousand simulated boxes at one broker and one platform on this machine.

Called by the benchmark runner (AREA=sync). `storebox fleet simulate` plays the boxes; in the midst
the broker is killed and comes back, so that all of them connect again. Nothing goes to a limit
here: the figures say what so many boxes cost, for the sizing in `sync/contract/FLEET.md`.
"""

import asyncio
import json
import sys
from typing import Any

from tests.bench import rig
from tests.conftest import ROOT

BOXES = 2_000
SPREAD_S = 20.0
STEADY_S = 10.0
INTERVAL_S = 15.0
EVENTS = 50
PEAK_GOAL = 1.5
"""Connects in the worst second against the mean over the spread."""
DURATION_S = 2 * (SPREAD_S + STEADY_S)


def run() -> list[dict[str, Any]]:
    """Connects, messages, bytes, and what they cost broker and platform."""
    return asyncio.run(_run())


async def _run() -> list[dict[str, Any]]:
    with rig.folder() as directory:
        async with rig.site(directory) as site:
            before = site.cpu_s()
            process = await asyncio.create_subprocess_exec(
                *_command(site.port), cwd=ROOT, stdout=asyncio.subprocess.PIPE
            )
            try:
                await asyncio.sleep(SPREAD_S + STEADY_S)
                broker_s = site.cpu_s()["broker"] - before["broker"]
                site.restart_broker()
                said, _ = await process.communicate()
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
            assert process.returncode == 0, "the simulated fleet did not end well"
            platform_s = site.cpu_s()["platform"] - before["platform"]
    report = json.loads(said)
    return _figures(report, platform_s, broker_s / (SPREAD_S + STEADY_S))


def _command(port: int) -> list[str]:
    options = {
        "boxes": BOXES,
        "port": port,
        "spread-s": SPREAD_S,
        "duration-s": DURATION_S,
        "interval-s": INTERVAL_S,
        "events": EVENTS,
    }
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    return [sys.executable, "-m", "edge.cli.main", "fleet", "simulate", *words, "--json"]


def _figures(report: dict[str, Any], platform_s: float, broker: float) -> list[dict[str, Any]]:
    first, again = report["first_connects"], report["reconnects"]
    batches = max(1, report["batches_acknowledged"])
    peak = again["peak"] / again["mean"]
    who = f"of {BOXES} boxes"
    every = f"{EVENTS} events each {INTERVAL_S:.0f} s"
    connected = rig.entry(f"connected again, {who}", report["connected"], "boxes", BOXES)
    sent_per_s = report["messages_out"] / DURATION_S
    taken_per_s = report["messages_in"] / DURATION_S
    return [
        rig.entry(f"first connects {who}, peak", first["peak"], "1/s", baseline=first["mean"]),
        rig.entry("connects after the broker's restart, peak to mean", peak, "", PEAK_GOAL),
        connected | {"met": report["connected"] == BOXES},
        rig.entry(f"messages up {who}, {every}", sent_per_s, "1/s"),
        rig.entry(f"messages down {who}", taken_per_s, "1/s"),
        rig.entry(f"bytes up {who}", report["bytes_out"] / DURATION_S, "B/s"),
        rig.entry(f"bytes down {who}", report["bytes_in"] / DURATION_S, "B/s"),
        rig.entry(f"batch {who} to acknowledged, median", report["ack_ms_median"], "ms"),
        rig.entry(f"batch {who} to acknowledged, p99", report["ack_ms_p99"], "ms"),
        rig.entry("CPU of the platform, hellos included", 1e6 * platform_s / batches, "us/batch"),
        rig.entry("CPU of mosquitto", 100 * broker, "% of a core"),
    ]
