"""Which faces of one picture are those of the picture before: overlap and steady motion.

Used by `sensors/face/watcher.py`. Knows boxes and times, no identities; its only clock is the time
of the pictures. How many faces it follows is bounded; whom it leaves out it counts.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from hardware.faces.face import Box, Face

OVERLAP_MIN = 0.25
"""Intersection over union of a face and where it was expected, of somebody walking."""
REACH = 0.9
"""A face that overlaps too little is still the same one within so many widths, if alike in size."""
SIZE_RATIO_MAX = 1.7
TWICE_OVERLAP = 0.45
TWICE_COVERED = 0.75
"""Two boxes that share so much, or of which one lies so much within the other, are one face."""
HITS_TO_BEGIN = 2
"""One hit alone is often a pattern on the wall."""
DIES_AFTER_MS = 1_000
TRACKS_MAX = 32
"""Faces followed at once; more in one picture are not a door any more."""
LAPSE_MS = 300
"""Whoever is found again after so long unseen may be somebody else: two looks were missed."""
VELOCITY_WEIGHT = 0.5
"""Of the newest step in the velocity: half, because boxes tremble."""


class Place(NamedTuple):
    """The middle of a face, in pixels."""

    x: float
    y: float


@dataclass(slots=True, eq=False)
class Track:
    """One face followed through pictures. `number` is 0 until it is more than a single hit."""

    face: Face
    begun_ms: int
    seen_ms: int
    number: int = 0
    hits: int = 1
    velocity: tuple[float, float] = (0.0, 0.0)
    """Pixels in a millisecond."""
    lapses: int = 0
    """How often it was found again after a lapse."""
    named: bool = False
    """Whether the core has been told its number, and must be told that it has gone."""

    @property
    def box(self) -> Box:
        """Where it was seen last."""
        return self.face.box

    @property
    def just_begun(self) -> bool:
        """Whether the latest hit made it a track."""
        return self.hits == HITS_TO_BEGIN

    def expected(self, now_ms: int) -> Box:
        """Where it should be now if it goes on as it went."""
        passed_ms = now_ms - self.seen_ms
        right, down = round(self.velocity[0] * passed_ms), round(self.velocity[1] * passed_ms)
        box = self.box
        return Box(box.left + right, box.top + down, box.right + right, box.bottom + down)

    def hit(self, face: Face, now_ms: int) -> None:
        """It was seen again."""
        passed_ms = now_ms - self.seen_ms
        self.lapses += passed_ms > LAPSE_MS
        if passed_ms > 0:
            before, after = middle(self.box), middle(face.box)
            step = ((after.x - before.x) / passed_ms, (after.y - before.y) / passed_ms)
            weight = 1.0 if self.hits == 1 else VELOCITY_WEIGHT
            self.velocity = (
                self.velocity[0] + (step[0] - self.velocity[0]) * weight,
                self.velocity[1] + (step[1] - self.velocity[1]) * weight,
            )
        self.face, self.seen_ms = face, now_ms
        self.hits += 1


def middle(box: Box) -> Place:
    """The middle of a box."""
    return Place((box.left + box.right) / 2, (box.top + box.bottom) / 2)


class Tracker:
    """Greedy matching: the best pair of face and track first, each of them once."""

    def __init__(self) -> None:
        self._tracks: list[Track] = []
        self._begun = 0
        self.left_out = 0
        """Faces of the latest picture that found no room."""

    @property
    def alive(self) -> list[Track]:
        """All that are followed, candidates of a single hit too."""
        return self._tracks

    def bury(self, now_ms: int) -> list[Track]:
        """Forget whom nobody saw for a second; those of them that were tracks."""
        gone = [track for track in self._tracks if now_ms - track.seen_ms > DIES_AFTER_MS]
        if gone:
            self._tracks = [track for track in self._tracks if track not in gone]
        return [track for track in gone if track.number]

    def clear(self) -> list[Track]:
        """Forget all; those that were tracks."""
        gone, self._tracks = self._tracks, []
        return [track for track in gone if track.number]

    def split(self, track: Track, since_ms: int) -> Track:
        """`track` has been somebody else's since then: it ends there, and theirs begins."""
        self._begun += 1
        successor = Track(track.face, since_ms, track.seen_ms, self._begun, track.hits)
        successor.velocity = track.velocity
        track.seen_ms = since_ms
        self._tracks[self._tracks.index(track)] = successor
        return successor

    def follow(self, faces: Sequence[Face], now_ms: int) -> list[Track]:
        """The tracks seen in this picture that are more than a single hit, largest first."""
        single = once(faces)
        matched: dict[int, Track] = {}
        taken: set[int] = set()
        for _, index, place in self._pairs(single, now_ms):
            if index not in matched and place not in taken:
                taken.add(place)
                matched[index] = self._tracks[place]
        for index, track in matched.items():
            self._hit(track, single[index], now_ms)
        self.left_out = 0
        for index, face in enumerate(single):
            if index in matched:
                continue
            if len(self._tracks) < TRACKS_MAX:
                self._tracks.append(Track(face, now_ms, now_ms))
            else:
                self.left_out += 1
        return [matched[index] for index in sorted(matched)]

    def _pairs(self, faces: list[Face], now_ms: int) -> list[tuple[float, int, int]]:
        pairs = []
        for place, track in enumerate(self._tracks):
            expected = track.expected(now_ms)
            for index, face in enumerate(faces):
                worth = likeness(expected, track.box, face.box)
                if worth > 0:
                    pairs.append((worth, index, place))
        return sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2]))

    def _hit(self, track: Track, face: Face, now_ms: int) -> None:
        track.hit(face, now_ms)
        if track.just_begun:
            self._begun += 1
            track.number = self._begun


def likeness(expected: Box, before: Box, box: Box) -> float:
    """How well `box` continues a track, 0 (not at all) to 2; overlapping is better than near."""
    overlap = max(expected.overlap(box), before.overlap(box))
    if overlap >= OVERLAP_MIN:
        return 1 + overlap
    ratio = max(box.width, 1) / max(expected.width, 1)
    if not 1 / SIZE_RATIO_MAX <= ratio <= SIZE_RATIO_MAX:
        return 0.0
    here, there = middle(box), middle(expected)
    far = math.hypot(here.x - there.x, here.y - there.y) / max(expected.width, 1)
    return max(0.0, 1 - far / REACH)


def once(faces: Sequence[Face]) -> list[Face]:
    """Without faces that were found twice: the larger one stays."""
    kept: list[Face] = []
    for face in faces:
        if not any(_same(face.box, other.box) for other in kept):
            kept.append(face)
    return kept


def _same(small: Box, large: Box) -> bool:
    overlap = small.overlap(large)
    if overlap >= TWICE_OVERLAP:
        return True
    shared = overlap * (small.area + large.area) / (1 + overlap)
    return shared >= TWICE_COVERED * max(1, min(small.area, large.area))
