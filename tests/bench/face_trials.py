"""One split of the recorded faces: calibrate on one half of the people, try the other half.

Nobody is in both halves. Of the half that is tried, three celebrities of five are enrolled with
three photos and come back in others; the rest are strangers. Of the adults with one picture, half
are enrolled and half come as strangers; their only picture stands for all of theirs. It is the
product's gallery, calibration and decision throughout.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from edge.presence.cohort import Cohort, Vector, lengths_one
from edge.presence.face_calibration import Calibration
from edge.presence.face_decision import FaceDecision, Rules, decide
from edge.presence.face_fitting import Draws, Person, cohort_from, fitted, vectors_in_cohort
from edge.presence.gallery import Gallery, Look
from edge.storage.templates import Template
from tests.bench.face_vectors import Set
from tests.faces import gallery_of

PHOTOS = 3
CELLS = ((PHOTOS, 1), (PHOTOS, 3))
ENROLLED_SHARE = 0.6
GROUP_MIN = 150
"""Half of the 300 adults from which a group is judged: calibration sees half of them."""


class Split(NamedTuple):
    """What calibration made of its half, and whom it has not seen."""

    calibration: Calibration
    celebrities: list[Person]
    strangers: list[Person]


class Trial(NamedTuple):
    """One coming of one person. `mine` is their own id, if enrolled."""

    person: str
    kind: str
    mine: bool
    look: Look
    frames: list[Look | None]

    def right(self) -> bool:
        """Whether the nearest member is the one who came."""
        return self.mine and self.look.member == self.person

    def decided(self, rules: Rules) -> FaceDecision:
        """As the product decides."""
        return decide(self.look, self.frames, "", rules)


def halves(everybody: Sequence[Person], dice: np.random.Generator) -> tuple[list[Person], ...]:
    """Two halves, drawn."""
    order = dice.permutation(len(everybody))
    middle = len(order) // 2
    return [everybody[i] for i in order[:middle]], [everybody[i] for i in order[middle:]]


def split(model: str, everybody: Set, cohort: Cohort | str | None, seed: int) -> Split:
    """Calibrate on half of everybody. `cohort` "own" is measured on that half, too."""
    dice = np.random.default_rng((seed, 0))
    known, celebrities = halves(everybody.celebrities, dice)
    seen, strangers = halves(everybody.strangers, dice)
    draws = Draws(seed, CELLS, GROUP_MIN)
    if cohort == "own":
        cohort = cohort_from([*known, *seen])
        draws = Draws(seed, CELLS, GROUP_MIN, vectors_in_cohort([*known, *seen]))
    assert not isinstance(cohort, str)
    table = fitted([*known, *seen], model, cohort, draws).table
    return Split(Calibration(table, cohort), celebrities, strangers)


def trials(half: Split, frames: int, seed: int) -> tuple[list[Trial], int]:
    """Everybody unseen comes, in `frames` pictures each time; and how many are enrolled."""
    dice = np.random.default_rng((seed, frames))
    able = [one for one in half.celebrities if len(one.vectors) >= PHOTOS + CELLS[-1][1]]
    order = dice.permutation(len(able))
    mine = {able[i].name for i in order[: round(ENROLLED_SHARE * len(able))]}
    enrolled, coming = halves(half.strangers, dice)
    templates, probes = [], []
    for one in half.celebrities:
        vectors = dice.permutation(one.vectors)
        if one.name in mine:
            templates.append(_template(one.name, vectors[:PHOTOS], half.calibration.model))
            vectors = vectors[PHOTOS:]
        probes += [
            (one, vectors[start : start + frames])
            for start in range(0, len(vectors) - frames + 1, frames)
        ]
    for one in enrolled:
        only = one.vectors[[0] * PHOTOS]
        templates.append(_template(one.name, only, half.calibration.model))
    probes += [(one, one.vectors[[0] * frames]) for one in coming]
    gallery = gallery_of(templates, half.calibration.cohort)
    return [_come(gallery, one, vectors, one.name in mine) for one, vectors in probes], len(gallery)


def _come(gallery: Gallery, one: Person, vectors: Vector, mine: bool) -> Trial:
    look = gallery.nearest(lengths_one(vectors.mean(axis=0)))
    assert look is not None
    return Trial(one.name, one.origin, mine, look, [gallery.nearest(each) for each in vectors])


def _template(name: str, vectors: Vector, model: str) -> Template:
    return Template(name, model, np.ascontiguousarray(vectors, "<f4").tobytes())
