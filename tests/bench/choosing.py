"""How the counter's habits were chosen: `python -m tests.bench.choosing PHONES`, some minutes.

A search over a small grid, one habit after the other, on crowds of the named phones only
(`AEHLQS` or `CJNUW`; `count.SPLIT` holds what it gave with eight crowds a cell, and judges it on
the other half). It is no part of `make bench`.
"""

import sys
from dataclasses import replace
from statistics import fmean

from sensors.radar.habits import HABITS, Habits
from tests.bench import count

GRID: dict[str, tuple[float, ...]] = {
    "phones": (0.2, 0.3, 0.45),
    "passing": (0.15, 0.3, 0.5),
    "silence_s": (60.0, 90.0, 140.0),
    "clear": (2.5, 4.0),
    "step": (15.0, 30.0),
    "short_reset": (0.05, 0.15, 0.4),
    "edge_s": (100.0, 150.0, 220.0),
    "regular": (0.3, 0.5),
}
GAIN_MIN = 0.002
"""Less is noise: the first value stays."""
V_WANTED = 0.95


def loss(habits: Habits, phones: str) -> float:
    """The mean error, a quarter of the worst, and what agreement is wanting."""
    cells = [
        count.cell(number, radios, models=phones, habits=habits)
        for number in (20, 40)
        for radios in (1, 3)
    ]
    errors = [one.error for one in cells]
    return fmean(errors) + max(errors) / 4 + max(0.0, V_WANTED - min(one.v for one in cells))


def chosen(phones: str) -> Habits:
    """The best habits on crowds of these phones."""
    best, least = HABITS, loss(HABITS, phones)
    for name, values in GRID.items():
        for value in values:
            tried = replace(best, **{name: value})
            if tried != best and (now := loss(tried, phones)) < least - GAIN_MIN:
                best, least = tried, now
        print(f"{name}: {getattr(best, name)}, loss {least:.3f}", flush=True)
    return best


if __name__ == "__main__":
    print(chosen(sys.argv[1]))
