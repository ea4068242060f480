"""Frames as an attacker or a bad cable would send them, out of good ones, from one seed.

    spoiler = Spoiler(corpus(recordings), seed=7)
    link_type, frame = spoiler.next()

Used by `test_fuzz_frames.py`. The corpus is of real frames where there are recordings, else of
frames put together here.
"""

import random
import struct
from contextlib import suppress
from itertools import islice
from pathlib import Path

from edge.errors import BadFrame, WrongDevice
from hardware.capture_file import records
from tests.drivers.frames import BARE, ELEMENTS, RADIOTAP, probe, radiotap, with_fcs

FRAMES_PER_FILE = 40
FILES_PER_FOLDER = 12
FLOODER = bytes.fromhex("0242ac110002")
"""One transmitter that sends random everything under its own address."""
LENGTHS = (0, 1, 2, 3, 31, 32, 33, 127, 128, 254, 255)
OVERSIZE = 5000

Frame = tuple[int, bytes]


def corpus(recordings: Path | None) -> list[Frame]:
    """Good frames with their link types: recorded and generated ones."""
    return generated() + (recorded(recordings) if recordings else [])


def generated() -> list[Frame]:
    """Of each header layout and kind of element that the parser knows, and of other frames."""
    rng = random.Random(0)
    found: list[Frame] = []
    for number in range(40):
        source = rng.randbytes(6)
        elements = ELEMENTS + bytes((255, 5, 35, 1, 2, 3, 4)) + bytes((221, 4)) + rng.randbytes(4)
        bare = probe(source, seq=number, name=b"net"[: number % 4], elements=elements)
        found += [
            (BARE, bare),
            (BARE, with_fcs(bare)),
            (RADIOTAP, radiotap(bare, rssi_dbm=-number)),
            (RADIOTAP, radiotap(with_fcs(bare), flags=0x10)),
            (RADIOTAP, radiotap(with_fcs(bare), flags=0x50)),
            (RADIOTAP, radiotap(b"\x80" + bare[1:])),
        ]
    return found


def recorded(recordings: Path) -> list[Frame]:
    """The first frames of some recordings, those with strange captures among them."""
    found: list[Frame] = []
    for folder in ("labelled-phones", "room-occupancy", "quirks"):
        files = sorted((recordings / "wifi" / folder).glob("*pcap*"))
        for path in files[:: max(1, len(files) // FILES_PER_FOLDER)]:
            with suppress(BadFrame, WrongDevice):  # what a damaged file still holds came before it
                for record in islice(records(path), FRAMES_PER_FILE):
                    found.append((record.link_type, record.frame))
    return [(link_type, frame) for link_type, frame in found if link_type in (BARE, RADIOTAP)]


class Spoiler:
    """An endless stream of spoiled frames; the same for the same corpus and seed."""

    def __init__(self, good: list[Frame], seed: int) -> None:
        self._good = good
        self._rng = random.Random(seed)
        self._ways = (
            self._flipped,
            self._flipped,
            self._cut,
            self._lying,
            self._lying,
            self._endless,
            self._swapped,
            self._noise,
            self._swollen,
            self._spliced,
            self._flood,
            self._invented,
        )

    def next(self) -> Frame:
        """The next one; some are spoiled twice, and a few not at all."""
        frame = self._rng.choice(self._good)
        for _ in range(self._rng.choice((0, 1, 1, 1, 1, 1, 2, 3))):
            frame = self._rng.choice(self._ways)(*frame)
        return frame

    def _flipped(self, link_type: int, frame: bytes) -> Frame:
        changed = bytearray(frame)
        for _ in range(self._rng.choice((1, 1, 2, 8))):
            if changed:
                changed[self._rng.randrange(len(changed))] ^= 1 << self._rng.randrange(8)
        return link_type, bytes(changed)

    def _cut(self, link_type: int, frame: bytes) -> Frame:
        return link_type, frame[: self._rng.randrange(len(frame) + 1)]

    def _lying(self, link_type: int, frame: bytes) -> Frame:
        """A byte that may be a length says something else: of the header or of an element."""
        changed = bytearray(frame)
        if len(changed) > 4:
            at = self._rng.choice((2, 3, self._rng.randrange(len(changed))))
            changed[at] = self._rng.choice(LENGTHS)
        return link_type, bytes(changed)

    def _endless(self, _: int, frame: bytes) -> Frame:
        """Present words that each promise another one."""
        words = self._rng.choice((1, 3, 15, 16, 17, 60, 1000))
        present = b"".join(
            struct.pack("<I", self._rng.getrandbits(31) | 1 << 31) for _ in range(words)
        )
        length = self._rng.choice((8 + 4 * words, 0, 65535, len(frame)))
        return RADIOTAP, struct.pack("<BBH", 0, 0, length & 0xFFFF) + present + frame

    def _swapped(self, link_type: int, frame: bytes) -> Frame:
        return (BARE if link_type == RADIOTAP else RADIOTAP), frame

    def _noise(self, link_type: int, _: bytes) -> Frame:
        return link_type, self._rng.randbytes(self._rng.choice((0, 1, 7, 8, 30, 100, 400)))

    def _swollen(self, link_type: int, frame: bytes) -> Frame:
        more = self._rng.choice((b"\0", b"\xff", b"\xdd\x00", b"\x00\x00"))
        return link_type, frame + more * self._rng.choice((1, 40, OVERSIZE))

    def _spliced(self, link_type: int, frame: bytes) -> Frame:
        other = self._rng.choice(self._good)[1]
        return link_type, frame[: self._rng.randrange(len(frame) + 1)] + other[len(other) // 2 :]

    def _flood(self, *_: object) -> Frame:
        elements = b"".join(self._element() for _ in range(self._rng.randrange(12)))
        seq, name = self._rng.randrange(4096), self._rng.randbytes(self._rng.randrange(33))
        return RADIOTAP, radiotap(probe(FLOODER, seq=seq, name=name, elements=elements))

    def _invented(self, *_: object) -> Frame:
        elements = ELEMENTS + self._element()
        seq = self._rng.randrange(4096)
        return RADIOTAP, radiotap(probe(self._rng.randbytes(6), seq=seq, elements=elements))

    def _element(self) -> bytes:
        content = self._rng.randbytes(self._rng.randrange(20))
        return bytes((self._rng.randrange(256), len(content))) + content
