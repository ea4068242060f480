"""Whether anything moves before the camera, told so cheaply that nothing else need be asked.

Asked by `sensors/face/watcher.py` before each search for faces. It keeps a picture of 160x90 grey
points, the mean of the last seconds, in which nobody can be recognised; its only clock is the time
of the pictures.
"""

import cv2
import numpy as np
import numpy.typing as npt

from hardware.camera import Picture
from hardware.faces.face import Box

GATE_SIZE = (160, 90)
GREY_STEP_MIN = 15
MOVING_SHARE_MIN = 0.002
"""A pixel moves when it differs so much from its mean; a picture moves with so many of them."""
SPECKS = 2
"""A single moving point in a row or column is noise."""
HOLDS_MS = 600
WAKES_AFTER_MS = 5_000
"""Somebody who stood still from the first picture on must not stay unseen."""
MEAN_WEIGHT = 0.05


class MotionGate:
    """Says for 0.1 ms whether a picture is worth 20 ms of searching."""

    def __init__(self) -> None:
        self._mean: npt.NDArray[np.float32] | None = None
        self._moved_ms = 0
        self._woke_ms = 0
        self._moving: npt.NDArray[np.bool_] | None = None

    def open(self, picture: Picture, now_ms: int) -> bool:
        """Whether something moves against the running mean, or moved just before."""
        grey = cv2.cvtColor(cv2.resize(picture, GATE_SIZE), cv2.COLOR_BGR2GRAY).astype(np.float32)
        if self._mean is None:
            self._mean, self._moved_ms, self._woke_ms = grey, now_ms, now_ms
            return True
        self._moving = cv2.absdiff(grey, self._mean) > GREY_STEP_MIN
        moving = np.count_nonzero(self._moving) / self._moving.size
        cv2.accumulateWeighted(grey, self._mean, MEAN_WEIGHT)
        if moving >= MOVING_SHARE_MIN:
            self._moved_ms = now_ms
        is_open = now_ms - self._moved_ms <= HOLDS_MS or now_ms - self._woke_ms >= WAKES_AFTER_MS
        if is_open:
            self._woke_ms = now_ms
        return is_open

    def moving(self, picture: Picture) -> Box | None:
        """Where in the picture that was last asked about something moves, in its pixels."""
        if self._moving is None:
            return None
        rows = np.flatnonzero(np.count_nonzero(self._moving, axis=1) >= SPECKS)
        columns = np.flatnonzero(np.count_nonzero(self._moving, axis=0) >= SPECKS)
        if not rows.size or not columns.size:
            return None
        x, y = picture.shape[1] / GATE_SIZE[0], picture.shape[0] / GATE_SIZE[1]
        left, right = int(columns[0] * x), int((columns[-1] + 1) * x)
        return Box(left, int(rows[0] * y), right, int((rows[-1] + 1) * y))
