"""Loading a backend of face recognition: the detector and the describer of a model.

Called by the face sensor, by the scenario builder and by commands that describe faces. Which model
it is was decided before, by `edge/face_files.py`. Files are verified here again and loaded from the
memory in which they were verified.
"""

from pathlib import Path

import cv2

from edge.errors import BadModel
from edge.face_files import model_named, read_verified
from edge.face_models import DLIB, KNOWN, YUNET
from hardware.camera import Picture, quiet
from hardware.faces.describers import DlibResnet, OnnxNetwork
from hardware.faces.detectors import Hog, YuNet
from hardware.faces.face import Describer, Detector, Face, FaceBackend, Vector


class Backend:
    """One detector and one describer as a `FaceBackend`. Make it with `load`."""

    def __init__(self, detector: Detector, describer: Describer) -> None:
        self.model = describer.model
        self.dimensions = describer.dimensions
        self.side = describer.side
        self._detector = detector
        self._describer = describer

    def detect(self, picture: Picture) -> list[Face]:
        """See `face.Detector`."""
        return self._detector.detect(picture)

    def chip(self, picture: Picture, face: Face) -> Picture:
        """See `face.Describer`. A small face is looked at once more, at full size."""
        return self._describer.chip(picture, self._detector.sharpened(picture, face))

    def embed(self, chip: Picture, *, mirrored: bool = False) -> Vector:
        """See `face.Describer`."""
        return self._describer.embed(chip, mirrored=mirrored)

    def forget(self) -> None:
        """See `face.Describer`."""
        self._describer.forget()


def load(models: Path | None, model: str = DLIB) -> FaceBackend:
    """Load `model`, an id of `edge/face_models.py`, with the files in the directory `models`.

    Without a directory only dlib can be loaded. Less than a second. BadModel if a file is missing
    or not the one that it should be, DeviceError if a library cannot be loaded; both with a remedy.
    """
    quiet()
    cv2.setNumThreads(1)  # several sensors share two cores
    return Backend(detector(models), describer(models, model))


def detector(models: Path | None) -> Detector:
    """YuNet if its file is there, else HOG. A wrong file is an error, not a reason to use HOG."""
    if models is None:
        return Hog()
    try:
        return YuNet(read_verified(models, KNOWN[YUNET], KNOWN[YUNET].files[0]))
    except BadModel as error:
        if not error.missing:
            raise
    return Hog()


def describer(models: Path | None, model: str) -> Describer:
    """The describing network of `model`."""
    if model == DLIB:
        return DlibResnet()
    if models is None:
        raise BadModel(
            f"{model} needs the directory of its files.",
            "Name the directory as `models` in `[faces]`.",
        )
    known = model_named(models, model)
    contents = [read_verified(models, known, file) for file in known.files]
    return OnnxNetwork(known, contents[0])
