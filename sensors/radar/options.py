"""What can be configured of every radar, whatever its route; routes add their own options.

Pure declaration, validated by `edge/config.py` and once more in the worker.
"""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from edge.clock import is_timezone
from hardware.address import HardwareAddress
from sensors.radar.hours import PATTERN

Dbm = Annotated[int, Meta(ge=-120, le=0)]
FIXED_MAX = 256
"""A shop has dozens of devices that stay; its list is written by hand."""
Hours = Annotated[
    str,
    Meta(
        pattern=PATTERN,
        description='days and times such as "mon-sat 09:00-21:00", "sun 10:00-18:00" or'
        ' "daily 08:00-24:00"',
    ),
]
WINDOW_S_MAX = 600
"""Within one count a phone is told from others; longer nobody is."""
HOURS_MAX = 32
"""Lines of opening hours: a week has seven days, and a shop may close for lunch."""


class Pace(StrEnum):
    """How fast a recording is played without a timeline."""

    RECORDED = "recorded"
    FAST = "fast"


class RadarOptions(Struct, frozen=True, kw_only=True):
    """Options of `[sensors.NAME]` that all radars know.

    `rssi_gate_dbm`: a phone that is never received this strongly is outside the shop; it is
    counted as a passer-by. Without it everything heard is inside. `window_s`: how long one count
    takes, and the longest that anybody is told from anybody else. `fixed_equipment`: addresses
    of the shop's own devices, which are no visitors and never counted.
    `hours`: when the shop is open; a quarter of an hour before and after count too, and whatever is
    heard besides is dropped before its address is looked at. `timezone` of the hours: without it
    that of `[kiosk]`. `pace` is for recordings.
    """

    rssi_gate_dbm: Dbm | None = None
    window_s: Annotated[int, Meta(ge=60, le=WINDOW_S_MAX)] = WINDOW_S_MAX
    fixed_equipment: Annotated[tuple[HardwareAddress, ...], Meta(max_length=FIXED_MAX)] = ()
    hours: Annotated[tuple[Hours, ...], Meta(max_length=HOURS_MAX)] = ()
    timezone: str = ""
    pace: Pace = Pace.RECORDED

    def __post_init__(self) -> None:
        """ValueError, which msgspec makes its own, if there is no such time zone."""
        if self.timezone and not is_timezone(self.timezone):
            raise ValueError(f"there is no time zone '{self.timezone}'")

    @property
    def channels_of_radios(self) -> tuple[int, ...] | None:
        """What our own radios are set to; None if they are a router's, which sets them itself."""
        return None
