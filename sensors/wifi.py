"""The Wi-Fi radar: every probe request heard is counted, and nobody is told by it.

Run by `sensors/worker.py`. `device` is one to three radios (`wlan1`, `wlan1,wlan2,wlan3`)
or a capture file (`replay:PATH`, `simulated:PATH`). What becomes of a frame is `sensors/radar`'s.
It never transmits and never decides who it was.
"""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from edge.errors import BadFrame
from sensors.core_link import CoreLink
from sensors.declaration import Needs, Sensor
from sensors.radar.options import RadarOptions
from sensors.radar.radar import Radar

FRAMES_PER_POLL = 256
"""Records handled before the core is heard again: some milliseconds of work."""
FILE_PREFIXES = ("replay:", "simulated:")
Low = Literal[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]
Middle = Literal[36, 40, 44, 48, 52, 56, 60, 64, 100, 104, 108, 112, 116, 120, 124, 128, 132]
High = Literal[136, 140, 144, 149, 153, 157, 161, 165, 169, 173, 177]
Channel = Annotated[
    Literal[Low, Middle, High],  # which of them a country allows, the kernel knows
    Meta(description="a channel of 2.4 GHz (1 to 14) or 5 GHz (36, 40, ... 177)"),
]
CHANNELS_MAX = 14
"""All of 2.4 GHz; a radio that hops over more hears too little of each."""


class Pace(StrEnum):
    """How fast a recording is played without a timeline."""

    RECORDED = "recorded"
    FAST = "fast"


class WifiOptions(RadarOptions, frozen=True, kw_only=True):
    """Options of `[sensors.NAME]` with kind "wifi", besides those of every radar.

    `channels`: one for each radio, or more, among which the radios hop every `hop_ms`; without
    them radios stay where they are. `silence_restart_s`: a radio that has heard nothing at all
    for so long, not even an access point, is restarted; 0 is never.
    """

    channels: Annotated[tuple[Channel, ...], Meta(max_length=CHANNELS_MAX)] = ()
    hop_ms: Annotated[int, Meta(ge=100, le=10_000)] = 250
    silence_restart_s: Annotated[int, Meta(ge=0, le=3600)] = 60
    pace: Pace = Pace.RECORDED


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
    for prefix in FILE_PREFIXES:
        if device.startswith(prefix):
            replay(core, radar, Path(device.removeprefix(prefix)), options.pace)
            return
    from sensors.radar.listening import listen, share

    names = device.split(",")
    pace = (options.hop_ms / 1000, options.silence_restart_s)
    listen(core, radar, share(names, options.channels), *pace)


def replay(core: CoreLink, radar: Radar, path: Path, pace: Pace) -> None:
    """Report what a recording holds, in its own time or as fast as possible.

    A clock that went back in it is held still: what the core hears is in order. A file that is
    cut short counts as far as it goes.
    """
    from hardware.capture_file import records
    from hardware.dot11 import ProbeParser

    parsers: dict[int, ProbeParser] = {}
    latest_ms = 0
    try:
        for number, (offset_ms, link_type, frame) in enumerate(records(path)):
            if number == 0:
                core.healthy("replaying")
            if link_type not in parsers:
                parsers[link_type] = ProbeParser(link_type)
            latest_ms = max(latest_ms, offset_ms)
            seen = core.moment(latest_ms) if pace is Pace.FAST else core.reach(latest_ms)
            radar.take(parsers[link_type].parse(frame), path.name, latest_ms)
            core.passed(seen)
            if number % FRAMES_PER_POLL == 0:
                core.poll()
    except BadFrame as error:
        core.dropped("capture_damaged")
        print(f"wifi: {error}", file=sys.stderr, flush=True)
    radar.finish(latest_ms)
    core.finish()
