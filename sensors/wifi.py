"""The Wi-Fi radar: every probe request heard becomes one reading without an address.

Run by `sensors/worker.py`. `device` is an interface in monitor mode (`wlan1` or `monitor:wlan1`)
or a capture file (`replay:PATH`, `simulated:PATH`). Addresses are hashed here under the core's
current salt and are never sent, logged or kept. It never transmits and never decides who it was.
"""

import hashlib
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta, Struct

from edge.errors import BadFrame, ConfigError
from edge.records import Moment, ProbeReading
from sensors.core_link import CoreLink
from sensors.declaration import Needs, Sensor

if TYPE_CHECKING:
    from hardware.dot11 import Defect, ProbeRequest

HASH_BYTES = 8
SALT_BYTES_MIN, SALT_BYTES_MAX = 16, 64
"""Under a shorter key an address could be found by trying; BLAKE2b takes no longer one."""
FRAMES_PER_POLL = 256
"""Frames handled before the core is heard again: some milliseconds of work."""
WAIT_S = 1.0
FILE_PREFIXES = ("replay:", "simulated:")
MONITOR_PREFIX = "monitor:"


class Pace(StrEnum):
    """How fast a recording is played without a timeline."""

    RECORDED = "recorded"
    FAST = "fast"


class WifiOptions(Struct, frozen=True):
    """Options of `[sensors.NAME]` with kind "wifi".

    `rssi_gate_dbm`: frames that were received weaker than this come from outside the shop; they
    are counted and dropped. Without it everything heard is reported.
    """

    pace: Pace = Pace.RECORDED
    rssi_gate_dbm: Annotated[int, Meta(ge=-120, le=0)] | None = None


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


def listen(core: CoreLink, radar: "Radar", name: str) -> None:
    """Report what a live interface hears, and how much of it the kernel had no room for."""
    from hardware.dot11 import RADIOTAP, ProbeParser
    from hardware.monitor import MonitorInterface

    parser = ProbeParser(RADIOTAP)
    with MonitorInterface(name) as monitor:
        core.healthy("listening")
        while True:
            monitor.wait(core.fileno(), WAIT_S)
            for _ in range(FRAMES_PER_POLL):
                frame = monitor.frame()
                if frame is None:
                    break
                radar.report(parser.parse(frame), core.moment(0))
            if lost := monitor.lost():
                core.dropped("kernel_full", lost)
            core.poll()


def replay(core: CoreLink, radar: "Radar", path: Path, pace: Pace) -> None:
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
            radar.report(parsers[link_type].parse(frame), seen)
            core.passed(seen)
            if number % FRAMES_PER_POLL == 0:
                core.poll()
    except BadFrame as error:
        core.dropped("capture_damaged")
        print(f"wifi: {error}", file=sys.stderr, flush=True)
    core.finish()


class Radar:
    """Turns what the parser found into readings and counts."""

    def __init__(self, core: CoreLink, options: WifiOptions) -> None:
        self._core = core
        self._gate_dbm = options.rssi_gate_dbm
        self._salt = checked_salt(core.salt)

    def report(self, found: "ProbeRequest | Defect | None", seen: Moment) -> None:
        """Report a probe request, count a defect, pass over other frames."""
        if found is None:
            return
        if isinstance(found, str):
            self._core.dropped(found.value)
            return
        gate_dbm = self._gate_dbm
        if gate_dbm is not None and found.rssi_dbm is not None and found.rssi_dbm < gate_dbm:
            self._core.dropped("below_rssi_gate")
            return
        if self._core.salt is not self._salt:
            self._salt = checked_salt(self._core.salt)
        reading = ProbeReading(
            device=self._hashed(found.source),
            randomised=found.randomised,
            fingerprint=self._hashed(found.fingerprint),
            rssi_dbm=found.rssi_dbm,
            channel=found.channel,
            seq=found.seq,
        )
        self._core.observe(reading, seen)

    def _hashed(self, value: bytes) -> bytes:
        """Keyed BLAKE2b: without the salt, which lives in memory only, no way back."""
        return hashlib.blake2b(value, digest_size=HASH_BYTES, key=self._salt).digest()


def checked_salt(salt: bytes) -> bytes:
    """`salt` itself; ConfigError if addresses could be found again under it by trying."""
    if not SALT_BYTES_MIN <= len(salt) <= SALT_BYTES_MAX:
        raise ConfigError(
            f"The core sent a salt of {len(salt)} bytes.",
            f"Send {SALT_BYTES_MIN} to {SALT_BYTES_MAX} random bytes.",
        )
    return salt
