"""A pcap capture that arrives in pieces and may be damaged: bytes in, probe requests out.

Called by `sensors/pcap.py` with what a serial line, a TCP connection or a FIFO brings. It looks
for the next plausible header after garbage, knows the header of a firmware that began anew, and
reads again, from inside, a record whose length may have been a lie. It raises `WrongDevice` for a
capture of something else and nothing besides, and holds two records at most.
"""

import re
from typing import NamedTuple

from edge.errors import WrongDevice
from hardware.dot11 import BARE, RADIOTAP, Defect, ProbeParser, ProbeRequest
from hardware.pcap_format import (
    FILE_HEADER_BYTES,
    MAGIC,
    RECORD_HEADER_BYTES,
    VERSION,
    PcapFormat,
    pcap_format,
)

FRAME_BYTES_MIN = 10
"""The shortest 802.11 frame; a run of zeros is no row of empty records."""
FRAME_BYTES_MAX = 8192
"""An aggregate has 7935 bytes; a length beyond this is damage, so nothing is waited for long."""
SENT_BYTES_MAX = 262_144
"""libpcap's largest snapshot: what a record may say the frame had before it was cut."""

_PEEK_BYTES = RECORD_HEADER_BYTES + 4
_RADIOTAP_BYTES_MIN = 8
_RESERVED_TYPE = 0x0C
_ANY_MAGIC = b"|".join(map(re.escape, MAGIC))
_PLAUSIBLE = {
    # seconds, ticks below a second, bytes kept and sent, and the beginning of the frame
    "<": re.compile(rb"(?=.{7}[\0-\x3b].[\0-\x20]\0\0..[\0-\x04]\0.{4})|" + _ANY_MAGIC, re.S),
    ">": re.compile(rb"(?=.{4}[\0-\x3b].{3}\0\0[\0-\x20].\0[\0-\x04].{6})|" + _ANY_MAGIC, re.S),
}
"""Where a header may stand: a first look, which costs a fiftieth of the second one."""


class StreamRecord(NamedTuple):
    """What one record's frame is, and its sender's clock, which may be anything."""

    clock_ms: int
    found: ProbeRequest | Defect | None


ASSUMED = pcap_format(b"\xd4\xc3\xb2\xa1\x02\0\x04\0" + bytes(12) + RADIOTAP.to_bytes(4, "little"))
"""Of a stream that was joined after its file header: what all known firmwares write."""


class PcapStream:
    """One connection, from its first byte on."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._format = ASSUMED
        self._parser = ProbeParser(ASSUMED.link_type)
        self._settled = False
        """Whether a file header or a probe request has shown what the stream is."""
        self._at = 0
        self._doubtful: int | None = None
        """Where the last record began, until a header behind it shows that its length was true."""
        self._covered = 0
        """Where the last record ended, though it is read again from inside."""
        self._skipped = 0

    def skipped(self) -> int:
        """How many bytes were passed over as garbage since this was last asked."""
        count, self._skipped = self._skipped, 0
        return count

    def feed(self, chunk: bytes) -> list[StreamRecord]:
        """The records that `chunk` completes. WrongDevice if they are no 802.11 frames."""
        self._buffer += chunk
        found: list[StreamRecord] = []
        while self._step(found):
            pass
        self._forget()
        return found

    def lapse(self) -> list[StreamRecord]:
        """Nothing has come for a while: what whole records an unfinished one has swallowed."""
        found: list[StreamRecord] = []
        at = self._plausible(self._at + 1)
        while at + _PEEK_BYTES <= len(self._buffer):
            if self._is_record(at) and self._record_end(at) <= len(self._buffer):
                self._doubtful = None
                self._go_on(at)
                found += self.feed(b"")
                at = self._at
            at = self._plausible(at + 1)
        return found

    def _step(self, found: list[StreamRecord]) -> bool:
        """Judge what stands at `_at` and go on behind it; False if more bytes are needed."""
        left = len(self._buffer) - self._at
        if left < _PEEK_BYTES:
            return False
        if bytes(self._buffer[self._at : self._at + 4]) in MAGIC:
            if left < FILE_HEADER_BYTES:
                return False
            if self._take_file_header():
                return True
        if not self._is_record(self._at):
            self._miss()
            return True
        end = self._record_end(self._at)
        if end > len(self._buffer):
            return False
        one = self._record(self._at, end)
        found.append(one)
        self._covered = max(end, self._covered)
        if isinstance(one.found, ProbeRequest):
            self._settled = True
            self._doubtful, self._at = self._at, end
        else:  # no frame that must be whole to make sense: others may be in it
            self._doubtful = None
            self._go_on(self._plausible(self._at + 1))
        return True

    def _take_file_header(self) -> bool:
        """Whether a file header stands here; the first says what the stream is."""
        given = pcap_format(bytes(self._buffer[self._at : self._at + FILE_HEADER_BYTES]))
        if given.version != VERSION:
            return False
        if not self._settled:
            if given.link_type not in (RADIOTAP, BARE):
                raise WrongDevice(
                    f"The capture is of link type {given.link_type}, not of 802.11 frames.",
                    "Capture on an interface in monitor mode with radiotap headers.",
                )
            self._format, self._settled = given, True
            self._parser = ProbeParser(given.link_type)
        elif given[:4] != self._format[:4]:
            return False  # a phone may have sent these bytes: they change nothing
        self._doubtful = None
        self._at += FILE_HEADER_BYTES
        return True

    def _is_record(self, at: int) -> bool:
        """Whether a record may begin at `at`, by its header and the first bytes of its frame."""
        known: PcapFormat = self._format
        head = bytes(self._buffer[at : at + _PEEK_BYTES])
        _, ticks, kept, sent = known.record_header(head[:RECORD_HEADER_BYTES])
        if not FRAME_BYTES_MIN <= kept <= FRAME_BYTES_MAX or not kept <= sent <= SENT_BYTES_MAX:
            return False
        if ticks >= known.ticks_per_s:
            return False
        frame = head[RECORD_HEADER_BYTES:]
        if known.link_type == BARE:
            return not frame[0] & 3 and frame[0] & _RESERVED_TYPE != _RESERVED_TYPE
        return frame[0] == 0 and _RADIOTAP_BYTES_MIN <= frame[2] | frame[3] << 8 <= kept

    def _record_end(self, at: int) -> int:
        header = bytes(self._buffer[at : at + RECORD_HEADER_BYTES])
        return at + RECORD_HEADER_BYTES + self._format.record_header(header)[2]

    def _record(self, at: int, end: int) -> StreamRecord:
        body = at + RECORD_HEADER_BYTES
        seconds, ticks, _, _ = self._format.record_header(bytes(self._buffer[at:body]))
        clock_ms = seconds * 1000 + ticks * 1000 // self._format.ticks_per_s
        return StreamRecord(clock_ms, self._parser.parse(bytes(self._buffer[body:end])))

    def _miss(self) -> None:
        """No header stands here: the last record was a lie, or garbage follows it."""
        start = self._at if self._doubtful is None else self._doubtful
        self._doubtful = None
        self._go_on(self._plausible(start + 1))

    def _plausible(self, start: int) -> int:
        """The next place from `start` on where a header may stand, or has not come whole yet."""
        match = _PLAUSIBLE[self._format.order].search(self._buffer, start)
        tail = max(start, len(self._buffer) - _PEEK_BYTES + 1)
        return min(match.start(), tail) if match else tail

    def _go_on(self, at: int) -> None:
        """Judge next what stands at `at`; what lies before it and in no record is garbage."""
        self._skipped += max(0, at - max(self._at, self._covered))
        self._at = at

    def _forget(self) -> None:
        """Let go of what was judged."""
        keep = self._at if self._doubtful is None else self._doubtful
        del self._buffer[:keep]
        self._at -= keep
        self._covered = max(0, self._covered - keep)
        if self._doubtful is not None:
            self._doubtful = 0
