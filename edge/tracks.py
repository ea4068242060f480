"""The tracks of one sensor as the core numbers them, and which of them are still open.

Used by `edge/intake.py`, one for each sensor. A restarted sensor numbers its tracks from 1 again;
to the core they are new people. Whoever a reading named is told as gone once: by the sensor, or
here when its connection ends or it names more at once than are remembered. With it ends what it
said of queues. It knows no identities, and its only clock is the moments of the observations.
"""

from dataclasses import dataclass

import msgspec

from edge.records import (
    CrossingReading,
    FaceReading,
    GoneReading,
    Moment,
    Observation,
    QueueReading,
    StayReading,
    TrackReading,
)

OPEN_MAX = 256
"""Tracks of one sensor that are remembered at once: eight times what one of ours follows."""
QUEUES_MAX = 8
"""Zones of one sensor whose queue is remembered: a camera has no more."""
NAMES_TRACK = (TrackReading, FaceReading, CrossingReading, StayReading)
UNKNOWN = 0
"""The number of nobody in particular."""


@dataclass(slots=True)
class _Open:
    """One track that has not gone: when it was named first and last."""

    first: Moment
    last: Moment


class Tracks:
    """One sensor's tracks, across its restarts."""

    def __init__(self) -> None:
        self._base = 0
        self._highest = 0
        self._open: dict[int, _Open] = {}
        self._queues: set[str] = set()

    def connect(self) -> None:
        """The sensor begins anew, with its numbers, too."""
        self._base = self._highest

    def take(self, observation: Observation) -> list[Observation]:
        """What the core is to be told: `observation` with its track as the core numbers it.

        Nothing if a track goes that is not here. Another's going comes first if there is no room.
        """
        reading = observation.reading
        if isinstance(reading, GoneReading):
            number = self._base + reading.track
            if self._open.pop(number, None) is None:
                return []
            return [_with(observation, msgspec.structs.replace(reading, track=number))]
        if isinstance(reading, QueueReading):
            self._queue(reading)
        if not isinstance(reading, NAMES_TRACK) or reading.track == UNKNOWN:
            return [observation]
        number = self._base + reading.track
        made_room = self._name(number, observation)
        return [*made_room, _with(observation, msgspec.structs.replace(reading, track=number))]

    def end(self, sensor: str, latest: Moment) -> list[Observation]:
        """The connection has ended: all that were not told as gone are, and nobody is known to
        stand in a queue. `latest` is the moment of the sensor's last observation.
        """
        gone = [self._gone(number, sensor, latest) for number in list(self._open)]
        empty = [
            Observation(sensor, latest, QueueReading(zone, 0)) for zone in sorted(self._queues)
        ]
        self._queues.clear()
        return gone + empty

    def _queue(self, reading: QueueReading) -> None:
        if reading.length == 0:
            self._queues.discard(reading.zone)
        elif len(self._queues) < QUEUES_MAX:
            self._queues.add(reading.zone)

    def _name(self, number: int, observation: Observation) -> list[Observation]:
        self._highest = max(self._highest, number)
        seen = observation.seen
        if (known := self._open.get(number)) is not None:
            known.last = seen
            return []
        made_room = []
        if len(self._open) >= OPEN_MAX:
            silent = min(self._open, key=lambda each: self._open[each].last.mono_ms)
            made_room = [self._gone(silent, observation.sensor, seen)]
        self._open[number] = _Open(seen, seen)
        return made_room

    def _gone(self, number: int, sensor: str, seen: Moment) -> Observation:
        known = self._open.pop(number)
        same_boot = known.first.boot == known.last.boot
        dwell_ms = known.last.mono_ms - known.first.mono_ms if same_boot else 0
        return Observation(sensor, seen, GoneReading(number, max(0, dwell_ms)))


def _with(
    observation: Observation,
    reading: TrackReading | FaceReading | CrossingReading | StayReading | GoneReading,
) -> Observation:
    return msgspec.structs.replace(observation, reading=reading)
