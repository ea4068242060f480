"""What a radar may count at all: not outside the opening hours, and nobody who asked it not to.

Asked by `Radar` before anything else is done with an address. Outside the hours nothing is done
with it, not even this. It keeps no address.
"""

from sensors.core_link import CoreLink
from sensors.radar.hours import OpeningHours
from sensors.radar.marks import opt_out_mark
from sensors.radar.options import RadarOptions

LOOK_MS = 1000
"""The clock on the wall is looked at once a second, not for each frame."""
OUTSIDE_HOURS, OPTED_OUT = "outside_hours", "opted_out"


class Admission:
    """The hours of one radar, and the core's list of who is not to be counted."""

    def __init__(self, core: CoreLink, options: RadarOptions) -> None:
        self._core = core
        self._hours = OpeningHours(options.hours, options.timezone)
        self._open = True
        self._look_ms: int | None = None

    def open_at(self, at_ms: int) -> bool:
        """Whether the shop is open, at a time of the sensor's own that never goes back."""
        if self._look_ms is None or at_ms >= self._look_ms:
            self._look_ms = at_ms + LOOK_MS
            self._open = self._hours.open_at(self._core.moment(at_ms).wall_ms)
        return self._open

    def opted_out(self, address: bytes) -> bool:
        """Whether whoever sends from `address` asked not to be counted."""
        marks = self._core.opted_out
        return bool(marks) and opt_out_mark(address, self._core.opt_out_key) in marks
