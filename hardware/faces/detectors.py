"""Finding faces: with YuNet where its file is installed, else with dlib's HOG.

Made by `hardware/faces/backends.py`. Both search a smaller picture than the camera's, because a
face that is worth describing is large in it. Neither keeps anything of the pictures it saw.
"""

from typing import Any

import cv2
import numpy as np

from edge.errors import BadModel
from hardware.camera import Picture
from hardware.faces import dlib_library
from hardware.faces.face import (
    FACES_MAX,
    SIDE_MIN,
    Box,
    Face,
    Landmarks,
    largest,
    require_points,
    searchable,
)

SEARCHED_PX = 640
"""The longest side that YuNet is shown: 20 ms for 640x360, against 105 ms for 1280x720."""
UNSHRUNK_PX = 320
"""A picture no larger than this is searched as it is."""
SHARPENED_EYES_PX = 32
SHARPENED_PX = 128
"""A face whose eyes are nearer than the one is looked at again in a square of the other, unshrunk.
The error of its points falls from 15 to 9 % of the distance of the eyes (60 faces of 22 pixels)."""
SCORE_MIN = 0.6
OVERLAP_MAX = 0.3
"""Of two boxes; more is one face found twice."""


class YuNet:
    """A small network for faces and five points (Wu et al., 2023). `content` is its ONNX file."""

    def __init__(self, content: bytes) -> None:
        try:
            self._network = cv2.FaceDetectorYN.create(
                "onnx",
                np.frombuffer(content, np.uint8),
                np.empty(0, np.uint8),
                (UNSHRUNK_PX, UNSHRUNK_PX),
                SCORE_MIN,
                OVERLAP_MAX,
                FACES_MAX * 8,
            )
        except cv2.error as error:
            raise BadModel(
                f"OpenCV does not understand the model that finds faces: {error.err}.",
                "Install it again with `storebox models install`.",
            ) from error

    def detect(self, picture: Picture) -> list[Face]:
        """All faces, largest first; see `face.Detector`."""
        if not searchable(picture):
            return []
        longest = max(picture.shape[:2])
        scale = min(1.0, min(SEARCHED_PX, max(UNSHRUNK_PX, longest / 2)) / longest)
        searched = shrunk(picture, scale)
        if min(searched.shape[:2]) < SIDE_MIN:
            return []
        return largest([self._face(row, scale, picture) for row in self._rows(searched)])

    def sharpened(self, picture: Picture, face: Face) -> Face:
        """A small face once more, at full size, for a few milliseconds: its points half as far off.

        Only worth it for a face that is about to be described.
        """
        points = require_points(face)
        if not 1 < face.eyes_px < SHARPENED_EYES_PX:
            return face
        middle = points.mean(axis=0)
        corner = np.round(middle).astype(int) - SHARPENED_PX // 2
        window = part(picture, corner[0], corner[1], SHARPENED_PX)
        found = [self._face(row, 1.0, window).landmarks + corner for row in self._rows(window)]
        nearest = min(found, key=lambda each: _apart(each, middle), default=points)
        if _apart(nearest, middle) > face.eyes_px / 2:
            return face
        return face._replace(landmarks=nearest.astype(np.float32))

    def _rows(self, picture: Picture) -> Any:
        self._network.setInputSize((picture.shape[1], picture.shape[0]))
        found = self._network.detect(picture)[1]
        rows = np.empty((0, 15), np.float32) if found is None else found
        return rows[np.isfinite(rows).all(axis=1)]

    def _face(self, row: Any, scale: float, picture: Picture) -> Face:
        left, top, width, height = row[:4] / scale
        box = inside((left, top, left + width, top + height), picture)
        return Face(box, min(1.0, float(row[14])), (row[4:14] / scale).reshape(5, 2))


def _apart(points: Landmarks, middle: Any) -> float:
    return float(np.linalg.norm(points.mean(axis=0) - middle))


def part(picture: Picture, left: int, top: int, side: int) -> Picture:
    """A square of the picture; black where it reaches beyond."""
    window = np.zeros((side, side, 3), np.uint8)
    x, y = max(0, left), max(0, top)
    seen = picture[y : max(y, top + side), x : max(x, left + side)]
    window[y - top : y - top + seen.shape[0], x - left : x - left + seen.shape[1]] = seen
    return window


HOG_PX = 960
"""Wider pictures are searched at this width: HOG costs 46 ms at 640x480 and rises with the area."""
_TWICE_PIXELS = 200 * 260
"""At most this many pixels: a small still picture, worth two doublings."""
_ONCE_PIXELS = 400 * 300
"""HOG finds faces of 80 pixels and more; doubling halves that, at four times the cost."""


class Hog:
    """dlib's detector (Dalal and Triggs, 2005), with the five points of its predictor."""

    def __init__(self) -> None:
        self._search = dlib_library.dlib().get_frontal_face_detector()
        self._points = dlib_library.points()

    def detect(self, picture: Picture) -> list[Face]:
        """All faces, largest first; see `face.Detector`."""
        if not searchable(picture):
            return []
        height, width = picture.shape[:2]
        scale = min(1.0, HOG_PX / max(width, height))
        searched = dlib_library.rgb(shrunk(picture, scale))
        if min(searched.shape[:2]) < SIDE_MIN:
            return []
        places, margins, _ = self._search.run(searched, upsample(width, height), 0.0)
        faces = []
        for place, margin in zip(places, margins, strict=True):
            corners = (place.left(), place.top(), place.right() + 1, place.bottom() + 1)
            box = inside(tuple(corner / scale for corner in corners), picture)
            found = landmarks(self._points(searched, place)) / np.float32(scale)
            faces.append(Face(box, sureness(margin), found))
        return largest(faces)

    def sharpened(self, _picture: Picture, face: Face) -> Face:
        """The face as it is: its points were found in the picture that HOG was shown."""
        return face


def sureness(margin: float) -> float:
    """A score like YuNet's from the margin of HOG's classifier, which is 0 where it is in doubt."""
    return float(1 - 0.4 * np.exp(-3.0 * max(0.0, margin)))


def upsample(width: int, height: int) -> int:
    """How often HOG doubles a picture of this size before it searches it."""
    if width * height <= _TWICE_PIXELS:
        return 2
    return 1 if width * height <= _ONCE_PIXELS else 0


NOSE_TIP, MOUTH = 0.76, 1.29
"""Where they lie on the line from the middle of the eyes to the base of the nose, in its length."""
MOUTH_WIDTH = 0.89
"""In distances of the eyes. All three: medians of 146 faces in which YuNet saw the points."""


def landmarks(shape: Any) -> Landmarks:
    """Our five points from dlib's: the eyes are the middles of their corners.

    dlib knows the base of the nose, but neither its tip nor the mouth; they are put where an
    upright face has them.
    """
    parts = np.array([[part.x, part.y] for part in shape.parts()], np.float32)
    left, right, base = parts[0:2].mean(axis=0), parts[2:4].mean(axis=0), parts[4]
    middle, across = (left + right) / 2, (left - right) * np.float32(MOUTH_WIDTH / 2)
    nose, mouth = (middle + np.float32(along) * (base - middle) for along in (NOSE_TIP, MOUTH))
    return np.stack([right, left, nose, mouth - across, mouth + across])


def inside(corners: Any, picture: Picture) -> Box:
    """Left, top, right and bottom, rounded and cut at the picture's edges."""
    height, width = picture.shape[:2]
    left, top, right, bottom = (round(float(corner)) for corner in corners)
    return Box(
        min(max(0, left), width - 1),
        min(max(0, top), height - 1),
        max(1, min(width, right)),
        max(1, min(height, bottom)),
    )


def shrunk(picture: Picture, scale: float) -> Picture:
    """The picture in `scale` times its size, at least one pixel wide and high."""
    if scale >= 1:
        return picture
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    return np.ascontiguousarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))
