"""What each radar of the box has learned of how many people its counts stand for.

Used by the presence desk. A window in which the cameras counted people teaches; one in which they
saw nobody does not, because a camera may be covered. Numbers only; it reads no storage and
gives new samples to be written.
"""

from collections import deque
from collections.abc import Iterable

from edge.presence import people
from edge.presence.people import Estimate, Heard, Relation, Sample
from edge.records import CountReading, Moment
from edge.storage.radar_samples import RadarSample

PAUSE_MS = 1_800_000
"""After a longer pause (the night, a restart) the windows before say nothing of this one."""
RENEW_EVERY = 20
"""Samples after which the relation is learned anew: some milliseconds of work."""


class Calibration:
    """The samples, the relation and the last window of one radar."""

    def __init__(self, sensor: str, known: Iterable[RadarSample]) -> None:
        self._sensor = sensor
        samples = (Sample(Heard(one.phones, one.addresses), one.people) for one in known)
        self._samples = deque(samples, maxlen=people.SAMPLES_MAX)
        self._relation: Relation | None = people.learned(self._samples)
        self._since = 0
        self._before: tuple[Moment, Heard] | None = None

    def estimate(self, count: CountReading, until: Moment) -> Estimate:
        """How many people `count`, whose window ended at `until`, stands for."""
        heard = people.smoothed(self._steady_before(until), heard_of(count))
        self._before = until, heard
        if self._relation is None:
            return people.uncalibrated(count.devices, count.devices_low, count.devices_high)
        return self._relation.estimate(heard)

    def learn(self, seen: int) -> RadarSample | None:
        """The window that was estimated last held `seen` people, by the cameras; the sample."""
        if self._before is None or seen <= 0:
            return None
        until, heard = self._before
        self._samples.append(Sample(heard, float(seen)))
        self._since += 1
        if self._relation is None or self._since >= RENEW_EVERY:
            self._since = 0
            self._relation = people.learned(self._samples)
        return RadarSample(self._sensor, until.wall_ms, heard.phones, heard.addresses, float(seen))

    def _steady_before(self, until: Moment) -> Heard | None:
        if self._before is None:
            return None
        last, heard = self._before
        near = last.boot == until.boot and until.mono_ms - last.mono_ms <= PAUSE_MS
        return heard if near else None


def heard_of(count: CountReading) -> Heard:
    """What of a count tells people."""
    return Heard(count.private, count.private_addresses)
