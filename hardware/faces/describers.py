"""Describing faces by vectors: dlib's ResNet, and networks in ONNX files run by OpenCV.

Made by `hardware/faces/backends.py`. Vectors have length 1 and are handed over, not kept: what a
library left of one in its own answer is overwritten. It compares nothing.
"""

from typing import Any

import cv2
import numpy as np

from edge.errors import BadModel, BadPicture
from edge.face_models import DLIB, FaceModel, dimensions_of
from hardware.camera import Picture
from hardware.faces import dlib_library
from hardware.faces.aligning import aligned
from hardware.faces.face import Box, Face, Vector, require_points

LENGTH_MIN = 1e-6
"""A shorter answer points nowhere."""


class DlibResnet:
    """dlib's ResNet. The chip is cut by dlib's own five points, as the network was trained."""

    model = DLIB
    side = 150
    padding = 0.25

    def __init__(self) -> None:
        self.dimensions = dimensions_of(DLIB) or 0
        self._library = dlib_library.dlib()
        self._network = dlib_library.resnet()
        self._points = dlib_library.points()

    def chip(self, picture: Picture, face: Face) -> Picture:
        """The upright face; see `face.Describer`."""
        window, place = surroundings(picture, face)
        seen = dlib_library.rgb(window)
        shape = self._points(seen, dlib_library.rectangle(place))
        try:
            cut = self._library.get_face_chip(seen, shape, self.side, self.padding)
        except RuntimeError as error:
            raise BadPicture("A face could not be cut out of its picture.") from error
        return dlib_library.rgb(cut)

    def embed(self, chip: Picture, *, mirrored: bool = False) -> Vector:
        """128 numbers, about 150 ms; see `face.Describer`."""
        require_chip(chip, self.side)
        looks = (chip, chip[:, ::-1]) if mirrored else (chip,)
        return united([self._described(look) for look in looks], self.dimensions)

    def forget(self) -> None:
        """See `face.Describer`."""
        self._described(black_chip(self.side))

    def _described(self, chip: Picture) -> Vector:
        answer = self._network.compute_face_descriptor(dlib_library.rgb(chip))
        vector = np.array(answer, np.float32)
        for index in range(len(answer)):
            answer[index] = 0.0
        return vector


HOG_BOX = 2.36
"""How wide HOG's boxes are, in distances of the eyes, or of the eyes from the mouth (median of 170
faces): dlib's points were trained on such boxes, whatever detector found the face."""
WINDOW = 3.0
"""How wide a part of the picture is looked at, in the same boxes: a chip shows no more."""


def surroundings(picture: Picture, face: Face) -> tuple[Picture, Box]:
    """A view on the part of `picture` around a face, and the box of HOG's kind in it.

    A whole frame need not change its colours for one face. BadPicture if the face lies outside.
    """
    points = require_points(face)
    eyes, mouth = points[0:2].mean(axis=0), points[3:5].mean(axis=0)
    middle = (eyes + mouth) / 2
    side = HOG_BOX * max(face.eyes_px, float(np.linalg.norm(mouth - eyes)))
    height, width = picture.shape[:2]
    if not 4 <= side <= 4 * max(height, width):
        raise BadPicture("The points of a face are no face's.")
    if not (0 <= middle[0] < width and 0 <= middle[1] < height):
        raise BadPicture("A face lies outside of its picture.")
    left, top = (max(0, round(float(each - WINDOW * side / 2))) for each in middle)
    reach = round(WINDOW * side)
    window = picture[top : top + reach, left : left + reach]
    x, y = middle - (left, top) - side / 2
    return window, Box(round(x), round(y), round(x + side), round(y + side))


class OnnxNetwork:
    """A network in an ONNX file, `content`, run by OpenCV on one thread."""

    def __init__(self, model: FaceModel, content: bytes) -> None:
        assert model.input is not None
        self.model = model.id
        self.dimensions = model.dimensions
        self.side = model.input.side
        self._input = model.input
        try:
            self._network = cv2.dnn.readNetFromONNX(np.frombuffer(content, np.uint8))
        except cv2.error as error:
            raise BadModel(
                f"OpenCV does not understand the network of {model.id}: {error.err}.",
                "Install it again with `storebox models install`, or use another model.",
            ) from error

    def chip(self, picture: Picture, face: Face) -> Picture:
        """The upright face; see `face.Describer`."""
        return aligned(picture, require_points(face), self.side)

    def embed(self, chip: Picture, *, mirrored: bool = False) -> Vector:
        """As many numbers as the model says; see `face.Describer`."""
        require_chip(chip, self.side)
        looks = (chip, chip[:, ::-1]) if mirrored else (chip,)
        return united([self._described(look) for look in looks], self.dimensions)

    def forget(self) -> None:
        """See `face.Describer`."""
        self._described(black_chip(self.side))

    def _described(self, chip: Picture) -> Vector:
        wanted = self._input
        try:
            self._network.setInput(
                cv2.dnn.blobFromImage(
                    np.ascontiguousarray(chip),
                    wanted.scale,
                    (wanted.side, wanted.side),
                    wanted.mean,
                    swapRB=wanted.colours == "rgb",
                    crop=False,
                )
            )
            answer = self._network.forward()
        except cv2.error as error:
            raise BadModel(
                f"The network of {self.model} fails: {error.err}.",
                "Check its input in the model card, or use another model.",
            ) from error
        vector = np.array(answer, np.float32).reshape(-1)
        answer.fill(0)
        return vector


def black_chip(side: int) -> Picture:
    """A chip that shows nobody."""
    return np.zeros((side, side, 3), np.uint8)


def require_chip(chip: Picture, side: int) -> None:
    """BadPicture unless `chip` is a colour picture of `side` x `side`."""
    if chip.shape != (side, side, 3) or chip.dtype != np.uint8:
        raise BadPicture(f"A chip of {side}x{side} pixels was expected.")


def united(looks: list[Any], dimensions: int) -> Vector:
    """The mean direction of the looks at one face, of length 1; `looks` are overwritten."""
    result = np.zeros(dimensions, np.float32)
    good = True
    for look in looks:
        length = float(np.linalg.norm(look)) if look.shape == (dimensions,) else 0.0
        good = good and np.isfinite(length) and length > LENGTH_MIN
        if good:
            look /= length
            result += look
        look.fill(0)
    length = float(np.linalg.norm(result))
    if not good or not length > LENGTH_MIN:
        raise BadModel(
            f"The face model answers with no vector of {dimensions} numbers.",
            "Install it again with `storebox models install`, or use another model.",
        )
    result /= length
    return result
