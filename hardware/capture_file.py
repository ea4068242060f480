"""Recorded captures: pcap, pcapng, and both in gzip, as a stream of records.

Called by `sensors/recorded.py` for the radars that play captures. Reads the file once from front
to back and never holds more than one record, so that its size does not matter. What a damaged file
still holds is given first; the damage is raised after it.

Sources: the IETF drafts draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng.
"""

import gzip
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from edge.errors import BadFrame, DeviceNotFound, WrongDevice
from hardware.pcap_format import FILE_HEADER_BYTES, MAGIC, RECORD_HEADER_BYTES, pcap_format

RECORD_BYTES_MAX = 262_144
"""libpcap's largest snapshot; a longer record is damage."""
BLOCK_BYTES_MAX = 16 * 1024 * 1024
"""pcapng's largest block (its draft names the figure), for blocks that are skipped."""
OFFSET_MS_MAX = 10 * 366 * 86_400_000
"""No recording lasts ten years; a time stamp that says so is damage."""
INTERFACES_MAX = 256
"""Interfaces of one pcapng section; each costs memory."""

_GZIP = b"\x1f\x8b"
_PCAPNG = b"\x0a\x0d\x0d\x0a"
_PCAPNG_ORDER = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}
_SECTION, _INTERFACE, _SIMPLE, _ENHANCED = 0x0A0D0D0A, 1, 3, 6
_OPTION_RESOLUTION, _OPTION_OFFSET = 9, 14


class Record(NamedTuple):
    """One captured frame, `offset_ms` after the first record of its file."""

    offset_ms: int
    link_type: int
    frame: bytes


class _Interface(NamedTuple):
    link_type: int
    ticks_per_s: int
    offset_s: int


def records(path: Path) -> Iterator[Record]:
    """The records of `path` in the file's order; offsets are negative where its clock went back.

    DeviceNotFound if it cannot be opened, WrongDevice if it is no capture, and BadFrame (after
    the records before it) where it is cut short or damaged.
    """
    try:
        with path.open("rb") as file:
            packed = file.read(2) == _GZIP
            file.seek(0)
            with gzip.open(file) if packed else file as stream:
                yield from _relative(path, _stamped(path, cast(BinaryIO, stream)))
    except OSError as error:
        if isinstance(error, gzip.BadGzipFile):
            raise BadFrame(f"{path} is damaged: {error}.", "Use another copy.") from error
        raise DeviceNotFound(
            f"The recording {path} cannot be read: {error.strerror}.",
            "Check the path and its permissions.",
        ) from error
    except (EOFError, zlib.error) as error:
        raise BadFrame(f"{path} is cut short or damaged.", "Use another copy.") from error


def _relative(path: Path, stamped: Iterator[tuple[int, int, bytes]]) -> Iterator[Record]:
    first_ns: int | None = None
    for stamp_ns, link_type, frame in stamped:
        if first_ns is None:
            first_ns = stamp_ns
        offset_ms = (stamp_ns - first_ns) // 1_000_000
        if abs(offset_ms) > OFFSET_MS_MAX:
            raise BadFrame(
                f"{path} holds a record that is years away from its first.",
                "What came before it counts.",
            )
        yield Record(offset_ms, link_type, frame)


def _stamped(path: Path, stream: BinaryIO) -> Iterator[tuple[int, int, bytes]]:
    """Time stamp in nanoseconds, link type and bytes of each record."""
    magic = stream.read(4)
    take = _taker(path, stream)
    if magic in MAGIC:
        return _pcap(path, take, magic)
    if magic == _PCAPNG:
        return _Sections(path, take).records()
    raise WrongDevice(
        f"{path} is no pcap or pcapng capture.", "Record one with tcpdump -w, or name another file."
    )


Take = Callable[[int], bytes]


def _taker(path: Path, stream: BinaryIO) -> Take:
    """A read that gives all the bytes asked for, none at the end of the file, or BadFrame."""

    def take(count: int) -> bytes:
        taken = stream.read(count)
        if taken and len(taken) < count:
            raise BadFrame(f"{path} ends in the middle of a record.", "What came before it counts.")
        return taken

    return take


def _pcap(path: Path, take: Take, magic: bytes) -> Iterator[tuple[int, int, bytes]]:
    rest = take(FILE_HEADER_BYTES - len(magic))
    if not rest:
        raise BadFrame(f"{path} ends in the middle of its header.", "Use another copy.")
    capture = pcap_format(magic + rest)
    ns_per_tick = 1_000_000_000 // capture.ticks_per_s
    while head := take(RECORD_HEADER_BYTES):
        seconds, ticks, size, _ = capture.record_header(head)
        if size > RECORD_BYTES_MAX:
            raise _too_long(path, size)
        frame = take(size) if size else b""
        if len(frame) < size:
            raise BadFrame(f"{path} ends in the middle of a record.", "What came before it counts.")
        yield seconds * 1_000_000_000 + ticks * ns_per_tick, capture.link_type, frame


def _too_long(path: Path, size: int) -> BadFrame:
    return BadFrame(f"{path} holds a record of {size} bytes.", "What came before it counts.")


class _Sections:
    """The blocks of a pcapng file, after its first four bytes have been read."""

    def __init__(self, path: Path, take: Take) -> None:
        self._path = path
        self._take = take
        self._order = "<"
        self._interfaces: list[_Interface] = []

    def records(self) -> Iterator[tuple[int, int, bytes]]:
        """Of all sections; blocks that hold no frame are skipped."""
        kind: int | None = _SECTION
        while kind is not None:
            if kind == _SECTION:
                self._begin()
            else:
                body = self._body(self._number(self._take(4)))
                if kind == _INTERFACE:
                    self._add_interface(body)
                elif kind == _ENHANCED:
                    yield self._enhanced(body)
                elif kind == _SIMPLE:
                    raise self._damaged("records without time stamps, which cannot be replayed")
            kind = self._kind()

    def _kind(self) -> int | None:
        head = self._take(4)
        return self._number(head) if head else None

    def _number(self, four: bytes) -> int:
        if len(four) < 4:
            raise self._damaged("a block without a length")
        (number,) = struct.unpack(self._order + "I", four)
        return int(number)

    def _begin(self) -> None:
        """A section header: the byte order stands after the length that is written in it."""
        length, magic = self._take(4), self._take(4)
        if magic not in _PCAPNG_ORDER:
            raise self._damaged("a section without byte order")
        self._order = _PCAPNG_ORDER[magic]
        self._interfaces.clear()
        self._body(self._number(length), taken=12)

    def _body(self, length: int, taken: int = 8) -> bytes:
        """The rest of a block, without the length that is repeated at its end."""
        rest = length - taken
        if rest < 4 or length % 4 or length > BLOCK_BYTES_MAX:
            raise self._damaged(f"a block of {length} bytes")
        body = self._take(rest)
        if len(body) < rest or self._number(body[-4:]) != length:
            raise self._damaged("a block whose two lengths differ")
        return body[:-4]

    def _add_interface(self, body: bytes) -> None:
        if len(body) < 8 or len(self._interfaces) >= INTERFACES_MAX:
            raise self._damaged("an interface that cannot be used")
        (link_type,) = struct.unpack_from(self._order + "H", body)
        options = self._options(body[8:])
        resolution = options.get(_OPTION_RESOLUTION, b"\x06")
        offset = options.get(_OPTION_OFFSET, bytes(8))
        if len(resolution) != 1 or len(offset) != 8:
            raise self._damaged("an interface whose clock is not described")
        power = resolution[0] & 0x7F
        ticks_per_s = 2**power if resolution[0] & 0x80 else 10**power
        (offset_s,) = struct.unpack(self._order + "q", offset)
        self._interfaces.append(_Interface(link_type, ticks_per_s, offset_s))

    def _options(self, body: bytes) -> dict[int, bytes]:
        options: dict[int, bytes] = {}
        at = 0
        while at + 4 <= len(body):
            number, length = struct.unpack_from(self._order + "HH", body, at)
            if number == 0:
                break
            options[number] = body[at + 4 : at + 4 + length]
            at += 4 + length + -length % 4
        return options

    def _enhanced(self, body: bytes) -> tuple[int, int, bytes]:
        if len(body) < 20:
            raise self._damaged("a record without a header")
        index, high, low, size, _ = struct.unpack_from(self._order + "5I", body)
        if index >= len(self._interfaces):
            raise self._damaged("a record of an interface it does not describe")
        if size > RECORD_BYTES_MAX:
            raise _too_long(self._path, size)
        if 20 + size > len(body):
            raise self._damaged("a record that is longer than its block")
        interface = self._interfaces[index]
        stamp_ns = (high << 32 | low) * 1_000_000_000 // interface.ticks_per_s
        return (
            stamp_ns + interface.offset_s * 1_000_000_000,
            interface.link_type,
            body[20 : 20 + size],
        )

    def _damaged(self, what: str) -> BadFrame:
        return BadFrame(f"{self._path} holds {what}.", "What came before it counts.")
