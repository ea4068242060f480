"""A camera that survives: opened again when it stops, is unplugged, refuses or freezes.

Called by the face sensor, with the heartbeat in its own hands:

    with steady(device) as camera:
        while not camera.ended:
            frame = camera.read(wait_s)      # None: no picture within wait_s; never longer
            camera.condition                 # for core.healthy / core.unhealthy, after each read
            camera.drops()                   # for core.dropped, what was refused since last asked

Recorded cameras are passed through as `open_camera` gives them, with their errors.
"""

import math
import random
import time
import zlib
from collections import Counter
from typing import NamedTuple, Protocol, Self

import cv2
import numpy as np

from edge.errors import BadPicture, DeviceError, DeviceGone
from hardware.camera import Camera, Frame, Picture, live_source, open_camera
from hardware.live_camera import PATIENCE, LiveCamera, Patience, Source
from hardware.sight import COLUMNS, FROZEN, ROWS, Fault, Grey, Sight

RETRY_JITTER = 0.25
"""An attempt comes by up to so much earlier, so that cameras behind one switch do not march."""
LOOK_EVERY_S = 0.5
HANGING_MAX = 4
"""Threads that the library never came back to. One more, and only a new process helps."""
BAD_IN_A_ROW_MAX = 50
"""So many pictures that cannot be decoded are no pictures."""
FROZEN_AGAIN_S = 3.0
"""A camera that was just opened may show its last picture first."""
LOST = "camera_lost"
"""Counted in `drops` whenever a camera that had been open has to be opened again."""


class Condition(NamedTuple):
    """How a camera is: `state` and `remedy` are sentences for a person without credentials.

    `ok` is "watching" or "replaying"; while a camera is being opened for the first time it is
    "opening". Not ok: what is wrong, and what to do; pictures may still come (dark, covered,
    moved, wrong size) or not (gone, frozen).
    """

    ok: bool
    state: str
    remedy: str = ""


OPENING = Condition(True, "opening")
WATCHING = Condition(True, "watching")
REPLAYING = Condition(True, "replaying")
UNDECODABLE = Condition(
    False,
    "The camera sends nothing that can be decoded.",
    "Set its stream to H.264 with at most 1280 x 720 pixels.",
)


def _condition(fault: Fault) -> Condition:
    return Condition(False, fault.what, fault.remedy)


STANDING = _condition(FROZEN)


class SteadyCamera(Camera, Protocol):
    """A `camera.Camera` that also tells its condition. Made by `steady`; read it every second.

    A live one raises BadPicture as `Camera.read` does, and DeviceGone only when the library hangs
    for good in so many threads that the process has to end; never for a camera that went.
    """

    @property
    def condition(self) -> Condition:
        """How it is now."""
        ...

    def drops(self) -> Counter[str]:
        """What was refused since this was last asked, by reason: picture_too_large, camera_lost."""
        ...


def steady(
    device: str,
    *,
    size: tuple[int, int] | None = None,
    sight: Sight | None = None,
    patience: Patience = PATIENCE,
) -> SteadyCamera:
    """Open `device`; `size` is the (width, height) it should show, None for whatever comes first.

    `sight` judges the pictures of a live camera, `patience` its library: the product's limits.

    A live camera is opened in the background and never fails here, unless `device` names none.
    DeviceNotFound or WrongDevice for a recorded one, as `open_camera`.
    """
    source = live_source(device)
    if source is None:
        return SteadyRecording(open_camera(device))
    retries = Retries(zlib.crc32(source.name.encode()))
    return SteadySource(source, sight or Sight(size), retries, patience)


class SteadyRecording:
    """A recorded camera as it is: it has one condition, and ends."""

    live = False
    condition = REPLAYING

    def __init__(self, camera: Camera) -> None:
        self._camera = camera
        self.ended = camera.ended

    def read(self, wait_s: float) -> Frame | None:
        """The next picture."""
        try:
            return self._camera.read(wait_s)
        finally:
            self.ended = self._camera.ended

    def skip(self, until_ms: float) -> None:
        """See `camera.Camera`."""
        self._camera.skip(until_ms)

    def drops(self) -> Counter[str]:
        """Nothing is refused but by BadPicture."""
        return Counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._camera.__exit__(*exception)


class Pace(NamedTuple):
    """How soon a lost camera is opened again, and when its troubles are forgotten."""

    retry_s: float = 1.0
    """From the beginning of one attempt to that of the next; it doubles."""
    retry_s_max: float = 6.0
    """A camera that works again is found within this and the two seconds that opening takes."""
    well_s: float = 60.0
    """After so long with pictures the next trouble is a new one."""


PACE = Pace()


class Retries:
    """When to try again. Pure: `seed` decides the jitter, time is passed in."""

    def __init__(self, seed: int, pace: Pace = PACE) -> None:
        self._random = random.Random(seed)  # noqa: S311 (it only spreads attempts)
        self._pace = pace
        self._next_s = pace.retry_s

    def due_s(self, began_s: float, failed_s: float, gave_s: float | None) -> float:
        """When the next attempt is due, after one that began and failed at these times.

        `gave_s`: since when it had given pictures, None if it never did. What worked for a minute
        begins with short waits again; what never worked counts from its beginning.
        """
        if gave_s is not None and failed_s - gave_s >= self._pace.well_s:
            self._next_s = self._pace.retry_s
        wait_s = self._next_s * self._random.uniform(1 - RETRY_JITTER, 1)
        self._next_s = min(self._next_s * 2, self._pace.retry_s_max)
        return max(failed_s, (began_s if gave_s is None else failed_s) + wait_s)


class SteadySource:
    """A live camera that is opened again and again."""

    live = True
    ended = False

    def __init__(
        self, source: Source, sight: Sight, retries: Retries, patience: Patience = PATIENCE
    ) -> None:
        self._source = source
        self._sight = sight
        self._retries = retries
        self._patience = patience
        self._drops: Counter[str] = Counter()
        self._hanging: list[LiveCamera] = []
        self._due_s = 0.0
        self._bad_in_a_row = 0
        self.condition = OPENING
        self._camera: LiveCamera | None = None
        self._begin()

    def read(self, wait_s: float) -> Frame | None:
        """See `SteadyCamera`."""
        deadline_s = time.monotonic() + wait_s
        if self._camera is None:
            time.sleep(max(0.0, min(self._due_s, deadline_s) - time.monotonic()))
            if time.monotonic() < self._due_s:
                return None
            self._begin()
        assert self._camera is not None
        try:
            frame = self._camera.read(max(0.0, deadline_s - time.monotonic()))
        except BadPicture:
            self._bad_in_a_row += 1
            if self._bad_in_a_row >= BAD_IN_A_ROW_MAX:
                self._lose(UNDECODABLE)
            raise
        except DeviceError as error:
            self._lose(Condition(False, error.what, error.remedy))
            return None
        return None if frame is None else self._seen(frame, time.monotonic())

    def skip(self, until_ms: float) -> None:
        """Nothing to skip: only the newest picture is ever decoded."""

    def drops(self) -> Counter[str]:
        """See `SteadyCamera`."""
        if self._camera is not None:
            self._drops += self._camera.refused()
        told, self._drops = self._drops, Counter()
        return told

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._camera is not None:
            self._camera.close()

    def _begin(self) -> None:
        self._camera = LiveCamera(self._source, self._patience)
        self._began_s = time.monotonic()
        self._gave_s: float | None = None
        self._looked_s = -math.inf
        self._bad_in_a_row = 0

    def _lose(self, condition: Condition) -> None:
        """Let go of the camera and say why. DeviceGone if the library hangs too often."""
        assert self._camera is not None
        camera, self._camera = self._camera, None
        self.condition = condition
        self._due_s = self._retries.due_s(self._began_s, time.monotonic(), self._gave_s)
        camera.close()
        self._drops += camera.refused()
        if self._gave_s is not None:
            self._drops[LOST] += 1
        self._hanging = [each for each in (*self._hanging, camera) if each.hanging]
        if len(self._hanging) > HANGING_MAX:
            raise DeviceGone(
                f"The library that reads {self._source.name} hangs, and only a new process helps.",
                "The sensor is started again by itself; if this repeats, restart the camera.",
            )

    def _seen(self, frame: Frame, now_s: float) -> Frame | None:
        """Judge a picture now and then; a frozen one is no picture, and the camera is lost."""
        self._bad_in_a_row = 0
        self._gave_s = now_s if self._gave_s is None else self._gave_s
        if now_s - self._looked_s >= LOOK_EVERY_S:
            self._looked_s = now_s
            height, width = frame.picture.shape[:2]
            mark = zlib.crc32(frame.picture.data)
            fault = self._sight.look(small_grey(frame.picture), mark, (width, height), now_s)
            self.condition = WATCHING if fault is None else _condition(fault)
            if fault is FROZEN and now_s - self._gave_s >= FROZEN_AGAIN_S:
                self._lose(self.condition)
        if self.condition == STANDING:
            frame.picture.fill(0)
            return None
        return frame


def small_grey(picture: Picture) -> Grey:
    """What `sight` looks at: each value is the mean of its part of the picture."""
    small = cv2.resize(picture, (COLUMNS, ROWS), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), dtype=np.uint8)
