"""Face templates in memory and the exact search over them: one float32 matrix, which lies there by
columns, as the search is then twice as fast.

Made anew by the presence desk whenever consented templates change, and swapped in whole. Pure
numpy; it decides nothing (that is `face_decision`) and never writes a vector anywhere.
"""

import math
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from msgspec import Struct

from edge.face_models import dimensions_of
from edge.presence.cohort import Cohort, Vector
from edge.storage.templates import LENGTH, Means

TEMPLATES_MAX = 100_000
"""Exact search over this many takes about 10 ms; more belongs to a bigger box."""
OFF_UNIT = 0.01
"""Means are kept with eleven bits: so far their length may be off. Another one did not open."""


class Look(Struct, frozen=True):
    """Whom one vector is nearest to: the score of that member and of the next other one.

    `score` is cos(p, g) - z(p)/2 - z(g)/2, or the cosine alone without a cohort. `runner_up` is
    -inf when there is nobody else. `photos` is how many the member was enrolled with.
    """

    member: str
    score: float
    runner_up: float
    photos: int
    model: str = ""


class Gallery:
    """Who can be matched under one model: a row of the matrix each, the mean of their vectors.

    Rows that are no mean (zeros, NaN, of another length) are counted in `refused`: they match
    nobody. ValueError for a cohort of another model.
    """

    def __init__(
        self, pieces: Iterable[Means], room: int, cohort: Cohort | None, model: str
    ) -> None:
        """Filled piece by piece with `room` members at most; each piece is wiped, so that no copy
        of a vector is left anywhere else.
        """
        self.model = model
        self.refused = 0
        self._dimensions = dimensions_of(model) or 0
        self._cohort = cohort
        if cohort is not None and cohort.dimensions != self._dimensions:
            raise ValueError(f"This cohort is of another model than {model}.")
        self._members: list[str] = []
        self._photos: list[int] = []
        shape = (min(room, TEMPLATES_MAX), self._dimensions)
        self._matrix = np.zeros(shape, np.float32, order="F")
        self._halves = np.zeros(len(self._matrix), np.float32)
        self._fill(pieces)

    def _fill(self, pieces: Iterable[Means]) -> None:
        """Levels are computed beside, while the next piece is unsealed."""
        try:
            with ThreadPoolExecutor(1, thread_name_prefix="levels") as beside:
                levels = [beside.submit(self._level, self._take(piece)) for piece in pieces]
            for done in levels:
                done.result()
        except BaseException:
            self.wipe()
            raise
        self._matrix = self._matrix[: len(self._members)]
        self._halves = self._halves[: len(self._members)]

    def _take(self, piece: Means) -> slice:
        """Append a piece and wipe it; where it stands now."""
        rows = slice(len(self._members), len(self._members) + len(piece.members))
        place = self._matrix[rows]
        place[:] = np.frombuffer(piece.rows, "<f2").reshape(len(place), -1)
        piece.rows[:] = bytes(len(piece.rows))
        self._members += piece.members
        self._photos += piece.photos
        return rows

    def _level(self, rows: slice) -> None:
        """The levels of these rows; one that is no mean matches nobody. Holds no lock for long."""
        place = self._matrix[rows]
        with np.errstate(invalid="ignore", over="ignore"):
            broken = ~(np.abs(np.einsum("nd,nd->n", place, place) - 1) < OFF_UNIT)
        place[broken] = 0
        self._halves[rows] = np.where(broken, np.inf, _half_levels(place, self._cohort))
        self.refused += int(broken.sum())

    def wipe(self) -> None:
        """Forget everybody: the numbers are overwritten, and nobody can be matched any more."""
        self._matrix.fill(0)
        self._halves.fill(np.inf)
        self._members.clear()

    def __len__(self) -> int:
        """How many members can be matched."""
        return len(self._members)

    def nearest(self, vector: Vector) -> Look | None:
        """The member with the highest score for `vector`, which is scaled to the length one here.

        None when the gallery is empty, or the vector is of another size, not finite or far from
        the length one.
        """
        if not self._members or vector.shape != (self._dimensions,):
            return None
        length = _length(vector)
        if not LENGTH[0] < length < LENGTH[1]:
            return None
        probe = np.ascontiguousarray(vector, np.float32) / np.float32(length)
        scores = self._matrix @ probe
        scores -= self._halves
        first = int(scores.argmax())
        score = float(scores[first])
        scores[first] = -np.inf
        level = self._cohort.level_of(probe) / 2 if self._cohort is not None else 0.0
        probe.fill(0)
        return Look(
            self._members[first],
            score - level,
            float(scores.max()) - level,
            self._photos[first],
            self.model,
        )


def _half_levels(rows: Vector, cohort: Cohort | None) -> Vector:
    """z/2 of each row; zero without a cohort."""
    if cohort is None:
        return np.zeros(len(rows), np.float32)
    halves: Vector = cohort.levels(rows) / np.float32(2)
    return halves


def vector_of(raw: bytearray, model: str) -> Vector | None:
    """The numbers in `raw`, as a view: wiping `raw` wipes it. None if they are no vector of
    `model`: of another size, not finite, or far from the length one.
    """
    dimensions = dimensions_of(model)
    if dimensions is None or len(raw) != dimensions * 4:
        return None
    vector = np.frombuffer(raw, dtype="<f4")
    return vector if LENGTH[0] < _length(vector) < LENGTH[1] else None


def _length(vector: Vector) -> float:
    """Of any numbers: NaN or inf if it has none."""
    with np.errstate(invalid="ignore", over="ignore"):
        return math.sqrt(np.dot(vector, vector))
