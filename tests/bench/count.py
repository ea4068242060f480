"""How well the radar counts phones, beside the two baselines on the same input (AREA=wifi).

Cells: 10 phones of different models, 20 and 40 of repeated ones; one radio (any of the three) and
three. Split: the cells "held out" show crowds of phones of one half only, under the habits that a
search over the other half chose (`SPLIT`). The search moved eight habits, from defaults that were
found while looking at all phones, as was the method: what is held out is less than everything.
"""

import random
import sys
from dataclasses import replace
from statistics import fmean
from typing import Any, NamedTuple

from sensors.radar.habits import HABITS, Habits
from tests.bench.mixtures import RADIOS, counted, crowd, v_measure
from tests.bench.wifi_recordings import labelled_phones

ERROR_MEAN_MAX, ERROR_CELL_MAX = 0.12, 0.20
V_MEASURE_MIN = 0.93
CROWDS = 30
"""Crowds in each cell."""
FIRST_SEED = 1_000_000
"""Crowds that nobody looked at while the habits were chosen; those used the seeds from 0 on."""
SPLIT: dict[str, tuple[str, Habits]] = {
    # judged on these phones, under what a search over the others chose
    "CJNUW": ("AEHLQS", replace(HABITS, short_reset=0.05, edge_s=100.0)),
    "AEHLQS": ("CJNUW", replace(HABITS, phones=0.45, edge_s=220.0, silence_s=60.0, clear=2.5)),
}


class Figure(NamedTuple):
    """One figure, as the runner shows it."""

    name: str
    value: float | None
    unit: str
    baseline: float | None = None
    goal: float | None = None
    met: bool | None = None

    def entry(self) -> dict[str, Any]:
        """With the ratio to the baseline."""
        ratio = round(self.baseline / self.value, 1) if self.baseline and self.value else None
        return self._asdict() | {"ratio": ratio}


class Cell(NamedTuple):
    """Means over the crowds of one cell; errors are relative to the true number."""

    name: str
    error: float
    bias: float
    v: float
    covered: float
    by_address: float
    by_fingerprint: float


def run() -> list[dict[str, Any]]:
    """Entries of every cell, and of all together."""
    if not labelled_phones():
        return [Figure("phones counted (no recordings here)", None, "%").entry()]
    cells = [cell(n, radios, different=d) for n, d in SIZES for radios in (1, 3)]
    held_out = [
        cell(n, radios, models=models, habits=habits)
        for models, (_, habits) in SPLIT.items()
        for n, _ in SIZES[1:]
        for radios in (1, 3)
    ]
    for one in cells + held_out:
        say(one)
    return [*summary("all phones", cells), *summary("held-out phones", held_out)]


SIZES = ((10, True), (20, False), (40, False))


def cell(
    phones: int,
    radios: int,
    *,
    different: bool = False,
    models: str | None = None,
    habits: Habits = HABITS,
) -> Cell:
    """One cell: `CROWDS` crowds with seeds of their own."""
    rows = []
    for seed in range(FIRST_SEED, FIRST_SEED + CROWDS):
        dice = random.Random(seed)
        heard_by = RADIOS if radios == 3 else (dice.choice(RADIOS),)
        made = crowd(dice, phones, heard_by, different=different, models=models)
        found = counted(made.heard, habits)
        labels = [found.labels[one.source] for one in made.heard]
        rows.append(
            (
                abs(found.devices / made.phones - 1),
                found.devices / made.phones - 1,
                v_measure(made.owners, labels),
                found.low <= made.phones <= found.high,
                abs(made.addresses / made.phones - 1),
                abs(made.fingerprints / made.phones - 1),
            )
        )
    means = (fmean(column) for column in zip(*rows, strict=True))
    kind = "different" if different else "of repeated models"
    whose = f" of {models}" if models else ""
    return Cell(f"{phones} phones {kind}{whose}, {radios} radio(s)", *means)


def summary(whose: str, cells: list[Cell]) -> list[dict[str, Any]]:
    """The goals over a table of cells."""
    mean = fmean(one.error for one in cells)
    worst = max(cells, key=lambda one: one.error)
    least = min(cells, key=lambda one: one.v)
    addresses, prints = (
        fmean(one.by_address for one in cells),
        fmean(one.by_fingerprint for one in cells),
    )
    covered = fmean(one.covered for one in cells)
    best = min(addresses, prints)
    figures = (
        Figure(
            f"{whose}: mean error of the count",
            percent(mean),
            "%",
            percent(best),
            percent(ERROR_MEAN_MAX),
            mean <= ERROR_MEAN_MAX,
        ),
        Figure(
            f"{whose}: worst cell ({worst.name})",
            percent(worst.error),
            "%",
            goal=percent(ERROR_CELL_MAX),
            met=worst.error <= ERROR_CELL_MAX,
        ),
        Figure(
            f"{whose}: least V-measure ({least.name})",
            round(least.v, 3),
            "",
            goal=V_MEASURE_MIN,
            met=least.v >= V_MEASURE_MIN,
        ),
        Figure(f"{whose}: interval holds the truth", percent(covered), "%"),
        Figure(f"{whose}: error of distinct addresses", percent(addresses), "%"),
        Figure(f"{whose}: error of distinct fingerprints", percent(prints), "%"),
    )
    return [figure.entry() for figure in figures]


def percent(share: float) -> float:
    """For people."""
    return round(100 * share, 1)


def say(one: Cell) -> None:
    """A line per cell while they are measured."""
    print(
        f"  {one.name}: error {one.error:.1%} ({one.bias:+.1%}), V {one.v:.3f}, interval holds"
        f" {one.covered:.0%}; by addresses {one.by_address:.0%}, by fingerprints"
        f" {one.by_fingerprint:.0%}",
        file=sys.stderr,
        flush=True,
    )
