"""Days and hours of the shop, by the wall clock of its time zone: where each begins and ends.

Pure. A day lasts 23 to 25 hours where the clocks are changed; its hours are counted from its
beginning, so that they are whole and none is there twice. Used for the roll-ups of figures.
"""

from datetime import date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

HOUR_MS = 3_600_000

Span = tuple[int, int]
"""From (inclusive) to (exclusive), Unix time in ms."""


class ShopDays:
    """The calendar of one time zone; an empty name is that of the machine."""

    def __init__(self, timezone: str = "") -> None:
        self._zone: tzinfo | None = ZoneInfo(timezone) if timezone else None

    def day_of(self, wall_ms: int) -> date:
        """The date on the shop's wall at that time."""
        return self.local(wall_ms).date()

    def local(self, wall_ms: int) -> datetime:
        """That time as the shop's clock shows it."""
        return datetime.fromtimestamp(wall_ms / 1000, self._zone)

    def stamp(self, wall_ms: int) -> str:
        """That time in ISO 8601, to the second, with its offset from UTC."""
        return self.local(wall_ms).astimezone(self._zone).isoformat(timespec="seconds")

    def day(self, which: date) -> Span:
        """When that day begins and ends; where midnight does not exist, when the clock jumps."""
        return self._midnight(which), self._midnight(which + timedelta(days=1))

    def day_around(self, wall_ms: int) -> Span:
        """The day in which that time lies."""
        return self.day(self.day_of(wall_ms))

    def hour_around(self, wall_ms: int) -> Span:
        """The hour in which that time lies, counted from the beginning of its day."""
        begins, ends = self.day_around(wall_ms)
        from_ms = wall_ms - (wall_ms - begins) % HOUR_MS
        return from_ms, min(from_ms + HOUR_MS, ends)

    def _midnight(self, which: date) -> int:
        """The first moment of a date: of two midnights the first, of none the end of the gap."""
        midnight = datetime(which.year, which.month, which.day, tzinfo=self._zone)
        return round(midnight.timestamp() * 1000)
