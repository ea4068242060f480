"""From labelled vectors to a calibration table: how high strangers score, by photos and frames.

Called by `storebox faces calibrate` and by the accuracy bench. Pure and seeded; what it gives
holds numbers only, no vector. It decides nothing and reads no picture.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from edge.errors import InputError
from edge.presence.cohort import Cohort, Vector, lengths_one
from edge.presence.face_calibration import VERSION, Cell, Table

PEOPLE_MIN = 100
"""Fewer strangers say nothing of one in a hundred of them."""
GROUP_MIN = 300
"""A group of fewer people is told and not judged: its tail is noise."""
ORIGIN_MIN = 50
"""Pictures of one origin have much in common, so fewer people show how far they differ."""
GROUPS_MAX = 64
CELLS = ((1, 1), (3, 1), (5, 1), (1, 3), (3, 3), (5, 3), (3, 5), (5, 5))
ROUNDS = 20
"""Draws of who is enrolled and who is a stranger."""
LEVELS = 24
LIKELIEST, RAREST_HITS = 0.5, 8
"""The tail is fitted from the score of every second stranger to that of so many hits."""
GROUP_LEVELS = (0.05, 0.03, 0.02)
"""Shares of strangers named at which groups are compared."""

ORIGIN = "origin: "
"""How an origin is told apart from a group."""

Scores = NDArray[np.float64]


class TooFewPeople(InputError):
    """The labelled pictures are of too few people to say how often a stranger is named."""


@dataclass(frozen=True, slots=True)
class Person:
    """One person's vectors (n x d, length one), and what they are counted under.

    `origin` is where the pictures come from: a camera, a collection.
    """

    name: str
    vectors: Vector
    origin: str = ""
    groups: tuple[str, ...] = ()


class GroupFound(Struct, frozen=True):
    """How far the strangers' scores of a group lie above those of everybody."""

    name: str
    people: int
    shift: float
    judged: bool


class Fitted(Struct, frozen=True):
    """The table, and what was found of each group (in the cell of three photos and one frame)."""

    table: Table
    groups: tuple[GroupFound, ...]


@dataclass(frozen=True, slots=True)
class _Tops:
    """The top scores of strangers over all rounds, whose they are, and against how many members."""

    scores: Scores
    whose: NDArray[np.int64]
    members: int
    strangers: int


class Draws(Struct, frozen=True):
    """How the strangers are drawn: the seed, for which cells, and when a group is judged."""

    seed: int = 0
    cells: tuple[tuple[int, int], ...] = CELLS
    group_min: int = GROUP_MIN


def fitted(
    people: Sequence[Person],
    model: str,
    cohort: Cohort | None,
    draws: Draws = Draws(),  # noqa: B008 - frozen
    step: Callable[[float], None] = lambda _: None,
) -> Fitted:
    """The table for `model` from these people. `step` is told the share that is done.

    TooFewPeople below PEOPLE_MIN.
    """
    if len(people) < PEOPLE_MIN:
        raise TooFewPeople(
            f"These are pictures of {len(people)} people.",
            f"Bring at least {PEOPLE_MIN}; {GROUP_MIN} of a group, to judge it.",
        )
    counted = _counted(people)
    cells: list[Cell] = []
    found: tuple[GroupFound, ...] = ()
    worst = GroupFound("", 0, 0.0, judged=True)
    for number, (photos, frames) in enumerate(draws.cells):
        tops = _tops(people, cohort, photos, frames, np.random.default_rng((draws.seed, number)))
        groups = tuple(_group(tops, name, mask, draws.group_min) for name, mask in counted)
        highest = max((one for one in groups if one.judged), key=_shift, default=worst)
        cells.append(_cell(tops, (photos, frames), max(0.0, highest.shift)))
        if (photos, frames) == (3, 1):
            found, worst = groups, highest
        step((number + 1) / len(draws.cells))
    fingerprint = cohort.fingerprint() if cohort is not None else ""
    made_from = f"{len(people)} people, {sum(len(one.vectors) for one in people)} pictures"
    table = Table(VERSION, model, fingerprint, tuple(cells), worst.name, made_from)
    return Fitted(table, found)


def _shift(group: GroupFound) -> float:
    return group.shift


def _tops(
    people: Sequence[Person],
    cohort: Cohort | None,
    photos: int,
    frames: int,
    dice: np.random.Generator,
) -> _Tops:
    """Enrol one half, let the other half come, `ROUNDS` times over.

    Whoever has fewer pictures than are asked for is taken with what there is.
    """
    scores, whose, half = [], [], len(people) // 2
    for _ in range(ROUNDS):
        order = dice.permutation(len(people))
        members = lengths_one(
            np.stack([_some(people[i].vectors, photos, dice).mean(axis=0) for i in order[:half]])
        )
        probes, owners = [], []
        for index in order[half:]:
            shuffled = dice.permutation(people[index].vectors)
            for start in range(0, max(1, len(shuffled) - frames + 1), frames):
                probes.append(shuffled[start : start + frames].mean(axis=0))
                owners.append(index)
        scores.append(top_scores(lengths_one(np.stack(probes)), members, cohort))
        whose.append(np.array(owners))
    return _Tops(
        np.concatenate(scores).astype(np.float64),
        np.concatenate(whose),
        half,
        len(probes),
    )


def top_scores(probes: Vector, members: Vector, cohort: Cohort | None) -> Vector:
    """The highest score of each probe (rows, length one) over the members' rows."""
    scores = probes @ members.T
    if cohort is not None:
        scores -= cohort.levels(members)[None, :] / 2
        scores -= cohort.levels(probes)[:, None] / 2
    tops: Vector = scores.max(axis=1)
    return tops


def _some(vectors: Vector, count: int, dice: np.random.Generator) -> Vector:
    return vectors[dice.permutation(len(vectors))[:count]]


def _counted(people: Sequence[Person]) -> list[tuple[str, NDArray[np.bool_]]]:
    """Every origin and group, with who belongs to it."""
    origins = sorted({one.origin for one in people})
    names = sorted({group for one in people for group in one.groups})
    named = [(ORIGIN + name, np.array([one.origin == name for one in people])) for name in origins]
    named += [(name, np.array([name in one.groups for one in people])) for name in names]
    return named[:GROUPS_MAX]


def _group(tops: _Tops, name: str, belongs: NDArray[np.bool_], group_min: int) -> GroupFound:
    """How far the group's tail lies above everybody's: the mean over GROUP_LEVELS."""
    count, least = int(belongs.sum()), ORIGIN_MIN if name.startswith(ORIGIN) else group_min
    own = tops.scores[belongs[tops.whose]]
    if not len(own):
        return GroupFound(name, count, 0.0, judged=False)
    levels = 1 - np.array(GROUP_LEVELS)
    shift = float(np.mean(np.quantile(own, levels) - np.quantile(tops.scores, levels)))
    return GroupFound(name, count, round(shift, 4), judged=count >= least)


def _cell(tops: _Tops, key: tuple[int, int], shift: float) -> Cell:
    """Fit the tail: least squares of -log FMR over the score, weighted by how many hits it had."""
    rarest = RAREST_HITS / tops.strangers
    shares = np.geomspace(LIKELIEST, min(rarest, LIKELIEST / 4), LEVELS)
    scores = np.quantile(tops.scores, 1 - shares)
    rarities = np.array([rarity(float(share), tops.members) for share in shares])
    start = float(scores[0])
    base, slope, bend = _parabola(scores - start, rarities, np.sqrt(shares))
    return Cell(
        photos=key[0],
        frames=key[1],
        start=round(start, 5),
        base=round(base, 5),
        slope=round(slope, 5),
        bend=round(bend, 5),
        shift=round(shift, 5),
        pairs=tops.members * len(tops.scores),
    )


def rarity(fpir: float, people: int) -> float:
    """-log FMR at which a stranger is named with the chance `fpir` among `people`."""
    return -math.log(-math.expm1(math.log1p(-fpir) / people))


def _parabola(x: Scores, y: Scores, weights: Scores) -> tuple[float, float, float]:
    """Base, slope and bend, none of them negative, so that a higher score is never likelier."""
    for powers in ((0, 1, 2), (0, 1), (0, 2)):
        columns = np.stack([x**power for power in powers], axis=1)
        solved = np.linalg.lstsq(columns * weights[:, None], y * weights, rcond=None)[0]
        found = dict(zip(powers, solved.tolist(), strict=True))
        if min(found.values()) >= 0 and found.get(1, 0) + found.get(2, 0) > 0:
            return found[0], found.get(1, 0.0), found.get(2, 0.0)
    raise TooFewPeople("The strangers' scores have no tail.", "Bring pictures of more people.")
