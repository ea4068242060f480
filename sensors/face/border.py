"""The border of a screen or a print: a quadrilateral around a face that travels with it.

Used by `sensors/face/doubts.py` on frames that are described. A door, a window or a poster behind
somebody is a quadrilateral as well, but stays where it is while the face moves; what a hand holds
before the camera goes along. Pure; it keeps corners and no pixel.
"""

from collections import deque
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from hardware.camera import Picture
from hardware.faces.face import Box

AREA = (1.3, 6.0)
"""Of the border, in areas of the face's box: a face fills a phone, and is a third of a tablet."""
REACH = 1.5
"""So many widths of the face are looked at around its middle on each side."""
SIDE_PX = 240
"""Of the small picture in which lines are looked for."""
STRAIGHT = 0.03
"""So far, of its length, an outline may be from four straight sides."""
TRAVELLED_MIN = 0.3
KEPT_MAX = 0.08
"""Widths of the face: it moved at least so far, and each corner from its face at most so far."""
FRAMES_MIN = 3
FRAMES_MAX = 8

Corners = npt.NDArray[np.float64]
"""4 x 2, from the middle of the face in widths of the face, by their direction."""


@dataclass(slots=True)
class Border:
    """What was seen around one track's face."""

    _corners: deque[Corners] = field(default_factory=lambda: deque(maxlen=FRAMES_MAX))
    _middles: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=FRAMES_MAX))

    def look(self, picture: Picture, box: Box) -> None:
        """A frame that is going to be described."""
        found = quadrilateral(picture, box)
        if found is not None:
            self._corners.append(found)
            width = max(1, box.width)
            self._middles.append(
                ((box.left + box.right) / 2 / width, (box.top + box.bottom) / 2 / width)
            )

    @property
    def travels(self) -> bool:
        """Whether one and the same border went along with the face."""
        if len(self._corners) < FRAMES_MIN:
            return False
        newest = self._corners[-1]
        same = [
            middle
            for corners, middle in zip(self._corners, self._middles, strict=True)
            if np.abs(corners - newest).max() <= KEPT_MAX
        ]
        return len(same) >= FRAMES_MIN and bool(
            np.ptp(np.array(same), axis=0).max() > TRAVELLED_MIN
        )


def quadrilateral(picture: Picture, box: Box) -> Corners | None:
    """The smallest outline with four straight sides around the face; None as a rule."""
    small, scale, left, top = _around(picture, box)
    if small is None:
        return None
    edges = cv2.dilate(cv2.Canny(small, 60, 150), np.ones((3, 3), np.uint8))
    outlines, _ = cv2.findContours(edges, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    small.fill(0)
    edges.fill(0)
    middle = (
        ((box.left + box.right) / 2 - left) * scale,
        ((box.top + box.bottom) / 2 - top) * scale,
    )
    least, most = (times * box.area * scale * scale for times in AREA)
    found = [
        corners
        for outline in outlines
        if least <= cv2.contourArea(outline) <= most
        and (corners := _four(outline)) is not None
        and cv2.pointPolygonTest(corners, middle, False) > 0
    ]
    if not found:
        return None
    nearest = min(found, key=cv2.contourArea).reshape(4, 2).astype(np.float64)
    relative = (nearest - middle) / (box.width * scale)
    return np.asarray(relative[np.argsort(np.arctan2(relative[:, 1], relative[:, 0]))])


def _around(picture: Picture, box: Box) -> tuple[Picture | None, float, int, int]:
    """A small grey picture of the face's surroundings, its scale, and where it begins."""
    height, width = picture.shape[:2]
    reach = round(REACH * max(box.width, 1))
    x, y = (box.left + box.right) // 2, (box.top + box.bottom) // 2
    left, right = max(0, x - reach), min(width, x + reach)
    top, bottom = max(0, y - reach), min(height, y + reach)
    if right - left < 16 or bottom - top < 16 or box.area <= 0:
        return None, 1.0, left, top
    scale = SIDE_PX / max(right - left, bottom - top)
    grey = cv2.cvtColor(picture[top:bottom, left:right], cv2.COLOR_BGR2GRAY)
    small = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    grey.fill(0)
    return np.asarray(small, np.uint8), scale, left, top


def _four(outline: cv2.typing.MatLike) -> cv2.typing.MatLike | None:
    corners = cv2.approxPolyDP(outline, STRAIGHT * cv2.arcLength(outline, True), True)
    return corners if len(corners) == 4 and cv2.isContourConvex(corners) else None
