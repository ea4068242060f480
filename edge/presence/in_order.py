"""The order in which readings are weighed that reached the box together.

Pure; called by the presence desk with each batch. Sensors reach the box in whatever order; what
was seen first is weighed first, and what was seen at the same moment always in the same order.
"""

from collections.abc import Iterable

from edge.records import (
    AssociationReading,
    CodeReading,
    CountReading,
    CrossingReading,
    FaceReading,
    GoneReading,
    Observation,
    PoseReading,
    QueueReading,
    Reading,
    StayReading,
    TrackReading,
)

RANKS: dict[type[object], int] = {
    TrackReading: 0,
    FaceReading: 2,
    AssociationReading: 3,
    CodeReading: 4,
    StayReading: 5,
    QueueReading: 6,
    PoseReading: 7,
    CountReading: 8,
    GoneReading: 10,
}
"""Of one moment: who comes is there before their signs, and leaves after them."""
IN, OUT = 1, 9
Key = tuple[str, int, int, str, int, str]


def in_order(batch: Iterable[Observation]) -> list[Observation]:
    """The batch as it is weighed."""
    return sorted(batch, key=_key)


def _key(observation: Observation) -> Key:
    seen, reading = observation.seen, observation.reading
    number, text = _told(reading)
    return seen.boot, seen.mono_ms, _rank(reading), observation.sensor, number, text


def _rank(reading: Reading) -> int:
    if isinstance(reading, CrossingReading):
        return IN if reading.inwards else OUT
    return RANKS[type(reading)]


def _told(reading: Reading) -> tuple[int, str]:
    """What tells readings of one kind and sensor apart; the frames of a track stay in order."""
    match reading:
        case FaceReading(track=track, frames=frames):
            return track, f"{frames:08d}"
        case TrackReading(track=track) | GoneReading(track=track):
            return track, ""
        case StayReading(track=track, zone=zone, dwell_ms=dwell_ms):
            return track, f"{zone}/{dwell_ms}"
        case CrossingReading(track=track, line=line):
            return track, line
        case CodeReading(text=text):
            return 0, text
        case AssociationReading(session=session, phase=phase):
            return 0, f"{session}/{['start', 'alive', 'stop'].index(phase)}"
        case QueueReading(zone=zone, length=length):
            return length, zone
        case _:
            return 0, ""
