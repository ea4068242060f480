"""How pcap writes its headers, for files and for streams.

Used by `hardware/capture_file.py` and `pcap_stream.py`. It judges nothing: what a header may hold
is the reader's business.

Source: the IETF draft draft-ietf-opsawg-pcap.
"""

import struct
from collections.abc import Callable
from typing import NamedTuple

FILE_HEADER_BYTES = 24
RECORD_HEADER_BYTES = 16
VERSION = (2, 4)
MAGIC = {
    # byte order and ticks per second
    b"\xd4\xc3\xb2\xa1": ("<", 1_000_000),
    b"\xa1\xb2\xc3\xd4": (">", 1_000_000),
    b"\x4d\x3c\xb2\xa1": ("<", 1_000_000_000),
    b"\xa1\xb2\x3c\x4d": (">", 1_000_000_000),
}
_LINK_TYPE_BITS = 0xFFFF  # what lies above says how long the check sequence is


class PcapFormat(NamedTuple):
    """What a file header says. `record_header` reads seconds, ticks, bytes kept, bytes sent."""

    order: str
    ticks_per_s: int
    version: tuple[int, int]
    link_type: int
    record_header: Callable[[bytes], tuple[int, ...]]


def pcap_format(header: bytes) -> PcapFormat:
    """Of a file header of `FILE_HEADER_BYTES` that begins with one of `MAGIC`."""
    order, ticks_per_s = MAGIC[header[:4]]
    major, minor, _, _, _, link_type = struct.unpack_from(order + "HHiIII", header, 4)
    read = struct.Struct(order + "4I").unpack
    kind = link_type & _LINK_TYPE_BITS
    return PcapFormat(order, ticks_per_s, (major, minor), kind, read)
