"""What each radar of the box has learned of how many people its counts stand for.

Used by the presence desk. A window in which the cameras counted people teaches; one in which they
saw nobody does not, because a camera may be covered. Numbers only; it reads no storage and
gives new samples to be written.
"""

from collections import deque
from collections.abc import Iterable

from edge.presence import people
from edge.presence.people import Estimate, Relation, Sample, Signs
from edge.records import CountReading, Moment
from edge.storage.radar_samples import KEPT_MAX, RadarSample

PAUSE_MS = 1_800_000
"""After a longer pause (the night, a restart) the windows before say nothing of this one."""
RENEW_EVERY = 20
"""Samples after which the relation is learned anew: some milliseconds of work."""


class Calibration:
    """The samples, the relation and the last window of one radar."""

    def __init__(self, sensor: str, known: Iterable[RadarSample]) -> None:
        self._sensor = sensor
        samples = (Sample(Signs(one.phones, one.addresses), one.people) for one in known)
        self._samples = deque(samples, maxlen=KEPT_MAX)
        self._relation: Relation | None = people.learned(self._samples)
        self._since = 0
        self._before: tuple[Moment, Signs] | None = None

    def take(
        self, count: CountReading, until: Moment, seen: int
    ) -> tuple[Estimate, RadarSample | None]:
        """How many people `count`, whose window ended at `until`, stands for; and what it taught.

        `seen` is how many people the cameras saw in that window.
        """
        signs = people.smoothed(self._steady_before(until), signs_of(count))
        if not count.tells_phones:
            return people.UNKNOWN, None
        self._before = until, signs
        if self._relation is None:
            estimate = people.uncalibrated(count.devices, count.devices_low, count.devices_high)
        else:
            estimate = self._relation.estimate(signs)
        return estimate, self._learn(signs, until, seen)

    def _learn(self, signs: Signs, until: Moment, seen: int) -> RadarSample | None:
        if seen <= 0:
            return None
        self._samples.append(Sample(signs, float(seen)))
        self._since += 1
        if self._relation is None or self._since >= RENEW_EVERY:
            self._since = 0
            self._relation = people.learned(self._samples)
        return RadarSample(self._sensor, until.wall_ms, signs.phones, signs.addresses, float(seen))

    def _steady_before(self, until: Moment) -> Signs | None:
        if self._before is None:
            return None
        last, signs = self._before
        near = last.boot == until.boot and until.mono_ms - last.mono_ms <= PAUSE_MS
        return signs if near else None


def signs_of(count: CountReading) -> Signs:
    """What of a count tells people."""
    return Signs(count.private, count.private_addresses)
