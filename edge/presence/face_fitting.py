"""From labelled vectors to a calibration table: how high strangers score, and how high members do
against themselves, by photos and frames.

Called by `storebox faces calibrate` and by the accuracy bench. Pure and seeded; what it gives
holds numbers only, no vector. It decides nothing and reads no picture.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from edge.errors import InputError
from edge.presence.cohort import Cohort, Vector, lengths_one, level, measured
from edge.presence.face_calibration import OWN_LEVELS, VERSION, Cell, Table, rarity_at
from edge.presence.occasions import Occasions, Pictures

PEOPLE_MIN = 100
"""Fewer strangers say nothing of one in a hundred of them."""
GROUP_MIN = 300
"""A group of fewer people is told and not judged: its tail is noise."""
ORIGIN_MIN = 50
"""Pictures of one origin have much in common, so fewer people show how far they differ."""
GROUPS_MAX = 64
TOLD = (3, 1)
"""The cell of which the groups are told; the first one, where it is not measured."""
CELLS = ((1, 1), (3, 1), (5, 1), (1, 3), (3, 3), (5, 3), (3, 5), (5, 5))
COHORT_PICTURES = 3
"""Of one person, in a cohort: nobody may weigh much more than others."""
ROUNDS = 20
"""Draws of who is enrolled and who is a stranger."""
LEVELS = 24
LIKELIEST, RAREST_HITS = 0.3, 4
"""The tail is fitted from the score of so many strangers to that of so few hits."""
OWN_PEOPLE_MIN = 25
"""Own scores of fewer people say nothing of how low they get; the cell goes without."""
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

    `origin` is where the pictures come from: a camera, a collection. `inside` is how many of the
    vectors, from the first on, the cohort was measured on, if it was measured on these people.
    `occasions` says which vectors were taken together, ENROLLED being the enrolment; empty: each by
    itself.
    """

    name: str
    vectors: Vector
    origin: str = ""
    groups: tuple[str, ...] = ()
    inside: int = COHORT_PICTURES
    occasions: Occasions = ()


class GroupFound(Struct, frozen=True):
    """How far the strangers' scores of a group lie above those of everybody."""

    name: str
    people: int
    shift: float
    judged: bool


class Fitted(Struct, frozen=True):
    """The table, and what was found of each group (in the cell TOLD)."""

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
    """How the strangers are drawn: the seed, for which cells, and when a group is judged.

    `cohort_vectors` is on how many vectors the cohort was measured, if people here are among them
    (`Person.inside`): each is then compared with the cohort without them, as a new stranger is.
    """

    seed: int = 0
    cells: tuple[tuple[int, int], ...] = CELLS
    group_min: int = GROUP_MIN
    cohort_vectors: int = 0


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
    levels = _Levels(people, cohort, draws.cohort_vectors)
    pictures = [Pictures(one.vectors, one.occasions) for one in people]
    cells: list[Cell] = []
    found: tuple[GroupFound, ...] = ()
    worst = GroupFound("", 0, 0.0, judged=True)
    for number, (photos, frames) in enumerate(draws.cells):
        dice = np.random.default_rng((draws.seed, number))
        tops = _tops(pictures, levels, (photos, frames), dice)
        groups = tuple(_group(tops, name, mask, draws.group_min) for name, mask in counted)
        highest = max((one for one in groups if one.judged), key=_shift, default=worst)
        cell = _cell(tops, (photos, frames), max(0.0, highest.shift))
        own_dice = np.random.default_rng((draws.seed, number, 1))  # the strangers' stay as they are
        cells.append(_with_own(cell, pictures, levels, own_dice))
        if not found or (photos, frames) == TOLD:
            found, worst = groups, highest
        step((number + 1) / len(draws.cells))
    fingerprint = cohort.fingerprint() if cohort is not None else ""
    made_from = f"{len(people)} people, {sum(len(one.vectors) for one in people)} pictures"
    table = Table(VERSION, model, fingerprint, tuple(cells), worst.name, made_from)
    return Fitted(table, found)


def cohort_from(people: Sequence[Person]) -> Cohort:
    """The cohort of these people, each with at most COHORT_PICTURES pictures."""
    return measured(np.concatenate([one.vectors[:COHORT_PICTURES] for one in people]))


def vectors_in_cohort(people: Sequence[Person]) -> int:
    """How many vectors `cohort_from` takes."""
    return sum(min(COHORT_PICTURES, len(one.vectors)) for one in people)


def _shift(group: GroupFound) -> float:
    return group.shift


class _Levels:
    """The levels of vectors by whose they are: against the cohort without that person."""

    def __init__(self, people: Sequence[Person], cohort: Cohort | None, total: int) -> None:
        self._cohort, self._total = cohort, total
        most = min(COHORT_PICTURES, max(one.inside for one in people)) if total else 0
        self._own = np.zeros((len(people), most, people[0].vectors.shape[1]), np.float32)
        self._count = np.zeros(len(people), np.float32)
        for number, one in enumerate(people if most else ()):
            inside = one.vectors[: min(one.inside, most)]
            self._own[number, : len(inside)] = inside
            self._count[number] = len(inside)

    def of(self, vectors: Vector, whose: NDArray[np.int64]) -> Vector:
        """z of each row; zero without a cohort."""
        if self._cohort is None:
            return np.zeros(len(vectors), np.float32)
        mean, variance = self._cohort.moments(vectors)
        if self._own.shape[1]:
            count = self._count[whose]
            known = np.arange(self._own.shape[1]) < count[:, None]
            own = np.einsum("nkd,nd->nk", self._own[whose], vectors)
            apart = np.where(known, own - mean[:, None], 0)
            left = np.float32(self._total) - count
            variance = (self._total * variance - (apart**2).sum(axis=1)) / left
            mean = (self._total * mean - own.sum(axis=1)) / left
        return level(mean, variance)


def _tops(
    pictures: Sequence[Pictures],
    levels: _Levels,
    cell: tuple[int, int],
    dice: np.random.Generator,
) -> _Tops:
    """Enrol one half, let the other half come, `ROUNDS` times over.

    Whoever has fewer pictures than are asked for is taken with what there is.
    """
    photos, frames = cell
    scores, whose, half = [], [], len(pictures) // 2
    for _ in range(ROUNDS):
        order = dice.permutation(len(pictures))
        members = lengths_one(np.stack([pictures[i].enrolment(photos, dice) for i in order[:half]]))
        tracks = [(i, mean) for i in order[half:] for mean in pictures[i].comings(frames, dice)]
        probes, mine = (
            lengths_one(np.stack([t[1] for t in tracks])),
            np.array([t[0] for t in tracks]),
        )
        compared = probes @ members.T - levels.of(members, order[:half])[None, :] / 2
        scores.append(compared.max(axis=1) - levels.of(probes, mine) / 2)
        whose.append(mine)
    return _Tops(np.concatenate(scores).astype(np.float64), np.concatenate(whose), half, len(mine))


def _with_own(
    cell: Cell, pictures: Sequence[Pictures], levels: _Levels, dice: np.random.Generator
) -> Cell:
    """The cell with the own scores of whoever has pictures enough: some are enrolled, others come.

    Each counts once a round, however many pictures there are.
    """
    able = [i for i, one in enumerate(pictures) if one.comes(cell.photos, cell.frames)]
    if len(able) < OWN_PEOPLE_MIN:
        return cell
    whose, scores = np.array(able), []
    for number in range(ROUNDS):
        pairs = [_pair(pictures[i], cell, dice, copies=number % 2 == 1) for i in able]
        mine, probes = (lengths_one(np.stack(side)) for side in zip(*pairs, strict=True))
        both = levels.of(mine, whose) + levels.of(probes, whose)
        scores.append(np.einsum("nd,nd->n", mine, probes) - both / 2)
    own = np.quantile(np.concatenate(scores).astype(np.float64), OWN_LEVELS).round(5)
    if not np.diff(own).min() > 0:  # copies of one picture
        return cell
    return msgspec.structs.replace(cell, own=tuple(own.tolist()), own_people=len(able))


def _pair(
    one: Pictures, cell: Cell, dice: np.random.Generator, *, copies: bool
) -> tuple[Vector, Vector]:
    """An enrolment and a coming.

    Where nobody told which pictures were taken together they are of different days, and those of
    one track have more in common than that: up to being `copies` of one. Both are tried by turns.
    """
    if copies and not one.told:
        return one.both(1, 1, dice)
    return one.both(cell.photos, cell.frames, dice)


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
    rarities = np.array([rarity_at(float(share), tops.members) for share in shares])
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


def _parabola(x: Scores, y: Scores, weights: Scores) -> tuple[float, float, float]:
    """Base, slope and bend, none of them negative, so that a higher score is never likelier."""
    for powers in ((0, 1, 2), (0, 1), (0, 2)):
        columns = np.stack([x**power for power in powers], axis=1)
        solved = np.linalg.lstsq(columns * weights[:, None], y * weights, rcond=None)[0]
        found = dict(zip(powers, solved.tolist(), strict=True))
        if min(found.values()) >= 0 and found.get(1, 0) + found.get(2, 0) > 0:
            return found[0], found.get(1, 0.0), found.get(2, 0.0)
    raise TooFewPeople("The strangers' scores have no tail.", "Bring pictures of more people.")
