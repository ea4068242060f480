"""Counting who walks over a line, without knowing who: a track's middle gets to its other side.

Used by `sensors/face/watcher.py`. Places are shares of the picture. A track counts only once it is
clearly beyond the line, so that somebody who dithers on it is counted once; who walks around the
end of a line is not counted. Pure; it forgets a track when told so.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from edge.records import CrossingReading
from sensors.face.options import Line

CLEAR = 0.02
"""So far from the line, as a share of the picture, somebody stands on one side of it."""

Spot = tuple[float, float]
"""A place as shares of the picture's width and height."""


@dataclass(slots=True)
class _Side:
    """Where a track was clearly on one side: `inner` tells on which."""

    inner: bool
    spot: Spot


class Lines:
    """All lines of one camera, and on which side of each the tracks are."""

    def __init__(self, lines: Mapping[str, Line]) -> None:
        self._lines = dict(lines)
        self._sides: dict[tuple[int, str], _Side] = {}

    def follow(self, track: int, spot: Spot) -> list[CrossingReading]:
        """The lines that `track` has crossed with its step to `spot`."""
        crossed = []
        for name, line in self._lines.items():
            depth = depth_of(line, spot)
            if abs(depth) < CLEAR:
                continue
            known = self._sides.get((track, name))
            self._sides[track, name] = _Side(depth > 0, spot)
            if known is None or known.inner == (depth > 0):
                continue
            if meets(line, known.spot, spot):
                crossed.append(CrossingReading(name, inwards=depth > 0, track=track))
        return crossed

    def forget(self, track: int) -> None:
        """The track is over."""
        for name in self._lines:
            self._sides.pop((track, name), None)


def depth_of(line: Line, spot: Spot) -> float:
    """How far `spot` lies beyond the (endless) line, inwards; negative outside."""
    (ax, ay), (bx, by) = line.begin, line.to
    along = (bx - ax, by - ay)
    length = math.hypot(*along)
    normal = (-along[1] / length, along[0] / length)
    towards = line.towards
    sign = 1.0 if normal[0] * towards[0] + normal[1] * towards[1] > 0 else -1.0
    return sign * ((spot[0] - ax) * normal[0] + (spot[1] - ay) * normal[1])


def meets(line: Line, before: Spot, after: Spot) -> bool:
    """Whether the step passes between the line's ends. Both spots lie on different sides."""
    one, other = abs(depth_of(line, before)), abs(depth_of(line, after))
    share = one / (one + other)
    x = before[0] + (after[0] - before[0]) * share
    y = before[1] + (after[1] - before[1]) * share
    (ax, ay), (bx, by) = line.begin, line.to
    along = (x - ax) * (bx - ax) + (y - ay) * (by - ay)
    return 0 <= along <= (bx - ax) ** 2 + (by - ay) ** 2
