"""How long the search over 100,000 templates takes, on one thread (AREA=faces).

Templates are seeded noise of length one, which costs what real ones cost. The baseline is one bare
product of matrix and vector in the same run: what the memory of this machine allows.
"""

import time
from typing import Any

import numpy as np

from edge.face_models import REID0095, dimensions_of
from edge.presence.cohort import Cohort, lengths_one
from edge.presence.gallery import TEMPLATES_MAX, Gallery
from edge.storage.templates import Means

PHOTOS = 3
SEARCHES = 200
SEARCH_MS_MAX = 10.0
SEED = 5


def run() -> list[dict[str, Any]]:
    """The figures, with as many threads as the core would use."""
    dimensions = dimensions_of(REID0095) or 0
    dice = np.random.default_rng(SEED)
    cohort = Cohort(
        np.zeros(dimensions, np.float32), np.eye(dimensions, dtype=np.float32) / dimensions
    )
    means = lengths_one(dice.standard_normal((TEMPLATES_MAX, dimensions), dtype=np.float32))
    names = [f"m{number}" for number in range(TEMPLATES_MAX)]
    piece = Means(names, [PHOTOS] * len(names), bytearray(means.astype("<f2").tobytes()))
    gallery = Gallery([piece], len(names), cohort, REID0095)
    probes = lengths_one(dice.standard_normal((SEARCHES, dimensions), dtype=np.float32))
    rows = lengths_one(dice.standard_normal((len(gallery), dimensions), dtype=np.float32))
    searched, bare = [], []
    for probe in probes:  # in turn, so that what else the machine does falls on both
        began_s = time.perf_counter()
        gallery.nearest(probe)
        searched.append((time.perf_counter() - began_s) * 1000)
        began_s = time.perf_counter()
        rows @ probe
        bare.append((time.perf_counter() - began_s) * 1000)
    middle, alone = float(np.median(searched)), float(np.median(bare))
    return [
        _entry(f"search of {len(gallery)} templates, p50", middle, "ms", alone, SEARCH_MS_MAX),
        _entry("the same, p99", float(np.quantile(searched, 0.99)), "ms"),
    ]


def _entry(
    name: str, value: float, unit: str, baseline: float | None = None, goal: float | None = None
) -> dict[str, Any]:
    return {
        "name": name,
        "value": round(value, 2),
        "unit": unit,
        "baseline": None if baseline is None else round(baseline, 2),
        "ratio": None if baseline is None else round(baseline / value, 2),
        "goal": goal,
        "met": None if goal is None else value <= goal,
    }
