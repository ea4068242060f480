"""What the made-up cameras make of a face: numbers as a real model would give, of a model of people
that is this one's own. The product's curves and thresholds are unknown here.

A face is a vector of length one: what all faces share, what a group shares, and what is a person's
own, in a spectrum that falls. A picture of it adds how the person looks today, how this stretch of
film is (pose, light), and what is of one frame only. Fitted by hand to facts/faces.md 4.3 and 4.6
(Intel's model): strangers of the largest group N(0.12, 0.12), other groups 0.06 to 0.08 higher,
children 0.15 higher; the same person N(0.76, 0.15) over photos of years. `tests/shop/test_cameras`
holds it to them. A hand-made spread is no measurement of a shop's door: the bench says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.face_models import DLIB
from edge.presence.face_fitting import Person as Labelled
from tests.shop.people import CHILDREN, GROUP_SHARES, GROUPS, Person, Town

MODEL = DLIB
"""Under this id, as it has so many numbers. What is in them is like Intel's, not like dlib's."""
NUMBERS = 128
SHARED = 0.06
"""Of the square of a face's length: what all faces share."""
OF_GROUP = {"a": 0.09, "b": 0.15, "c": 0.17, "d": 0.16, CHILDREN: 0.30}
"""... and what a group does."""
FALL = 0.7
"""How fast the spectrum of what is a person's own falls: k to the power of minus this."""
NUISANCE = 12
"""Directions in which pose and light move every face alike."""
TWINS_ALIKE = (0.02, 0.15)
"""The share of a twin's own that is not the other's."""
TODAY, STRETCH, FRAME = 0.05, 0.10, 0.13
"""The squares of what is added to a face of length one on a good picture: how the person looks
today, this stretch of film, one frame. Together 0.28, as in 4.3."""
SPREAD = 1.0
"""Log-normal spread of those, from picture to picture."""
GOOD_MAX = float(np.exp(SPREAD))
"""A picture is called good if that is at most one spread above its middle: five in six."""
ENROLLED = 0.5
"""Before a kiosk, looking into it, all that is half as much."""
LONG = 5
"""Frames of one occasion on which labelled people are filmed."""
POOR = 4.0
"""How much more it is on a poor picture: against the light, from the side, in motion."""
GOOD_SHARE, POOR_SHARE = 0.85, 0.10
"""Pictures at a door; the rest shows no usable face (mask, hood, looking down). 83 % of photos
pass a gate (facts/faces.md, quality)."""

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Shot:
    """One stretch of film of one person: the frames' vectors (n x 128), and how good it was."""

    frames: Vectors
    good: bool


class Model:
    """The describing model: what directions mean. One for all seeds, as a model is in the field."""

    def __init__(self, seed: int = 0) -> None:
        dice = np.random.default_rng(seed)
        basis = np.linalg.qr(dice.standard_normal((NUMBERS, NUMBERS)))[0]
        spectrum = np.arange(1, NUMBERS + 1) ** -FALL
        self._own = basis * np.sqrt(spectrum / spectrum.sum())
        names = (*GROUPS, CHILDREN)
        common = np.linalg.qr(dice.standard_normal((NUMBERS, len(names) + 1)))[0].T
        self._shared, self._of = common[0], dict(zip(names, common[1:], strict=True))
        self._nuisance = np.linalg.qr(dice.standard_normal((NUMBERS, NUISANCE)))[0]

    def own(self, dice: np.random.Generator) -> NDArray[np.float64]:
        """What is a person's own, of length one."""
        return _unit(self._own @ dice.standard_normal(NUMBERS))

    def face(self, group: str, own: NDArray[np.float64]) -> NDArray[np.float64]:
        """The face of somebody of this group."""
        left = 1 - SHARED - OF_GROUP[group]
        shared = np.sqrt(SHARED) * self._shared + np.sqrt(OF_GROUP[group]) * self._of[group]
        return _unit(shared + np.sqrt(left) * own)

    def shake(self, dice: np.random.Generator, count: int) -> NDArray[np.float64]:
        """So many disturbances (n x 128) of about the length one: half pose and light, half all."""
        along = dice.standard_normal((count, NUISANCE)) @ self._nuisance.T / np.sqrt(NUISANCE)
        every = dice.standard_normal((count, NUMBERS)) / np.sqrt(NUMBERS)
        return np.sqrt(0.5) * along + np.sqrt(0.5) * every


class Cameras:
    """Faces of a town, and pictures of them."""

    def __init__(self, town: Town, dice: np.random.Generator, model: Model | None = None) -> None:
        self.model = model or Model()
        self._faces = faces_of(town, self.model, dice)
        self._today: dict[int, NDArray[np.float64]] = {}

    def new_day(self) -> None:
        """Everybody looks a little different again."""
        self._today.clear()

    def shot(
        self, who: Person, dice: np.random.Generator, frames: int = 5, *, close: bool = False
    ) -> Shot | None:
        """A stretch of film; None without a usable face. `close`: somebody looks into it."""
        base = self._faces[who.number] + self._look(who, dice)
        if not close:
            return _door(self.model, base, dice, frames)
        scale = _spread(dice)
        return Shot(stretch(self.model, base, dice, frames, scale * ENROLLED), scale <= GOOD_MAX)

    def enrolled(self, who: Person, dice: np.random.Generator) -> Vectors:
        """The vectors of an enrolment some weeks ago (photos x 128)."""
        base = self._faces[who.number] + _look(self.model, dice)
        return stretch(self.model, base, dice, who.photos, ENROLLED * _spread(dice))

    def _look(self, who: Person, dice: np.random.Generator) -> NDArray[np.float64]:
        return self._today.setdefault(who.number, _look(self.model, dice))


def _door(
    model: Model, base: NDArray[np.float64], dice: np.random.Generator, frames: int
) -> Shot | None:
    lot = dice.random()
    if lot >= GOOD_SHARE + POOR_SHARE:
        return None
    scale = _spread(dice) * (1.0 if lot < GOOD_SHARE else POOR)
    return Shot(stretch(model, base, dice, frames, scale), scale <= GOOD_MAX)


def faces_of(town: Town, model: Model, dice: np.random.Generator) -> dict[int, NDArray[np.float64]]:
    """Everybody's face, by number; twins share most of it."""
    own: dict[int, NDArray[np.float64]] = {}
    for one in town.people:
        mine = model.own(dice)
        if one.twin is not None and one.twin in own:
            apart = dice.uniform(*TWINS_ALIKE)
            mine = _unit(np.sqrt(1 - apart) * own[one.twin] + np.sqrt(apart) * mine)
        own[one.number] = mine
    return {one.number: model.face(one.group, own[one.number]) for one in town.people}


def stretch(
    model: Model,
    base: NDArray[np.float64],
    dice: np.random.Generator,
    frames: int,
    scale: float,
) -> Vectors:
    """Frames of one stretch of film: they hang together by what the stretch adds."""
    whole = np.sqrt(scale * STRETCH) * model.shake(dice, 1)
    each = np.sqrt(scale * FRAME) * model.shake(dice, frames)
    return _rows(base + whole + each)


def labelled(model: Model, dice: np.random.Generator, people: int, comings: int) -> list[Labelled]:
    """Labelled pictures of other people, for `storebox faces calibrate`: each is enrolled once, and
    comes in at the door on some other days.
    """
    made = []
    for number in range(people):
        group = str(dice.choice(GROUPS, p=GROUP_SHARES))
        face = model.face(group, model.own(dice))
        taken = [stretch(model, face + _look(model, dice), dice, LONG, ENROLLED * _spread(dice))]
        for _ in range(comings):
            seen = _door(model, face + _look(model, dice), dice, LONG)
            taken += [seen.frames] if seen is not None else []
        occasions = tuple(n for n, rows in enumerate(taken) for _ in rows)
        made.append(
            Labelled(f"p{number}", np.concatenate(taken), groups=(group,), occasions=occasions)
        )
    return made


def fused(frames: Vectors) -> list[Vectors]:
    """As a sensor sends them: the mean of the first, the first two, ... frames, of length one."""
    sums = np.cumsum(frames, axis=0, dtype=np.float64)
    return list(_rows(sums))


def _look(model: Model, dice: np.random.Generator) -> NDArray[np.float64]:
    return np.sqrt(TODAY * _spread(dice)) * model.shake(dice, 1)[0]


def _spread(dice: np.random.Generator) -> float:
    return float(dice.lognormal(0, SPREAD))


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return vector / np.linalg.norm(vector)


def _rows(rows: Sequence[NDArray[np.float64]] | NDArray[np.float64]) -> Vectors:
    stacked = np.asarray(rows)
    return (stacked / np.linalg.norm(stacked, axis=1, keepdims=True)).astype("<f4")
