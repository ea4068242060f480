"""A day with 10 000 visits through the presence desk: how long it takes, and what memory it needs.

AREA=presence. The made-up day of `tests/shop`, readings of all sensors in batches of ten seconds of
the story, faces matched, every visit written and told. The time is that of everything, the making
of the story included. Memory is asked at the quarters of the opening hours; the simulator forgets
what it knows on the way, so that the growth is the box's.
"""

import asyncio
import resource
import secrets
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench.rates import entry
from tests.shop.play import START_MS, Stage
from tests.shop.shop import Size, settings, story
from tests.shop.story import CLOSES_H, HOUR_MS, OPENS_H

VISITS = 10_000
SIZE = Size(adults=30_000, visits=10_300, labelled=600)
BATCH_MS = 10_000
WALL_S_MAX = 60.0
GROWTH_MIB_MAX = 16.0
QUARTERS = (0.25, 0.5, 0.75, 0.99)


class Watch:
    """Asks for the memory at the quarters of a day, and forgets the truth on the way."""

    def __init__(self, truth: list[Any]) -> None:
        self._truth = truth
        self.came = 0
        self.rss_mib: list[float] = []

    async def __call__(self, stage: Stage, at_ms: int) -> None:
        """After a batch."""
        self.came += sum(stay.kind == "visit" for stay in self._truth)
        self._truth.clear()
        begins = START_MS + OPENS_H * HOUR_MS
        passed = (at_ms - begins) / ((CLOSES_H - OPENS_H) * HOUR_MS)
        if len(self.rss_mib) < len(QUARTERS) and passed >= QUARTERS[len(self.rss_mib)]:
            self.rss_mib.append(_rss_mib())


def run() -> list[dict[str, Any]]:
    """Seconds, and the resident memory."""
    seed = secrets.randbits(31)
    print(f"  seed {seed}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as directory:
        wall_s, cpu_s, watch = asyncio.run(_day(Path(directory), seed))
    grown = max(watch.rss_mib[1:]) - watch.rss_mib[0]
    points = ", ".join(f"{each:.0f}" for each in watch.rss_mib)
    per_visit_ms = 1000 * wall_s / max(1, watch.came)
    return [
        _exactly(f"{watch.came:,} visits in a day", wall_s, "s", WALL_S_MAX),
        _exactly("... processor time", cpu_s, "s"),
        _exactly("... a visit", per_visit_ms, "ms"),
        _exactly(
            f"memory, growth after the first quarter ({points})", grown, "MiB", GROWTH_MIB_MAX
        ),
    ]


async def _day(directory: Path, seed: int) -> tuple[float, float, Watch]:
    tale = story(SIZE, seed)
    stage = Stage(directory, settings(SIZE, 0), np.random.default_rng(seed))
    stage.batch_ms, stage.remembers = BATCH_MS, False
    watch = Watch(tale.truth)
    try:
        await stage.move_in(tale)
        began, used = time.perf_counter(), _cpu_s()
        await stage.play(tale, 0, guesses=False, each=watch)
        return time.perf_counter() - began, _cpu_s() - used, watch
    finally:
        stage.close()


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _rss_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def _exactly(name: str, value: float, unit: str, goal_max: float | None = None) -> dict[str, Any]:
    goal = None if goal_max is None else (0.0, goal_max)
    return entry(name, value, unit, (value, value), goal)
