"""Where in a picture faces are looked for: mostly where something moves or somebody is followed.

Used by `sensors/face/watcher.py` between the gate and the detector, whose time grows with the area
it is shown. People who are followed are looked for at each look, new ones where something moves at
every second one, and the whole picture is searched once a second, or every five seconds if nothing
in it moves: somebody who stands still may be seen only now. Its only clock is the time of
the pictures.
"""

from collections.abc import Sequence

import numpy as np

from hardware.camera import Picture
from hardware.faces.face import Box, Face, FaceBackend, largest
from sensors.face.gate import WAKES_AFTER_MS

WHOLE_EVERY_MS = 1_000
WIDE_EVERY_MS = 200
"""New faces are looked for so often at most; at eight looks a second that is every second one."""
AROUND = 1.0
"""In widths of a face: as far as anybody walks from one look to the next."""
MOTION_MARGIN = 0.1
"""Of the picture: a head is larger than what of it moves."""
SHARE_MAX = 0.7
"""A window that is almost the picture is not worth losing the rest."""
EDGE_PX = 3
"""A face so near to the window's edge is perhaps half of one: it is found when looked at wholly."""


class Searching:
    """What is searched at each look."""

    def __init__(self) -> None:
        self._whole_ms: int | None = None
        self._wide_ms: int | None = None

    def windows(
        self, picture: Picture, moving: Box | None, followed: Sequence[Box], now_ms: int
    ) -> list[Box]:
        """The parts to search now. `moving` is where something moves, None for nothing."""
        height, width = picture.shape[:2]
        whole = Box(0, 0, width, height)
        wide = self._wide_ms is None or now_ms - self._wide_ms >= WIDE_EVERY_MS
        whole_every_ms = WAKES_AFTER_MS if moving is None else WHOLE_EVERY_MS
        due = self._whole_ms is None or now_ms - self._whole_ms >= whole_every_ms
        parts = [_around(box) for box in followed]
        if moving is not None and (wide or not followed):
            x, y = round(width * MOTION_MARGIN), round(height * MOTION_MARGIN)
            parts.append(Box(moving.left - x, moving.top - y, moving.right + x, moving.bottom + y))
            self._wide_ms = now_ms
        chosen = _united([_within(part, whole) for part in parts])
        too_much = sum(part.area for part in chosen) > SHARE_MAX * whole.area
        if not chosen or too_much or due:
            self._whole_ms = self._wide_ms = now_ms
            return [whole]
        return chosen


def _around(box: Box) -> Box:
    x, y = round(box.width * AROUND), round(box.height * AROUND)
    return Box(box.left - x, box.top - y, box.right + x, box.bottom + y)


def _within(part: Box, whole: Box) -> Box:
    left, top = max(whole.left, part.left), max(whole.top, part.top)
    return Box(left, top, min(whole.right, part.right), min(whole.bottom, part.bottom))


def _united(parts: Sequence[Box]) -> list[Box]:
    """Without empty ones; those that overlap become one, so that no face is cut by two of them."""
    kept: list[Box] = []
    for part in parts:
        if part.width <= 0 or part.height <= 0:
            continue
        while touched := [other for other in kept if part.overlap(other) > 0]:
            for other in touched:
                kept.remove(other)
            part = Box(
                min(part.left, *(other.left for other in touched)),
                min(part.top, *(other.top for other in touched)),
                max(part.right, *(other.right for other in touched)),
                max(part.bottom, *(other.bottom for other in touched)),
            )
        kept.append(part)
    return kept


def found(backend: FaceBackend, picture: Picture, windows: Sequence[Box]) -> list[Face]:
    """The faces in parts of the picture, in pixels of the picture, largest first."""
    height, width = picture.shape[:2]
    faces: list[Face] = []
    for window in windows:
        if window == (0, 0, width, height):
            faces += backend.detect(picture)
            continue
        part = np.ascontiguousarray(picture[window.top : window.bottom, window.left : window.right])
        there = [_moved(face, window) for face in backend.detect(part)]
        part.fill(0)
        faces += [face for face in there if not _is_cut(face.box, window, width, height)]
    return largest(faces)


def _moved(face: Face, window: Box) -> Face:
    x, y = window.left, window.top
    box = face.box
    moved = Box(box.left + x, box.top + y, box.right + x, box.bottom + y)
    return face._replace(box=moved, landmarks=face.landmarks + np.array([x, y], np.float32))


def _is_cut(box: Box, window: Box, width: int, height: int) -> bool:
    """Whether the window's edge, where it is not the picture's, is at the face."""
    return (
        (window.left > 0 and box.left - window.left < EDGE_PX)
        or (window.top > 0 and box.top - window.top < EDGE_PX)
        or (window.right < width and window.right - box.right < EDGE_PX)
        or (window.bottom < height and window.bottom - box.bottom < EDGE_PX)
    )
