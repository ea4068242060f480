"""Cameras that show the present: a V4L2 device or an RTSP stream.

Opened by `hardware/camera.py`. A thread takes every picture off the device, so that none is stale,
and decodes only the one that somebody waits for. A camera that ends or falls silent is gone; who
reads decides about opening it again.
"""

import os
import threading
import time
from typing import Self

import cv2
import numpy as np

from edge.errors import BadPicture, DeviceError, DeviceGone, DeviceNotFound, WrongDevice
from hardware.camera import SIDE_PIXELS_MAX, Frame, redacted

OPEN_MS_MAX = 5_000
READ_MS_MAX = 2_000
"""FFmpeg's own time-outs. It tries three times, so a frozen stream returns after 6 s."""
SILENCE_S_MAX = 8.0
"""Without a picture for so long the camera is gone, whatever the library is still waiting for."""
FAILED_IN_A_ROW_MAX = 3
"""One damaged picture also reads as a failure; this many are an end."""
STOP_S_MAX = 1.0
"""When the core hangs up the process ends; a thread that still waits ends with it."""


def v4l2(path: str) -> "LiveCamera":
    """A camera of the machine, such as /dev/video0."""
    if not os.access(path, os.R_OK | os.W_OK):
        if not os.path.exists(path):
            raise DeviceNotFound(f"There is no camera at {path}.", "Check that it is plugged in.")
        raise DeviceNotFound(
            f"{path} may not be opened.", "Add the sensor's user to the group 'video'."
        )
    capture = cv2.VideoCapture(path, cv2.CAP_V4L2, [cv2.CAP_PROP_BUFFERSIZE, 1])
    if not capture.isOpened():
        raise WrongDevice(
            f"{path} gives no pictures.",
            "Name the camera's capture device (v4l2-ctl --list-devices), and close other programs.",
        )
    return LiveCamera(capture, path)


def rtsp(address: str) -> "LiveCamera":
    """A network camera; its stream is taken over TCP."""
    limits = [
        cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
        OPEN_MS_MAX,
        cv2.CAP_PROP_READ_TIMEOUT_MSEC,
        READ_MS_MAX,
    ]
    capture = cv2.VideoCapture(address, cv2.CAP_FFMPEG, limits)
    name = redacted(address)
    if not capture.isOpened():
        raise DeviceNotFound(
            f"The camera at {name} does not answer, or refuses the login.",
            "Check its address, stream path, user name and password.",
        )
    return LiveCamera(capture, name)


class LiveCamera:
    """The newest picture of an opened device. `name` is what errors call it."""

    live = True
    ended = False

    def __init__(self, capture: cv2.VideoCapture, name: str) -> None:
        self._capture = capture
        self._name = name
        self._changed = threading.Condition()
        self._wanted = False
        self._newest: Frame | DeviceError | BadPicture | None = None
        self._stopping = False
        self._heard_s = time.monotonic()
        self._thread = threading.Thread(target=self._watch, name="camera", daemon=True)
        self._thread.start()

    def read(self, wait_s: float) -> Frame | None:
        """See `camera.Camera`."""
        with self._changed:
            self._wanted = True
            self._changed.wait_for(lambda: self._newest is not None, wait_s)
            newest, self._newest = self._newest, None
            silent_s = time.monotonic() - self._heard_s
        if isinstance(newest, Frame):
            return newest
        if newest is not None:
            raise newest
        if silent_s > SILENCE_S_MAX:
            raise self._gone(f"sent no picture for {SILENCE_S_MAX:.0f} s")
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._stopping = True
        self._thread.join(STOP_S_MAX)
        if not self._thread.is_alive():  # releasing under a waiting library would crash it
            self._capture.release()

    def _watch(self) -> None:
        failed = 0
        while not self._stopping and failed < FAILED_IN_A_ROW_MAX:
            if not self._capture.grab():
                failed += 1
                continue
            failed = 0
            with self._changed:
                self._heard_s = time.monotonic()
                wanted = self._wanted
            if wanted:
                self._show(self._taken())
        if not self._stopping:
            self._show(self._gone("stopped"))

    def _taken(self) -> Frame | BadPicture:
        decoded, picture = self._capture.retrieve()
        if not decoded or max(picture.shape) > SIDE_PIXELS_MAX:
            return BadPicture(f"A picture of the camera {self._name} cannot be decoded.")
        return Frame(0, np.ascontiguousarray(picture, dtype=np.uint8))

    def _show(self, newest: Frame | DeviceError | BadPicture) -> None:
        with self._changed:
            self._newest = newest
            self._wanted = False
            self._changed.notify()

    def _gone(self, how: str) -> DeviceGone:
        return DeviceGone(f"The camera {self._name} {how}.", "Check its cable, power and network.")
