"""Which pictures of a labelled person stand for an enrolment, and which for one coming.

Called by the fitting of calibration tables (`face_fitting`). Pure and seeded. An enrolment is of
one occasion, and so is a track: its pictures share light, pose and the day, and say less together
than as many pictures of as many days would. Where nobody told which pictures were taken together,
each is an occasion of its own, and how much those of one would have shared is not known.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge.presence.cohort import Vector

ENROLLED = 0
"""The number of the occasion on which somebody was enrolled; without it any may be that."""

Occasions = tuple[int, ...]
"""Of each vector of a person; empty: nobody told."""
Rows = NDArray[np.int64]


class Pictures:
    """The pictures of one person (n x d), by occasion."""

    def __init__(self, vectors: Vector, occasions: Occasions = ()) -> None:
        """ValueError if the occasions are of another number of vectors."""
        if occasions and len(occasions) != len(vectors):
            raise ValueError("each vector has one occasion")
        self.vectors = vectors
        self.told = bool(occasions)
        of = np.array(occasions, np.int64)
        known = sorted(set(occasions))
        self._taken = [np.flatnonzero(of == one) for one in known]
        self._enrolled = known.index(ENROLLED) if ENROLLED in known else None

    def comes(self, photos: int, frames: int) -> bool:
        """Whether there are enough for an enrolment and a coming of another occasion."""
        if not self.told:
            return len(self.vectors) >= photos + frames
        counts = [len(rows) for rows in self._taken]
        own = counts.pop(self._enrolled) if self._enrolled is not None else max(counts, default=0)
        if self._enrolled is None and counts:
            counts.remove(own)
        return own >= photos and bool(counts) and min(counts) >= frames

    def enrolment(self, photos: int, dice: np.random.Generator) -> Vector:
        """The mean of at most `photos` pictures of one enrolment (d)."""
        return self._mean(self._split(photos, dice)[0])

    def both(self, photos: int, frames: int, dice: np.random.Generator) -> tuple[Vector, Vector]:
        """The mean of an enrolment, and that of one coming on another occasion (d each)."""
        own, left = self._split(photos, dice)
        tracks = _tracks(left, frames, dice)
        return self._mean(own), self._mean(tracks[int(dice.integers(len(tracks)))])

    def comings(self, frames: int, dice: np.random.Generator) -> list[Vector]:
        """The means of all tracks of `frames` that are not of the enrolment; of whoever never came
        otherwise, that. What is left over of an occasion is not used.
        """
        rows = self._taken if self.told else [np.arange(len(self.vectors))]
        if self._enrolled is not None and len(rows) > 1:
            rows = rows[: self._enrolled] + rows[self._enrolled + 1 :]
        return [self._mean(track) for track in _tracks(rows, frames, dice)]

    def _split(self, photos: int, dice: np.random.Generator) -> tuple[Rows, list[Rows]]:
        """The rows of an enrolment, and those left for comings."""
        if not self.told:
            mixed = dice.permutation(len(self.vectors))
            return mixed[:photos], [mixed[photos:]]
        one = self._enrolled
        if one is None:
            one = int(dice.integers(len(self._taken)))
        return dice.permutation(self._taken[one])[:photos], self._taken[:one] + self._taken[
            one + 1 :
        ]

    def _mean(self, rows: Rows) -> Vector:
        mean: Vector = self.vectors[rows].mean(axis=0)
        return mean


def _tracks(taken: Sequence[Rows], frames: int, dice: np.random.Generator) -> list[Rows]:
    """So many pictures each, every track of one occasion; a shorter one where there are fewer."""
    found = []
    for rows in taken:
        mixed = dice.permutation(rows)
        last = max(1, len(rows) - frames + 1)
        found += [mixed[start : start + frames] for start in range(0, last, frames)]
    return found
