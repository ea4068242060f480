"""Numbers of nobody: what radars counted and how many people a camera saw per window.

Pure and in memory only; the presence desk feeds it and sends each finished window upstream. A
radar's window is counted in its own process (`sensors/radar`), a camera's here.
"""

from collections import deque
from dataclasses import dataclass

from msgspec import Struct

from edge.presence.people import Estimate
from edge.records import CountReading, Moment

WINDOW_S = 300
ARRIVALS_MAX = 20_000
"""People a camera saw, remembered by time alone for the longest window of a radar."""


class Footfall(Struct, frozen=True):
    """One finished window of one sensor. `phones` is an estimate, `addresses` what was heard.

    `visitors` are the people that a radar's count stands for, as the cameras taught it
    (`calibrated`), or one for each phone. `people` is what a camera saw.
    """

    sensor: str
    from_ms: int
    until_ms: int
    addresses: int
    phones: int
    frames: int
    people: int
    overflow: int
    phones_low: int = 0
    phones_high: int = 0
    passers: int = 0
    visitors: int = 0
    visitors_low: int = 0
    visitors_high: int = 0
    calibrated: bool = False


def of_radar(sensor: str, count: CountReading, estimate: Estimate, until: Moment) -> Footfall:
    """A radar's window, which ended at `until`, and the people that it stands for."""
    return Footfall(
        sensor=sensor,
        from_ms=until.wall_ms - count.lasted_ms,
        until_ms=until.wall_ms,
        addresses=count.addresses,
        phones=count.devices,
        frames=count.frames,
        people=0,
        overflow=count.overflow,
        phones_low=count.devices_low,
        phones_high=count.devices_high,
        passers=count.passers,
        visitors=estimate.people,
        visitors_low=estimate.low,
        visitors_high=estimate.high,
        calibrated=estimate.calibrated,
    )


@dataclass(slots=True)
class Window:
    """One open window of one camera."""

    start: Moment
    people: int = 0

    def finished(self, sensor: str, until: Moment) -> Footfall:
        """The numbers."""
        return Footfall(
            sensor=sensor,
            from_ms=self.start.wall_ms,
            until_ms=until.wall_ms,
            addresses=0,
            phones=0,
            frames=0,
            people=self.people,
            overflow=0,
        )


class FootfallCounter:
    """The open windows of all cameras, and when people came into view lately."""

    def __init__(self) -> None:
        self._windows: dict[str, Window] = {}
        self._arrivals: deque[Moment] = deque(maxlen=ARRIVALS_MAX)

    def person(self, sensor: str, seen: Moment) -> None:
        """A camera saw one more person."""
        self.window(sensor, seen).people += 1
        self._arrivals.append(seen)

    def seen_within(self, lasted_ms: int, until: Moment) -> int:
        """How many people the cameras saw in a window that ended at `until`."""
        since_ms = until.mono_ms - lasted_ms
        return sum(
            since_ms < seen.mono_ms <= until.mono_ms
            for seen in self._arrivals
            if seen.boot == until.boot
        )

    def window(self, sensor: str, seen: Moment) -> Window:
        """The open window of `sensor`, opened at `seen` if there is none."""
        if sensor not in self._windows:
            self._windows[sensor] = Window(seen)
        return self._windows[sensor]

    def due(self, now: Moment, *, everything: bool = False) -> list[Footfall]:
        """Close the windows that have lasted long enough (or all) and give their numbers."""
        closed = []
        for sensor, window in list(self._windows.items()):
            age_ms = now.mono_ms - window.start.mono_ms
            if everything or window.start.boot != now.boot or age_ms >= WINDOW_S * 1000:
                closed.append(self._windows.pop(sensor).finished(sensor, now))
        return closed
