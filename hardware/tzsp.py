"""TZSP datagrams (TaZmen Sniffer Protocol): the frame in one, and what its sender says about it.

Called by `sensors/tzsp.py` with each datagram. Whatever the bytes are, it answers with a `Packet`,
a `Refusal`, or None for a sign of life, and raises nothing: anybody in the network can write them.
It does not look into the frame and copies none of it.

Sources: Wireshark's packet-tzsp.c; RouterOS, which sends the RSSI as a signed byte.
"""

from enum import StrEnum

from msgspec import Struct

PORT = 37008
TAG_BYTES_MAX = 256
"""RouterOS writes 17 bytes of tags; a list without end costs no more time than this."""

_VERSION = 1
_RECEIVED, _KEEPALIVE, _PORT_OPENER = 0, 4, 5
_ETHERNET, _IEEE_802_11 = b"\x00\x01", b"\x00\x12"
_HEADER_BYTES = 4

_PADDING, _END = 0, 1
_RSSI, _FCS_ERROR, _CHANNEL, _SENSOR = 10, 17, 18, 60


class Refusal(StrEnum):
    """Why a datagram was refused; the values are names for counters."""

    SIZE = "tzsp_size"
    VERSION = "tzsp_version"
    TYPE = "tzsp_type"
    ETHERNET = "tzsp_ethernet"
    ENCAPSULATION = "tzsp_encapsulation"
    TAGS = "tzsp_tags_malformed"
    FCS = "fcs_bad"


class Packet(Struct, frozen=True, gc=False):
    """An 802.11 frame without capture header: `datagram[start:]`.

    `sensor` is the address (6 bytes) of the radio that heard it, empty where no tag says so.
    """

    start: int
    rssi_dbm: int | None
    channel: int | None
    sensor: bytes


def packet(datagram: bytes) -> Packet | Refusal | None:
    """What `datagram` holds, why it is refused, or None if it only says that its sender lives."""
    if len(datagram) < _HEADER_BYTES:
        return Refusal.SIZE
    if datagram[0] != _VERSION:
        return Refusal.VERSION
    if datagram[1] != _RECEIVED:
        return None if datagram[1] in (_KEEPALIVE, _PORT_OPENER) else Refusal.TYPE
    encapsulated = datagram[2:4]
    if encapsulated != _IEEE_802_11:
        return Refusal.ETHERNET if encapsulated == _ETHERNET else Refusal.ENCAPSULATION
    return _tagged(datagram)


def _tagged(datagram: bytes) -> Packet | Refusal:
    """Walk the tags. Padding and end are the only ones without a length."""
    rssi_dbm = channel = None
    sensor = b""
    at, end = _HEADER_BYTES, min(len(datagram), _HEADER_BYTES + TAG_BYTES_MAX)
    while at < end:
        tag = datagram[at]
        if tag == _END:
            return Packet(at + 1, rssi_dbm, channel, sensor)
        if tag == _PADDING:
            at += 1
            continue
        if at + 1 == end:
            break
        value_at, at = at + 2, at + 2 + datagram[at + 1]
        if at > end:
            break
        if tag == _RSSI:
            rssi_dbm = _dbm(datagram[value_at:at])
        elif tag == _CHANNEL and at == value_at + 1:
            channel = datagram[value_at]
        elif tag == _FCS_ERROR and any(datagram[value_at:at]):
            return Refusal.FCS
        elif tag == _SENSOR and at == value_at + 6:
            sensor = datagram[value_at:at]
    return Refusal.TAGS


def _dbm(value: bytes) -> int | None:
    """A signed byte, or a signed word; None if it is no signal that a radio can have."""
    if len(value) == 1:  # nearly always
        return value[0] - 256 if value[0] > 127 else None
    dbm = int.from_bytes(value, "big", signed=True) if len(value) == 2 else 0
    return dbm if -128 <= dbm < 0 else None
