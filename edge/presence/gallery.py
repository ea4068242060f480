"""Face templates in memory and the exact search over them: one contiguous float32 matrix.

Made anew by the presence desk whenever consented templates change, and swapped in whole. Pure
numpy; it decides nothing (that is `evidence` and `fusion`) and never writes a vector anywhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.records import VECTOR_DIMENSIONS
from edge.storage.members import Template

TEMPLATES_MAX = 100_000
"""Exact search over this many takes about 5 ms; more belongs to a bigger box."""

Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Match:
    """The nearest member and, as the margin to judge by, how far the next other member is."""

    member: str
    distance: float
    runner_up: float


class Gallery:
    """Who can be matched under one model."""

    def __init__(self, templates: Sequence[Template] = ()) -> None:
        rows = [_rows(template.vectors) for template in templates[:TEMPLATES_MAX]]
        self._matrix = np.concatenate(rows) if rows else np.empty((0, VECTOR_DIMENSIONS), "<f4")
        counts = [len(row) for row in rows]
        self._owners = np.repeat(np.arange(len(rows)), counts)
        self._members = [template.member for template in templates[:TEMPLATES_MAX]]

    def __len__(self) -> int:
        """How many members can be matched."""
        return len(self._members)

    def nearest(self, vector: Vector) -> Match | None:
        """The member whose closest enrolment picture is closest to `vector` (128 float32).

        Distances are Euclidean, as dlib's descriptor is meant to be compared. None when the
        gallery is empty or the vector is not finite.
        """
        if not self._members or not np.isfinite(vector).all():
            return None
        distances = np.linalg.norm(self._matrix - vector, axis=1)
        best = np.full(len(self._members), np.inf, dtype=np.float32)
        np.minimum.at(best, self._owners, distances)
        first = int(best.argmin())
        others = np.delete(best, first)
        runner_up = float(others.min()) if len(others) else float("inf")
        return Match(self._members[first], float(best[first]), runner_up)


def vector_of(raw: bytearray) -> Vector:
    """The 128 float32 in `raw`, as a view: wiping `raw` wipes it. ValueError on another size."""
    vector = np.frombuffer(raw, dtype="<f4")
    if vector.shape != (VECTOR_DIMENSIONS,):
        raise ValueError(f"A probe vector has {vector.shape[0]} numbers, not {VECTOR_DIMENSIONS}.")
    return vector


def _rows(vectors: bytes) -> Vector:
    return np.frombuffer(vectors, dtype="<f4").reshape(-1, VECTOR_DIMENSIONS)
