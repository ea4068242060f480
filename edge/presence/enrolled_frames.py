"""The vectors of one enrolment while it lasts, and which of them describe one and the same face.

Held by `edge/presence/enrolment.py`, which wipes them at every end. `agreeing` is pure: how alike
two descriptions are is asked of `likeness.py`. Nothing here is written, logged or represented.
"""

from collections.abc import Callable, Sequence

import numpy as np

from edge.presence.cohort import Vector
from edge.presence.gallery import vector_of
from edge.records import PHOTOS_WANTED

Matrix = Vector
"""Vectors below each other (n x dimensions)."""

KEPT_MIN = 3
"""A template of fewer vectors recognises its owner too rarely."""
TINY = float(np.finfo(np.float32).tiny)


class Shots:
    """The good frames so far, at most `PHOTOS_WANTED`."""

    def __init__(self) -> None:
        self._held: list[bytearray] = []

    def __len__(self) -> int:
        return len(self._held)

    def __repr__(self) -> str:
        """Without the vectors: a representation may end up in a log."""
        return f"Shots({len(self._held)})"

    def add(self, vector: bytearray, model: str) -> bool:
        """Keep a copy; False if it is no vector of `model`, or there are enough."""
        if len(self._held) == PHOTOS_WANTED or vector_of(vector, model) is None:
            return False
        self._held.append(bytearray(vector))
        return True

    def rows(self) -> Matrix:
        """All of them (n x dimensions), each of length one; a copy, wiped by who asked."""
        held = [np.frombuffer(each, "<f4").astype(np.float32) for each in self._held]
        rows = np.stack(held)
        for each in held:
            each.fill(0)
        lengths = np.linalg.norm(rows, axis=1, keepdims=True).astype(np.float32)
        np.divide(rows, lengths, out=rows)
        return rows

    def wipe(self) -> None:
        """Overwrite and drop them."""
        for each in self._held:
            each[:] = bytes(len(each))
        self._held.clear()


def mean_of(rows: Matrix) -> Vector:
    """Their mean, of length one again; wiped by who asked."""
    mean: Vector = rows.sum(axis=0)
    mean /= max(float(np.linalg.norm(mean)), TINY)
    return mean


def agreeing(rows: Matrix, same: Callable[[Vector, Matrix], bool]) -> list[int] | None:
    """Which of these describe one face, in order; None if several people took turns.

    Whoever is least like the others is left out, as long as they are not the `same` as these. Two
    that are left out and are the same as each other are somebody else, and so is all of it.
    """
    kept = list(range(len(rows)))
    dropped: list[int] = []
    while len(kept) >= KEPT_MIN:
        worst = _least_alike(rows, kept)
        others = [index for index in kept if index != worst]
        theirs = rows[others]
        agrees = same(rows[worst], theirs)
        theirs.fill(0)
        if agrees:
            return None if _one_person(rows, dropped, same) else kept
        dropped.append(worst)
        kept = others
    return None


def _least_alike(rows: Matrix, kept: Sequence[int]) -> int:
    """Which of them points away most from the sum of the others."""
    some = rows[list(kept)]
    total = some.sum(axis=0)
    others = total - some
    lengths = np.maximum(np.linalg.norm(others, axis=1), TINY)
    cosines = (some * others).sum(axis=1) / lengths
    for each in (some, total, others):
        each.fill(0)
    return kept[int(cosines.argmin())]


def _one_person(
    rows: Matrix, dropped: Sequence[int], same: Callable[[Vector, Matrix], bool]
) -> bool:
    return any(
        same(rows[one], rows[other : other + 1])
        for at, one in enumerate(dropped)
        for other in dropped[at + 1 :]
    )
