"""When a radar may count: the opening hours of the shop and a quarter of an hour around them.

Pure: asked by `Radar` with a wall time, decides by the hours of the configuration. A radar without
hours counts always. It trusts the wall clock; a clock that is wrong shifts the hours with it.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

MARGIN_S = 15 * 60
"""People wait at the door before it opens, and leave after it has closed."""
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = f"(?:{'|'.join(DAYS)})"
_TIME = r"(?:[01]\d|2[0-3]):[0-5]\d"
PATTERN = rf"^(?:daily|{_DAY}(?:-{_DAY})?) {_TIME}-(?:{_TIME}|24:00)$"
"""`mon-sat 09:00-21:00`, `sun 10:00-18:00`, `fri 20:00-02:00` (into the next day), `daily ...`."""
_DAY_MINUTES = 24 * 60
_WALL_S = (86_400, int(datetime(9000, 1, 1, tzinfo=UTC).timestamp()))
"""Between these the calendar can be asked about the days around."""


class Span(NamedTuple):
    """One line of the hours: minutes after midnight of each of `weekdays` (0 is Monday)."""

    weekdays: frozenset[int]
    opens: int
    closes: int


class OpeningHours:
    """The hours of one shop. `timezone` is a name of the IANA list; empty is the machine's own."""

    def __init__(self, lines: Sequence[str], timezone: str = "") -> None:
        self._spans = tuple(_span(line) for line in lines)
        self._zone = ZoneInfo(timezone) if timezone else None

    def open_at(self, wall_ms: int) -> bool:
        """Whether that moment lies in the hours or within `MARGIN_S` of them.

        When clocks are changed the hours are as long as they can be understood.
        """
        if not self._spans:
            return True
        wall_s = min(max(wall_ms / 1000, _WALL_S[0]), _WALL_S[1])
        today = datetime.fromtimestamp(wall_s, self._zone).date()
        around = [today + timedelta(days) for days in (-2, -1, 0, 1)]
        return any(
            min(self._instants(day, span.opens)) - MARGIN_S <= wall_s
            and wall_s < max(self._instants(day, span.closes)) + MARGIN_S
            for day in around
            for span in self._spans
            if day.weekday() in span.weekdays
        )

    def _instants(self, day: date, minutes: int) -> tuple[float, float]:
        """Unix times of a time of day: two where the clocks strike it twice, or skip it."""
        days, minute = divmod(minutes, _DAY_MINUTES)
        at = time(minute // 60, minute % 60, tzinfo=self._zone)
        local = datetime.combine(day + timedelta(days), at)
        return local.timestamp(), local.replace(fold=1).timestamp()


def _span(line: str) -> Span:
    """Of a line that matches `PATTERN`, which the configuration has seen to."""
    days, _, times = line.partition(" ")
    opens, closes = (_minutes(each) for each in times.split("-"))
    if closes <= opens:
        closes += _DAY_MINUTES
    return Span(_weekdays(days), opens, closes)


def _weekdays(days: str) -> frozenset[int]:
    """`fri-mon` goes over the end of the week."""
    if days == "daily":
        return frozenset(range(7))
    first, _, last = days.partition("-")
    start = DAYS.index(first)
    count = (DAYS.index(last or first) - start) % 7 + 1
    return frozenset((start + day) % 7 for day in range(count))


def _minutes(of_day: str) -> int:
    hours, _, minutes = of_day.partition(":")
    return int(hours) * 60 + int(minutes)
