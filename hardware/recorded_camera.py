"""Cameras that show what was recorded or drawn: a video file, still pictures, a scenario's script.

Opened by `hardware/camera.py`. Pictures come in their order and with their own times, as fast as
they are read; waiting is the reader's business. A damaged picture is told and passed over.
"""

from pathlib import Path
from typing import Annotated, Self

import cv2
import msgspec
import numpy as np
from msgspec import Meta, Struct

from edge.errors import BadPicture, DeviceNotFound, WrongDevice
from hardware.camera import SIDE_PIXELS_MAX, Frame, Picture
from hardware.picture_header import size_of

DAMAGED_IN_A_ROW_MAX = 25
"""FFmpeg says "no" both for a damaged picture and at the end; after so many it is the end."""
FRAMES_PER_S_UNSTATED = 25
ANNOUNCED_TOO_MANY_MAX = 1
"""Some containers only estimate how many pictures they hold."""
PICTURE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".webp"})
PICTURE_BYTES_MAX = 20 * 1024 * 1024
STILLS_MAX = 10_000
"""Pictures of one directory."""
VIDEO_MS_MAX = 10 * 366 * 86_400_000
"""No video lasts ten years; a time stamp that says so is damage."""
FRAMES_PER_S = (0.01, 1000.0)
"""What a file may say of itself; other figures are damage."""
STILL_SHOWS = 4
STILL_STEP_MS = 250
STILL_GAP_MS = 2_000
"""A still picture is held up four times, then nothing: each is somebody coming by."""
SCRIPT_BYTES_MAX = 1024 * 1024
SEGMENTS_MAX = 1_000


class _Recorded:
    """What the recorded cameras share."""

    live = False

    def __init__(self) -> None:
        self.ended = False
        self._due_ms = 0.0

    def skip(self, until_ms: float) -> None:
        """See `camera.Camera`."""
        self._due_ms = until_ms

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing to release unless there is a file."""


class Video(_Recorded):
    """A video file. DeviceNotFound if it is missing, WrongDevice if nothing in it can be shown."""

    def __init__(self, path: str | Path) -> None:
        super().__init__()
        self._path = _readable(Path(path))
        self._file = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        width = self._file.get(cv2.CAP_PROP_FRAME_WIDTH)
        height = self._file.get(cv2.CAP_PROP_FRAME_HEIGHT)
        if not self._file.isOpened() or not 0 < max(width, height) <= SIDE_PIXELS_MAX:
            self._file.release()
            raise WrongDevice(
                f"{path} is no video that can be shown.",
                f"Name a video file with pictures of at most {SIDE_PIXELS_MAX} pixels a side.",
            )
        self._announced = int(self._file.get(cv2.CAP_PROP_FRAME_COUNT))
        stated = self._file.get(cv2.CAP_PROP_FPS)
        slowest, fastest = FRAMES_PER_S
        self._step_ms = 1000 / (stated if slowest <= stated <= fastest else FRAMES_PER_S_UNSTATED)
        self._passed = 0
        self._latest_ms = -1
        self._kept: Frame | None = None

    def read(self, wait_s: float) -> Frame | None:
        """See `camera.Camera`. A file that ends too early is told once, as a damaged picture."""
        if self._kept is not None:
            kept, self._kept = self._kept, None
            return kept
        for damaged in range(0 if self.ended else DAMAGED_IN_A_ROW_MAX):
            frame = self._decoded()
            if frame is not None:
                self._passed += 1 + damaged
                if damaged:
                    self._kept = frame
                    raise BadPicture(f"{damaged} pictures of {self._path.name} are damaged.")
                return frame
        self._end()
        return None

    def _decoded(self) -> Frame | None:
        while self._file.grab():
            stated_ms = self._file.get(cv2.CAP_PROP_POS_MSEC)
            offset_ms = round(stated_ms) if 0 <= stated_ms <= VIDEO_MS_MAX else -1
            if offset_ms <= self._latest_ms:  # some containers carry no times, damaged ones any
                offset_ms = self._latest_ms + round(self._step_ms)
            if offset_ms < self._due_ms:
                self._latest_ms = offset_ms
                self._passed += 1
                continue
            try:
                decoded, picture = self._file.retrieve()
            except cv2.error:  # among others: no memory for it
                return None
            if not decoded or max(picture.shape) > SIDE_PIXELS_MAX:  # it may grow in mid-file
                return None
            self._latest_ms = offset_ms
            return Frame(offset_ms, _picture(picture))
        return None

    def _end(self) -> None:
        early = self._announced - self._passed > ANNOUNCED_TOO_MANY_MAX or self._passed == 0
        if early and not self.ended:
            self.ended = True
            raise BadPicture(
                f"{self._path.name} ends after {self._passed} of {self._announced} pictures."
            )
        self.ended = True

    def close(self) -> None:
        """Close the file."""
        self._file.release()


class Stills(_Recorded):
    """A picture, or all pictures of a directory by name; each is shown for about a second."""

    def __init__(self, place: str | Path) -> None:
        super().__init__()
        path = _readable(Path(place))
        found = sorted(path.iterdir()) if path.is_dir() else [path]
        self._paths = [file for file in found if file.suffix.lower() in PICTURE_SUFFIXES]
        if not 0 < len(self._paths) <= STILLS_MAX:
            raise WrongDevice(
                f"{path} holds {len(self._paths)} pictures.",
                f"Name a picture, or a directory with 1 to {STILLS_MAX} of them: "
                f"{', '.join(sorted(PICTURE_SUFFIXES))}.",
            )
        self._offset_ms = 0
        self._shown = 0
        self._picture: Picture | None = None

    def read(self, wait_s: float) -> Frame | None:
        """See `camera.Camera`."""
        if self._picture is None:
            if not self._paths:
                self.ended = True
                return None
            self._picture = still(self._paths.pop(0))
        frame = Frame(self._offset_ms, self._picture.copy())
        self._offset_ms += STILL_STEP_MS
        self._shown += 1
        if self._shown == STILL_SHOWS:
            self._picture, self._shown = None, 0
            self._offset_ms += STILL_GAP_MS
        return frame


def still(path: Path) -> Picture:
    """A picture file. BadPicture if it is too large, by its own header, or cannot be decoded."""
    try:
        content = path.read_bytes() if path.stat().st_size <= PICTURE_BYTES_MAX else b""
    except OSError as error:
        raise BadPicture(f"{path.name} cannot be read: {error.strerror}.") from error
    try:
        side = max(size_of(content))
    except BadPicture as error:
        raise BadPicture(f"{path.name} is no picture that can be decoded: {error}") from error
    if side > SIDE_PIXELS_MAX:
        raise BadPicture(f"{path.name} has more than {SIDE_PIXELS_MAX} pixels a side.")
    try:
        picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:  # its words quote nothing that a person could use
        picture = None
    if picture is None or max(picture.shape) > SIDE_PIXELS_MAX:
        raise BadPicture(f"{path.name} is no picture that can be decoded.")
    return _picture(picture)


class _Segment(Struct, frozen=True, forbid_unknown_fields=True):
    """A video that begins `at_ms` after the start; its path is relative to the script."""

    at_ms: Annotated[int, Meta(ge=0, le=2**52)]
    video: str


class _Script(Struct, frozen=True, forbid_unknown_fields=True):
    """What a simulated camera shows. Between the videos nothing moves, and nothing is shown."""

    segments: Annotated[tuple[_Segment, ...], Meta(max_length=SEGMENTS_MAX)]
    end_ms: Annotated[int, Meta(ge=0, le=2**52)]


class Simulated(_Recorded):
    """A device script: videos at their times, so that a morning of hours holds a few clips."""

    def __init__(self, path: str | Path) -> None:
        super().__init__()
        self._script_path = _readable(Path(path))
        self._segments = sorted(_script(self._script_path).segments, key=lambda one: one.at_ms)
        for segment in self._segments:
            _readable(self._place(segment))
        self._video: Video | None = None
        self._at_ms = 0
        self._latest_ms = 0

    def read(self, wait_s: float) -> Frame | None:
        """See `camera.Camera`. Where segments overlap, the later one is shown late."""
        while self._video is not None or self._segments:
            video = self._video or self._begun()
            video.skip(self._due_ms - self._at_ms)
            frame = video.read(wait_s)
            if frame is not None:
                self._latest_ms = max(self._latest_ms, self._at_ms + frame.offset_ms)
                return Frame(self._latest_ms, frame.picture)
            self.close()
        self.ended = True
        return None

    def _begun(self) -> Video:
        segment = self._segments.pop(0)
        self._at_ms = segment.at_ms
        self._video = Video(self._place(segment))
        return self._video

    def _place(self, segment: _Segment) -> Path:
        return self._script_path.parent / segment.video

    def close(self) -> None:
        """Close the video that is being shown."""
        if self._video is not None:
            self._video.close()
            self._video = None


def _script(path: Path) -> _Script:
    try:
        if path.stat().st_size > SCRIPT_BYTES_MAX:
            raise WrongDevice(f"{path} is larger than {SCRIPT_BYTES_MAX} bytes.", "Is it a script?")
        return msgspec.json.decode(path.read_bytes(), type=_Script)
    except (OSError, msgspec.MsgspecError) as error:
        raise WrongDevice(
            f"{path} is no camera script: {error}.", 'It needs {"segments": [...], "end_ms": ...}.'
        ) from error


def _readable(path: Path) -> Path:
    try:
        path.stat()
    except OSError as error:
        raise DeviceNotFound(
            f"{path} cannot be opened: {error.strerror}.", "Check the path and its permissions."
        ) from error
    return path


def _picture(array: object) -> Picture:
    return np.ascontiguousarray(array, dtype=np.uint8)
