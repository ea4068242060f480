"""802.11 frames and captures for tests, put together byte by byte."""

import struct
import zlib

RADIOTAP, BARE = 127, 105
ELEMENTS = bytes.fromhex("010802040b160c12182432043048606c0301067f080400080400000040")
CHANNEL_6_MHZ = 2437


def probe(
    source: bytes,
    *,
    seq: int = 1,
    name: bytes = b"",
    elements: bytes = ELEMENTS,
    flags: int = 0,
) -> bytes:
    """A bare probe request; `flags` is the second byte of its frame control."""
    head = struct.pack("<BBH6s6s6sH", 0x40, flags, 0, b"\xff" * 6, source, b"\xff" * 6, seq << 4)
    return head + bytes((0, len(name))) + name + elements


def radiotap(frame: bytes, *, rssi_dbm: int = -50, flags: int | None = None) -> bytes:
    """`frame` as a radio on channel 6 gives it; with `flags`, the header says something of it."""
    if flags is None:
        return struct.pack("<BBHIHHb", 0, 0, 13, 0x28, CHANNEL_6_MHZ, 0xA0, rssi_dbm) + frame
    return struct.pack("<BBHIBxHHb", 0, 0, 15, 0x2A, flags, CHANNEL_6_MHZ, 0xA0, rssi_dbm) + frame


def with_fcs(frame: bytes) -> bytes:
    """`frame` and its check sequence."""
    return frame + struct.pack("<I", zlib.crc32(frame))


def pcap(frames: list[tuple[int, bytes]], link_type: int = RADIOTAP) -> bytes:
    """A capture of (milliseconds, frame)."""
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, link_type)
    return head + b"".join(
        struct.pack("<IIII", 1_700_000_000 + ms // 1000, ms % 1000 * 1000, len(frame), len(frame))
        + frame
        for ms, frame in frames
    )
