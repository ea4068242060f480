"""Takes what a route has heard and reports a count at the end of each window.

One per sensor process; made by each route's `observe()`. An address is hashed here under the core's
current salt before it is counted. Numbers leave, and nothing else does; while the core gives leave
to survey, also a picture of the air with pseudonyms (`surveying`). Outside the opening hours
nothing at all is done with an address, and no window is reported: a zero there would be a lie.
"""

import time
from typing import TYPE_CHECKING

from edge.errors import ConfigError
from edge.records import CountReading
from hardware.address import address_of
from sensors.core_link import CoreLink
from sensors.radar.admission import OPTED_OUT, OUTSIDE_HOURS, Admission
from sensors.radar.counter import Counter
from sensors.radar.equipment import Equipment
from sensors.radar.marks import short_hash
from sensors.radar.options import RadarOptions
from sensors.radar.record import Heard
from sensors.radar.surveying import Standing, Surveying
from sensors.wire import Action

if TYPE_CHECKING:
    from hardware.dot11 import Defect, ProbeRequest

SALT_BYTES_MIN, SALT_BYTES_MAX = 16, 64
"""Under a shorter key an address could be found by trying; BLAKE2b takes no longer one."""
STEP_MS_MAX = 24 * 3_600_000
"""Time that passes at once and is longer is a step of a recording's clock: there was no such day,
and ten years of empty windows would take a while to report."""

FIXED = "fixed"
"""Dropped under this name: what the shop's own equipment sent."""


class Radar:
    """The window that is open now, and what falls into it."""

    def __init__(self, core: CoreLink, options: RadarOptions) -> None:
        self._core = core
        self._window_ms = options.window_s * 1000
        self._options = options
        self._admission = Admission(core, options)
        self._salt = checked_salt(core.salt)
        self._counter = Counter(options.rssi_gate_dbm)
        self._from_ms: int | None = None
        self._now_ms: int | None = None
        self._equipment = Equipment()
        self._fixed = frozenset(address_of(each) for each in options.fixed_equipment)
        self._survey: Surveying | None = None
        self._mute = False

    def take(self, found: "ProbeRequest | Defect | None", radio: str, at_ms: int) -> None:
        """What a parser made of a frame: hear it, count a defect, pass over other frames."""
        if found is None:
            return
        if isinstance(found, str):
            self.refuse(found.value)
            return
        signal, channel = found.rssi_dbm, found.channel
        self.hear(Heard(at_ms, radio, found.source, signal, channel, found.seq, found.fingerprint))

    def hear(self, heard: Heard) -> None:
        """Count one transmission, if it may be counted. Records come in order of time."""
        if heard.at_ms != self._now_ms:
            self.tick(heard.at_ms)
        if not self._admission.open_at(heard.at_ms):
            self.refuse(OUTSIDE_HOURS)
        elif self._admission.opted_out(heard.source):
            self.refuse(OPTED_OUT)
        else:
            self._admit(heard)

    def _admit(self, heard: Heard) -> None:
        """Show it to a technician who surveys, and count it unless it is the shop's own."""
        fixed = heard.source in self._fixed or self._stays(heard)
        if self._survey is not None:
            self._survey.add(heard, Standing(self._is_inside(heard), fixed), time.monotonic())
        if fixed:
            self.refuse(FIXED)
        else:
            self._counter.add(heard, short_hash(heard.source, self._salt))

    def _stays(self, heard: Heard) -> bool:
        return not heard.randomised and self._equipment.stays(heard.source)

    def _is_inside(self, heard: Heard) -> bool:
        gate, signal = self._options.rssi_gate_dbm, heard.rssi_dbm
        return gate is None or signal is None or signal >= gate

    def lost(self, radio: str, count: int) -> None:
        """The kernel had no room for `count` frames of a radio."""
        self._core.dropped("kernel_full", count)
        if self._survey is not None:
            self._survey.lost(radio, count)

    def refuse(self, reason: str, count: int = 1) -> None:
        """Something arrived that is no record: counted by reason."""
        self._core.dropped(reason, count)

    def tick(self, now_ms: int) -> None:
        """Time passes, also when nothing is heard: a window without anybody counts, too."""
        self._now_ms = now_ms
        self._show()
        self._equipment.age(now_ms)
        if self._from_ms is not None:
            self._report_until(now_ms)
        if not self._admission.open_at(now_ms):
            self.finish(now_ms)
            self._from_ms = None
        elif self._from_ms is None:
            self._from_ms = now_ms
            self._salt = checked_salt(self._core.salt)

    def _report_until(self, now_ms: int) -> None:
        """Report the windows that are over, to the end of the shop's day.

        After a step of the clock that is only the one it hit.
        """
        assert self._from_ms is not None
        stepped = now_ms > self._from_ms + STEP_MS_MAX
        while self._from_ms is not None and now_ms >= (until_ms := self._from_ms + self._window_ms):
            self._report(until_ms)
            if stepped or not self._admission.open_at(until_ms):
                self._from_ms = None

    def finish(self, now_ms: int) -> None:
        """The recording or the shop's day is at its end: report the window that was open."""
        if self._from_ms is not None and now_ms > self._from_ms:
            self._report(min(now_ms, self._from_ms + self._window_ms))

    @property
    def surveying(self) -> bool:
        """Whether anything of what is heard is kept to be shown."""
        return self._survey is not None

    def _show(self) -> None:
        """Begin, go on with, or forget a survey, as the core gives leave."""
        if not self._core.may(Action.SURVEY):
            self._survey = None
            return
        now_s = time.monotonic()
        if self._survey is None:
            self._survey = Surveying(self._options.rssi_gate_dbm, now_s)
        elif (picture := self._survey.picture(now_s)) is not None:
            self._core.surveyed(picture)

    def _report(self, until_ms: int) -> None:
        assert self._from_ms is not None
        count = self._counter.closed(self._from_ms, until_ms, self._core.poll)
        self._core.observe(count, self._core.moment(until_ms))
        self._equipment.window_ended(count.lasted_ms)
        self._judge(count)
        self._from_ms = until_ms
        self._salt = checked_salt(self._core.salt)

    def _judge(self, count: CountReading) -> None:
        """Say so while nothing that is heard tells phones apart."""
        if not count.tells_phones:
            self._core.unhealthy(
                "It hears frames without sequence number or elements: no phone can be counted.",
                "Let the firmware send them too: sensors/PROBE_LINES.md.",
            )
            self._mute = True
        elif self._mute and count.frames:
            self._core.healthy("listening")
            self._mute = False


def checked_salt(salt: bytes) -> bytes:
    """`salt` itself; ConfigError if addresses could be found again under it by trying."""
    if not SALT_BYTES_MIN <= len(salt) <= SALT_BYTES_MAX:
        raise ConfigError(
            f"The core sent a salt of {len(salt)} bytes.",
            f"Send {SALT_BYTES_MIN} to {SALT_BYTES_MAX} random bytes.",
        )
    return salt
