"""The radio side of a scenario: probe requests of phones that come and go, as a radiotap capture.

Used by `story.py`. Phones differ as real ones do: most change their random address with every
scan, some restart their sequence counter with it, a few never hide; information elements vary by
model; strength rises and falls with the way through the shop. Some frames are broken on purpose.
Frame layouts follow IEEE 802.11-2020 9.3.3.9 and radiotap.org. Nothing here touches a radio.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np

from sensors.scenario.story import RadarTruth

LINK_RADIOTAP = 127
SNAP_BYTES = 512
VISITORS = 14
PASSERS_BY = 18
MALFORMED = 40
"""Frames that no parser may accept: cut off, lying about their length, foreign, or damaged."""

_CHANNELS = {1: 2412, 6: 2437, 11: 2462}
_PROBE_REQUEST = 0x40
_FCS_AT_END = 0x10
_BAD_FCS = 0x40
_SEQUENCE_NUMBERS = 4096
_SSIDS = (b"", b"", b"", b"", b"home-wifi", b"CAFE_FREE", b"dacha")


class Hiding(Enum):
    """What a phone does with its address and its sequence counter from scan to scan."""

    NEVER = "one global address"
    COUNTING = "a random address per scan, the counter goes on"
    RESETTING = "a random address per scan, the counter starts anew"


@dataclass(frozen=True, slots=True)
class _Stay:
    """When a phone can be heard, how strongly at best, and how often it scans."""

    from_ms: int
    to_ms: int
    best_dbm: float
    period_ms: float


@dataclass(slots=True)
class _Phone:
    """One phone while its morning is drawn; its address and counter change as it scans."""

    hiding: Hiding
    elements: bytes
    stay: _Stay
    chance: np.random.Generator
    address: bytes = b""
    sequence: int = 0

    def scans(self) -> Iterator[tuple[int, bytes]]:
        """All its frames: microseconds since the start, and the captured bytes."""
        at_ms = self.stay.from_ms + self.chance.uniform(0, self.stay.period_ms / 2)
        while at_ms < self.stay.to_ms:
            self._change()
            for channel in self.chance.permutation(list(_CHANNELS))[: self.chance.integers(1, 4)]:
                for _ in range(self.chance.integers(1, 4)):
                    yield round(at_ms * 1000), self._frame(int(channel), at_ms)
                    at_ms += self.chance.uniform(15, 40)
            at_ms += self.stay.period_ms * self.chance.uniform(0.5, 1.6)

    def _change(self) -> None:
        if not self.address or self.hiding is not Hiding.NEVER:
            address = bytearray(self.chance.bytes(6))
            local = 0 if self.hiding is Hiding.NEVER else 2
            address[0] = (address[0] & 0xFC) | local
            self.address = bytes(address)
        if not self.sequence or self.hiding is Hiding.RESETTING:
            self.sequence = int(self.chance.integers(_SEQUENCE_NUMBERS))

    def _frame(self, channel: int, at_ms: float) -> bytes:
        self.sequence = (self.sequence + 1) % _SEQUENCE_NUMBERS
        ssid = _SSIDS[self.chance.integers(len(_SSIDS))]
        body = probe_request(self.address, self.sequence, ssid, channel, self.elements)
        return radiotap(channel, self._strength_dbm(at_ms)) + body

    def _strength_dbm(self, at_ms: float) -> int:
        """Rises to its best in the middle of the stay; walls and hands add noise."""
        way = (at_ms - self.stay.from_ms) / (self.stay.to_ms - self.stay.from_ms)
        return round(self.stay.best_dbm - 28 * abs(way - 0.5) + self.chance.normal(0, 3))


def write(path: Path, *, seed: int, start_ms: int, duration_ms: int) -> RadarTruth:
    """Write the capture; its first frame is heard exactly at `start_ms`."""
    chance = np.random.default_rng([seed, 80211])
    phones = [_visitor(chance, duration_ms) for _ in range(VISITORS)]
    phones += [_passer_by(chance, duration_ms) for _ in range(PASSERS_BY)]
    heard = [scan for phone in phones for scan in phone.scans() if scan[0] < duration_ms * 1000]
    heard += [_broken(chance, heard[chance.integers(len(heard))]) for _ in range(MALFORMED)]
    heard.sort()
    first_us = heard[0][0]
    with path.open("wb") as capture:
        capture.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, SNAP_BYTES, LINK_RADIOTAP))
        for at_us, frame in heard:
            seconds, micros = divmod(start_ms * 1000 + at_us - first_us, 1_000_000)
            capture.write(struct.pack("<IIII", seconds, micros, len(frame), len(frame)) + frame)
    return RadarTruth(len(heard), MALFORMED, len(phones), VISITORS)


def radiotap(channel: int, signal_dbm: int, *, flags: int = _FCS_AT_END) -> bytes:
    """A radiotap header with flags, rate, channel and signal, as common radios write it."""
    present = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 5 | 1 << 11
    fields = struct.pack("<BBHHbB", flags, 2, _CHANNELS[channel], 0x00A0, signal_dbm, 0)
    return struct.pack("<BBHI", 0, 0, 8 + len(fields), present) + fields


def probe_request(
    address: bytes, sequence: int, ssid: bytes, channel: int, elements: bytes
) -> bytes:
    """A whole probe request with its check sequence; `elements` follow SSID, rates and channel."""
    everybody = b"\xff" * 6
    head = struct.pack("<HH", _PROBE_REQUEST, 0) + everybody + address + everybody
    body = head + struct.pack("<H", sequence << 4)
    body += _element(0, ssid) + _element(1, b"\x02\x04\x0b\x16") + _element(3, bytes([channel]))
    body += elements
    return body + struct.pack("<I", zlib.crc32(body))


def _element(number: int, content: bytes) -> bytes:
    return bytes([number, len(content)]) + content


def _model(chance: np.random.Generator) -> bytes:
    """Information elements that differ between models and stay with one phone."""
    parts = [_element(50, bytes([0x0C, 0x12, 0x18, 0x24, 0x30, 0x48, 0x60, 0x6C]))]
    parts.append(_element(45, chance.bytes(2) + b"\x17\xff" + bytes(22)))
    parts.append(_element(127, chance.bytes(int(chance.integers(4, 9)))))
    if chance.random() < 0.6:
        parts.append(_element(255, b"\x23" + chance.bytes(21)))
    if chance.random() < 0.5:
        parts.append(_element(107, chance.bytes(1)))
    vendor = (b"\x00\x50\xf2\x08", b"\x00\x10\x18\x02", b"\x00\x17\xf2\x0a")[chance.integers(3)]
    parts.append(_element(221, vendor + chance.bytes(4)))
    return b"".join(parts)


def _phone(chance: np.random.Generator, stay: _Stay) -> _Phone:
    hiding = (Hiding.COUNTING, Hiding.COUNTING, Hiding.RESETTING, Hiding.NEVER)
    own = np.random.default_rng(chance.integers(2**32))
    return _Phone(hiding[chance.integers(len(hiding))], _model(own), stay, own)


def _visitor(chance: np.random.Generator, duration_ms: int) -> _Phone:
    """In the shop for 8 to 45 minutes, clearly heard."""
    length_ms = int(chance.uniform(8, 45) * 60_000)
    from_ms = int(chance.uniform(0, max(1, duration_ms - length_ms)))
    stay = _Stay(from_ms, from_ms + length_ms, chance.uniform(-50, -38), chance.uniform(20e3, 60e3))
    return _phone(chance, stay)


def _passer_by(chance: np.random.Generator, duration_ms: int) -> _Phone:
    """On the pavement for a few minutes, weakly heard."""
    length_ms = int(chance.uniform(1, 6) * 60_000)
    from_ms = int(chance.uniform(0, max(1, duration_ms - length_ms)))
    stay = _Stay(from_ms, from_ms + length_ms, chance.uniform(-78, -70), chance.uniform(15e3, 60e3))
    return _phone(chance, stay)


def _broken(chance: np.random.Generator, scan: tuple[int, bytes]) -> tuple[int, bytes]:
    """The same frame, damaged in one of four ways, a moment later."""
    at_us, frame = scan
    header_bytes = frame[2]
    damaged = (
        frame[: header_bytes + int(chance.integers(0, 24))],
        frame[:2] + struct.pack("<H", len(frame) + 200) + frame[4:],
        b"\x07" + frame[1:],
        frame[:8] + bytes([_FCS_AT_END | _BAD_FCS]) + frame[9:],
    )
    return at_us + 7, damaged[chance.integers(len(damaged))]
