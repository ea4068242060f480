"""A broker that lies, stalls, refuses and raves: an MQTT server of 5 and 3.1.1 for tests.

A driver at the wire. Left alone it behaves, and a small obliging platform behind it acknowledges
what comes; its attributes say what it does wrong. Whatever it receives it writes down.
"""

import asyncio
import contextlib
import ssl
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from edge.errors import BadMessage
from edge.records import Stream
from sync.batch import read_header
from sync.messages import Ack, Address, Hello, decode, encode, parse_topic

CONNECT, CONNACK, PUBLISH, PUBACK = 1, 2, 3, 4
SUBSCRIBE, SUBACK, PINGREQ, PINGRESP, DISCONNECT = 8, 9, 12, 13, 14
RECEIVE_MAXIMUM, MAXIMUM_PACKET, SERVER_REFERENCE = 0x21, 0x27, 0x1C
PARTING_S = 1.0
PUBLISHED_KEPT = 10_000
"""Of what came in; no test sends so much."""

Confirm = Callable[[int, str], "int | str"]
"""What to answer to the n-th publish on a topic: a reason code, or "never", "twice", "held"."""


@dataclass
class Published:
    """One message as it came."""

    topic: str
    payload: bytes
    packet_bytes: int
    retain: bool


@dataclass(eq=False)
class Session:
    """One client's connection."""

    writer: asyncio.StreamWriter
    version: int = 5
    unconfirmed: int = 0
    subscribed: list[str] = field(default_factory=list)
    held: list[bytes] = field(default_factory=list)
    """Confirmations kept back, to be sent in the wrong order."""
    next_id: int = 1

    def send(self, packet: bytes) -> None:
        """Put bytes on the wire, whatever they are."""
        with contextlib.suppress(ConnectionError):
            self.writer.write(packet)


class HostileBroker:
    """Listens on `port` inside `async with`. Set its attributes at any moment."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.port = 0
        self._tls = tls
        self.connack = 0
        """The reason of CONNACK; 0 lets in."""
        self.reference = ""
        self.session_present = 0
        self.receive_maximum = 0
        self.maximum_packet = 0
        self.understands_5: bool | str = True
        """False: says so in the words of 3.1.1; "hangs up": says nothing."""
        self.confirm: Confirm = lambda _number, _topic: 0
        self.confirm_after_s = 0.0
        self.before_connack = b""
        self.after_connack = b""
        self.retained: list[tuple[str, bytes]] = []
        """Told to everybody who subscribes."""
        self.declined = ""
        """Subscriptions to filters with this in them are refused."""
        self.disconnect: int | None = None
        """The reason with which everybody is sent away after subscribing."""
        self.obliging = True
        """Whether a platform answers."""
        self.refused: dict[Stream, str] = {}
        self.cursors: dict[tuple[str, Stream], int] = {}
        self.published: list[Published] = []
        self.connects = 0
        self.delivered = 0
        self.confirmed_by_clients = 0
        self.unconfirmed_max = 0
        self.sessions: set[Session] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> "HostileBroker":
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def on(self, topic_end: str) -> list[Published]:
        """What came on topics that end so."""
        return [each for each in self.published if each.topic.endswith(topic_end)]

    def deliver(self, topic: str, payload: bytes, *, retain: bool = False, again: int = 0) -> None:
        """Send a message to every client, and `again` as often as a redelivery."""
        for session in self.sessions:
            for dup in range(1 + again):
                session.send(_publish(session, topic, payload, retain=retain, dup=bool(dup)))
                self.delivered += 1
            session.next_id = session.next_id % 65535 + 1

    def all_confirmed(self) -> bool:
        """Whether clients have dealt with all that was delivered."""
        return self.confirmed_by_clients >= self.delivered

    def release(self, *, backwards: bool) -> None:
        """Send the confirmations that were held."""
        for session in self.sessions:
            for packet in reversed(session.held) if backwards else session.held:
                session.send(packet)
            session.unconfirmed -= len(session.held)
            session.held.clear()

    # --- one client

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, Session(writer)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, session: Session) -> None:
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                while True:
                    kind, flags, body, length = await _packet(reader)
                    if not self._taken(session, kind, flags, body=body, length=length):
                        break
                    await session.writer.drain()
                await _parting(reader, session.writer)
        finally:
            self.sessions.discard(session)
            session.writer.close()

    def _taken(self, session: Session, kind: int, flags: int, *, body: bytes, length: int) -> bool:
        """Answer one packet; False to hang up."""
        if kind == CONNECT:
            return self._connect(session, body)
        if kind == PUBLISH:
            self._publish(session, flags, body, length)
        elif kind == SUBSCRIBE:
            return self._subscribe(session, body)
        elif kind == PUBACK:
            self.confirmed_by_clients += 1
        elif kind == PINGREQ:
            session.send(bytes((PINGRESP << 4, 0)))
        return kind != DISCONNECT

    def _connect(self, session: Session, body: bytes) -> bool:
        self.connects += 1
        session.version = body[6]
        session.send(self.before_connack)
        if session.version == 5 and self.understands_5 is not True:
            if self.understands_5 is False:
                session.send(bytes((CONNACK << 4, 2, 0, 1)))
            return False
        properties = b""
        if self.receive_maximum:
            properties += struct.pack("!BH", RECEIVE_MAXIMUM, self.receive_maximum)
        if self.maximum_packet:
            properties += struct.pack("!BI", MAXIMUM_PACKET, self.maximum_packet)
        if self.reference:
            properties += bytes((SERVER_REFERENCE,)) + _text(self.reference)
        fields = bytes((self.session_present, self.connack))
        if session.version == 5:
            fields += bytes((len(properties),)) + properties
        session.send(bytes((CONNACK << 4, len(fields))) + fields)
        if self.connack:
            return False
        self.sessions.add(session)
        session.send(self.after_connack)
        return True

    def _subscribe(self, session: Session, body: bytes) -> bool:
        position = 2 + (1 + body[2] if session.version == 5 else 0)
        wanted = []
        while position < len(body):
            (length,) = struct.unpack_from("!H", body, position)
            wanted.append(body[position + 2 : position + 2 + length].decode())
            position += 3 + length
        session.subscribed += wanted
        codes = bytes(0x87 if self.declined and self.declined in each else 1 for each in wanted)
        properties = b"\0" if session.version == 5 else b""
        answer = body[:2] + properties + codes
        session.send(bytes((SUBACK << 4, len(answer))) + answer)
        for topic, payload in self.retained:
            session.send(_publish(session, topic, payload, retain=True, dup=False))
            session.next_id += 1
        if self.disconnect is not None:
            reference = bytes((SERVER_REFERENCE,)) + _text(self.reference)
            properties = reference if self.reference else b""
            fields = bytes((self.disconnect, len(properties))) + properties
            session.send(bytes((DISCONNECT << 4, len(fields))) + fields)
            return False
        return True

    def _publish(self, session: Session, flags: int, body: bytes, length: int) -> None:
        (size,) = struct.unpack_from("!H", body)
        topic = body[2 : 2 + size].decode()
        position = 2 + size
        number = body[position : position + 2]
        position += 2
        if session.version == 5:
            position += 1 + body[position]
        session.unconfirmed += 1
        self.unconfirmed_max = max(self.unconfirmed_max, session.unconfirmed)
        message = Published(topic, body[position:], length, bool(flags & 1))
        if len(self.published) < PUBLISHED_KEPT:
            self.published.append(message)
        answer = self.confirm(len(self.on(topic)), topic)
        self._confirm(session, number, answer)
        if self.obliging and answer in (0, "never", "twice", "held"):
            self._oblige(session, message)

    def _confirm(self, session: Session, number: bytes, answer: int | str) -> None:
        if answer == "never":
            return
        code = answer if isinstance(answer, int) else 0
        packet = bytes((PUBACK << 4, 2)) + number
        if session.version == 5 and code:
            packet = bytes((PUBACK << 4, 3)) + number + bytes((code,))
        if answer == "held":
            session.held.append(packet)
            return
        packet *= 2 if answer == "twice" else 1
        loop = asyncio.get_running_loop()
        loop.call_later(self.confirm_after_s, self._confirmed, session, packet)

    def _confirmed(self, session: Session, packet: bytes) -> None:
        session.unconfirmed -= 1
        session.send(packet)

    # --- the platform behind it

    def _oblige(self, session: Session, message: Published) -> None:
        address, what = parse_topic(message.topic)
        if what == "up/hello":
            hello = decode(message.payload, Hello)
            upto = {stream: self.cursors.get((hello.epoch, stream), 0) for stream in Stream}
            self._answer(session, address, Ack(1, hello.epoch, upto, conn=hello.conn))
        elif what.startswith("up/"):
            self._take_batch(session, address, message.payload)

    def _take_batch(self, session: Session, address: Address, payload: bytes) -> None:
        try:
            header, _ = read_header(payload)
        except BadMessage:
            return
        key = (header.epoch, header.stream)
        upto = self.cursors.get(key, 0)
        if header.stream in self.refused:
            reason = {header.stream: self.refused[header.stream]}
            self._answer(session, address, Ack(1, header.epoch, {}, refused=reason))
            return
        if header.first <= upto + 1:
            self.cursors[key] = upto = max(upto, header.last)
        resend = (header.stream,) if header.first > upto + 1 else ()
        self._answer(session, address, Ack(1, header.epoch, {header.stream: upto}, resend))

    def _answer(self, session: Session, address: Address, ack: Ack) -> None:
        session.send(_publish(session, address.ack, encode(ack), retain=False, dup=False))
        session.next_id = session.next_id % 65535 + 1


async def _parting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Hang up so that the last word is heard: closing over unread bytes would take it back."""
    if writer.can_write_eof():
        writer.write_eof()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PARTING_S):
                while await reader.read(4096):
                    pass


async def _packet(reader: asyncio.StreamReader) -> tuple[int, int, bytes, int]:
    """Kind, flags, body, and the bytes of the whole packet."""
    first = (await reader.readexactly(1))[0]
    length = shift = 0
    for _ in range(4):
        byte = (await reader.readexactly(1))[0]
        length |= (byte & 127) << shift
        shift += 7
        if not byte & 128:
            break
    return first >> 4, first & 15, await reader.readexactly(length), length + 1 + shift // 7


def _publish(session: Session, topic: str, payload: bytes, *, retain: bool, dup: bool) -> bytes:
    properties = b"\0" if session.version == 5 else b""
    body = _text(topic) + struct.pack("!H", session.next_id) + properties + payload
    flags = PUBLISH << 4 | dup << 3 | 1 << 1 | retain
    return bytes((flags,)) + varint(len(body)) + body


def _text(text: str) -> bytes:
    return struct.pack("!H", len(text.encode())) + text.encode()


def varint(number: int) -> bytes:
    """MQTT's length."""
    found = bytearray()
    while True:
        number, digit = divmod(number, 128)
        found.append(digit | (128 if number else 0))
        if not number:
            return bytes(found)
