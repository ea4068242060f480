"""Face templates in memory and the exact search over them: one contiguous float32 matrix.

Made anew by the presence desk whenever consented templates change, and swapped in whole. Pure
numpy; it decides nothing (that is `face_decision`) and never writes a vector anywhere.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from msgspec import Struct

from edge.face_models import dimensions_of
from edge.presence.cohort import Cohort, Vector, lengths_one
from edge.storage.templates import LENGTH, Means, Template

TEMPLATES_MAX = 100_000
"""Exact search over this many takes about 10 ms; more belongs to a bigger box."""
PHOTOS_MAX = 16
"""Enrolled vectors of one member that are used; the first ones."""
OFF_UNIT = 0.01
"""Means are kept with eleven bits: so far their length may be off. Another one did not open."""
_AT_ONCE = 8192
"""Templates read in one piece: their vectors need some 40 MB for a moment."""


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

    Templates of another model than `model`, of a wrong size, with NaN or of no length are left
    out and counted in `refused`: they match nobody.
    """

    def __init__(
        self, templates: Sequence[Template], cohort: Cohort | None = None, model: str = ""
    ) -> None:
        self.model = model or (templates[0].model if templates else "")
        self._dimensions = _dimensions(self.model)
        self._cohort = cohort
        if cohort is not None and cohort.dimensions != self._dimensions:
            raise ValueError(f"This cohort is of another model than {self.model}.")
        self._members: list[str] = []
        self._photos: list[int] = []
        kept = templates[:TEMPLATES_MAX]
        self._matrix = np.zeros((len(kept), self._dimensions), np.float32)
        for start in range(0, len(kept), _AT_ONCE):
            self._add(kept[start : start + _AT_ONCE])
        self._matrix = self._matrix[: len(self._members)]
        self.refused = len(templates) - len(self._members)
        self._halves = _half_levels(self._matrix, cohort)

    def _add(self, templates: Sequence[Template]) -> None:
        """Append the means of the templates that are sound."""
        size = self._dimensions * 4
        sound = [t for t in templates if t.model == self.model and _whole(t.vectors, size)]
        if not sound:
            return
        raws = [t.vectors[: PHOTOS_MAX * size] for t in sound]
        photos = [len(raw) // size for raw in raws]
        rows = np.frombuffer(b"".join(raws), "<f4").reshape(-1, self._dimensions)
        firsts = np.concatenate(([0], np.cumsum(photos)[:-1]))
        with np.errstate(invalid="ignore", over="ignore"):
            lengths = np.linalg.norm(rows, axis=1)
            fine = np.minimum.reduceat((lengths > LENGTH[0]) & (lengths < LENGTH[1]), firsts)
            means = np.add.reduceat(rows, firsts, axis=0)
            fine &= np.linalg.norm(means, axis=1) > 0
        begin = len(self._members)
        for index in np.flatnonzero(fine):
            self._members.append(sound[index].member)
            self._photos.append(photos[index])
        self._matrix[begin : len(self._members)] = lengths_one(means[fine])

    @classmethod
    def of_means(
        cls, pieces: Iterable[Means], room: int, cohort: Cohort | None, model: str
    ) -> "Gallery":
        """A gallery of `room` members at most, filled piece by piece; each piece is wiped.

        This is how the box fills it: no copy of a vector is left anywhere else.
        """
        gallery = cls((), cohort, model)
        gallery._matrix = np.zeros((min(room, TEMPLATES_MAX), gallery._dimensions), np.float32)
        gallery._halves = np.zeros(len(gallery._matrix), np.float32)
        for piece in pieces:
            gallery._take(piece)
            piece.rows[:] = bytes(len(piece.rows))
        return gallery

    def _take(self, piece: Means) -> None:
        begin = len(self._members)
        end = begin + len(piece.members)
        place = self._matrix[begin:end]
        place[:] = np.frombuffer(piece.rows, "<f2").reshape(len(place), -1)
        with np.errstate(invalid="ignore", over="ignore"):
            squares = np.einsum("nd,nd->n", place, place)
            broken = ~(np.abs(squares - 1) < OFF_UNIT)
        place[broken] = 0
        self._halves[begin:end] = _half_levels(place, self._cohort)
        self._halves[begin:end][broken] = np.inf
        self.refused += int(broken.sum())
        self._members += piece.members
        self._photos += piece.photos

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
        with np.errstate(invalid="ignore", over="ignore"):
            length = float(np.linalg.norm(vector))
        if not LENGTH[0] < length < LENGTH[1]:
            return None
        probe = np.ascontiguousarray(vector, np.float32) / np.float32(length)
        scores = self._matrix @ probe
        scores -= self._halves
        first = int(scores.argmax())
        score = float(scores[first])
        scores[first] = -np.inf
        level = _half_levels(probe[None, :], self._cohort)[0]
        return Look(
            self._members[first],
            score - float(level),
            float(scores.max()) - float(level),
            self._photos[first],
            self.model,
        )


def _whole(vectors: bytes, size: int) -> bool:
    return len(vectors) > 0 and len(vectors) % size == 0


def _half_levels(rows: Vector, cohort: Cohort | None) -> Vector:
    """z/2 of each row; zero without a cohort."""
    if cohort is None:
        return np.zeros(len(rows), np.float32)
    halves: Vector = cohort.levels(rows) / np.float32(2)
    return halves


def _dimensions(model: str) -> int:
    """How many numbers a vector of `model` has; nobody can be matched under an unknown one."""
    return dimensions_of(model) or 0


def vector_of(raw: bytearray, model: str) -> Vector | None:
    """The numbers in `raw`, as a view: wiping `raw` wipes it. None if they are no vector of `model`:
    of another size, not finite, or far from the length one.
    """
    dimensions = dimensions_of(model)
    if dimensions is None or len(raw) != dimensions * 4:
        return None
    vector = np.frombuffer(raw, dtype="<f4")
    with np.errstate(invalid="ignore", over="ignore"):
        sound = LENGTH[0] < float(np.linalg.norm(vector)) < LENGTH[1]
    return vector if sound else None
