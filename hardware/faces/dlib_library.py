"""dlib and its two models, loaded so that nothing of it can end the process.

Used by the HOG detector and dlib's describer. dlib is native code compiled for AVX, which is asked
for first. Its models are read, verified, and handed over through a file in memory, because dlib
takes only paths. The module `face_recognition` is not needed: it calls `quit()` when it dislikes
its installation.
"""

import os
import platform
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge.errors import BadModel, DeviceError
from edge.face_files import SETUP_AGAIN, read_verified
from edge.face_models import DLIB, KNOWN, ModelFile
from hardware.camera import Picture
from hardware.faces.face import Box

RESNET, POINTS = KNOWN[DLIB].files
CPU_AVX = 10
"""OpenCV's number of the feature (cv::CpuFeatures, CV_CPU_AVX)."""


def dlib() -> Any:
    """The library. DeviceError with a remedy if it cannot be loaded."""
    require_avx()
    try:
        import dlib as library
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # native code and its packaging: nothing may end the process
        raise DeviceError(
            f"dlib cannot be loaded ({type(error).__name__}: {error}).",
            SETUP_AGAIN,
        ) from error
    return library


def resnet() -> Any:
    """dlib's network that describes a chip by 128 numbers."""
    return _model(dlib().face_recognition_model_v1, RESNET)


@cache
def points() -> Any:
    """dlib's predictor of five points: both corners of both eyes, and the base of the nose.

    One for detector and describer: it takes 10 MB.
    """
    return _model(dlib().shape_predictor, POINTS)


def rectangle(box: Box) -> Any:
    """A box as dlib wants it: the right and bottom pixels are inside."""
    return dlib().rectangle(box.left, box.top, box.right - 1, box.bottom - 1)


def rgb(picture: Picture) -> Picture:
    """The same picture in dlib's order of colours."""
    return np.ascontiguousarray(picture[:, :, ::-1])


def _model(kind: Any, file: ModelFile) -> Any:
    content = read_verified(Path(), KNOWN[DLIB], file)
    descriptor = os.memfd_create(file.name)
    try:
        with os.fdopen(os.dup(descriptor), "wb") as stream:
            stream.write(content)
        return kind(f"/proc/self/fd/{descriptor}")
    except RuntimeError as error:
        raise BadModel(
            f"dlib does not understand {file.name}: {error}.",
            SETUP_AGAIN,
        ) from error
    finally:
        os.close(descriptor)


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
