"""Pictures with their times, from whatever shows them: `open_camera` and the protocol it returns.

Called by the face sensor. A device is `v4l2:/dev/video0`, `rtsp://HOST/PATH` (over TCP),
`replay:PATH` (a video file), `pictures:PATH` (a still picture, or a directory of them) or
`simulated:PATH` (a scenario's device script). Nothing is kept or written, and an address is never
repeated with the credentials in it.
"""

import os
import re
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self

import numpy as np
import numpy.typing as npt

from edge.errors import DeviceNotFound

if TYPE_CHECKING:
    from hardware.live_camera import Source

Picture = npt.NDArray[np.uint8]
"""Height x width x 3, blue-green-red."""

SIDE_PIXELS_MAX = 4096
"""Of a picture. A larger one is refused: no door camera needs it, and memory is small."""

FILE_FORMS = ("v4l2", "replay", "pictures", "simulated")
"""These name a path and never a login."""
_ADDRESS = re.compile(
    r"(?P<form>\w{1,12})://(?:[^/@]*@)*(?P<host>[\w.-]{1,80}|\[[\da-fA-F:.]{2,45}\])"
    r"(?P<port>:\d{1,5})?(?:[/?#][^@]*)?"
)


class Frame(NamedTuple):
    """One picture, `offset_ms` after the start of its recording (0 where the camera is live)."""

    offset_ms: int
    picture: Picture


class Camera(Protocol):
    """A source of frames. Close it, or use it in a `with`."""

    live: bool
    """Whether its pictures show the present; else they carry the time of their recording."""
    ended: bool
    """Whether a recording is over; `read` is not called any more."""

    def read(self, wait_s: float) -> Frame | None:
        """The next picture of a recording, or the newest of a live camera.

        None if there is none within `wait_s`, or no more. BadPicture if one cannot be decoded
        (the next `read` goes on after it), DeviceGone if a live camera stopped.
        """
        ...

    def skip(self, until_ms: float) -> None:
        """Pictures of a recording before this offset are passed over, and not decoded."""
        ...

    def __enter__(self) -> Self:
        """The camera itself."""
        ...

    def __exit__(self, *exception: object) -> None:
        """Release the device."""
        ...


def open_camera(device: str) -> Camera:
    """Open `device`. DeviceNotFound or WrongDevice, with a sentence, when that is impossible."""
    from hardware import recorded_camera
    from hardware.live_camera import LiveCamera

    if (source := live_source(device)) is not None:
        return LiveCamera(source).opened()
    form, _, place = device.partition(":")
    if form == "replay":
        return recorded_camera.Video(place)
    if form == "pictures":
        return recorded_camera.Stills(place)
    if form == "simulated":
        return recorded_camera.Simulated(place)
    raise DeviceNotFound(
        f"'{redacted(device)}' names no camera.",
        "Use v4l2:/dev/video0, rtsp://..., replay:FILE, pictures:DIRECTORY or simulated:FILE.",
    )


def live_source(device: str) -> "Source | None":
    """How to open a camera that shows the present; None if `device` names no such camera."""
    quiet()
    from hardware import live_camera

    form, _, place = device.partition(":")
    if form in ("rtsp", "rtsps"):
        return live_camera.rtsp(device)
    return live_camera.v4l2(place) if form == "v4l2" else None


def redacted(device: str) -> str:
    """`device` without anything that may be a credential: of an address only form and host.

    Cameras take logins in paths and queries too. Where it is not certain what the host is, because
    a password holds a slash, not even that is told.
    """
    if device.partition(":")[0] in FILE_FORMS:
        return device
    if found := _ADDRESS.fullmatch(device):
        return f"{found['form']}://{found['host']}{found['port'] or ''}"
    return "rtsp://..." if device.startswith("rtsp") else "..."


def quiet() -> None:
    """Keep OpenCV and FFmpeg from writing addresses to the journal; errors carry what matters."""
    os.environ["OPENCV_FFMPEG_LOGLEVEL"] = "-8"
    import cv2

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
