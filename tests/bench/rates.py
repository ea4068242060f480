"""Rates with their 95 % intervals, by bootstrap over people, and how they stand to a goal.

One person's trials hang together (one face, seen again in every seed), so people are drawn again
and not trials. Where nothing was ever hit the bootstrap knows nothing: the upper end is then the
share that would show itself among so many people with 95 %.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np

DRAWS = 2000
SEED = 7


class Tally:
    """Hits and trials of each person."""

    def __init__(self) -> None:
        self._of: dict[str, list[int]] = defaultdict(lambda: [0, 0])

    def add(self, person: str, hit: bool) -> None:
        """One trial."""
        self._of[person][0] += hit
        self._of[person][1] += 1

    @property
    def people(self) -> int:
        """How many people were tried."""
        return len(self._of)

    @property
    def trials(self) -> int:
        """How many trials there were."""
        return sum(trials for _, trials in self._of.values())

    @property
    def rate(self) -> float:
        """Hits per trial."""
        return sum(hits for hits, _ in self._of.values()) / max(1, self.trials)

    def drawn(self) -> np.ndarray:
        """The rate in each of DRAWS bootstraps."""
        return self.drawn_within([self._of])[0]

    def within(self, people: Iterable[str]) -> "Tally":
        """Only these people."""
        part, wanted = Tally(), set(people)
        part._of.update({name: row for name, row in self._of.items() if name in wanted})
        return part

    def drawn_within(self, parts: "list[Any]") -> list[np.ndarray]:
        """The rates of several parts of the same people, from the same bootstraps."""
        names = sorted(self._of)
        table = np.array([self._of[name] for name in names], float).reshape(-1, 2)
        dice = np.random.default_rng(SEED)
        weights = dice.multinomial(len(names), [1 / len(names)] * len(names), size=DRAWS)
        rates = []
        for part in parts:
            mask = np.array([name in part for name in names])
            hits, trials = (weights[:, mask] @ table[mask]).T
            rates.append(hits / np.maximum(1, trials))
        return rates

    def names(self) -> set[str]:
        """Who was tried."""
        return set(self._of)

    def interval(self) -> tuple[float, float]:
        """95 %."""
        if self.rate == 0:
            return 0.0, 1 - 0.05 ** (1 / max(1, self.people))
        return ends(self.drawn())


def ends(drawn: np.ndarray) -> tuple[float, float]:
    """Where the middle 95 % end."""
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(low), float(high)


def entry(
    name: str,
    value: float,
    unit: str,
    interval: tuple[float, float],
    goal: tuple[float, float] | None = None,
) -> dict[str, Any]:
    """A figure. `goal` is from and to; not `resolved` where the interval spans an end of it."""
    met = resolved = None
    told: Any = None
    if goal is not None:
        low, high = goal
        met = low <= value <= high
        resolved = not any(interval[0] < end < interval[1] for end in goal if end != 0)
        told = high if low == 0 else f"{low:g} to {high:g}"
    return {
        "name": name,
        "value": _short(value),
        "unit": unit,
        "baseline": None,
        "ratio": None,
        "goal": told,
        "met": met,
        "interval": [_short(end) for end in interval],
        "resolved": resolved,
    }


def percent(name: str, tally: Tally, goal_max: float | None = None) -> dict[str, Any]:
    """A share in percent, of a tally."""
    low, high = tally.interval()
    about = f"{name} ({tally.people} people, {tally.trials} trials)"
    goal = None if goal_max is None else (0.0, goal_max)
    return entry(about, 100 * tally.rate, "%", (100 * low, 100 * high), goal)


def _short(value: float) -> float:
    return float(f"{value:.3g}")
