"""The Wi-Fi radar: every probe request heard is counted, and nobody is told by it.

Run by `sensors/worker.py`. `device` is one to three radios (`wlan1`, `wlan1,wlan2,wlan3`)
or a capture file (`replay:PATH`, `simulated:PATH`). What becomes of a frame is `sensors/radar`'s.
It never transmits and never decides who it was.
"""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from sensors.core_link import CoreLink
from sensors.declaration import Needs, Sensor
from sensors.radar.options import Pace, RadarOptions
from sensors.radar.radar import Radar
from sensors.recorded import captured, recording

Low = Literal[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]
Middle = Literal[36, 40, 44, 48, 52, 56, 60, 64, 100, 104, 108, 112, 116, 120, 124, 128, 132]
High = Literal[136, 140, 144, 149, 153, 157, 161, 165, 169, 173, 177]
Channel = Annotated[
    Literal[Low, Middle, High],  # which of them a country allows, the kernel knows
    Meta(description="a channel of 2.4 GHz (1 to 14) or 5 GHz (36, 40, ... 177)"),
]
CHANNELS_MAX = 14
"""All of 2.4 GHz; a radio that hops over more hears too little of each."""


class WifiOptions(RadarOptions, frozen=True, kw_only=True):
    """Options of `[sensors.NAME]` with kind "wifi", besides those of every radar.

    `channels`: one for each radio, or more, among which the radios hop every `hop_ms`; without
    them radios stay where they are. `silence_restart_s`: a radio that has heard nothing at all
    for so long, not even an access point, is restarted; 0 is never.
    """

    channels: Annotated[tuple[Channel, ...], Meta(max_length=CHANNELS_MAX)] = ()
    hop_ms: Annotated[int, Meta(ge=100, le=10_000)] = 250
    silence_restart_s: Annotated[int, Meta(ge=0, le=3600)] = 60

    @property
    def channels_of_radios(self) -> tuple[int, ...]:
        """See `channels`."""
        return self.channels


SENSOR = Sensor(
    kind="wifi",
    options=WifiOptions,
    needs=Needs(
        # RAW to capture. ADMIN to set mode and channel, to restart a radio that fell silent, and
        # for room for a burst; a radio that is set already is heard without it.
        capabilities=("CAP_NET_RAW", "CAP_NET_ADMIN"),
        families=("AF_PACKET", "AF_NETLINK"),
    ),
)


def observe(core: CoreLink, device: str, options: WifiOptions) -> None:
    """Report probe requests until the core hangs up."""
    radar = Radar(core, options)
    if (path := recording(device)) is not None:
        replay(core, radar, path, options.pace)
        return
    from sensors.radar.listening import listen, share

    names = device.split(",")
    shared = share(names, options.channels)
    listen(core, radar, shared, options.hop_ms / 1000, options.silence_restart_s)


def replay(core: CoreLink, radar: Radar, path: Path, pace: Pace) -> None:
    """Report what a capture holds, each frame by its time stamp."""
    from hardware.dot11 import ProbeParser
    from sensors.radar.recording import played

    parsers: dict[int, ProbeParser] = {}
    for at_ms, (_, link_type, frame) in played(core, radar, captured(core, path), pace):
        if link_type not in parsers:
            parsers[link_type] = ProbeParser(link_type)
        radar.take(parsers[link_type].parse(frame), path.name, at_ms)
