"""Who is named rightly, who is missed and how many are counted in made-up shops of fresh seeds.

AREA=presence. Towns, cameras and mistakes are those of `tests/shop` and no measurement of a shop:
what follows from assumptions there is told beside (wrong names by mechanism). The table of scores
is made by the product's own fitting, once. `STOREBOX_BENCH_SHOPS` and `STOREBOX_BENCH_DAYS` ask for
more; `STOREBOX_BENCH_SEED` plays the same once more.
"""

import asyncio
import math
import os
import secrets
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench.rates import entry
from tests.shop.judge import GAP_MAX, Decile, Share, Verdict
from tests.shop.shop import Size, calibration, played

SHOPS = int(os.environ.get("STOREBOX_BENCH_SHOPS", "3"))
DAYS = int(os.environ.get("STOREBOX_BENCH_DAYS", "5"))
SIZE = Size(adults=10_000, visits=1500, days=DAYS, labelled=4000)
PRECISION, RECALL = (99.9, 100.0), (95.0, 100.0)
COUNT_OFF_MAX = 5.0
"""Percent of the visits of a day."""
BEYOND_SENSORS = ("a twin", "the partner's")
"""Mechanisms that no sensor of the shop can tell from the truth."""


def run() -> list[dict[str, Any]]:
    """All figures of all shops together."""
    seed = int(os.environ.get("STOREBOX_BENCH_SEED", secrets.randbits(31)))
    print(f"  seed {seed}: STOREBOX_BENCH_SEED={seed} plays it again", file=sys.stderr, flush=True)
    calibration(SIZE.labelled, seed)
    whole = Verdict()
    for shop in range(SHOPS):
        with tempfile.TemporaryDirectory() as directory:
            one = asyncio.run(played(Path(directory), SIZE, seed + shop, seed))
        print(f"  shop {shop + 1}: {one.came} visits, {one.named.of} names", file=sys.stderr)
        whole.join(one)
    for what in ("wrong", "others", "marks"):
        print(f"  {what}: {dict(getattr(whole, what).most_common())}", file=sys.stderr)
    return [*_names(whole), *_recall(whole), *_counts(whole), *_beliefs(whole.reliability())]


def _names(whole: Verdict) -> list[dict[str, Any]]:
    beyond = sum(
        count for how, count in whole.wrong.items() if how.rpartition(": ")[2] in BEYOND_SENSORS
    )
    told = Share(whole.named.hits, whole.named.of - beyond)
    return [
        _share("identified visits with the right name", whole.named, PRECISION),
        _share("... without twins and what was borrowed in a family", told),
        _share("... as they stand after corrections by staff", whole.mended),
        entry("names by signs not agreed to", whole.without_consent, "", (0, 0), (0, 0)),
    ] + [
        entry(f"wrong names, {how}", count, "", _poisson(count))
        for how, count in whole.wrong.most_common()
    ]


def _recall(whole: Verdict) -> list[dict[str, Any]]:
    return [
        _share("members with a face, good picture: named at the door", whole.by_face, RECALL),
        _share("... named in the visit by any sign", whole.by_any),
        _share("members with a face, any picture: named at the door", whole.any_picture),
        _share("members of the programme: named by any sign", whole.recognised),
    ]


def _counts(whole: Verdict) -> list[dict[str, Any]]:
    off = [100 * error for error in whole.day_errors]
    dwell = [100 * (told / true - 1) for told, true in whole.dwell_s if true]
    worst = max(off, key=abs)
    goal = (-COUNT_OFF_MAX, COUNT_OFF_MAX)
    return [
        entry("visits counted, mean error of a day", float(np.mean(off)), "%", _mean(off), goal),
        entry("visits counted, worst day", worst, "%", (min(off), max(off)), goal),
        *([entry("mean dwell, error", float(np.mean(dwell)), "%", _mean(dwell))] if dwell else ()),
        entry("days without a mean dwell", len(off) - len(dwell), "", (0, len(off))),
    ]


def _beliefs(deciles: Iterable[Decile]) -> list[dict[str, Any]]:
    found = []
    for one in deciles:
        low, high = one.interval
        about = "" if one.enough else ", too few to judge"
        name = f"posterior {one.tenth / 10:.1f} to {one.tenth / 10 + 0.1:.1f}: believed too much"
        found.append(
            entry(
                f"{name} ({one.count:.0f} visits{about})",
                100 * one.gap,
                "points",
                (100 * low, 100 * high),
                (-100 * GAP_MAX, 100 * GAP_MAX) if one.enough else None,
            )
        )
    return found


def _share(name: str, share: Share, goal: tuple[float, float] | None = None) -> dict[str, Any]:
    low, high = share.interval()
    made = entry(
        f"{name} ({share.hits} of {share.of})",
        100 * share.rate,
        "%",
        (100 * low, 100 * high),
        goal,
    )
    return made | {"value": round(100 * share.rate, 3), "interval": [100 * low, 100 * high]}


def _mean(values: list[float]) -> tuple[float, float]:
    """Normal, over days."""
    if len(values) < 2:
        return -math.inf, math.inf
    half = 1.96 * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return float(np.mean(values)) - half, float(np.mean(values)) + half


def _poisson(count: int) -> tuple[float, float]:
    """About 95 % of a count (square root transform)."""
    return max(0.0, math.sqrt(count) - 0.98) ** 2, (math.sqrt(count + 1) + 0.98) ** 2
