"""Face templates in memory and the exact search over them: one contiguous float32 matrix.

Made anew by the presence desk whenever consented templates change, and swapped in whole. Pure
numpy; it decides nothing (that is `face_decision`) and never writes a vector anywhere.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

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
_AT_ONCE = 4096
"""Templates read in one piece: their vectors need some 12 MB for a moment."""


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
        """Append the means of the templates that are sound, those with as many photos at once."""
        size = self._dimensions * 4
        by_photos: dict[int, list[Template]] = {}
        for template in templates:
            photos, rest = divmod(len(template.vectors), size) if size else (0, 0)
            if template.model == self.model and photos and not rest:
                by_photos.setdefault(min(photos, PHOTOS_MAX), []).append(template)
        for photos, alike in sorted(by_photos.items()):
            raw = b"".join(template.vectors[: photos * size] for template in alike)
            means, sound = _means(np.frombuffer(raw, "<f4").reshape(-1, photos, self._dimensions))
            begin = len(self._members)
            self._members += [alike[index].member for index in sound]
            self._photos += [photos] * len(sound)
            self._matrix[begin : len(self._members)] = means

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
        try:
            with ThreadPoolExecutor(1, thread_name_prefix="levels") as beside:
                levels = [beside.submit(gallery._level, gallery._take(piece)) for piece in pieces]
            for done in levels:
                done.result()
        except BaseException:
            gallery.wipe()
            raise
        gallery._matrix = gallery._matrix[: len(gallery._members)]
        gallery._halves = gallery._halves[: len(gallery._members)]
        return gallery

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
        probe.fill(0)
        return Look(
            self._members[first],
            score - float(level),
            float(scores.max()) - float(level),
            self._photos[first],
            self.model,
        )


def _means(vectors: Vector) -> tuple[Vector, list[int]]:
    """The means (length one) of those members (n x photos x d) of whom all is sound, and which."""
    with np.errstate(invalid="ignore", over="ignore"):
        squares = np.einsum("npd,npd->np", vectors, vectors)
        fine = ((squares > LENGTH[0] ** 2) & (squares < LENGTH[1] ** 2)).all(axis=1)
        sums = vectors.sum(axis=1)
        fine &= np.einsum("nd,nd->n", sums, sums) > LENGTH[0] ** 2
    return lengths_one(sums[fine]), np.flatnonzero(fine).tolist()


def _half_levels(rows: Vector, cohort: Cohort | None) -> Vector:
    """z/2 of each row; zero without a cohort."""
    if cohort is None:
        return np.zeros(len(rows), np.float32)
    halves: Vector = cohort.levels(rows) / np.float32(2)
    return halves


def _dimensions(model: str) -> int:
    """How many numbers a vector of `model` has; 0 of a model that is not known."""
    return dimensions_of(model) or 0


def vector_of(raw: bytearray, model: str) -> Vector | None:
    """The numbers in `raw`, as a view: wiping `raw` wipes it. None if they are no vector of
    `model`: of another size, not finite, or far from the length one.
    """
    dimensions = dimensions_of(model)
    if dimensions is None or len(raw) != dimensions * 4:
        return None
    vector = np.frombuffer(raw, dtype="<f4")
    with np.errstate(invalid="ignore", over="ignore"):
        sound = LENGTH[0] < float(np.linalg.norm(vector)) < LENGTH[1]
    return vector if sound else None
