"""802.11 probe requests out of captured bytes: one parser for live capture and for replay.

Called by `sensors/wifi.py` with each frame of a radio or a recording. Whatever the bytes are, it
answers with a `ProbeRequest`, with a `Defect`, or with None for other frames, and raises nothing:
anyone with a Wi-Fi card can write these bytes. Network names (SSID) are skipped here and never
leave; no memo holds an address or an element.

Sources: IEEE 802.11-2020 9.2-9.4 (frames, elements), radiotap.org (capture header).
"""

import hashlib
import zlib
from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct

from edge.errors import WrongDevice

RADIOTAP = 127
"""Link type (LINKTYPE_IEEE802_11_RADIOTAP): a capture header with signal and channel first."""
BARE = 105
"""Link type (LINKTYPE_IEEE802_11): the frame alone, so signal and channel are unknown."""

FRAME_BYTES_MAX = 4096
"""A management frame has at most 2304 bytes of body; more is no probe request."""
PRESENT_WORDS_MAX = 16
"""Radiotap has one word, and one more per antenna."""
LAYOUTS_MAX = 64
"""A radio uses one to three header layouts."""
FINGERPRINTS_MAX = 4096
"""Distinct element lists remembered; the list is attacker-fed, so a full memo starts anew."""
SSID_BYTES_MAX = 32

_PROBE_REQUEST = 0x40  # frame control: version 0, management, subtype 4
_IMPOSSIBLE = 0x47  # to/from DS, more fragments, protected: never on a probe request
_HT_CONTROL = 0x80
_HEADER_BYTES = 24
_FCS_AT_END = 0x10
_FCS_BAD = 0x40

_SSID, _VENDOR, _EXTENSION, _HE_CAPABILITIES = 0, 221, 255, 35
_WHOLE = frozenset({1, 45, 50, 59, 70, 107, 127, 191})
"""Elements whose content is a device's own: rates, HT, operating classes, RM, interworking,
extended capabilities, extended rates, VHT."""

_FIELDS = (
    # alignment and size of radiotap's fields, by bit of the present word
    *((8, 8), (1, 1), (1, 1), (2, 4), (2, 2), (1, 1), (1, 1), (2, 2), (2, 2), (2, 2)),
    *((1, 1), (1, 1), (1, 1), (1, 1), (2, 2), (2, 2), (1, 1), (1, 1), (4, 8), (1, 3)),
    *((4, 8), (2, 12), (8, 12), (2, 12), (2, 12), (2, 6), (1, 0), (2, 4)),
)
_FLAGS, _CHANNEL, _SIGNAL = 1, 3, 5
_BIT_TLV, _BIT_RADIOTAP, _BIT_VENDOR, _BIT_MORE = 1 << 28, 1 << 29, 1 << 30, 1 << 31

_CHANNELS = (
    {2407 + 5 * number: number for number in range(1, 14)}
    | {2484: 14}
    | {5000 + 5 * number: number for number in range(1, 182)}
    | {5950 + 5 * number: number for number in range(1, 234)}
)


class Defect(StrEnum):
    """Why a frame was refused; the values are names for counters."""

    SIZE = "frame_size"
    RADIOTAP = "radiotap_malformed"
    FCS = "fcs_bad"
    HEADER = "header_malformed"
    ELEMENTS = "elements_malformed"


class ProbeRequest(Struct, frozen=True, gc=False):
    """One probe request: the sender's address (6 bytes) and what tells senders apart.

    `seq` is the 12-bit sequence number; `fingerprint` (8 bytes) is the same for all element
    lists that differ only in what one device changes from frame to frame.
    """

    source: bytes
    rssi_dbm: int | None
    channel: int | None
    seq: int
    fingerprint: bytes

    @property
    def randomised(self) -> bool:
        """Whether the address was made up: local, or a group's, which some phones make up too."""
        return bool(self.source[0] & 3)

    def __repr__(self) -> str:
        """Without the address: a representation may end up in a log."""
        return f"ProbeRequest(seq={self.seq}, rssi_dbm={self.rssi_dbm}, channel={self.channel})"


class Layout(NamedTuple):
    """Where a radiotap header ends and where in it the fields lie (0: absent)."""

    length: int
    flags_at: int
    channel_at: int
    signal_at: int


class ProbeParser:
    """Parses the frames of one capture interface.

    WrongDevice if its link type is not one of `RADIOTAP` and `BARE`.
    """

    def __init__(self, link_type: int) -> None:
        if link_type not in (RADIOTAP, BARE):
            raise WrongDevice(
                f"Link type {link_type} is neither radiotap ({RADIOTAP}) nor bare 802.11 ({BARE}).",
                "Capture on an interface in monitor mode with radiotap headers.",
            )
        self._bare = Layout(0, 0, 0, 0) if link_type == BARE else None
        self._layouts: dict[bytes, Layout | None] = {}
        self._fingerprints: dict[int, bytes] = {}

    def parse(self, frame: bytes) -> ProbeRequest | Defect | None:
        """The probe request in `frame`, why it is refused, or None if it is another frame."""
        size = len(frame)
        layout = self._bare or self._layout(frame)
        if layout is None:
            return Defect.RADIOTAP
        start, flags_at, channel_at, signal_at = layout
        if size < start + 2 or size > FRAME_BYTES_MAX:
            return Defect.SIZE
        if frame[start] != _PROBE_REQUEST:
            return None
        end = _body_end(frame, start, flags_at)
        if end < 0:
            return Defect.FCS
        body = start + _HEADER_BYTES + (4 if frame[start + 1] & _HT_CONTROL else 0)
        if end < body:
            return Defect.SIZE
        source = frame[start + 10 : start + 16]
        sequence = frame[start + 22] | frame[start + 23] << 8
        if frame[start + 1] & _IMPOSSIBLE or sequence & 15:
            return Defect.HEADER
        fingerprint = self._fingerprint(frame, body, end)
        if fingerprint is None:
            return Defect.ELEMENTS
        mhz = frame[channel_at] | frame[channel_at + 1] << 8 if channel_at else 0
        signal = frame[signal_at] if signal_at else None
        if signal is not None and signal > 127:
            signal -= 256
        return ProbeRequest(source, signal, _CHANNELS.get(mhz), sequence >> 4, fingerprint)

    def _layout(self, frame: bytes) -> Layout | None:
        """The header's layout, remembered by its length and present words; None if malformed."""
        if len(frame) < 8 or frame[0] != 0:
            return None
        end = 8
        while frame[end - 1] & 0x80:
            end += 4
            if end > len(frame) or end > 4 + 4 * PRESENT_WORDS_MAX:
                return None
        key = frame[2:end]
        if key in self._layouts:
            return self._layouts[key]
        if len(self._layouts) >= LAYOUTS_MAX:
            self._layouts.clear()
        layout = self._layouts[key] = radiotap_layout(key)
        return layout

    def _fingerprint(self, frame: bytes, start: int, end: int) -> bytes | None:
        """Of the elements in `frame[start:end]`; None if malformed.

        The name comes first in practice; skipped before the memo, it costs no entry per name.
        The memo's key is the keyed hash that Python makes of bytes: no element stays in memory.
        """
        if end - start >= 2 and frame[start] == _SSID:
            if frame[start + 1] > SSID_BYTES_MAX:
                return None
            start += 2 + frame[start + 1]
            if start > end:
                return None
        elements = frame[start:end]
        key = hash(elements)
        known = self._fingerprints.get(key)
        if known is not None:
            return known
        made = fingerprint(elements)
        if made is None:
            return None
        if len(self._fingerprints) >= FINGERPRINTS_MAX:
            self._fingerprints.clear()
        self._fingerprints[key] = made
        return made


def _body_end(frame: bytes, start: int, flags_at: int) -> int:
    """Where the frame ends without its check sequence; -1 if the radio found that wrong.

    Where no flags say so (a bare frame, some radios), four last bytes that are the CRC of
    the rest are the check sequence.
    """
    if flags_at:
        flags = frame[flags_at]
        if flags & _FCS_BAD:
            return -1
        return len(frame) - 4 if flags & _FCS_AT_END else len(frame)
    end = len(frame) - 4
    fcs = int.from_bytes(frame[end:], "little")
    return end if end > start and zlib.crc32(frame[start:end]) == fcs else end + 4


def radiotap_layout(head: bytes) -> Layout | None:
    """The layout of a header with this length (u16) and these present words (u32 each).

    None if its fields do not fit into its length. Of fields that come once per antenna the
    first counts, which is the one of all antennas together.
    """
    length = int.from_bytes(head[:2], "little")
    at = 2 + len(head)
    if length < at:
        return None
    found: dict[int, int] = {}
    for word_at in range(2, len(head), 4):
        word = int.from_bytes(head[word_at : word_at + 4], "little")
        for bit, (alignment, size) in enumerate(_FIELDS):
            if word >> bit & 1:
                at += -at % alignment
                found.setdefault(bit, at)
                at += size
        if at > length:
            return None
        if word & (_BIT_TLV | _BIT_VENDOR) or not word & _BIT_RADIOTAP:
            break  # what follows is in another form; the radio's own fields came before it
    return Layout(length, found.get(_FLAGS, 0), found.get(_CHANNEL, 0), found.get(_SIGNAL, 0))


def fingerprint(elements: bytes) -> bytes | None:
    """What all element lists of one device have in common, in 8 bytes; None if malformed."""
    stable = stable_elements(elements)
    return None if stable is None else hashlib.blake2b(stable, digest_size=8).digest()


def stable_elements(elements: bytes) -> bytes | None:
    """What does not change between the frames of one device, unambiguously joined.

    Names are left out; of the channel, vendor and unknown elements only the presence, kind
    or maker counts. None if an element is longer than the rest. After Vanhoef et al. 2016,
    reduced to what stayed stable on labelled phones.
    """
    parts: list[bytes] = []
    at, end = 0, len(elements)
    while at < end:
        if at + 2 > end:
            return None
        number, length = elements[at], elements[at + 1]
        after = at + 2 + length
        if after > end:
            return None
        if number in _WHOLE:
            parts.append(elements[at:after])
        elif number == _VENDOR:
            parts.append(bytes((number, min(length, 4))) + elements[at + 2 : after][:4])
        elif number == _EXTENSION:
            if length == 0:
                return None
            whole = elements[at + 2] == _HE_CAPABILITIES
            parts.append(elements[at:after] if whole else bytes((number, 0, elements[at + 2])))
        elif number != _SSID:
            parts.append(elements[at : at + 1])
        elif length > SSID_BYTES_MAX:
            return None
        at = after
    return b"".join(parts)
