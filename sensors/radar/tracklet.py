"""What is kept of one address within a window: when, how strongly, and how its numbers ran.

Filled by `Counter` frame by frame, read by `scans` and `chains`. It holds no address and no
element; the counter knows it by a keyed, truncated hash and forgets it with the window.
"""

from dataclasses import dataclass, field

from sensors.radar.record import Heard

SEQUENCE = 4096
"""Sequence numbers are 12 bits and begin again (IEEE 802.11-2020 9.2.4.4)."""
PAUSE_MS = 2_000
"""A phone that was silent for longer begins a new scan."""
STARTS_MAX = 64
"""Scans remembered of one address; a window has no more than its seconds over `PAUSE_MS`."""
PLACES_MAX = 14
"""Radios and channels whose levels are kept apart: a hopping radio has as many channels."""


@dataclass(slots=True)
class Tracklet:
    """One address. Times in ms of the sensor's time line; `peaks` are dBm by radio and channel."""

    first_ms: int
    last_ms: int
    first_seq: int
    last_seq: int
    starts_ms: list[int]
    frames: int = 0
    peaks: dict[tuple[str, int | None], int] = field(default_factory=dict)

    @classmethod
    def begun(cls, heard: Heard) -> "Tracklet":
        """An address that was not heard in this window before."""
        assert heard.seq is not None, "the counter refuses records of presence only"
        return cls(heard.at_ms, heard.at_ms, heard.seq, heard.seq, [heard.at_ms])

    def add(self, heard: Heard) -> None:
        """One more frame. Radios differ by moments, so numbers may come a little out of order."""
        assert heard.seq is not None
        if heard.at_ms - self.last_ms > PAUSE_MS and len(self.starts_ms) < STARTS_MAX:
            self.starts_ms.append(heard.at_ms)
        if ahead(self.last_seq, heard.seq) < SEQUENCE // 2:
            self.last_seq = heard.seq
        elif ahead(heard.seq, self.first_seq) < SEQUENCE // 64:
            self.first_seq = heard.seq
        self.last_ms = max(self.last_ms, heard.at_ms)
        self.frames += 1
        if heard.rssi_dbm is not None:
            place = heard.radio, heard.channel
            if place in self.peaks or len(self.peaks) < PLACES_MAX:
                self.peaks[place] = max(self.peaks.get(place, heard.rssi_dbm), heard.rssi_dbm)

    @property
    def peak_dbm(self) -> int | None:
        """The strongest it was heard anywhere."""
        return max(self.peaks.values(), default=None)


def ahead(earlier: int, later: int) -> int:
    """How far the number `later` lies after `earlier`, 0..4095."""
    return (later - earlier) % SEQUENCE
