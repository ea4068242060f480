"""How long people stay in the parts of the view that were drawn in, and how many stand there.

Used by `sensors/face/watcher.py`. Places are shares of the picture. A step across the border and
back is no leaving, and a number is told only once it has held for a second. Pure: it knows track
numbers, no identities, and time comes with each call.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from edge.records import QueueReading, StayReading
from sensors.face.lines import Spot
from sensors.face.options import Point, Zone, ZoneKind

LEFT_AFTER_MS = 1_000
SETTLES_AFTER_MS = 1_000


@dataclass(slots=True)
class _Stay:
    entered_ms: int
    inside_ms: int


@dataclass(slots=True)
class _Queue:
    told: int = 0
    length: int = 0
    since_ms: int = 0


class Zones:
    """All zones of one camera and who is in them."""

    def __init__(self, zones: Mapping[str, Zone]) -> None:
        self._zones = dict(zones)
        self._stays: dict[tuple[str, int], _Stay] = {}
        self._queues = {
            name: _Queue() for name, zone in zones.items() if zone.kind is ZoneKind.QUEUE
        }

    def follow(self, track: int, spot: Spot, now_ms: int) -> None:
        """A track was seen at `spot`."""
        for name, zone in self._zones.items():
            if within(zone.area, spot):
                stay = self._stays.setdefault((name, track), _Stay(now_ms, now_ms))
                stay.inside_ms = now_ms

    def forget(self, track: int) -> list[StayReading]:
        """The track is over: the stays that end with it."""
        return [self._end(key) for key in list(self._stays) if key[1] == track]

    def settle(self, alive_ms: Mapping[int, int], now_ms: int) -> list[StayReading | QueueReading]:
        """What is to be told now. `alive_ms` is when each living track was seen last."""
        told: list[StayReading | QueueReading] = [
            self._end(key)
            for key, stay in list(self._stays.items())
            if alive_ms.get(key[1], now_ms) - stay.inside_ms >= LEFT_AFTER_MS
        ]
        for name, queue in self._queues.items():
            length = sum(zone == name for zone, _ in self._stays)
            if length != queue.length:
                queue.length, queue.since_ms = length, now_ms
            if queue.length != queue.told and now_ms - queue.since_ms >= SETTLES_AFTER_MS:
                queue.told = queue.length
                told.append(QueueReading(name, queue.length))
        return told

    def _end(self, key: tuple[str, int]) -> StayReading:
        stay = self._stays.pop(key)
        return StayReading(key[0], stay.inside_ms - stay.entered_ms, key[1])


def within(area: tuple[Point, ...], spot: Spot) -> bool:
    """Whether `spot` lies in the polygon: a ray from it crosses the border an odd number of times.

    Of two zones that share a border, a spot on it is in one.
    """
    x, y = spot
    inside = False
    for (ax, ay), (bx, by) in zip(area, (*area[1:], area[0]), strict=True):
        if (ay > y) != (by > y) and x < ax + (bx - ax) * (y - ay) / (by - ay):
            inside = not inside
    return inside
