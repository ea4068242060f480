"""How large a picture file says it is, before anything of it is decoded.

Called by `hardware/recorded_camera.py`, because a file of some kilobytes can unpack to gigabytes.
Reads the headers of PNG, JPEG, BMP, PGM/PPM and WebP; whatever else the decoder might know is
refused. Pure, and it never reads further than the content given.
"""

import re
import struct

from edge.errors import BadPicture

SEGMENTS_MAX = 200
"""Of a JPEG, before its frame header; a photograph has a dozen."""
_PNM = re.compile(rb"P[56](?:\s|#[^\n]*\n)+(\d{1,9})(?:\s|#[^\n]*\n)+(\d{1,9})\s")
_PNM_HEADER_BYTES = 1024
_STANDALONE = {0x01, *range(0xD0, 0xD9)}
"""JPEG markers without a length."""
_FRAME = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""JPEG markers SOF0 to SOF15, ITU-T T.81 table B.1."""


def size_of(content: bytes) -> tuple[int, int]:
    """(width, height) as the header states them. BadPicture if there is no such header."""
    try:
        found = _size_of(content)
    except (struct.error, IndexError) as error:
        raise BadPicture("A picture file ends in its header.") from error
    if found is None or min(found) < 1:
        raise BadPicture("A file is no PNG, JPEG, BMP, PGM, PPM or WebP picture.")
    return found


def _size_of(content: bytes) -> tuple[int, int] | None:
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        width, height = struct.unpack_from(">II", content, 16)
        return width, height
    if content.startswith(b"\xff\xd8"):
        return _jpeg(content)
    if content.startswith(b"BM"):
        return _bmp(content)
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return _webp(content)
    pnm = _PNM.match(content[:_PNM_HEADER_BYTES])
    return (int(pnm[1]), int(pnm[2])) if pnm else None


def _jpeg(content: bytes) -> tuple[int, int] | None:
    """The largest of its frames: decoders differ in which of several they believe."""
    at, found = 2, None
    for _ in range(SEGMENTS_MAX):
        while at < len(content) and content[at] != 0xFF:
            at += 1
        while content[at] == 0xFF:
            at += 1
        marker = content[at]
        at += 1
        if marker in _STANDALONE:
            continue
        if marker in (0xD9, 0xDA):  # its end, or the compressed picture
            return found
        (length,) = struct.unpack_from(">H", content, at)
        if marker in _FRAME:
            height, width = struct.unpack_from(">HH", content, at + 3)
            found = max(found or (0, 0), (width, height), key=max)
        at += length
    return None


def _bmp(content: bytes) -> tuple[int, int]:
    (header_bytes,) = struct.unpack_from("<I", content, 14)
    if header_bytes == 12:
        width, height = struct.unpack_from("<HH", content, 18)
        return width, height
    width, height = struct.unpack_from("<ii", content, 18)
    return width, abs(height)


def _webp(content: bytes) -> tuple[int, int] | None:
    """RFC 9649: the canvas of an extended file, else the one frame."""
    kind = content[12:16]
    if kind == b"VP8X":
        width = int.from_bytes(content[24:27], "little") + 1
        return width, int.from_bytes(content[27:30], "little") + 1
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", content, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", content, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None
