"""Finding faces in a picture and describing each by 128 numbers, with the face_recognition library.

Used by the face sensor, by the scenario builder and by tests; loaded only in their processes. dlib
is native code compiled for AVX and face_recognition ends the interpreter when its model files are
missing, so `FaceEngine.load` checks first and turns whatever goes wrong into a DeviceError.
It opens no camera, keeps no picture and knows nobody's name.
"""

import platform
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from edge.errors import DeviceError
from edge.records import VECTOR_BYTES
from hardware.camera import Picture

MODEL = "dlib-resnet-v1"
"""Identity of the embedding. Vectors of different models are never compared."""

DETECT_WIDTH_MAX = 960
"""Wider pictures are searched at this width: HOG costs 46 ms at 640x480 and rises with the area."""
_UPSAMPLE_TWICE_PIXELS = 200 * 260
"""At most this many pixels: a small still picture, worth two doublings."""
_UPSAMPLE_ONCE_PIXELS = 400 * 300
"""HOG finds faces of 80 pixels and more; doubling halves that, at four times the cost."""


@dataclass(frozen=True, slots=True)
class Box:
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
    def area(self) -> int:
        """In square pixels."""
        return max(0, self.width) * max(0, self.bottom - self.top)

    def overlap(self, other: "Box") -> float:
        """Intersection over union, 0..1."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        shared = max(0, width) * max(0, height)
        return shared / ((self.area + other.area - shared) or 1)


class FaceEngine:
    """The loaded library (about 150 MB of memory). Make it with `load`."""

    def __init__(self, library: Any) -> None:
        self._library = library

    @classmethod
    def load(cls) -> "FaceEngine":
        """Load the models, about 3 s. DeviceError with a remedy when that is impossible."""
        require_avx()
        try:
            import face_recognition
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # it calls quit() when its models are missing
            raise DeviceError(
                f"The face models cannot be loaded ({type(error).__name__}: {error}).",
                "Install storebox from its lock file again: make setup.",
            ) from error
        return cls(face_recognition)

    def detect(self, picture: Picture) -> list[Box]:
        """All faces that HOG finds, largest first."""
        height, width = picture.shape[:2]
        scale = min(1.0, DETECT_WIDTH_MAX / width)
        searched = picture if scale == 1 else _shrunk(picture, scale)
        found = self._library.face_locations(_rgb(searched), upsample(width, height), "hog")
        boxes = [
            Box(
                max(0, round(left / scale)),
                max(0, round(top / scale)),
                min(width, round(right / scale)),
                min(height, round(bottom / scale)),
            )
            for top, right, bottom, left in found
        ]
        return sorted(boxes, key=lambda box: -box.area)

    def embed(self, picture: Picture, box: Box) -> bytearray:
        """The face's descriptor as dlib gives it: 128 float32, little-endian, about 160 ms.

        Five landmarks align it; the 68-point model is not used. Whoever asked wipes the result.
        """
        place = (box.top, box.right, box.bottom, box.left)
        described = self._library.face_encodings(_rgb(picture), [place], 1, "small")[0]
        vector = bytearray(described.astype("<f4").tobytes())
        described.fill(0)
        if len(vector) != VECTOR_BYTES:
            raise DeviceError(
                f"The face model describes a face by {len(vector)} bytes, not {VECTOR_BYTES}.",
                "Install storebox from its lock file again: make setup.",
            )
        return vector


def upsample(width: int, height: int) -> int:
    """How often a picture of this size is doubled before it is searched."""
    if width * height <= _UPSAMPLE_TWICE_PIXELS:
        return 2
    return 1 if width * height <= _UPSAMPLE_ONCE_PIXELS else 0


GOOD_WIDTH = 100
GOOD_SHARPNESS = 100.0
"""A face so wide, and with so much variance of its Laplacian at 128 pixels, is as good as any."""


def quality(picture: Picture, box: Box) -> float:
    """How much a description of this face is worth, 0..1: its size or its sharpness, if worse."""
    face = picture[box.top : box.bottom, box.left : box.right]
    if not face.size:
        return 0.0
    grey = cv2.cvtColor(cv2.resize(face, (128, 128)), cv2.COLOR_BGR2GRAY)
    sharpness = float(cv2.Laplacian(grey, cv2.CV_64F).var())
    return min(1.0, box.width / GOOD_WIDTH, sharpness / GOOD_SHARPNESS)


def distance(vector: bytes | bytearray, other: bytes | bytearray) -> float:
    """Euclidean distance of two descriptors: 0 is the same picture; 0.6 is dlib's loose limit."""
    difference = np.frombuffer(vector, "<f4") - np.frombuffer(other, "<f4")
    return float(np.linalg.norm(difference))


def _shrunk(picture: Picture, scale: float) -> Picture:
    smaller = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(smaller, dtype=np.uint8)


def _rgb(picture: Picture) -> Picture:
    return np.ascontiguousarray(picture[:, :, ::-1])


CPU_AVX = 10
"""OpenCV's number of the feature (cv::CpuFeatures, CV_CPU_AVX)."""


def require_avx() -> None:
    """Without AVX dlib's wheel would end the process with SIGILL instead of an error.

    OpenCV asks the processor itself: a sensor's unit hides /proc/cpuinfo.
    """
    if platform.machine() not in ("x86_64", "AMD64"):
        return
    can_tell = cv2.getHardwareFeatureName(CPU_AVX) == "AVX"  # numbered so by OpenCV 3 to 5
    if can_tell and not cv2.checkHardwareSupport(CPU_AVX):
        raise DeviceError(
            "This processor has no AVX, which the face models need.",
            "Use a box with AVX, or remove the face sensor from the configuration.",
        )
