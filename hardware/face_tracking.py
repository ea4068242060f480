"""Which faces of one picture are those of the picture before, and whether anything moves at all.

Used by the face sensor between the camera and the face models. Knows boxes and times, no
identities; its only clock is the time of the pictures.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from hardware.camera import Picture
from hardware.face_engine import Box

OVERLAP_MIN = 0.3
"""Intersection over union of the same face in two pictures, five a second, of somebody walking."""
HITS_TO_BEGIN = 2
"""One hit alone is often a pattern on the wall."""
DIES_AFTER_MS = 1_000
TRACKS_MAX = 32
"""Faces followed at once; more in one picture are not a door any more."""

GATE_SIZE = (160, 90)
GREY_STEP_MIN = 15
MOVING_SHARE_MIN = 0.002
"""A pixel moves when it differs so much from its mean; a picture moves with so many of them."""
HOLDS_MS = 600
WAKES_AFTER_MS = 5_000
"""Somebody who stood still from the first picture on must not stay unseen."""
MEAN_WEIGHT = 0.05


@dataclass(slots=True)
class Track:
    """One face followed through pictures. `described` counts its embeddings under one leave."""

    number: int
    box: Box
    last_ms: int
    hits: int = 1
    leave: int = 0
    described: int = 0
    described_ms: int = 0

    @property
    def just_begun(self) -> bool:
        """Whether the latest hit made it a track."""
        return self.hits == HITS_TO_BEGIN

    def under(self, leave: int) -> None:
        """Count its embeddings anew if `leave` is another than before: somebody asked again."""
        if leave != self.leave:
            self.leave, self.described = leave, 0


class FaceTracker:
    """Greedy matching by overlap: the best pair first, each box and track once."""

    def __init__(self) -> None:
        self._tracks: list[Track] = []
        self._begun = 0

    def any_alive(self, now_ms: int) -> bool:
        """Whether somebody is being followed."""
        self._bury(now_ms)
        return bool(self._tracks)

    def follow(self, boxes: list[Box], now_ms: int) -> list[Track]:
        """The tracks seen in this picture that are more than a single hit."""
        self._bury(now_ms)
        pairs = sorted(
            (
                (track.box.overlap(box), index, place)
                for place, track in enumerate(self._tracks)
                for index, box in enumerate(boxes)
            ),
            reverse=True,
        )
        matched: dict[int, int] = {}
        for overlap, index, place in pairs:
            if overlap >= OVERLAP_MIN and index not in matched and place not in matched.values():
                matched[index] = place
                self._hit(self._tracks[place], boxes[index], now_ms)
        seen = [self._tracks[place] for place in matched.values()]
        for index, box in enumerate(boxes):
            if index not in matched and len(self._tracks) < TRACKS_MAX:
                self._tracks.append(Track(0, box, now_ms))
        return [track for track in seen if track.hits >= HITS_TO_BEGIN]

    def _hit(self, track: Track, box: Box, now_ms: int) -> None:
        track.box, track.last_ms = box, now_ms
        track.hits += 1
        if track.just_begun:
            self._begun += 1
            track.number = self._begun

    def _bury(self, now_ms: int) -> None:
        self._tracks = [track for track in self._tracks if now_ms - track.last_ms <= DIES_AFTER_MS]


class MotionGate:
    """Says for 0.1 ms whether a picture is worth 50 ms of searching."""

    def __init__(self) -> None:
        self._mean: np.ndarray[tuple[int, ...], np.dtype[np.float32]] | None = None
        self._moved_ms = 0
        self._woke_ms = 0

    def open(self, picture: Picture, now_ms: int) -> bool:
        """Whether something moves against the running mean, or moved just before."""
        grey = cv2.cvtColor(cv2.resize(picture, GATE_SIZE), cv2.COLOR_BGR2GRAY).astype(np.float32)
        if self._mean is None or self._mean.shape != grey.shape:
            self._mean, self._moved_ms, self._woke_ms = grey, now_ms, now_ms
            return True
        moving = float(np.mean(np.abs(grey - self._mean) > GREY_STEP_MIN))
        self._mean += (grey - self._mean) * MEAN_WEIGHT
        if moving >= MOVING_SHARE_MIN:
            self._moved_ms = now_ms
        is_open = now_ms - self._moved_ms <= HOLDS_MS or now_ms - self._woke_ms >= WAKES_AFTER_MS
        if is_open:
            self._woke_ms = now_ms
        return is_open
