"""What a face vector is like to strangers in general: the level that a score is measured from.

Some faces are near to everybody under a model; without this they would be taken for members more
often than others. A cohort is a mean and a covariance of strangers' vectors, nobody's template.
Pure numpy; used by the gallery and by calibration, and never writes a vector anywhere.
"""

import hashlib
import io
import math
import zipfile
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]

SHARE = 1 / 10_000
"""The level is the mean cosine to this nearest share of all strangers. A sampled cohort of 3,000
with its 100 nearest has a share of 1/30; the closed form can look further out, where a gallery's
nearest strangers are: it halved the members missed in nested halves of calibration."""
_NORMAL = NormalDist()
NEAREST = _NORMAL.pdf(_NORMAL.inv_cdf(1 - SHARE)) / SHARE
"""The mean of the largest SHARE of a standard normal variable (inverse Mills ratio): 3.96."""
DIMENSIONS_MAX = 1024
MEAN_SQUARE = (0.9, 1.1)
"""Vectors of length one have a mean square of one; far from it these are no face vectors."""


@dataclass(frozen=True, slots=True)
class Cohort:
    """Mean (d) and covariance (d x d) of strangers' vectors of length one under one model.

    ValueError when they cannot be that: not finite, not square, of another mean length.
    """

    mean: Vector
    covariance: Vector

    def __post_init__(self) -> None:
        count = self.mean.shape[0] if self.mean.ndim == 1 else 0
        if not 0 < count <= DIMENSIONS_MAX or self.covariance.shape != (count, count):
            raise ValueError("A cohort is a mean and a square covariance of the same size.")
        if not (np.isfinite(self.mean).all() and np.isfinite(self.covariance).all()):
            raise ValueError("A cohort has a number that is not finite.")
        square = float(self.mean @ self.mean + np.trace(self.covariance))
        if not MEAN_SQUARE[0] <= square <= MEAN_SQUARE[1]:
            raise ValueError(f"A cohort's vectors have a mean square of {square:.2f}, not 1.")

    @property
    def dimensions(self) -> int:
        """How many numbers a vector has."""
        return int(self.mean.shape[0])

    def levels(self, vectors: Vector) -> Vector:
        """The level z of each row (n x d, length one): how near it is to its nearest strangers.

        Cosines of x to strangers from N(mean, covariance) are themselves normal, with mean
        x.mean and variance x'.covariance.x; z is the mean of their largest SHARE, in closed form.
        """
        return level(*self.moments(vectors))

    def level_of(self, vector: Vector) -> float:
        """The level of one vector (d, length one)."""
        variance = float(np.dot(np.dot(vector, self.covariance), vector))
        return float(np.dot(vector, self.mean)) + NEAREST * math.sqrt(max(0.0, variance))

    def moments(self, vectors: Vector) -> tuple[Vector, Vector]:
        """Mean and variance of each row's cosine to strangers."""
        variance: Vector = np.einsum("nd,nd->n", vectors @ self.covariance, vectors)
        return vectors @ self.mean, variance

    def fingerprint(self) -> str:
        """Tells cohorts apart: a table of thresholds holds for one of them."""
        raw = self.mean.astype("<f4").tobytes() + self.covariance.astype("<f4").tobytes()
        return hashlib.sha256(raw).hexdigest()[:16]


def level(mean: Vector, variance: Vector) -> Vector:
    """The mean of the largest SHARE of a normal variable."""
    spread = np.sqrt(np.maximum(variance, 0)).astype(np.float32, copy=False)
    return (mean + np.float32(NEAREST) * spread).astype(np.float32, copy=False)


def from_npz(raw: bytes) -> Cohort:
    """The cohort in a model's file (arrays `mu` and `cov`). ValueError when it is none."""
    try:
        with np.load(io.BytesIO(raw), allow_pickle=False) as arrays:
            return Cohort(arrays["mu"].astype(np.float32), arrays["cov"].astype(np.float32))
    except (KeyError, OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"A cohort's file cannot be read: {error}") from None


def measured(vectors: Vector) -> Cohort:
    """The cohort of these strangers' vectors (n x d, length one, one each)."""
    mean = vectors.mean(axis=0, dtype=np.float64)
    centred = vectors - mean
    covariance = centred.T @ centred / len(vectors)
    return Cohort(mean.astype(np.float32), covariance.astype(np.float32))


def lengths_one(vectors: Vector) -> Vector:
    """The rows divided by their lengths; a row of zeros stays one."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True).astype(np.float32)
    lengths[lengths == 0] = 1
    scaled: Vector = (vectors / lengths).astype(np.float32, copy=False)
    return scaled
