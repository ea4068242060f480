"""A face in a picture, and what every backend of face recognition can do.

`hardware/faces/backends.py` makes backends; the face sensor, the scenario builder and the commands
that enrol and calibrate use them. Nothing here keeps a picture or knows a name.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from edge.errors import BadPicture
from hardware.camera import Picture

FACES_MAX = 64
"""Of one picture; the largest ones. A door camera that sees more people cannot tell them apart."""
SIDE_MIN = 16
SIDE_MAX = 16_384
"""Of a picture, in pixels. Outside of it no face is looked for: too small for one, or hostile."""

Landmarks = npt.NDArray[np.float32]
"""5 x 2, x and y in pixels of the picture: right eye, left eye, tip of the nose, right and left
corner of the mouth, as the person's own right and left: their right eye is left in the picture."""
Vector = npt.NDArray[np.float32]
"""What a face looks like: as many numbers as the model says, of length 1."""


class Box(NamedTuple):
    """Where a face is, in pixels of the picture it was found in; right and bottom are outside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """In pixels."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """In pixels."""
        return self.bottom - self.top

    @property
    def area(self) -> int:
        """In square pixels."""
        return max(0, self.width) * max(0, self.height)

    def overlap(self, other: "Box") -> float:
        """Intersection over union, 0..1."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        shared = max(0, width) * max(0, height)
        return shared / ((self.area + other.area - shared) or 1)


class Face(NamedTuple):
    """One face. `score` is how sure the detector is, 0..1, about alike for all detectors."""

    box: Box
    score: float
    landmarks: Landmarks

    @property
    def eyes_px(self) -> float:
        """The distance of the eyes."""
        return float(np.linalg.norm(self.landmarks[1] - self.landmarks[0]))


def require_points(face: Face) -> Landmarks:
    """A face's landmarks. BadPicture if they are no five places."""
    points = face.landmarks
    if points.shape != (5, 2) or not np.isfinite(points).all():
        raise BadPicture("The points of a face are no places.")
    return points


class Detector(Protocol):
    """Finds faces."""

    def detect(self, picture: Picture) -> list[Face]:
        """All faces in `picture` (blue-green-red), largest first, at most `FACES_MAX`.

        A picture in which no face can be (a single pixel, one row) has none; that is no error.
        """
        ...

    def sharpened(self, picture: Picture, face: Face) -> Face:
        """The face with its points as exact as this detector can. BadPicture if it has none."""
        ...


class Describer(Protocol):
    """Describes a face by a vector."""

    model: str
    """Its id in `edge/face_models.py`, which every vector carries."""
    dimensions: int
    side: int
    """Of a chip, in pixels."""

    def chip(self, picture: Picture, face: Face) -> Picture:
        """The face upright and of the model's own size. BadPicture if it cannot be cut out."""
        ...

    def embed(self, chip: Picture, *, mirrored: bool = False) -> Vector:
        """The vector of a chip, of length 1. Whoever asked overwrites it after use.

        `mirrored` also looks at the chip's mirror image and takes the mean: twice the time, a
        little surer, and comparable with vectors made without. BadPicture for a picture that is no
        chip, BadModel if the model's answer is no vector.
        """
        ...

    def forget(self) -> None:
        """Overwrite what the model itself still holds of the last face it described.

        A network keeps its last answer until the next one; this lets it describe a black chip, and
        takes as long as `embed`. For when nobody is to be described any more.
        """
        ...


class FaceBackend(Describer, Protocol):
    """A detector and a describer that were loaded together."""

    def detect(self, picture: Picture) -> list[Face]:
        """See `Detector`."""
        ...


def searchable(picture: Picture) -> bool:
    """Whether `picture` is one in which a face can be."""
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
        return False
    height, width = picture.shape[:2]
    return bool(min(height, width) >= SIDE_MIN and max(height, width) <= SIDE_MAX)


def largest(faces: Sequence[Face]) -> list[Face]:
    """At most `FACES_MAX` faces, the largest first."""
    return sorted(faces, key=lambda face: -face.box.area)[:FACES_MAX]
