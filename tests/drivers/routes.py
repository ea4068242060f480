"""What routers and radars send, put together byte by byte: TZSP, pcap streams, lines of JSON."""

import json
import socket
import struct
from ipaddress import ip_address
from typing import Any

from tests.drivers.frames import ELEMENTS, RADIOTAP, pcap, radiotap

RECEIVED, IEEE_802_11 = 0, 18
TZSP_PORT = 37008


def tag(number: int, content: bytes) -> bytes:
    """One tag with its length."""
    return bytes((number, len(content))) + content


def tzsp(
    frame: bytes,
    *,
    rssi: bytes = b"\xc3",
    channel: int = 6,
    more: bytes = b"",
    header: tuple[int, int, int] = (1, RECEIVED, IEEE_802_11),
) -> bytes:
    """A datagram as RouterOS sends it; `header` is version, type, encapsulation."""
    tags = tag(10, rssi) + tag(12, b"\x02") + tag(13, bytes(4)) + tag(18, bytes((channel,))) + more
    return struct.pack(">BBH", *header) + tags + b"\x01" + frame


def ethernet_tzsp() -> bytes:
    """What `/tool sniffer` and `sniff-tzsp` send."""
    return bytes.fromhex("0100000101") + bytes(60)


def captured_udp(sender: str, payload: bytes, port: int = TZSP_PORT) -> bytes:
    """The Ethernet frame of a datagram."""
    segment = struct.pack(">HHHH", 40_000, port, 8 + len(payload), 0) + payload
    source = ip_address(sender).packed
    if len(source) == 16:
        packet = struct.pack(">IHBB", 6 << 28, len(segment), 17, 64) + source + source + segment
        return bytes(12) + b"\x86\xdd" + packet
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(segment), 1, 0, 64, 17, 0)
    return bytes(12) + b"\x08\x00" + head + source + source + segment


def capture_of(datagrams: list[tuple[int, str, bytes]]) -> bytes:
    """A tcpdump capture of (milliseconds, sender, payload)."""
    return pcap([(ms, captured_udp(sender, payload)) for ms, sender, payload in datagrams], 1)


def send_udp(sender: str, port: int, *payloads: bytes) -> None:
    """Send from an address of the loopback network, as a router would."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as router:
        router.bind((sender, 0))
        for payload in payloads:
            router.sendto(payload, ("127.0.0.1", port))


def free_udp_port() -> int:
    """A port that nobody uses now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.bind(("127.0.0.1", 0))
        return int(asking.getsockname()[1])


def file_header(order: str = "<", *, link_type: int = RADIOTAP, nano: bool = False) -> bytes:
    """The first 24 bytes of a pcap stream."""
    magic = 0xA1B23C4D if nano else 0xA1B2C3D4
    return struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, link_type)


def record(
    frame: bytes,
    order: str = "<",
    *,
    clock_ms: int = 0,
    nano: bool = False,
    size: int | None = None,
) -> bytes:
    """A record of `frame`; `size` is what it says of its length, if that is a lie."""
    told = len(frame) if size is None else size
    ticks = clock_ms % 1000 * (1_000_000 if nano else 1000)
    return struct.pack(order + "IIII", clock_ms // 1000, ticks, told, told) + frame


def streamed(frames: list[bytes]) -> bytes:
    """A whole stream, one frame every 100 ms of a clock that starts at 0."""
    records = (record(radiotap(f), clock_ms=100 * i) for i, f in enumerate(frames))
    return file_header() + b"".join(records)


def line(source: bytes, **changed: Any) -> bytes:
    """A line of the JSON format; a key that is None is left out."""
    keys: dict[str, Any] = {"v": 1, "s": "r1", "t": 1732197000.123, "m": source.hex()}
    keys |= {"r": -61, "c": 6, "q": 2983, "ie": ELEMENTS.hex()} | changed
    kept = {key: value for key, value in keys.items() if value is not None}
    return json.dumps(kept, separators=(",", ":")).encode()
