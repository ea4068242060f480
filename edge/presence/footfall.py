"""Numbers of nobody: how many phones a radar hears and how many people a camera sees per window.

Pure and in memory only; the presence desk feeds it and sends each finished window upstream. A
window holds keyed hashes until it ends, then only numbers: nobody can be followed beyond it.
"""

from dataclasses import dataclass, field

from msgspec import Struct

from edge.records import Moment, ProbeReading

WINDOW_S = 300
DEVICES_PER_WINDOW_MAX = 20_000
"""A flood of invented addresses costs bounded memory; what is beyond is counted as one number."""


class Footfall(Struct, frozen=True):
    """One finished window of one sensor. `phones` is an estimate, `addresses` what was heard."""

    sensor: str
    from_ms: int
    until_ms: int
    addresses: int
    phones: int
    frames: int
    people: int
    overflow: int


@dataclass(slots=True)
class Window:
    """One open window of one sensor."""

    start: Moment
    fixed: set[bytes] = field(default_factory=set)
    private: set[bytes] = field(default_factory=set)
    fingerprints: set[bytes] = field(default_factory=set)
    frames: int = 0
    people: int = 0
    overflow: int = 0

    def probe(self, reading: ProbeReading) -> None:
        """Count one probe request."""
        self.frames += 1
        heard = self.private if reading.randomised else self.fixed
        if len(self.private) + len(self.fixed) >= DEVICES_PER_WINDOW_MAX:
            self.overflow += reading.device not in heard
            return
        heard.add(reading.device)
        if reading.randomised:
            self.fingerprints.add(reading.fingerprint)

    def person(self) -> None:
        """Count one person in view of a camera."""
        self.people += 1

    def finished(self, sensor: str, until: Moment) -> Footfall:
        """The numbers. Phones that change their address are told apart by fingerprint only:
        a lower bound where many phones are of one model, far nearer than counting addresses."""
        return Footfall(
            sensor=sensor,
            from_ms=self.start.wall_ms,
            until_ms=until.wall_ms,
            addresses=len(self.fixed) + len(self.private),
            phones=len(self.fixed) + len(self.fingerprints),
            frames=self.frames,
            people=self.people,
            overflow=self.overflow,
        )


class FootfallCounter:
    """The open windows of all sensors."""

    def __init__(self) -> None:
        self._windows: dict[str, Window] = {}

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
