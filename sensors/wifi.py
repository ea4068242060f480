"""The Wi-Fi radar: every probe request heard is counted, and nobody is told by it.

Run by `sensors/worker.py`. `device` is an interface in monitor mode (`wlan1` or `monitor:wlan1`)
or a capture file (`replay:PATH`, `simulated:PATH`). What becomes of a frame is `sensors/radar`'s.
It never transmits and never decides who it was.
"""

import sys
import time
from enum import StrEnum
from pathlib import Path

from edge.errors import BadFrame
from sensors.core_link import CoreLink
from sensors.declaration import Needs, Sensor
from sensors.radar.options import RadarOptions
from sensors.radar.radar import Radar

FRAMES_PER_POLL = 256
"""Frames handled before the core is heard again: some milliseconds of work."""
WAIT_S = 1.0
FILE_PREFIXES = ("replay:", "simulated:")
MONITOR_PREFIX = "monitor:"


class Pace(StrEnum):
    """How fast a recording is played without a timeline."""

    RECORDED = "recorded"
    FAST = "fast"


class WifiOptions(RadarOptions, frozen=True, kw_only=True):
    """Options of `[sensors.NAME]` with kind "wifi", besides those of every radar."""

    pace: Pace = Pace.RECORDED


SENSOR = Sensor(
    kind="wifi",
    options=WifiOptions,
    needs=Needs(capabilities=("CAP_NET_RAW",), families=("AF_PACKET", "AF_NETLINK")),
)


def observe(core: CoreLink, device: str, options: WifiOptions) -> None:
    """Report probe requests until the core hangs up."""
    radar = Radar(core, options)
    for prefix in FILE_PREFIXES:
        if device.startswith(prefix):
            replay(core, radar, Path(device.removeprefix(prefix)), options.pace)
            return
    listen(core, radar, device.removeprefix(MONITOR_PREFIX))


def listen(core: CoreLink, radar: Radar, name: str) -> None:
    """Report what a live interface hears, and how much of it the kernel had no room for."""
    from hardware.dot11 import RADIOTAP, ProbeParser
    from hardware.monitor import MonitorInterface

    parser = ProbeParser(RADIOTAP)
    with MonitorInterface(name) as monitor:
        core.healthy("listening")
        while True:
            monitor.wait(core.fileno(), WAIT_S)
            now_ms = time.monotonic_ns() // 1_000_000
            radar.tick(now_ms)
            for _ in range(FRAMES_PER_POLL):
                frame = monitor.frame()
                if frame is None:
                    break
                radar.take(parser.parse(frame), name, now_ms)
            if lost := monitor.lost():
                core.dropped("kernel_full", lost)
            core.poll()


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
