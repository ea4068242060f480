"""Made-up faces for tests: vectors of length one under a real model's name, and a table for them.

A face is a number: the same number gives the same face, another one a stranger's (their cosine is
about 0 +- 0.09). `seen` is a face as a camera describes it, a little off.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge.face_models import DLIB
from edge.presence.cohort import Cohort, lengths_one
from edge.presence.face_calibration import Calibration, Cell, Table
from edge.presence.faces import Faces, FaceSettings
from edge.presence.gallery import Gallery
from edge.records import FaceReading
from edge.storage.templates import Means, Template, unit_rows

MODEL = DLIB
DIMENSIONS = 128
PHOTOS = 3
OFF = 0.1
"""How far a seen face is off: its cosine to the enrolled one is about 0.99."""


def face(number: float) -> NDArray[np.float32]:
    """The face of this number."""
    return _unit(np.random.default_rng(round(number * 1000)).standard_normal(DIMENSIONS))


def seen(number: float, frame: int = 1) -> NDArray[np.float32]:
    """The face as a camera saw it in one frame."""
    noise = _unit(
        np.random.default_rng((round(number * 1000), frame % 1000)).standard_normal(DIMENSIONS)
    )
    return _unit(face(number) + OFF * noise)


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float32]:
    scaled: NDArray[np.float32] = (vector / np.linalg.norm(vector)).astype("<f4")
    return scaled


def template(member: str, number: float, photos: int = PHOTOS) -> Template:
    """The member's enrolled face."""
    vectors = b"".join(seen(number, -photo).tobytes() for photo in range(photos))
    return Template(member, MODEL, vectors)


def gallery_of(templates: Sequence[Template], cohort: Cohort | None = None) -> Gallery:
    """A gallery of them, filled as the box fills it: with means that were kept as float16."""
    rows = [unit_rows(each.model, each.vectors) for each in templates]
    means = lengths_one(np.stack([each.mean(axis=0) for each in rows])).astype("<f2")
    members = [each.member for each in templates]
    piece = Means(members, [len(each) for each in rows], bytearray(means.tobytes()))
    return Gallery([piece], len(members), cohort, templates[0].model)


def reading(track: int, number: float, frame: int, doubt: str = "") -> FaceReading:
    """Frame `frame` of a track, and the mean of it with those before, as a sensor describes it."""
    mean = _unit(np.sum([seen(number, each + 1) for each in range(frame)], axis=0))
    alone = bytearray(seen(number, frame).tobytes())
    return FaceReading(track, MODEL, frame, alone, bytearray(mean.tobytes()), doubt)


CALIBRATION = Calibration(
    Table(
        version=1,
        model=MODEL,
        cohort="",
        cells=tuple(
            Cell(
                photos=PHOTOS, frames=frames, start=0.3, base=4, slope=40, bend=0, shift=0, pairs=1
            )
            for frames in (1, 3, 5)
        ),
    )
)


def settings(mode: Faces = Faces.ZONE) -> FaceSettings:
    """Faces are matched by the made-up table."""
    return FaceSettings(mode, MODEL, CALIBRATION)
