"""A UDP port that takes turns among senders: what forged ICMP errors do to it."""

import socket
import struct

import pytest

from hardware.datagrams import DatagramPort
from hardware.endpoint import Endpoint
from tests.waiting import until

HERE, ROUTER = "127.0.0.1", "127.0.0.9"
ICMP_UNREACHABLE, UDP = 3, 17
CODES = (2, 3, 10, 13)
"""Protocol and port unreachable, host and communication prohibited (RFC 792, RFC 1812)."""


def checksum(packet: bytes) -> int:
    total = sum(struct.unpack(f"!{len(packet) // 2}H", packet))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def unreachable(code: int, port: int) -> bytes:
    """An ICMP error on a datagram that we never sent to the router."""
    datagram = struct.pack("!HHHH", port, 5555, 8, 0)
    addresses = socket.inet_aton(HERE) + socket.inet_aton(ROUTER)
    head = struct.pack("!BBHHHBBH", 0x45, 0, 28, 1, 0, 64, UDP, 0) + addresses
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    error = struct.pack("!BBHI", ICMP_UNREACHABLE, code, 0, 0) + head + datagram
    return error[:2] + struct.pack("!H", checksum(error)) + error[4:]


@pytest.mark.parametrize("code", CODES)
async def test_a_forged_icmp_error_ends_nothing(code: int) -> None:
    try:
        forger = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    except PermissionError:
        pytest.skip("no raw socket here: CAP_NET_RAW is needed to forge ICMP")
    with forger, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as router:
        free = free_port()
        router.bind((ROUTER, 0))
        with DatagramPort(Endpoint(HERE, free), [ROUTER]) as port:
            (inbox,) = port.known
            forger.sendto(unreachable(code, free), (HERE, 0))
            router.sendto(b"heard", (HERE, free))
            received: list[bytes | None] = []

            def heard() -> bool:
                received.append(inbox.receive())
                return b"heard" in received

            await until(heard, "the datagram after the error")


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probing:
        probing.bind((HERE, 0))
        return int(probing.getsockname()[1])
