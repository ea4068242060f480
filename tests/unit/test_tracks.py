"""Whatever a sensor says, and whenever it breaks off: who was named is told as gone, once."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from edge.records import (
    CodeReading,
    CrossingReading,
    FaceReading,
    GoneReading,
    Moment,
    Observation,
    QueueReading,
    Reading,
    StayReading,
    TrackReading,
)
from edge.tracks import OPEN_MAX, Tracks

NUMBERS = st.integers(0, 2 * OPEN_MAX) | st.integers(0, 4)


def readings() -> st.SearchStrategy[Reading]:
    return st.one_of(
        NUMBERS.map(TrackReading),
        NUMBERS.map(lambda track: CrossingReading("door", True, track)),
        NUMBERS.map(lambda track: StayReading("shoes", 5, track)),
        NUMBERS.map(lambda track: GoneReading(track, 3)),
        NUMBERS.map(lambda track: FaceReading(track, "m", 1, bytearray(4), bytearray(4))),
        st.builds(QueueReading, st.sampled_from(["till", "desk"]), st.integers(0, 3)),
        st.just(CodeReading("4006381333931")),
    )


def at(mono_ms: int) -> Moment:
    return Moment(mono_ms, mono_ms, "boot0001", True)


def told(runs: Sequence[Sequence[Reading]]) -> list[Observation]:
    """What the core hears of a sensor that is started once for each of `runs`."""
    tracks, heard, now_ms = Tracks(), [], 0
    for run in runs:
        tracks.connect()
        for reading in run:
            now_ms += 10
            heard += tracks.take(Observation("door", at(now_ms), reading))
        heard += tracks.end("door", at(now_ms))
    return heard


def track_of(reading: Reading) -> int:
    return getattr(reading, "track", 0)


@given(st.lists(st.lists(readings(), max_size=40), max_size=4))
def test_who_was_named_is_told_as_gone_once_and_nobody_else(
    runs: list[list[Reading]],
) -> None:
    heard = told(runs)
    here: dict[int, int] = {}
    queues: dict[str, int] = {}
    for observation in heard:
        track, reading = track_of(observation.reading), observation.reading
        if isinstance(reading, QueueReading):
            queues[reading.zone] = reading.length
        if isinstance(reading, GoneReading):
            named_ms = here.pop(track)
            assert 0 <= reading.dwell_ms <= max(3, observation.seen.mono_ms - named_ms)
        elif track:
            here.setdefault(track, observation.seen.mono_ms)
        assert len(here) <= OPEN_MAX
    assert here == {}
    assert not any(queues.values()), "nobody is said to stand there for ever"


@given(st.lists(st.lists(readings(), max_size=40), max_size=4))
def test_two_runs_of_a_sensor_share_no_track_and_nothing_else_changes(
    runs: list[list[Reading]],
) -> None:
    ranges = []
    tracks = Tracks()
    for run in runs:
        tracks.connect()
        for reading in run:
            for after in tracks.take(Observation("door", at(1), reading)):
                track = track_of(after.reading)
                assert type(after.reading) is type(reading) or isinstance(
                    after.reading, GoneReading
                )
                assert (track == 0) == (track_of(reading) == 0)
                ranges.append((track, id(run)))
        tracks.end("door", at(1))
    owners: dict[int, set[int]] = {}
    for track, run in ranges:
        if track:
            owners.setdefault(track, set()).add(run)
    assert all(len(each) == 1 for each in owners.values())


def test_when_there_is_no_room_the_one_that_was_silent_longest_has_gone() -> None:
    full = [TrackReading(number) for number in range(1, OPEN_MAX + 1)]
    named_again = StayReading("shoes", 5, 1)
    heard = told([[*full, named_again, TrackReading(OPEN_MAX + 1)]])
    assert [each.reading for each in heard[OPEN_MAX:][:3]] == [
        named_again,
        GoneReading(2, 0),
        TrackReading(OPEN_MAX + 1),
    ]
