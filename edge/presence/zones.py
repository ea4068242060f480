"""How long people stay in a camera's zones and how many stand there: numbers of nobody.

Pure and in memory only; the presence desk feeds it what cameras say and sends each finished window
upstream. Nobody is told apart here: a stay is a length of time without a person.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec
from msgspec import Struct

from edge.presence.footfall import CELL_MIN, WINDOW_S
from edge.records import Moment

WINDOW_S_MAX = 3600
"""A zone that few people visit is counted for so long before its few are withheld."""
ZONES_MAX = 256
"""Of all cameras together: 32 of them with eight zones each. What a further one says is refused."""
STAYS_MAX = 2_000
"""Lengths of stays kept of one window; more are counted, and the first ones stand for them."""
STANDING_S_MAX = 900
"""Nobody queues for so long without anybody coming or going: the camera has lost them."""
PRESENT = ("visits", "dwell_mean_s", "dwell_median_s", "dwell_p90_s", "queue_mean", "queue_max")
"""What fewer people than CELL_MIN would be known by. The mean length goes, too: times the window it
is the time that those few stayed."""

Zone = tuple[str, str]
"""A sensor and its zone."""


class ZoneCount(Struct, frozen=True):
    """One finished window of one zone of one camera.

    `visits` are people who left the zone, `dwell_...` how long they had been there; `queue_mean`
    is how many people stood there at a time, on the average of the window.

    A window lasts five minutes, or longer until five people were there, an hour at most. `withheld`
    names numbers that stand as 0 because fewer were there: somebody who knows when a person came
    could else tell how long they looked at what. A 0 that is not named there is none.
    """

    sensor: str
    zone: str
    from_ms: int
    until_ms: int
    visits: int
    dwell_mean_s: float = 0.0
    dwell_median_s: float = 0.0
    dwell_p90_s: float = 0.0
    queue_mean: float = 0.0
    queue_max: int = 0
    withheld: tuple[str, ...] = ()


def told(count: ZoneCount, people: int) -> ZoneCount:
    """`count` as it may leave the box when so many `people` were in the zone."""
    if not 0 < people < CELL_MIN:
        return count
    withheld = tuple(name for name in PRESENT if getattr(count, name))
    return msgspec.structs.replace(count, withheld=withheld, **dict.fromkeys(withheld, 0))


@dataclass(slots=True)
class _Window:
    """One open window of one zone. `since` is when the number of people there changed last."""

    start: Moment
    visits: int = 0
    stays_ms: list[int] = field(default_factory=list)
    length: int = 0
    largest: int = 0
    since: Moment | None = None
    area_ms: int = 0
    """People times milliseconds."""

    def stay(self, dwell_ms: int) -> None:
        self.visits += 1
        if len(self.stays_ms) < STAYS_MAX:
            self.stays_ms.append(dwell_ms)

    def queue(self, length: int, seen: Moment) -> None:
        self._pass(seen)
        self.length = length
        self.largest = max(self.largest, length)
        self.since = seen

    def standing(self, now: Moment) -> int:
        """How many stand there, as far as that is still believed."""
        if self.since is None or self.since.boot != now.boot:
            return 0
        return self.length if now.mono_ms - self.since.mono_ms < STANDING_S_MAX * 1000 else 0

    def people(self, now: Moment) -> int:
        """How many were there in this window at least."""
        return max(self.visits + self.standing(now), self.largest)

    def count(self, zone: Zone, now: Moment) -> ZoneCount:
        """The numbers, before any is withheld."""
        self._pass(now)
        mean, median, p90 = _summary(self.stays_ms)
        lasted_ms = now.mono_ms - self.start.mono_ms if self.start.boot == now.boot else 0
        return ZoneCount(
            *zone,
            from_ms=self.start.wall_ms,
            until_ms=now.wall_ms,
            visits=self.visits,
            dwell_mean_s=mean,
            dwell_median_s=median,
            dwell_p90_s=p90,
            queue_mean=round(self.area_ms / lasted_ms, 1) if lasted_ms > 0 else 0.0,
            queue_max=self.largest,
        )

    def _pass(self, now: Moment) -> None:
        """Add up the time since the last change, as far as the number is believed."""
        since = self.since
        if since is None or since.boot != now.boot:
            return
        begun_ms = max(since.mono_ms, self.start.mono_ms)
        until_ms = min(now.mono_ms, since.mono_ms + STANDING_S_MAX * 1000)
        self.area_ms += self.length * max(0, until_ms - begun_ms)


class Closed(NamedTuple):
    """A finished window: as it may be told, and as it was."""

    told: ZoneCount
    untold: ZoneCount


class ZoneCounter:
    """The open windows of all zones."""

    def __init__(self) -> None:
        self._windows: dict[Zone, _Window] = {}

    def stay(self, sensor: str, zone: str, dwell_ms: int, seen: Moment) -> bool:
        """Somebody left the zone after so long. False if there is no room for the zone."""
        window = self._window((sensor, zone), seen)
        if window is not None:
            window.stay(dwell_ms)
        return window is not None

    def queue(self, sensor: str, zone: str, length: int, seen: Moment) -> bool:
        """So many stand in the zone now. False if there is no room for the zone."""
        window = self._window((sensor, zone), seen)
        if window is not None:
            window.queue(length, seen)
        return window is not None

    def due(self, now: Moment, *, everything: bool = False) -> list[Closed]:
        """Close the windows that may be told (or all) and give their numbers."""
        closed = []
        for zone, window in list(self._windows.items()):
            if not (everything or _is_over(window, now)):
                continue
            del self._windows[zone]
            count = window.count(zone, now)
            closed.append(Closed(told(count, window.people(now)), count))
            if standing := window.standing(now):
                left = _Window(now, length=standing, largest=standing, since=window.since)
                self._windows[zone] = left
        return closed

    def _window(self, zone: Zone, seen: Moment) -> _Window | None:
        if zone not in self._windows and len(self._windows) < ZONES_MAX:
            self._windows[zone] = _Window(seen)
        return self._windows.get(zone)


def _is_over(window: _Window, now: Moment) -> bool:
    if window.start.boot != now.boot:
        return True
    age_s = (now.mono_ms - window.start.mono_ms) / 1000
    few = 0 < window.people(now) < CELL_MIN
    return age_s >= (WINDOW_S_MAX if few else WINDOW_S)


def _summary(stays_ms: Sequence[int]) -> tuple[float, float, float]:
    """Mean, median and 90th percentile (nearest rank) in seconds; zeros of nothing."""
    if not stays_ms:
        return 0.0, 0.0, 0.0
    ordered, count = sorted(stays_ms), len(stays_ms)
    median, p90 = (ordered[math.ceil(share * count) - 1] for share in (0.5, 0.9))
    return _seconds(sum(ordered) / count), _seconds(median), _seconds(p90)


def _seconds(ms: float) -> float:
    return round(ms / 1000, 1)
