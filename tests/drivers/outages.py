"""A network camera that is killed, frozen or unplugged, and how long whoever watches it takes.

    with Outages(patience) as outages:
        outages.suffer("freeze", off_s=3.0)     # -> Outage(kind, noticed_s, recovered_s, ...)

The camera is gst-rtsp-server behind a cable of loopback; the watcher is the product's own steady
camera. Used by its tests once each, and by the benchmark a hundred times.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple, Self

from edge.errors import BadPicture
from hardware.live_camera import PATIENCE, Patience
from hardware.steady_camera import SteadyCamera, steady
from tests.drivers.cable import Cable
from tests.drivers.rtsp import HOST, LOGIN, SIZE, GstCamera, free_port

KINDS = ("kill", "freeze", "unplug")
READ_S = 0.2
GIVEN_UP_S = 60.0


class Outage(NamedTuple):
    """One of them. Infinite where it was never noticed, or the camera never came back."""

    kind: str
    noticed_s: float
    recovered_s: float
    """From the moment at which the device works again to the first picture."""
    held_up_s: float
    """The longest that one `read` took beyond what it was given: so late a heartbeat would be."""
    said: str


class Outages:
    """One camera and its watcher, in a `with`."""

    def __init__(self, patience: Patience = PATIENCE) -> None:
        self._patience = patience
        self._held_up_s = 0.0

    def __enter__(self) -> Self:
        self._device = GstCamera()
        self._cable = Cable(self._device.port, free_port())
        address = f"rtsp://{':'.join(LOGIN)}@{HOST}:{self._cable.port}/door"
        self.camera: SteadyCamera = steady(address, size=SIZE, patience=self._patience)
        assert self._read_until(self._watched) < GIVEN_UP_S, self.camera.condition
        return self

    def __exit__(self, *exception: object) -> None:
        self.camera.__exit__()
        self._cable.unplug()
        self._device.kill()

    def suffer(self, kind: str, *, off_s: float) -> Outage:
        """Break it, wait until that is noticed and `off_s` longer, mend it, see it again."""
        self._held_up_s = 0.0
        breaking = {
            "kill": self._device.kill,
            "freeze": self._device.freeze,
            "unplug": self._cable.unplug,
        }
        mending = {
            "kill": self._device.plug_in,
            "freeze": self._device.thaw,
            "unplug": self._cable.plug_in,
        }
        breaking[kind]()
        noticed_s = self._read_until(lambda: not self.camera.condition.ok)
        said = str(self.camera.condition)
        back_s = time.monotonic() + off_s
        self._read_until(lambda: time.monotonic() >= back_s)
        mending[kind]()
        recovered_s = self._read_until(self._watched)
        return Outage(kind, noticed_s, recovered_s, self._held_up_s, said)

    def _watched(self) -> bool:
        return self.camera.condition.state == "watching"

    def _read_until(self, so: Callable[[], bool]) -> float:
        """As the sensor does, over and over; how long it took until it was so."""
        began_s = now_s = time.monotonic()
        while not so():
            if now_s - began_s > GIVEN_UP_S:
                return float("inf")
            with suppress(BadPicture):  # a stream that begins in the middle
                self.camera.read(READ_S)
            before_s, now_s = now_s, time.monotonic()
            self._held_up_s = max(self._held_up_s, now_s - before_s - READ_S)
        return time.monotonic() - began_s
