"""Cameras that show the present: a V4L2 device or an RTSP stream, or whatever else can be grabbed.

Opened by `hardware/camera.py` and, over and over, by `hardware/steady_camera.py`. One thread opens
the device and takes every picture off it, so that none is stale, and decodes only the one that
somebody waits for. The library may hang: nobody waits for it longer than said here, and the thread
releases the device itself when it comes back. A camera that ends or falls silent is gone.
"""

import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, Self

import cv2
import numpy as np

from edge.errors import BadPicture, DeviceError, DeviceGone, DeviceNotFound, WrongDevice
from hardware.camera import SIDE_PIXELS_MAX, Frame, redacted

OPEN_MS_MAX = 5_000
READ_MS_MAX = 2_000
"""FFmpeg's own time-outs. It tries three times, so a frozen stream returns after 6 s."""
STREAM_OPTIONS = "rtsp_transport;tcp|fpsprobesize;0|analyzeduration;3000000"
"""Over TCP; and FFmpeg does not watch the stream for seconds to guess its pace."""
FAILED_IN_A_ROW_MAX = 3
"""One damaged picture also reads as a failure; this many are an end."""
FRESH_S_MAX = 1.0
"""A picture that nobody fetched is older than the present by then."""
STOP_S_MAX = 0.5
"""A thread that still waits for the library is left behind; it ends with the process at last."""
TOO_LARGE = "picture_too_large"
"""Counted in `refused`."""


class Patience(NamedTuple):
    """How long the library may take, whatever its own time-outs say."""

    open_s: float = 7.0
    """FFmpeg opens one stream of a process at a time, so one that hangs holds up the next."""
    silence_s: float = 8.0
    """Without a picture for so long an open camera is gone."""


PATIENCE = Patience()


class Capture(Protocol):
    """What is used of cv2.VideoCapture. Any call may take long, and `grab` may never return."""

    def grab(self) -> bool:
        """Take the next picture off the device."""
        ...

    def retrieve(self) -> tuple[bool, Any]:
        """Decode the picture that was grabbed: height x width x 3, blue-green-red."""
        ...

    def get(self, propId: int, /) -> float:
        """A property: here the width and height that the stream announces, 0 if unknown."""
        ...

    def release(self) -> None:
        """Close the device."""
        ...


class Source(NamedTuple):
    """A device that can be opened: what errors call it, and how. `open` raises DeviceError."""

    name: str
    open: Callable[[], Capture]


def v4l2(path: str) -> Source:
    """A camera of the machine, such as /dev/video0."""
    return Source(path, lambda: _open_v4l2(path))


def _open_v4l2(path: str) -> Capture:
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
    return capture


def rtsp(address: str) -> Source:
    """A network camera; its stream is taken over TCP."""
    return Source(redacted(address), lambda: _open_rtsp(address))


def _open_rtsp(address: str) -> Capture:
    limits = [
        cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
        OPEN_MS_MAX,
        cv2.CAP_PROP_READ_TIMEOUT_MSEC,
        READ_MS_MAX,
        cv2.CAP_PROP_N_THREADS,
        1,
    ]
    os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = STREAM_OPTIONS
    capture = cv2.VideoCapture(address, cv2.CAP_FFMPEG, limits)
    if not capture.isOpened():
        raise DeviceNotFound(
            f"The camera at {redacted(address)} does not answer, or refuses the login.",
            "Check its address, stream path, user name and password.",
        )
    return capture


class LiveCamera:
    """The newest picture of a source, which is opened in the background.

    `read` raises what opening met, then DeviceGone when the camera stopped or keeps silent.
    """

    live = True
    ended = False

    def __init__(self, source: Source, patience: Patience = PATIENCE) -> None:
        self._source = source
        self._patience = patience
        self._changed = threading.Condition()
        self._wanted = False
        self._newest: Frame | DeviceError | BadPicture | None = None
        self._opened = False
        self._stopping = False
        self._heard_s = time.monotonic()
        self._decoded_s = 0.0
        self._refused: Counter[str] = Counter()
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)
        self._thread.start()

    def opened(self) -> Self:
        """Itself, once it is open. DeviceNotFound, WrongDevice or, if the library hangs, gone."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._opened or self._newest is not None, self._patience.open_s
            )
            opened, newest = self._opened, self._newest
        if not opened:
            self.close()
            raise newest if isinstance(newest, DeviceError) else self._silent(opened)
        return self

    def read(self, wait_s: float) -> Frame | None:
        """See `camera.Camera`."""
        with self._changed:
            self._wanted = True
            self._forget_stale()
            self._changed.wait_for(lambda: self._newest is not None, wait_s)
            newest, self._newest = self._newest, None
            silent_s = time.monotonic() - self._heard_s
            opened = self._opened
        if isinstance(newest, Frame):
            return newest
        if newest is not None:
            raise newest
        if silent_s > (self._patience.silence_s if opened else self._patience.open_s):
            raise self._silent(opened)
        return None

    def skip(self, until_ms: float) -> None:
        """Nothing to skip: only the newest picture is ever decoded."""

    def _forget_stale(self) -> None:
        if isinstance(self._newest, Frame) and (time.monotonic() - self._decoded_s > FRESH_S_MAX):
            self._newest.picture.fill(0)
            self._newest = None

    def refused(self) -> Counter[str]:
        """Pictures that were thrown away unseen since this was last asked, by reason."""
        with self._changed:
            told, self._refused = self._refused, Counter()
        return told

    @property
    def hanging(self) -> bool:
        """Whether it was closed and the library has still not come back."""
        return self._stopping and self._thread.is_alive()

    def close(self) -> None:
        """Let go of it. The thread releases the device: under a waiting library it would crash."""
        self._stopping = True
        self._thread.join(STOP_S_MAX)
        with self._changed:
            if isinstance(self._newest, Frame):
                self._newest.picture.fill(0)
                self._newest = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # --- the thread

    def _run(self) -> None:
        try:
            capture = self._source.open()
        except DeviceError as error:
            self._show(error)
            return
        try:
            self._show(self._watch(capture))
        except cv2.error:  # its words may hold the address
            self._show(self._gone("cannot be read"))
        finally:
            capture.release()

    def _watch(self, capture: Capture) -> DeviceError:
        """Take pictures off it until it ends; why it ended."""
        announced = (capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        if max(announced) > SIDE_PIXELS_MAX:
            return self._too_large(*announced)
        with self._changed:
            self._opened = True
            self._heard_s = time.monotonic()
            self._changed.notify()
        failed = 0
        while not self._stopping and failed < FAILED_IN_A_ROW_MAX:
            if not capture.grab():
                failed += 1
                continue
            failed = 0
            with self._changed:
                self._heard_s = time.monotonic()
                wanted = self._wanted
            if wanted:
                taken = self._taken(capture)
                if isinstance(taken, DeviceError):
                    return taken
                self._show(taken)
        return self._gone("stopped")

    def _taken(self, capture: Capture) -> Frame | BadPicture | DeviceError:
        try:
            decoded, picture = capture.retrieve()
        except cv2.error:  # among others: no memory for it
            decoded, picture = False, None
        if not decoded or picture is None or picture.ndim != 3 or picture.size == 0:
            return BadPicture(f"A picture of the camera {self._source.name} cannot be decoded.")
        height, width = picture.shape[:2]
        if max(height, width) > SIDE_PIXELS_MAX:  # it grew in mid-stream: let go of it at once
            return self._too_large(width, height)
        return Frame(0, np.ascontiguousarray(picture, dtype=np.uint8))

    def _show(self, newest: Frame | DeviceError | BadPicture) -> None:
        with self._changed:
            self._newest = newest
            self._decoded_s = time.monotonic()
            self._wanted = False
            self._changed.notify()

    # --- what is said

    def _too_large(self, width: float, height: float) -> WrongDevice:
        with self._changed:
            self._refused[TOO_LARGE] += 1
        return WrongDevice(
            f"The camera {self._source.name} shows {width:.0f} x {height:.0f} pixels.",
            f"Set its stream to at most {SIDE_PIXELS_MAX} a side; 1280 x 720 is enough.",
        )

    def _silent(self, opened: bool) -> DeviceGone:
        if opened:
            return self._gone(f"sent no picture for {self._patience.silence_s:g} s")
        return self._gone(f"did not open within {self._patience.open_s:g} s")

    def _gone(self, how: str) -> DeviceGone:
        return DeviceGone(
            f"The camera {self._source.name} {how}.", "Check its cable, power and network."
        )
