"""What can be configured of every radar, whatever its route; routes add their own options.

Pure declaration, validated by `edge/config.py` and once more in the worker.
"""

from typing import Annotated

from msgspec import Meta, Struct

Dbm = Annotated[int, Meta(ge=-120, le=0)]
Address = Annotated[
    str,
    Meta(
        pattern=r"^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}\Z",
        description="an address such as aa:bb:cc:dd:ee:ff",
    ),
]
FIXED_MAX = 256
"""A shop has dozens of devices that stay; its list is written by hand."""


class RadarOptions(Struct, frozen=True, kw_only=True):
    """Options of `[sensors.NAME]` that all radars know.

    `rssi_gate_dbm`: a phone that is never received this strongly is outside the shop; it is
    counted as a passer-by. Without it everything heard is inside. `window_s`: how long one count
    takes, and the longest that anybody is told from anybody else. `fixed_equipment`: addresses
    (`aa:bb:cc:dd:ee:ff`) of the shop's own devices, which are no visitors and never counted.
    """

    rssi_gate_dbm: Dbm | None = None
    window_s: Annotated[int, Meta(ge=60, le=600)] = 600
    fixed_equipment: Annotated[tuple[Address, ...], Meta(max_length=FIXED_MAX)] = ()
