"""Whether two descriptions are of one face, as the calibration of their model says. Pure.

Asked by enrolment about the frames of one person, and about members who look like them. The scores
are those of the gallery; without a calibration of the model nothing is alike, and nobody can be
enrolled who could not be told from others.
"""

import numpy as np

from edge.presence.cohort import Cohort, Vector
from edge.presence.face_calibration import Calibration
from edge.presence.gallery import Gallery

FPIR_FRAMES = 0.01
"""So often a stranger's frame may pass for one of the same enrolment: a few seconds lie between
them, so that one's own frames score far higher."""
FPIR_VIEWS = 0.0001
"""New views for a template must be likelier its owner's than any match in the shop is: whoever is
added wrongly once is recognised wrongly for ever."""


def same(vector: Vector, others: Vector, calibration: Calibration, fpir: float) -> bool:
    """Whether `vector` is of the face that `others` (n x d, length one) are of."""
    mean = others.sum(axis=0)
    length = float(np.linalg.norm(mean))
    if not length > 0:
        return False
    mean /= length
    score = _score(vector, mean, calibration.cohort)
    mean.fill(0)
    return score >= calibration.threshold(len(others), 1, 1, fpir)


def is_somebody_elses(
    mean: Vector, member: str, gallery: Gallery, calibration: Calibration, fpir: float
) -> bool:
    """Whether a member other than `member` would be recognised by the face described by `mean`."""
    look = gallery.nearest(mean)
    if look is None:
        return False
    people = max(1, len(gallery))
    least = calibration.threshold(look.photos, 1, people, fpir)
    score = look.score if look.member != member else look.runner_up
    return score >= least


def _score(one: Vector, other: Vector, cohort: Cohort | None) -> float:
    """cos - z/2 - z/2, as the gallery scores."""
    cosine = float(one @ other)
    if cohort is None:
        return cosine
    return cosine - (cohort.level_of(one) + cohort.level_of(other)) / 2
