"""The law of tracks: the last word on each track that was named is that it has gone, once."""

from collections.abc import Sequence

from edge.records import GoneReading, Reading


def gone_once(readings: Sequence[Reading]) -> None:
    """The last word on each track that was named is that it has gone."""
    words: dict[int, list[bool]] = {}
    for reading in readings:
        if track := getattr(reading, "track", 0):
            words.setdefault(track, []).append(isinstance(reading, GoneReading))
    for of_track in words.values():
        assert len(of_track) > 1
        assert of_track.index(True) == len(of_track) - 1
