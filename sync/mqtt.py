"""One MQTT connection for asyncio: the only place that knows paho.

Made anew for each attempt by the link and by the reference platform; it never reconnects, never
queues, and never outruns the server's Receive Maximum - paho would do all three wrongly. It knows
no topic of ours. paho's thread only ever calls `loop.call_soon_threadsafe`.
"""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.errors import BrokerRefused, BrokerUnreachable, SyncError

WINDOW_MAX = 64
"""Unconfirmed publishes at most: paho walks through all of them at each PUBACK."""
INCOMING_MAX = 64
"""Messages that the server may send before we have acknowledged the first (Receive Maximum)."""
INCOMING_BYTES_MAX = 256 * 1024
CONNECT_TIMEOUT_S = 10.0
ANSWER_TIMEOUT_S = 30.0
"""For a PUBACK or SUBACK; a broker that takes longer is as good as gone."""

_LOGIN = frozenset({0x84, 0x85, 0x86, 0x87, 0x8A, 0x8C})
_LOGIN_REMEDY = (
    "Check username and password_file under [broker], and that the broker allows this box."
)
_REMEDIES = {
    0x84: "The broker must speak MQTT 5.",
    0x85: "The broker does not accept this box's name.",
    0x8E: "Another box connects with the same tenant, store and box names.",
}


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """Where the broker is and how to log in. The password file is read at each attempt."""

    host: str
    port: int
    client_id: str
    username: str = ""
    password_file: Path | None = None
    ca_file: Path | None = None
    keepalive_s: int = 60
    session_expiry_s: int = 600
    """Short: what must not be lost stands in our own cursors, not in the broker's session."""


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker says (retained) when we have been gone for `delay_s`."""

    topic: str
    payload: bytes
    delay_s: int = 30


@dataclass(frozen=True, slots=True)
class Message:
    """One message that arrived. Call `ack` when it has been dealt with, or it comes again."""

    topic: str
    payload: bytes
    retained: bool
    """Whether it was said before we subscribed."""
    ack: Callable[[], None] = field(repr=False)


class Connection:
    """One connection, from `Connection.open` to `closed`. Use it on the loop that opened it."""

    def __init__(self, settings: BrokerSettings) -> None:
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._client: Client | None = None
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._answers: dict[int, asyncio.Future[list[ReasonCode]]] = {}
        self._incoming: asyncio.Queue[Message] = asyncio.Queue(INCOMING_MAX)
        self._slots = asyncio.Semaphore(0)
        self._abandoned = threading.Event()
        self.closed: asyncio.Future[SyncError] = self._loop.create_future()
        """Done when the connection has ended; its result says why."""
        self.window = 0
        """How many publishes may be unconfirmed: ours or the server's limit, the smaller one."""

    @classmethod
    async def open(cls, settings: BrokerSettings, will: Will | None = None) -> "Connection":
        """Connect and log in. BrokerUnreachable or BrokerRefused says what to do."""
        connection = cls(settings)
        thread = threading.Thread(
            target=connection._connect, args=(will,), name="mqtt-connect", daemon=True
        )
        thread.start()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await connection._opened
        except TimeoutError:
            connection.abort()
            raise connection._unreachable("does not answer") from None
        except BaseException:
            connection.abort()
            raise
        return connection

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish at QoS 1; returns when the server has confirmed, waits for the window before.

        BrokerRefused when the server said no, BrokerUnreachable when the connection ended.
        """
        async with self._slots:
            client = self._usable()
            info = client.publish(topic, payload, qos=1, retain=retain)
            if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
                raise self._unreachable("is no longer connected")
            (reason,) = await self._answer(info.mid)
        if reason.is_failure:
            raise BrokerRefused(
                f"The broker refused a message on {topic}: {reason}.",
                "It must allow this client to publish there; check the broker's access list.",
            )

    @property
    def room(self) -> bool:
        """Whether a publish would start at once."""
        return not self._slots.locked()

    async def subscribe(self, *filters: str) -> None:
        """Subscribe at QoS 1. BrokerRefused if the server declines one of them."""
        client = self._usable()
        result, mid = client.subscribe([(topic, 1) for topic in filters])
        if result != MQTTErrorCode.MQTT_ERR_SUCCESS or mid is None:
            raise self._unreachable("is no longer connected")
        for reason, topic in zip(await self._answer(mid), filters, strict=False):
            if reason.is_failure:
                raise BrokerRefused(
                    f"The broker refused the subscription to {topic}: {reason}.",
                    "It must allow this client to read there; check the broker's access list.",
                )

    async def receive(self) -> Message:
        """The next message. Raises why the connection ended, once nothing is waiting."""
        if self._incoming.empty():
            arrival = asyncio.ensure_future(self._incoming.get())
            try:
                await _either(arrival, self.closed)
                if arrival.done():
                    return arrival.result()
            finally:
                arrival.cancel()
            raise self.closed.result()
        return self._incoming.get_nowait()

    async def close(self) -> None:
        """Say goodbye, so that the server drops the will, and wait until the connection ended."""
        if self._client is not None and not self.closed.done():
            self._client.disconnect()
            await asyncio.wait({self.closed}, timeout=1.0)
        self.abort()

    def abort(self) -> None:
        """End the connection at once, without goodbye: the server will publish the will."""
        self._abandoned.set()
        if self._client is not None:
            _shut(self._client)
        self._end(self._unreachable("was left"))

    # --- on the loop

    def _usable(self) -> Client:
        if self.closed.done():
            raise self.closed.result()
        assert self._client is not None, "publish and subscribe come after open"
        return self._client

    async def _answer(self, mid: int) -> list[ReasonCode]:
        """What the server answers to packet `mid`; registered before its answer can be told."""
        answer: asyncio.Future[list[ReasonCode]] = self._loop.create_future()
        self._answers[mid] = answer
        try:
            await _either(answer, self.closed, timeout_s=ANSWER_TIMEOUT_S)
            if answer.done():
                return answer.result()
        finally:
            self._answers.pop(mid, None)
        if not self.closed.done():
            self.abort()
            raise self._unreachable("confirms nothing any more")
        raise self.closed.result()

    def _connected(self, reason: ReasonCode, properties: Properties) -> None:
        if reason.is_failure:
            self._end(self._refused(reason))
            return
        self.window = min(WINDOW_MAX, getattr(properties, "ReceiveMaximum", WINDOW_MAX))
        for _ in range(self.window):
            self._slots.release()
        if not self._opened.done():
            self._opened.set_result(None)

    def _answered(self, mid: int, reasons: list[ReasonCode]) -> None:
        answer = self._answers.get(mid)
        if answer is not None and not answer.done():
            answer.set_result(reasons)

    def _arrived(self, message: Message) -> None:
        if self._incoming.full():
            # The server ignores our Receive Maximum. QoS 1 comes again after a reconnect.
            self.abort()
            return
        self._incoming.put_nowait(message)

    def _end(self, error: SyncError) -> None:
        # Without the cycle through our callbacks, paho closes its sockets with its last reference.
        self._client = None
        if not self._opened.done():
            self._opened.set_exception(error)
        if not self.closed.done():
            self.closed.set_result(error)

    def _unreachable(self, how: str) -> BrokerUnreachable:
        place = f"{self._settings.host}:{self._settings.port}"
        return BrokerUnreachable(
            f"The broker at {place} {how}.", "Check the line, and host and port under [broker]."
        )

    def _refused(self, reason: ReasonCode) -> BrokerRefused:
        place = f"{self._settings.host}:{self._settings.port}"
        fallback = _LOGIN_REMEDY if reason.value in _LOGIN else "Ask who runs the broker."
        remedy = _REMEDIES.get(reason.value, fallback)
        return BrokerRefused(f"The broker at {place} refused this box: {reason}.", remedy)

    def _dismissed(self, reason: ReasonCode) -> SyncError:
        if reason.value in _REMEDIES:
            return self._refused(reason)
        return self._unreachable(f"ended the connection: {reason}")

    # --- on paho's threads: nothing but telling the loop

    def _tell(self, function: Callable[..., None], *arguments: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            self._abandoned.set()  # the loop has ended: nobody waits for this any more

    def _connect(self, will: Will | None) -> None:
        """The attempt's own thread: resolving and connecting block."""
        try:
            client = self._made(will)
            self._client = client
            settings = self._settings
            client.connect(
                settings.host,
                settings.port,
                keepalive=settings.keepalive_s,
                clean_start=False,
                properties=_connect_properties(settings),
            )
        except BrokerRefused as error:
            self._tell(self._end, error)
            return
        except (OSError, ValueError) as error:
            self._tell(self._end, self._unreachable(f"cannot be reached: {error}"))
            return
        client.loop_start()
        if self._abandoned.is_set():
            self._client = None
            _shut(client)

    def _made(self, will: Will | None) -> Client:
        settings = self._settings
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=settings.client_id,
            protocol=MQTTv5,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.max_inflight_messages_set(WINDOW_MAX)
        client.max_queued_messages_set(WINDOW_MAX)
        if settings.username:
            path = settings.password_file
            client.username_pw_set(settings.username, None if path is None else _password(path))
        if settings.ca_file is not None:
            _trust(client, settings.ca_file)
        if will is not None:
            delay = Properties(PacketTypes.WILLMESSAGE)  # type: ignore[no-untyped-call]
            delay.WillDelayInterval = will.delay_s
            client.will_set(will.topic, will.payload, qos=1, retain=True, properties=delay)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        return client

    def _on_connect(
        self, _client: Client, _: Any, _flags: ConnectFlags, reason: ReasonCode, more: Any
    ) -> None:
        self._tell(self._connected, reason, more)

    def _on_disconnect(
        self, _client: Client, _: Any, flags: DisconnectFlags, reason: ReasonCode, _more: Any
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            self._tell(self._end, self._dismissed(reason))
        else:
            self._tell(self._end, self._unreachable("is no longer connected"))

    def _on_publish(
        self, _client: Client, _: Any, mid: int, reason: ReasonCode, _more: Any
    ) -> None:
        self._tell(self._answered, mid, [reason])

    def _on_subscribe(
        self, _client: Client, _: Any, mid: int, reasons: list[ReasonCode], _more: Any
    ) -> None:
        self._tell(self._answered, mid, reasons)

    def _on_message(self, client: Client, _: Any, message: MQTTMessage) -> None:
        mid, qos = message.mid, message.qos

        def ack() -> None:
            # Bound to this connection's client: a packet number means nothing on the next one.
            if qos and not self.closed.done():
                client.ack(mid, qos)

        self._tell(
            self._arrived, Message(message.topic, bytes(message.payload), message.retain, ack)
        )


async def _either(
    one: asyncio.Future[Any], other: asyncio.Future[Any], *, timeout_s: float | None = None
) -> None:
    await asyncio.wait({one, other}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)


def _password(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise _unusable(path, f"cannot be read: {error.strerror}", "password_file") from error
    except UnicodeDecodeError as error:
        raise _unusable(path, "is no text in UTF-8", "password_file") from error


def _trust(client: Client, path: Path) -> None:
    try:
        path.read_bytes()  # OpenSSL says of a directory, or of what is not ours, nothing useful
        client.tls_set(ca_certs=str(path))
    except ssl.SSLError as error:
        raise _unusable(path, "holds no certificate in PEM", "ca_file") from error
    except OSError as error:
        raise _unusable(path, f"cannot be read: {error.strerror}", "ca_file") from error


def _unusable(path: Path, how: str, key: str) -> BrokerRefused:
    return BrokerRefused(
        f"The file {path} {how}.",
        f"Correct {key} under [broker], or the file; the box's own user must be able to read it.",
    )


def _connect_properties(settings: BrokerSettings) -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = settings.session_expiry_s
    properties.ReceiveMaximum = INCOMING_MAX
    properties.MaximumPacketSize = INCOMING_BYTES_MAX
    return properties


def _shut(client: Client) -> None:
    """paho's thread sees the end of file, closes the socket, and ends."""
    opened = client.socket()
    if isinstance(opened, socket.socket):
        with contextlib.suppress(OSError):  # it has ended by itself meanwhile
            opened.shutdown(socket.SHUT_RDWR)
