"""Whom the core's leave to describe faces is for: those in a marked zone, or the one who asked.

Used by `sensors/face/watcher.py`. Standing leave is the mode `zone`: whoever is in a zone with
`recognise`, or anywhere if the camera has no zones. Leave for some seconds was asked for at a
screen: it is for the nearest person, who stands in the queue if one is drawn, and for nobody else.
Whoever is lost before they were described is looked for where they stood, and nowhere else.
"""

from collections.abc import Mapping, Sequence

from hardware.faces.face import Box
from sensors.face.lines import Spot
from sensors.face.options import Zone, ZoneKind
from sensors.face.tracker import Track, likeness
from sensors.face.zones import within


class Choosing:
    """Whom to describe, of the tracks in view."""

    def __init__(self, zones: Mapping[str, Zone]) -> None:
        self._whole = not zones
        self._marked = [zone.area for zone in zones.values() if zone.recognise]
        self._queues = [zone.area for zone in zones.values() if zone.kind is ZoneKind.QUEUE]
        self._leave = 0
        self._asked: Track | None = None
        self._stood: Box | None = None
        self._served = False

    def in_zone(self, seen: Sequence[tuple[Track, Spot]]) -> list[Track]:
        """Under standing leave: all in the marked zones."""
        if self._whole:
            return [track for track, _ in seen]
        return [track for track, spot in seen if any(within(area, spot) for area in self._marked)]

    def who_asked(self, leave: int, seen: Sequence[tuple[Track, Spot]]) -> list[Track]:
        """Under leave for some seconds: the nearest one, and nobody after that one has gone."""
        if leave != self._leave:
            self._leave, self._asked, self._stood, self._served = leave, None, None, False
        if self._asked is None and not self._served:
            near = [track for track, spot in seen if self._may_ask(track, spot)]
            self._asked = max(near, key=lambda track: track.box.area, default=None)
        return [track for track, _ in seen if track is self._asked]

    def _may_ask(self, track: Track, spot: Spot) -> bool:
        if self._stood is not None and likeness(self._stood, self._stood, track.box) <= 0:
            return False
        return not self._queues or any(within(area, spot) for area in self._queues)

    def served(self, track: Track) -> None:
        """`track` has been described: its leave is for nobody else."""
        if track is self._asked:
            self._served = True

    def forget(self, track: Track) -> None:
        """The track is over."""
        if track is self._asked:
            self._asked, self._stood = None, track.box
