"""A camera that survives: opened again when it stops, is unplugged, refuses or freezes.

Called by the face sensor, with the heartbeat in its own hands:

    with steady(device) as camera:
        while not camera.ended:
            frame = camera.read(wait_s)      # None: no picture within wait_s; never longer
            camera.condition                 # for core.healthy / core.unhealthy, after each read
            camera.drops()                   # for core.dropped, what was refused since last asked

Recorded cameras are passed through as `open_camera` gives them, with their errors.
"""

from collections import Counter
from typing import NamedTuple, Self

from hardware.camera import Frame


class Condition(NamedTuple):
    """How a camera is: `state` and `remedy` are sentences for a person without credentials.

    `ok` is "watching" or "replaying"; while a camera is being opened for the first time it is
    "opening". Not ok: what is wrong, and what to do; pictures may still come (dark, covered,
    moved, wrong size) or not (gone, frozen).
    """

    ok: bool
    state: str
    remedy: str = ""


def steady(device: str, *, size: tuple[int, int] | None = None) -> "SteadyCamera":
    """Open `device`; `size` is the (width, height) it should show, None for whatever comes first.

    A live camera is opened in the background and never fails here, unless `device` names none.
    DeviceNotFound or WrongDevice for a recorded one, as `open_camera`.
    """
    raise NotImplementedError(device, size)


class SteadyCamera:
    """A `camera.Camera` that also tells its condition. Made by `steady`; read it every second."""

    live: bool
    """Whether its pictures show the present."""
    ended: bool
    """Whether a recording is over; a live camera never ends."""

    @property
    def condition(self) -> Condition:
        """How it is now."""
        raise NotImplementedError

    def read(self, wait_s: float) -> Frame | None:
        """The next picture of a recording, or the newest of a live camera; None if there is none.

        BadPicture as in `Camera.read`. DeviceGone only when the library hangs for good in so many
        threads that the process has to end and be started anew; never for a camera that went.
        """
        raise NotImplementedError(wait_s)

    def drops(self) -> Counter[str]:
        """What was refused since this was last asked, by reason: picture_too_large, camera_lost."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        """Release the device."""
        raise NotImplementedError
