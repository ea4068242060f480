"""The UDP datagram in a captured Ethernet or IP frame, for replaying what a port once received.

Called by `sensors/tzsp.py` for recordings. IPv4 and IPv6 without options, whole datagrams only:
what a capture of one's own network has. Whatever the bytes are, it raises nothing.

Sources: RFC 768, 791, 8200; link types of tcpdump.org.
"""

from ipaddress import ip_address
from typing import NamedTuple

from edge.errors import WrongDevice

ETHERNET, RAW_IP = 1, 101
_ETHERNET_BYTES, _UDP_BYTES, _UDP = 14, 8, 17
_ETHERTYPES = {b"\x08\x00": 4, b"\x86\xdd": 6}
_FRAGMENT = 0x3FFF  # more fragments, or not the first


class Datagram(NamedTuple):
    """Who sent it, to which port, and what."""

    sender: str
    port: int
    payload: bytes


def datagram(link_type: int, frame: bytes) -> Datagram | None:
    """The datagram in `frame`, None if it holds none. WrongDevice for other link types."""
    if link_type == RAW_IP:
        return _in_ip(frame, frame[0] >> 4 if frame else 0)
    if link_type == ETHERNET:
        return _in_ip(frame[_ETHERNET_BYTES:], _ETHERTYPES.get(frame[12:14], 0))
    raise WrongDevice(
        f"Link type {link_type} is neither Ethernet ({ETHERNET}) nor IP ({RAW_IP}).",
        "Record what the routers send with: tcpdump -i INTERFACE -w FILE udp port 37008.",
    )


def _in_ip(packet: bytes, version: int) -> Datagram | None:
    if version == 4 and len(packet) >= 20:
        header = 4 * (packet[0] & 15)
        fragment = int.from_bytes(packet[6:8], "big") & _FRAGMENT
        if packet[9] == _UDP and header >= 20 and not fragment:
            return _in_udp(packet[12:16], packet[header:])
    elif version == 6 and len(packet) >= 40 and packet[6] == _UDP:
        return _in_udp(packet[8:24], packet[40:])
    return None


def _in_udp(sender: bytes, segment: bytes) -> Datagram | None:
    length = int.from_bytes(segment[4:6], "big")
    if not _UDP_BYTES <= length <= len(segment):
        return None
    port = int.from_bytes(segment[2:4], "big")
    return Datagram(str(ip_address(sender)), port, segment[_UDP_BYTES:length])
