"""How often members are missed and strangers named, on people that calibration did not see.

AREA=faces. 20 splits by identity (`face_trials`), strangers of both kinds with equal weight, each
rate with its 95 % interval. The cohort "of the split" is measured on the calibration half; that "of
the file" comes with the model, whose makers may have seen these strangers. Nothing was chosen on
these splits but what calibration chooses on its own half; the rules themselves (share of the
cohort, margin, frames) are those of the facts.
"""

import sys
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from edge.errors import StoreboxError
from edge.face_files import cohort as cohort_file
from edge.face_models import DLIB, REID0095
from edge.presence.cohort import Cohort, from_npz
from edge.presence.face_decision import Outcome, Rules
from tests.bench.face_trials import CELLS, PHOTOS, Split, Trial, split, trials
from tests.bench.face_vectors import CELEBRITIES, STRANGERS, Set, groups_of, people, recordings
from tests.bench.rates import Tally, ends, entry, percent

SEEDS = range(2000, 2020)
FPIR, OWN_FPIR = 0.01, 0.001
FNIR_MAX = {1: 1.5, 3: 0.1}
"""In percent, by frames, of the preferred model."""
WRONG_MAX = 0.02
JUDGED_MIN = 300
"""A group of fewer adults is told and not judged."""
TWICE = (0.5, 2.0)


class Cell(NamedTuple):
    """All trials of 20 splits with so many frames, each with the split it belongs to."""

    name: str
    frames: int
    splits: list[Split]
    trials: list[list[Trial]]
    enrolled: list[int]


def run() -> list[dict[str, Any]]:
    """The figures of the preferred model, then of dlib."""
    found: list[dict[str, Any]] = []
    for model, cohort, goals in _variants():
        everybody = people(model)
        if not everybody.celebrities:
            found.append(entry(f"{model} (no recordings or models here)", 0, "%", (0, 0)))
            continue
        where = {"own": "cohort of the split", None: "no cohort"}.get(cohort, "cohort of the file")
        for cell in cells(model, everybody, cohort):
            name = f"{model}, {where}, {PHOTOS} photos {cell.frames} frames"
            print(f"  {name}", file=sys.stderr, flush=True)
            found += figures(cell._replace(name=name), goals)
    return found


def _variants() -> list[tuple[str, Cohort | str | None, bool]]:
    """Models, cohorts, and whether the goals are about them."""
    variants: list[tuple[str, Cohort | str | None, bool]] = [(REID0095, "own", True)]
    try:
        raw = cohort_file(recordings().resolve().parent / "models")
        variants.append((REID0095, from_npz(raw), True))
    except StoreboxError as error:
        print(f"  {error}", file=sys.stderr)
    return [*variants, (DLIB, None, False), (DLIB, "own", False)]


def cells(model: str, everybody: Set, cohort: Cohort | str | None) -> list[Cell]:
    """The trials of all splits, by number of frames."""
    splits = [split(model, everybody, cohort, seed) for seed in SEEDS]
    made = []
    for _, frames in CELLS:
        both = [trials(half, frames, seed) for half, seed in zip(splits, SEEDS, strict=True)]
        rows, enrolled = [one for one, _ in both], [count for _, count in both]
        made.append(Cell("", frames, splits, rows, enrolled))
    return made


def figures(cell: Cell, goals: bool) -> list[dict[str, Any]]:
    """The entries of one cell."""
    fnir_max = FNIR_MAX[cell.frames] if goals else None
    wrong_max = WRONG_MAX if goals else None
    at = _measured_thresholds(cell)
    missed = _tally(
        cell, _members(), lambda one, i, _: not (one.right() and one.look.score >= at[i])
    )
    found = [percent(f"{cell.name}: missed where 1 % of strangers are named", missed, fnir_max)]
    for fpir in (FPIR, OWN_FPIR):
        found += _at_own_threshold(cell, fpir, goals)
    wrong = _tally(cell, _members(), _named_wrong)
    found.append(percent(f"{cell.name}: wrong member by score, target 1 %", wrong, wrong_max))
    found += _groups(cell, goals)
    return found + (_decisions(cell, wrong_max) if cell.frames >= PHOTOS else [])


Chosen = Callable[[Trial], bool]
Hit = Callable[[Trial, int, float], bool]


def _tally(cell: Cell, chosen: Chosen, hit: Hit, fpir: float = FPIR) -> Tally:
    """Who of the chosen is hit; `hit` is told the split's number and the product's threshold."""
    tally = Tally()
    for number, (half, rows) in enumerate(zip(cell.splits, cell.trials, strict=True)):
        size = cell.enrolled[number]
        at = half.calibration.threshold(PHOTOS, cell.frames, size, fpir)
        for one in rows:
            if chosen(one):
                tally.add(one.person, hit(one, number, at))
    return tally


def _members() -> Chosen:
    return lambda one: one.mine


def _strangers(kind: str) -> Chosen:
    return lambda one: not one.mine and one.kind == kind


def _named(one: Trial, _: int, at: float) -> bool:
    return one.look.score >= at


def _named_wrong(one: Trial, _: int, at: float) -> bool:
    return one.look.score >= at and not one.right()


def _missed(one: Trial, _: int, at: float) -> bool:
    return not (one.right() and one.look.score >= at)


def _measured_thresholds(cell: Cell) -> list[float]:
    """In each split, the least score that FPIR of its strangers reach, both kinds alike."""
    found = []
    for rows in cell.trials:
        kinds = [
            np.sort([one.look.score for one in rows if _strangers(kind)(one)])
            for kind in (CELEBRITIES, STRANGERS)
        ]
        scores = np.unique(np.concatenate(kinds))
        above = [1 - np.searchsorted(kind, scores, side="left") / len(kind) for kind in kinds]
        fits = np.flatnonzero(np.mean(above, axis=0) <= FPIR)
        found.append(float(scores[fits[0]]) if len(fits) else float(scores[-1]) + 1e-6)
    return found


def _at_own_threshold(cell: Cell, fpir: float, goals: bool) -> list[dict[str, Any]]:
    """What the product's table does at a target."""
    name = f"{cell.name}, target {100 * fpir:g} %"
    fnir_max = FNIR_MAX[cell.frames] if goals and fpir == FPIR else None
    missed = _tally(cell, _members(), _missed, fpir)
    kinds = [_tally(cell, _strangers(kind), _named, fpir) for kind in (CELEBRITIES, STRANGERS)]
    rate = float(np.mean([kind.rate for kind in kinds])) / fpir
    drawn = np.mean([kind.drawn() for kind in kinds], axis=0) / fpir
    twice = TWICE if goals else None
    return [
        percent(f"{name}: missed", missed, fnir_max),
        entry(f"{name}: strangers named, share of the target", rate, "x", ends(drawn), twice),
        percent(f"{name}: strangers named, celebrities", kinds[0]),
        percent(f"{name}: strangers named, adults", kinds[1]),
    ]


def _groups(cell: Cell, goals: bool) -> list[dict[str, Any]]:
    """How often strangers of a group are named, against the mean of all adults, target 1 %."""
    whole = _tally(cell, _strangers(STRANGERS), _named)
    groups: dict[str, Tally] = {}
    for name in sorted({group for one in whole.names() for group in groups_of(one)}):
        groups[name] = whole.within(one for one in whole.names() if name in groups_of(one))
    judged = [name for name, one in groups.items() if one.people >= JUDGED_MIN]
    found = [
        percent(f"{cell.name}: strangers named, {name}{_note(name, judged)}", one)
        for name, one in groups.items()
    ]
    if not judged or whole.rate == 0:
        return found
    worst = max(judged, key=lambda name: groups[name].rate)
    parts = [whole.names(), *(groups[name].names() for name in judged)]
    mean, *others = whole.drawn_within(parts)
    drawn = np.max(others, axis=0) / np.maximum(mean, 1e-9)
    value = groups[worst].rate / whole.rate
    name = f"{cell.name}: worst group ({worst}) against the mean"
    return [*found, entry(name, value, "x", ends(drawn), (0.0, TWICE[1]) if goals else None)]


def _note(name: str, judged: Iterable[str]) -> str:
    return "" if name in judged else ", too few to judge"


def _decisions(cell: Cell, wrong_max: float | None) -> list[dict[str, Any]]:
    """What the whole decision says, at both targets."""
    found = []
    for fpir in (FPIR, OWN_FPIR):
        outcomes = {outcome: Tally() for outcome in Outcome}
        wrong, greeted, asked = Tally(), Tally(), Tally()
        for number, (half, rows) in enumerate(zip(cell.splits, cell.trials, strict=True)):
            rules = Rules(half.calibration, cell.enrolled[number], fpir)
            for one in rows:
                decision = one.decided(rules)
                named = decision.outcome is Outcome.MEMBER
                if one.mine:
                    wrong.add(one.person, named and decision.member != one.person)
                    for outcome, tally in outcomes.items():
                        tally.add(one.person, decision.outcome is outcome)
                else:
                    greeted.add(one.person, named)
                    asked.add(one.person, decision.outcome is Outcome.ASK)
        name = f"{cell.name}, decided, target {100 * fpir:g} %"
        found += [
            percent(f"{name}: members greeted", outcomes[Outcome.MEMBER]),
            percent(f"{name}: members asked for the card", outcomes[Outcome.ASK]),
            percent(f"{name}: members unknown", outcomes[Outcome.UNKNOWN]),
            percent(f"{name}: greeted as somebody else", wrong, wrong_max),
            percent(f"{name}: strangers greeted", greeted),
            percent(f"{name}: strangers asked for the card", asked),
        ]
    return found
