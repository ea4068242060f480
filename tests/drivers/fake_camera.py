"""A camera behind the same three calls as cv2.VideoCapture, that does whatever a test wants.

It stands for a V4L2 device, which no test machine has: plugged in or not, frozen, hanging in the
library for good, or showing pictures that are too large, damaged, or always the same.
"""

import threading

import cv2
import numpy as np

from edge.errors import DeviceNotFound
from hardware.live_camera import Capture, Source

NAME = "/dev/video9"
FRAME_S = 0.01


class FakeDevice:
    """The device; each opening is a capture of it. All switches may be set at any time."""

    def __init__(self) -> None:
        self.plugged_in = True
        self.still = False
        self.damaged = False
        self.numbered = False
        """Each picture says in its first pixel which one it is."""
        self.announces = True
        self.size = (64, 36)
        self.openings = 0
        self.grabs = 0
        self.decoded = 0
        self.released = 0
        self.flowing = threading.Event()
        """Cleared, the library never comes back from `grab`."""
        self.opening = threading.Event()
        """Cleared, it never comes back from opening."""
        self.flowing.set()
        self.opening.set()
        self._chance = np.random.default_rng(1)
        self._one = self.noise()
        self.source = Source(NAME, self._open)

    def noise(self) -> np.ndarray:
        """A picture like no other."""
        return self._chance.integers(0, 255, (self.size[1], self.size[0], 3), dtype=np.uint8)

    def picture(self) -> np.ndarray:
        """What it shows now."""
        shown = self._one.copy() if self.still else self.noise()
        if self.numbered:
            shown[0, 0] = np.frombuffer(self.grabs.to_bytes(3, "little"), np.uint8)
        return shown

    def _open(self) -> Capture:
        self.openings += 1
        self.opening.wait()
        if not self.plugged_in:
            raise DeviceNotFound(f"There is no camera at {NAME}.", "Check that it is plugged in.")
        return _FakeCapture(self)


class _FakeCapture:
    def __init__(self, device: FakeDevice) -> None:
        self._device = device
        self._pace = threading.Event()

    def grab(self) -> bool:
        self._device.flowing.wait()
        self._pace.wait(FRAME_S)
        self._device.grabs += 1
        return self._device.plugged_in

    def retrieve(self) -> tuple[bool, np.ndarray | None]:
        self._device.decoded += 1
        return (False, None) if self._device.damaged else (True, self._device.picture())

    def get(self, which: int, /) -> float:
        if not self._device.announces:
            return 0.0
        return float(self._device.size[which == cv2.CAP_PROP_FRAME_HEIGHT])

    def release(self) -> None:
        self._device.released += 1
