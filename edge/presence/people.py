"""How many people a radar's count stands for: learned from windows in which a camera counted, too.

Pure; called by `calibration`, and by the benchmark with the recorded room. Some carry two phones,
some none, some phones never speak: the relation differs from shop to shop, so nothing is estimated
beyond the devices themselves before it was learned.
"""

import math
from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

SAMPLES_MIN = 30
"""Windows with a known number of people before the relation is believed: half a shop's day."""
FRESH = 0.7
"""The share of the newest window in the smoothed one: people stay longer than a window."""
COVERED = 0.92
"""The interval is to hold the truth in nine of ten windows, and the relation drifts a little."""
UNCALIBRATED_SHARE = 0.5
"""Before anything was learned the interval is the devices' own and half as much on both sides."""
ROUNDS, RESIDUAL_MIN = 60, 0.05


class Signs(Struct, frozen=True):
    """What of a radar's count tells people: phones with made-up addresses, and their addresses.

    Addresses of makers are left out: nearly all are of equipment (93 to 98 % of what people carry
    makes its address up).
    """

    phones: float
    addresses: float


class Sample(Struct, frozen=True):
    """One window in which the number of people was known."""

    signs: Signs
    people: float


class Estimate(Struct, frozen=True):
    """People, and between which numbers they most probably are; learned here or not yet."""

    people: int
    low: int
    high: int
    calibrated: bool


class Relation(Struct, frozen=True):
    """people = base + phones * ln(1 + phones) + addresses * ln(1 + addresses), and how far off
    that was: `below` and `above` it in nine of ten windows."""

    base: float
    phones: float
    addresses: float
    below: float
    above: float

    def estimate(self, signs: Signs) -> Estimate:
        """Whole people, the interval rounded outwards."""
        people = float(_row(signs) @ np.array([self.base, self.phones, self.addresses]))
        low, high = max(0.0, people + self.below), max(0.0, people + self.above)
        return Estimate(round(max(0.0, people)), math.floor(low), math.ceil(high), True)


UNKNOWN = Estimate(0, 0, 0, False)
"""Of a window that told of presence only."""


def smoothed(before: Signs | None, now: Signs) -> Signs:
    """`now`, steadied by the windows before it (in the logarithm, as the relation takes them)."""
    if before is None:
        return now
    return Signs(_steadied(before.phones, now.phones), _steadied(before.addresses, now.addresses))


def _steadied(before: float, now: float) -> float:
    return math.expm1(FRESH * math.log1p(now) + (1 - FRESH) * math.log1p(before))


def uncalibrated(phones: int, low: int, high: int) -> Estimate:
    """One phone a person, until it is known better."""
    return Estimate(
        phones,
        math.floor(low * (1 - UNCALIBRATED_SHARE)),
        math.ceil(high * (1 + UNCALIBRATED_SHARE)),
        False,
    )


def learned(samples: Sequence[Sample]) -> Relation | None:
    """The relation with the least sum of absolute errors; None while there are too few samples.

    A few windows are always wrong (a school class at the door, a camera that was covered), which
    least squares would follow. Iteratively reweighted least squares after Schlossmacher (1973).
    """
    if len(samples) < SAMPLES_MIN:
        return None
    rows = np.array([_row(sample.signs) for sample in samples])
    people = np.array([sample.people for sample in samples])
    ridge = 1e-3 * np.eye(rows.shape[1])
    weights = np.ones(len(rows))
    for _ in range(ROUNDS):
        weighted = rows * weights[:, None]
        solution = np.linalg.solve(rows.T @ weighted + ridge, weighted.T @ people)
        weights = 1 / np.maximum(np.abs(rows @ solution - people), RESIDUAL_MIN)
    off = people - rows @ solution
    below, above = np.quantile(off, [(1 - COVERED) / 2, (1 + COVERED) / 2])
    return Relation(*map(float, (*solution, below, above)))


def _row(signs: Signs) -> NDArray[np.float64]:
    return np.array([1.0, math.log1p(signs.phones), math.log1p(signs.addresses)])
