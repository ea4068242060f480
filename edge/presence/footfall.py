"""Numbers of nobody: what radars counted and how many people a camera saw per window.

Pure and in memory only; the presence desk feeds it and sends each finished window upstream. A
radar's window is counted in its own process (`sensors/radar`), a camera's here.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec
from msgspec import Struct

from edge.presence.people import Estimate
from edge.records import CountReading, Moment

WINDOW_S = 300
ARRIVALS_MAX = 20_000
"""People a camera saw, remembered by time alone for the longest window of a radar."""
LINES_MAX = 8
"""Of one camera, as many as its options may draw; who crosses a further one counts without it."""
CELL_MIN = 5
"""A number of fewer people or phones than this could be somebody one knows: it is not told."""
RADAR_CELLS = {
    "phones": ("phones_low", "phones_high"),
    "passers": (),
    "visitors": ("visitors_low", "visitors_high"),
}
"""What a radar tells, and the interval of each, which goes with it."""
CAMERA_CELLS = ("people", "entries", "exits")
"""What a camera tells. Visits have events of their own, without which the platform could not tell
one stay from another; that is no reason to say a second time, and with the way they took, of how
few people a window is."""
CELLS: Mapping[str, tuple[str, ...]] = {**RADAR_CELLS, **dict.fromkeys(CAMERA_CELLS, ())}
COMPLEMENTS = ("addresses",)
"""Less the other cell, these would give away the one that is not told."""


class LineCount(Struct, frozen=True):
    """How many walked over one line of a camera, in and out."""

    entries: int = 0
    exits: int = 0


class Footfall(Struct, frozen=True):
    """One finished window of one sensor. `phones` is an estimate, `addresses` what was heard.

    `visitors` are the people that a radar's count stands for, as the cameras taught it
    (`calibrated`), or one for each phone. `people` is what a camera saw, `entries` and `exits` who
    walked over its lines, of which `lines` tells each by its name.

    `withheld` names numbers that stand as 0 because they are not told: fewer than five, and more
    than none, or what would give such a number away (`lines` is empty as soon as one of its numbers
    is so small); or because nobody knows them: all a radar heard told of presence only. A 0 that is
    not named there is none.
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
    entries: int = 0
    exits: int = 0
    lines: dict[str, LineCount] = {}
    withheld: tuple[str, ...] = ()


def told(window: Footfall) -> Footfall:
    """`window` as it may leave the box: without the cells that are too small."""
    window = _without_small_lines(window)
    small = [cell for cell in CELLS if is_few(getattr(window, cell))]
    if not small and not is_few(window.addresses):
        return window
    hidden = [*small, *(bound for cell in small for bound in CELLS[cell]), *COMPLEMENTS]
    numbers = [name for name in hidden if getattr(window, name)]
    withheld = (*window.withheld, *numbers)
    return msgspec.structs.replace(window, withheld=withheld, **dict.fromkeys(numbers, 0))


def is_few(number: int) -> bool:
    """Whether these could be people whom one knows."""
    return 0 < number < CELL_MIN


def _without_small_lines(window: Footfall) -> Footfall:
    """All lines or none: what is told of all but one gives that one away, less from their sum."""
    if not any(is_few(line.entries) or is_few(line.exits) for line in window.lines.values()):
        return window
    return msgspec.structs.replace(window, lines={}, withheld=(*window.withheld, "lines"))


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
        withheld=() if count.tells_phones else tuple(RADAR_CELLS),
    )


@dataclass(slots=True)
class Window:
    """One open window of one camera."""

    start: Moment
    people: int = 0
    entries: int = 0
    exits: int = 0
    lines: dict[str, LineCount] = field(default_factory=dict)

    def cross(self, line: str, *, inwards: bool) -> None:
        """Somebody walked over `line`."""
        self.entries += inwards
        self.exits += not inwards
        if line in self.lines or len(self.lines) < LINES_MAX:
            known = self.lines.get(line, LineCount())
            self.lines[line] = LineCount(known.entries + inwards, known.exits + (not inwards))

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
            entries=self.entries,
            exits=self.exits,
            lines=dict(self.lines),
        )


class Arrival(NamedTuple):
    """Somebody came into view of a camera, or in over one of its lines."""

    sensor: str
    seen: Moment
    over_line: bool


class FootfallCounter:
    """The open windows of all cameras, and when people came in lately."""

    def __init__(self) -> None:
        self._windows: dict[str, Window] = {}
        self._arrivals: deque[Arrival] = deque(maxlen=ARRIVALS_MAX)
        self._with_lines: set[str] = set()

    def person(self, sensor: str, seen: Moment) -> None:
        """A camera saw one more person."""
        self._window(sensor, seen).people += 1
        self._arrivals.append(Arrival(sensor, seen, over_line=False))

    def crossing(self, sensor: str, seen: Moment, line: str, *, inwards: bool) -> None:
        """Somebody walked over a line of a camera."""
        self._window(sensor, seen).cross(line, inwards=inwards)
        self._with_lines.add(sensor)
        if inwards:
            self._arrivals.append(Arrival(sensor, seen, over_line=True))

    def seen_within(self, lasted_ms: int, until: Moment) -> int:
        """How many people the cameras saw in a window that ended at `until`: by a camera with a
        line those who walked in over it, by another one all who came into view.
        """
        since_ms = until.mono_ms - lasted_ms
        return sum(
            since_ms < each.seen.mono_ms <= until.mono_ms
            for each in self._arrivals
            if each.seen.boot == until.boot and each.over_line is (each.sensor in self._with_lines)
        )

    def _window(self, sensor: str, seen: Moment) -> Window:
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
