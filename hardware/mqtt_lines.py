"""The shop's MQTT broker as a source of payloads: what is said on some topics, nothing ever sent.

Called by `sensors/probe_lines.py`; the only importer of paho beside `sync`. paho runs without a
thread of its own: the sensor's loop waits on its socket. What was said while nobody was connected
is not asked for: it would count too late. Used like a line of `byte_line.py`.
"""

import os
import select
import socket
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge.errors import DeviceGone, DeviceNotFound, WrongDevice
from hardware.closing import Closing
from hardware.endpoint import Endpoint

CONNECT_S_MAX = 1.5
"""In the shop's own network an answer takes milliseconds; the core is not heard meanwhile."""
ANSWER_S_MAX = 10.0
"""For letting us in and for the subscription."""
KEEPALIVE_S = 20
PACKET_BYTES_MAX = 64 * 1024
INCOMING_MAX = 64
"""Messages that the broker may send before the first was confirmed (Receive Maximum)."""
PACKETS_PER_TURN = 64
MISC_S = 1.0


class Credentials(NamedTuple):
    """Who we are to the broker. It is shown to nobody."""

    username: str
    password: bytes

    def __repr__(self) -> str:
        return f"Credentials({self.username!r})"


class Said(NamedTuple):
    """One message."""

    topic: str
    payload: bytes

    def __repr__(self) -> str:
        """Without what was said: it names phones, and a representation may end up in a log."""
        return f"Said({len(self.payload)} bytes)"


class MqttLines(Closing):
    """A connection that hears `topic`; a context manager.

    DeviceNotFound if the broker cannot be reached. While reading: WrongDevice if it does not let us
    in or hear, DeviceGone when the connection has ended.
    """

    def __init__(self, where: Endpoint, topic: str, credentials: Credentials) -> None:
        self._where, self._topic = where, topic
        self._said: list[Said] = []
        self._why: WrongDevice | None = None
        self._told_misc_s = 0.0
        self.awaited = f"The broker at {where} has not let us in yet."
        """What is missing before it can bring anything, as a sentence; empty if nothing is."""
        self._client = self._made(credentials)
        try:
            self._client.connect(
                where.host, where.port, KEEPALIVE_S, clean_start=True, properties=_limits()
            )
        except (OSError, ValueError) as error:
            self._client.on_disconnect = None
            raise DeviceNotFound(
                f"The broker at {where} cannot be reached: {error}.",
                "Check `device`, and whether mosquitto runs and listens there.",
            ) from error
        self._asked_s = time.monotonic()

    def wait(self, core_fd: int, timeout_s: float) -> None:
        """Return when the broker said something, when `core_fd` has, or after `timeout_s`."""
        connection = self._socket().fileno()
        writing = [connection] if self._client.want_write() else []
        select.select([connection, core_fd], writing, [], timeout_s)

    def read(self) -> list[Said]:
        """What the broker has said; keeps the connection up."""
        for _ in range(PACKETS_PER_TURN):
            if not select.select([self._socket().fileno()], [], [], 0)[0]:
                break
            self._run(self._client.loop_read)
        if self._client.want_write():
            self._run(self._client.loop_write)
        now_s = time.monotonic()
        if now_s - self._told_misc_s >= MISC_S:
            self._told_misc_s = now_s
            self._run(self._client.loop_misc)
        if self.awaited and now_s - self._asked_s > ANSWER_S_MAX:
            raise DeviceGone(f"The broker at {self._where} does not answer.", "Is it mosquitto?")
        said, self._said = self._said, []
        return said

    def close(self) -> None:
        """Hang up."""
        self._client.on_disconnect = None
        self._client.disconnect()

    def _made(self, credentials: Credentials) -> Client:
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"storebox-radar-{os.getpid()}-{os.urandom(4).hex()}",
            protocol=MQTTv5,
            reconnect_on_failure=False,
        )
        client.connect_timeout = CONNECT_S_MAX
        if credentials.username:
            client.username_pw_set(
                credentials.username, credentials.password.decode(errors="replace") or None
            )
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        return client

    def _socket(self) -> socket.socket:
        connection = self._client.socket()
        if connection is None:
            raise self._gone()
        return connection  # type: ignore[return-value]

    def _run(self, loop: Callable[[], MQTTErrorCode]) -> None:
        """One turn of paho, whose parser lets all sorts of errors out when a broker is mad."""
        try:
            result = loop()
        except Exception as error:
            raise self._gone() from error
        if self._why is not None:
            raise self._why
        if result != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise self._gone()

    def _gone(self) -> DeviceGone:
        return DeviceGone(f"The connection to the broker at {self._where} ended.", "See its log.")

    # --- called by paho while it reads

    def _on_connect(
        self, client: Client, _userdata: Any, _flags: Any, reason: ReasonCode, _more: Any
    ) -> None:
        if reason.is_failure:
            self._why = WrongDevice(
                f"The broker at {self._where} does not let us in: {reason}.",
                "Correct `username` and `secret_file`.",
            )
            return
        wanted = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)
        client.subscribe(self._topic, options=wanted)

    def _on_subscribe(
        self, _client: Client, _userdata: Any, _mid: int, reasons: list[ReasonCode], _more: Any
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            self._why = WrongDevice(
                f"The broker at {self._where} does not let us read {self._topic}.",
                f"Allow it in the broker's access list: topic read {self._topic}",
            )
            return
        self.awaited = ""

    def _on_message(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        self._said.append(Said(message.topic, bytes(message.payload)))


def _limits() -> Properties:
    """What MQTT 5 lets us agree on."""
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.ReceiveMaximum = INCOMING_MAX
    properties.MaximumPacketSize = PACKET_BYTES_MAX
    return properties
