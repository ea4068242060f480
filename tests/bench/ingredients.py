"""Which ingredients of the counter pay: the error of the count without each (AREA=wifi).

Crowds of 10, 20 and 40 phones heard by three radios, as in `count`. What is taken
away stands as it would if nobody had thought of it: numbers that say nothing, no beat, no levels,
phones that only come and go at random.
"""

from dataclasses import replace
from statistics import fmean
from typing import Any

from sensors.radar.habits import HABITS, Habits
from tests.bench.count import SIZES, Figure, cell, percent
from tests.bench.wifi_recordings import labelled_phones

NEVER = 2.0
"""No share is as large: every kind is taken for one whose numbers say nothing."""
WITHOUT: dict[str, Habits] = {
    "sequence numbers (Vanhoef 2016)": replace(HABITS, counting_share=NEVER),
    "the kind's own beat (after RateCount 2025)": replace(HABITS, regular=0.0),
    "levels (Tan & Chan 2021)": replace(HABITS, level_same_db=8.0, level_other_db=8.0),
    "phones that stay for the whole window": replace(HABITS, passing=0.999),
}


def run() -> list[dict[str, Any]]:
    """The error with everything, and without each ingredient, in one run."""
    if not labelled_phones():
        return [Figure("ingredients of the count (no recordings here)", None, "%").entry()]
    whole = error_of(HABITS)
    figures = [Figure("error of the count with all ingredients", percent(whole), "%")]
    figures += [
        Figure(f"error without {name}", percent(error_of(habits)), "%", percent(whole))
        for name, habits in WITHOUT.items()
    ]
    return [figure.entry() for figure in figures]


def error_of(habits: Habits) -> float:
    """The mean error of the three cells."""
    return fmean(cell(n, 3, different=different, habits=habits).error for n, different in SIZES)
