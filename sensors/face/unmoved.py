"""Faces that never move: a poster on the wall is no visitor, however often it is found.

Used by `sensors/face/watcher.py`. A place is where a face was found and nothing has changed since:
its box, and 16x16 points of grey, in which nobody can be recognised. People sway, blink and turn;
in a second or two they change more than a poster in an hour. Its only clock is the time of the
pictures, and it remembers few places.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge.records import FRAMES_FUSED_MAX
from hardware.camera import Picture
from hardware.faces.face import Box

PATCH = (16, 16)
CHANGE_MIN = 3.0
"""Mean difference of grey (0..255), light apart, above which something in the box has moved."""
SAME_PLACE_OVERLAP = 0.6
KNOWN_AFTER_MS = 10_000
"""After so long without change a face that is lost and found again is not counted again."""
FIXED_AFTER_MS = 120_000
"""After so long it is a thing, not a person."""
FORGOTTEN_AFTER_MS = 600_000
"""A poster that nobody saw for so long, behind people or in the dark, was taken down."""
FRESH_MS = 1_000
PLACES_MAX = 64


@dataclass(slots=True, eq=False)
class Unmoved:
    """One face that has not moved `since_ms`."""

    box: Box
    patch: npt.NDArray[np.float32]
    since_ms: int
    seen_ms: int
    told: bool = False
    """Whether it was counted as a thing on the wall."""
    leave: int = 0
    frames: int = 0
    """Described under `leave`."""

    @property
    def known(self) -> bool:
        """Whether it is the same unmoving face as before."""
        return self.seen_ms - self.since_ms >= KNOWN_AFTER_MS

    @property
    def fixed(self) -> bool:
        """Whether it is a thing on the wall."""
        return self.seen_ms - self.since_ms >= FIXED_AFTER_MS

    @property
    def kept_ms(self) -> int:
        """How long it is remembered unseen: what was seen twice outlasts the gate's sleep."""
        if self.known:
            return FORGOTTEN_AFTER_MS
        return KNOWN_AFTER_MS if self.seen_ms > self.since_ms else FRESH_MS

    @property
    def spent(self) -> bool:
        """Whether it was described often enough, by whichever tracks were found at it."""
        return self.frames >= FRAMES_FUSED_MAX

    def under(self, leave: int) -> None:
        """Count its frames anew if `leave` is another than before."""
        if leave != self.leave:
            self.leave, self.frames = leave, 0


class Places:
    """The places where faces are found, by what has not changed at them."""

    def __init__(self) -> None:
        self._places: list[Unmoved] = []

    def __len__(self) -> int:
        return len(self._places)

    def at(self, picture: Picture, box: Box, now_ms: int) -> Unmoved:
        """The place of a face that was found now; a new one if it is new or has moved."""
        for place in list(self._places):
            if place.box.overlap(box) < SAME_PLACE_OVERLAP:
                continue
            if _change(place.patch, _patch(picture, place.box)) < CHANGE_MIN:
                place.seen_ms = now_ms
                return place
            if not place.known:  # it has moved; what is known may only be covered by somebody
                self._places.remove(place)
        new = Unmoved(box, _patch(picture, box), now_ms, now_ms)
        self._places.append(new)
        self._forget(now_ms)
        return new

    def _forget(self, now_ms: int) -> None:
        self._places = [place for place in self._places if now_ms - place.seen_ms <= place.kept_ms]
        while len(self._places) > PLACES_MAX:
            self._places.remove(min(self._places, key=lambda place: (place.known, place.seen_ms)))


def _patch(picture: Picture, box: Box) -> npt.NDArray[np.float32]:
    cut = picture[max(0, box.top) : box.bottom, max(0, box.left) : box.right]
    if not cut.size:
        return np.zeros(PATCH, np.float32)
    small = cv2.resize(cut, PATCH, interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY).astype(np.float32)
    return np.asarray(grey - grey.mean(), np.float32)


def _change(before: npt.NDArray[np.float32], after: npt.NDArray[np.float32]) -> float:
    return float(np.abs(before - after).mean())
