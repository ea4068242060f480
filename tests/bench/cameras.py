"""A network camera killed, frozen and unplugged a hundred times, and watched by the product.

Called by the benchmark runner (AREA=faces). Several cameras suffer at once, each in its own order
and for its own seeded time, so that recoveries meet every stage of the backoff. The servers are
gst-rtsp-server; whoever watches is `hardware/steady_camera.py`, a process for each camera as in a
shop, and a read that comes back late stands for a heartbeat that would.
"""

import math
import random
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

from tests.bench import rig
from tests.drivers.outages import Outage, Outages

TIMES = {"kill": 34, "freeze": 33, "unplug": 33}
CAMERAS = 6
SEED = 20_260
OFF_S_MAX = 15.0
"""By then the pause between two attempts is at its longest."""
RECOVERED_S_GOAL = 10.0
NOTICED_S_GOAL = 12.0


def run(times: dict[str, int] = TIMES, cameras: int = CAMERAS) -> list[dict[str, Any]]:
    """How soon trouble was noticed, and how soon it was over."""
    chance = random.Random(SEED)
    plan = [kind for kind, count in times.items() for _ in range(count)]
    chance.shuffle(plan)
    shares = [
        [(kind, chance.uniform(0, OFF_S_MAX)) for kind in plan[number::cameras]]
        for number in range(cameras)
    ]
    with ProcessPoolExecutor(cameras, get_context("spawn")) as pool:
        outages = [outage for each in pool.map(_suffered, shares) for outage in each]
    return _entries(outages, len(plan))


def _suffered(share: Sequence[tuple[str, float]]) -> list[Outage]:
    with Outages() as outages:
        return [outages.suffer(kind, off_s=off_s) for kind, off_s in share]


def _entries(outages: list[Outage], planned: int) -> list[dict[str, Any]]:
    assert len(outages) == planned, f"{len(outages)} of {planned} outages took place"
    recovered_s = [each.recovered_s for each in outages]
    frozen_s = [each.noticed_s for each in outages if each.kind == "freeze"]
    others_s = [each.noticed_s for each in outages if each.kind != "freeze"]
    back = sum(math.isfinite(each) for each in recovered_s)
    name = f"camera killed, frozen, unplugged {planned} times"
    figures = [
        rig.entry(f"{name}: recoveries", back, "", planned) | {"met": back == planned},
        _slowest(f"{name}: recovered after it works again", recovered_s, RECOVERED_S_GOAL),
        rig.entry(f"{name}: recovered, median", rig.quantile(recovered_s, 0.5), "s"),
        _slowest("camera frozen: noticed", frozen_s, NOTICED_S_GOAL),
        _slowest("camera killed or unplugged: noticed", others_s, NOTICED_S_GOAL),
    ]
    held_up_s = max(each.held_up_s for each in outages)
    return [*figures, rig.entry(f"{name}: longest that a read came back late", held_up_s, "s")]


def _slowest(name: str, values_s: list[float], goal_s: float) -> dict[str, Any]:
    return rig.entry(f"{name}, slowest of {len(values_s)}", max(values_s), "s", goal_s)
