"""MQTT 5 packets, as few and as small as a simulated box needs.

Used by `fleet.py` alone: thousands of connections in one process, where a thread and a client
object for each would measure themselves. Written from the MQTT 5.0 standard; properties are sent
empty and skipped when read. No real box uses this (`sync/mqtt.py` is its client).
"""

import asyncio
from dataclasses import dataclass

PACKET_BYTES_MAX = 1 << 20
"""More than any broker sends a box; a longer one is a mistake."""

CONNECT, CONNACK, PUBLISH, PUBACK = 0x10, 0x20, 0x30, 0x40
SUBSCRIBE, SUBACK, PINGREQ, DISCONNECT = 0x82, 0x90, 0xC0, 0xE0
QOS_1, RETAIN = 0x02, 0x01
WILL_QOS_1, WILL_RETAIN, WILL, CLEAN = 0x08, 0x20, 0x04, 0x02
USERNAME, PASSWORD = 0x80, 0x40
NO_PROPERTIES = b"\0"


@dataclass(frozen=True, slots=True)
class Login:
    """Who connects, with what last will."""

    client_id: str
    keepalive_s: int
    will: tuple[str, bytes]
    username: str = ""
    password: str = ""


@dataclass(frozen=True, slots=True)
class Published:
    """A message that arrived at QoS 1 (`number` is to be acknowledged) or 0 (`number` 0)."""

    topic: str
    payload: bytes
    number: int


def connect(login: Login) -> bytes:
    """CONNECT: a clean start, and no session afterwards."""
    topic, payload = login.will
    flags = CLEAN | WILL | WILL_QOS_1 | WILL_RETAIN
    credentials = b""
    if login.username:
        flags |= USERNAME
        credentials += _text(login.username)
        if login.password:
            flags |= PASSWORD
            credentials += _text(login.password)
    head = _text("MQTT") + bytes([5, flags]) + login.keepalive_s.to_bytes(2) + NO_PROPERTIES
    will = NO_PROPERTIES + _text(topic) + _binary(payload)
    return _packet(CONNECT, head + _text(login.client_id) + will + credentials)


def subscribe(number: int, filters: tuple[str, ...]) -> bytes:
    """SUBSCRIBE at QoS 1."""
    wanted = b"".join(_text(each) + b"\x01" for each in filters)
    return _packet(SUBSCRIBE, number.to_bytes(2) + NO_PROPERTIES + wanted)


def publish(number: int, topic: str, payload: bytes, *, retain: bool = False) -> bytes:
    """PUBLISH at QoS 1."""
    kind = PUBLISH | QOS_1 | (RETAIN if retain else 0)
    return _packet(kind, _text(topic) + number.to_bytes(2) + NO_PROPERTIES + payload)


def acknowledgement(number: int) -> bytes:
    """PUBACK."""
    return _packet(PUBACK, number.to_bytes(2))


def ping() -> bytes:
    """PINGREQ."""
    return _packet(PINGREQ, b"")


def goodbye() -> bytes:
    """DISCONNECT, after which the broker forgets the will."""
    return _packet(DISCONNECT, b"")


async def read(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """The next packet: its first byte and its body. ValueError for what is none."""
    (kind,) = await reader.readexactly(1)
    size = shift = 0
    while True:
        (byte,) = await reader.readexactly(1)
        size |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
        if shift > 21:
            raise ValueError("a length without an end")
    if size > PACKET_BYTES_MAX:
        raise ValueError(f"a packet of {size} bytes")
    return kind, await reader.readexactly(size)


async def tried(host: str, port: int, login: Login) -> int:
    """Log in and out again: the reason code, 0 when we were let in. OSError, ValueError."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(connect(login))
        kind, body = await read(reader)
        if kind != CONNACK:
            raise ValueError("it says what is no MQTT 5")
        writer.write(goodbye())
        await writer.drain()
        return refusal(body)
    finally:
        writer.close()


def published(kind: int, body: bytes) -> Published:
    """A PUBLISH that arrived. ValueError if it is cut short."""
    end = 2 + int.from_bytes(body[:2])
    topic = body[2:end].decode()
    number = 0
    if kind & QOS_1:
        number, end = int.from_bytes(body[end : end + 2]), end + 2
    if end >= len(body):
        raise ValueError("a PUBLISH that is cut short")
    length, end = _varint(body, end)
    return Published(topic, body[end + length :], number)


def refusal(body: bytes) -> int:
    """The reason code of a CONNACK: 0 when the box was let in."""
    if len(body) < 2:
        raise ValueError("a CONNACK that is cut short")
    return body[1]


def _varint(body: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while place < len(body):
        byte = body[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7
    raise ValueError("a length without an end")


def _packet(kind: int, body: bytes) -> bytes:
    size, length = len(body), bytearray()
    while True:
        size, digit = divmod(size, 128)
        length.append(digit | (0x80 if size else 0))
        if not size:
            return bytes([kind]) + bytes(length) + body


def _text(text: str) -> bytes:
    return _binary(text.encode())


def _binary(content: bytes) -> bytes:
    return len(content).to_bytes(2) + content
