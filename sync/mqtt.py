"""One MQTT connection for asyncio: the only place that knows paho.

Made anew for each attempt by the link and by the reference platform; it never reconnects, never
queues, and never outruns the server's Receive Maximum - paho would do all three wrongly. It knows
no topic of ours. paho's thread only ever calls `loop.call_soon_threadsafe`.
"""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from paho.mqtt.client import (
    Client,
    ConnectFlags,
    DisconnectFlags,
    MQTTMessage,
)
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.errors import BrokerRefused, BrokerUnreachable, PublishRefused, SyncError
from sync import refusals
from sync.broker import BrokerSettings, Will
from sync.paho_driver import (
    ANSWER_KEEPALIVES,
    CONNECT_TIMEOUT_S,
    INCOMING_HELD_BYTES_MAX,
    INCOMING_HELD_MAX,
    WINDOW_MAX,
    Driver,
    connect_properties,
    made,
)

__all__ = ["BrokerSettings", "Connection", "Message", "Will"]

PACKET_BYTES_MAX = 268_435_460
"""MQTT's own limit."""
PUBLISH_FRAME_BYTES = 16
"""What a publish takes beside topic and payload: type, length, number; and some to spare."""
PAHO_KEEPALIVE_PERCENT = 65
"""Of the keepalive asked for: paho needs two of them, and up to two seconds more, to notice that
nobody answers, and one and a half is what we promise."""
ANSWER_KEEPALIVES_MAX = 6.0
"""One answer that is missing for so long will not come, whatever else the broker says."""


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
        self._place = f"{settings.host}:{settings.port}"
        self._loop = asyncio.get_running_loop()
        self._client: Client | None = None
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._answers: dict[int, asyncio.Future[list[ReasonCode]]] = {}
        self._heard_at = self._loop.time()
        self._incoming: asyncio.Queue[Message] = asyncio.Queue(INCOMING_HELD_MAX)
        self._held_bytes = 0
        self._slots = asyncio.Semaphore(0)
        self._abandoned = threading.Event()
        self._hung_up = False
        """It ended before it was told whether we may come in."""
        self._resumed = False
        self._packet_max = PACKET_BYTES_MAX
        self.closed: asyncio.Future[SyncError] = self._loop.create_future()
        """Done when the connection has ended; its result says why."""
        self.dismissed = False
        """The server knew our session, and closed without a reason; no broken line does so."""
        self.window = 0
        """How many publishes may be unconfirmed: ours or the server's limit, the smaller one."""
        self.protocol = "3.1.1" if settings.protocol == "3.1.1" else "5"

    @classmethod
    async def open(cls, settings: BrokerSettings, will: Will | None = None) -> "Connection":
        """Connect and log in. BrokerUnreachable or BrokerRefused says what to do."""
        connection = cls(settings)
        try:
            await connection._open(will)
        except (BrokerUnreachable, BrokerRefused) as error:
            if isinstance(error, BrokerRefused):
                older_may_do = error.code == refusals.UNKNOWN_VERSION
            else:
                older_may_do = connection._hung_up
            if settings.protocol != "auto" or not older_may_do:
                raise
            older = cls(replace(settings, protocol="3.1.1"))
            try:
                await older._open(will)
            except BrokerUnreachable:
                raise error from None  # it is not the version
            return older
        return connection

    async def _open(self, will: Will | None) -> None:
        thread = threading.Thread(
            target=self._connect, args=(will,), name="mqtt-connect", daemon=True
        )
        thread.start()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self._opened
        except TimeoutError:
            self.abort()
            raise refusals.unreachable(self._place, "does not answer") from None
        except BaseException:
            self.abort()
            raise

    def payload_max(self, topic: str) -> int:
        """How long a payload on `topic` may be for the server to take it."""
        return self._packet_max - len(topic.encode()) - PUBLISH_FRAME_BYTES

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish at QoS 1; returns when the server has confirmed, waits for the window before.

        PublishRefused when the server said no, another SyncError when the connection ended.
        """
        if len(payload) > self.payload_max(topic):
            raise PublishRefused(
                f"A message of {len(payload)} bytes on {topic} is more than the broker takes.",
                "Raise the broker's limit for packets; 128 KiB is enough.",
            )
        async with self._slots:
            client = self._usable()
            info = client.publish(topic, payload, qos=1, retain=retain)
            if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
                raise refusals.unreachable(self._place, "is no longer connected")
            (reason,) = await self._answer(info.mid)
        if reason.is_failure:
            raise refusals.not_taken(topic, reason.value, str(reason))

    async def subscribe(self, *filters: str) -> None:
        """Subscribe at QoS 1. BrokerRefused if the server declines one of them."""
        client = self._usable()
        result, mid = client.subscribe([(topic, 1) for topic in filters])
        if result != MQTTErrorCode.MQTT_ERR_SUCCESS or mid is None:
            raise refusals.unreachable(self._place, "is no longer connected")
        for reason, topic in zip(await self._answer(mid), filters, strict=False):
            if reason.is_failure:
                raise refusals.not_subscribed(topic, reason.value, str(reason))

    async def receive(self) -> Message:
        """The next message. Raises why the connection ended, once nothing is waiting."""
        if self._incoming.empty():
            arrival = asyncio.ensure_future(self._incoming.get())
            try:
                await _either(arrival, self.closed)
                if arrival.done():
                    return self._handed_on(arrival.result())
            finally:
                arrival.cancel()
            raise self.closed.result()
        return self._handed_on(self._incoming.get_nowait())

    async def close(self) -> None:
        """Say goodbye, so that the server drops the will, and wait until the connection ended."""
        if self._client is not None and not self.closed.done():
            self._client.disconnect()
            await asyncio.wait({self.closed}, timeout=1.0)
        self.abort()

    def abort(self) -> None:
        """End the connection at once, without goodbye: the server will publish the will."""
        self._abandoned.set()
        self._end(refusals.unreachable(self._place, "was left"))

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
        patience_s = ANSWER_KEEPALIVES * self._settings.keepalive_s
        asked_at = self._loop.time()
        last_s = asked_at + ANSWER_KEEPALIVES_MAX * self._settings.keepalive_s
        try:
            while not answer.done() and not self.closed.done():
                # On a slow line others are answered first; that is no silence.
                until = min(max(asked_at, self._heard_at) + patience_s, last_s)
                wait_s = until - self._loop.time()
                if wait_s <= 0:
                    break
                await _either(answer, self.closed, timeout_s=wait_s)
            if answer.done():
                return answer.result()
        finally:
            self._answers.pop(mid, None)
        if not self.closed.done():
            self.abort()
            raise refusals.unreachable(self._place, "confirms nothing any more")
        raise self.closed.result()

    def _connected(
        self, reason: ReasonCode, properties: Properties | None, *, resumed: bool
    ) -> None:
        if reason.is_failure:
            elsewhere = getattr(properties, "ServerReference", "")
            self._end(refusals.not_let_in(self._place, reason.value, str(reason), elsewhere))
            return
        self._resumed = resumed or self.protocol == "3.1.1"  # where every session is a new one
        self.window = min(WINDOW_MAX, getattr(properties, "ReceiveMaximum", WINDOW_MAX))
        self._packet_max = getattr(properties, "MaximumPacketSize", PACKET_BYTES_MAX)
        for _ in range(self.window):
            self._slots.release()
        if not self._opened.done():
            self._opened.set_result(None)

    def _answered(self, mid: int, reasons: list[ReasonCode]) -> None:
        self._heard_at = self._loop.time()
        answer = self._answers.get(mid)
        if answer is not None and not answer.done():
            answer.set_result(reasons)

    def _arrived(self, message: Message) -> None:
        self._heard_at = self._loop.time()
        held = self._held_bytes + len(message.payload)
        if self._incoming.full() or (self._held_bytes and held > INCOMING_HELD_BYTES_MAX):
            # The server ignores our Receive Maximum. QoS 1 comes again after a reconnect.
            self._end(refusals.unreachable(self._place, "sends more than it may"))
            return
        self._held_bytes = held
        self._incoming.put_nowait(message)

    def _handed_on(self, message: Message) -> Message:
        self._held_bytes -= len(message.payload)
        return message

    def _lost(self, error: SyncError, *, in_order: bool) -> None:
        self._hung_up = not self._opened.done()
        self.dismissed = in_order and self._resumed and not self.closed.done()
        self._end(error)

    def _end(self, error: SyncError) -> None:
        client, self._client = self._client, None
        if client is not None:
            _shut(client)
        # Without the cycle through our callbacks, paho closes its sockets with its last reference.
        if not self._opened.done():
            self._opened.set_exception(error)
        if not self.closed.done():
            self.closed.set_result(error)

    # --- on paho's threads: nothing but telling the loop

    def _tell(self, function: Callable[..., None], *arguments: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            self._abandoned.set()  # the loop has ended: nobody waits for this any more

    def _connect(self, will: Will | None) -> None:
        """The attempt's own thread: resolving and connecting block."""
        settings = self._settings
        try:
            client = made(settings, will)
            self._listen(client)
            self._client = client
            keepalive_s = max(1, settings.keepalive_s * PAHO_KEEPALIVE_PERCENT // 100)
            if settings.protocol == "3.1.1":
                client.connect(settings.host, settings.port, keepalive_s)
            else:
                properties = connect_properties(settings)
                client.connect(
                    settings.host,
                    settings.port,
                    keepalive_s,
                    clean_start=False,
                    properties=properties,
                )
        except BrokerRefused as error:
            self._tell(self._end, error)
            return
        except (OSError, ValueError) as error:
            self._client = None  # the loop may have ended, and paho must not wait for a collector
            self._tell(self._end, refusals.unreachable(self._place, f"cannot be reached: {error}"))
            return
        client.loop_start()
        if self._abandoned.is_set():
            self._client = None
            _shut(client)

    def _listen(self, client: Driver) -> None:
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.failed = self._on_failed

    def _on_connect(
        self, _client: Client, _: Any, flags: ConnectFlags, reason: ReasonCode, more: Any
    ) -> None:
        self._tell(partial(self._connected, reason, more, resumed=flags.session_present))

    def _on_disconnect(
        self, client: Client, _: Any, flags: DisconnectFlags, reason: ReasonCode, more: Any
    ) -> None:
        told_why = flags.is_disconnect_packet_from_server
        if told_why:
            elsewhere = getattr(more, "ServerReference", "")
            error = refusals.sent_away(self._place, reason.value, str(reason), elsewhere)
        else:
            error = refusals.unreachable(self._place, "is no longer connected")
        in_order = isinstance(client, Driver) and client.at_end and not told_why
        self._tell(partial(self._lost, error, in_order=in_order))

    def _on_failed(self, error: Exception) -> None:
        how = f"says what is no MQTT: {type(error).__name__}"
        self._tell(self._end, refusals.unreachable(self._place, how))

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


def _shut(client: Client) -> None:
    """paho's thread sees the end of file, closes the socket, and ends."""
    opened = client.socket()
    if isinstance(opened, socket.socket):
        with contextlib.suppress(OSError):  # it has ended by itself meanwhile
            opened.shutdown(socket.SHUT_RDWR)
