"""paho's client as one attempt needs it: made from the settings, kept within bounds, impatient.

Used by `sync/mqtt.py` alone; with it the only importer of paho. It reads the files that the
settings name, and neither connects nor knows asyncio. What paho lets through - packets larger than
agreed, errors of its parser on its own thread - ends here.
"""

import socket
from collections.abc import Callable
from typing import Any

from paho.mqtt.client import Client, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from sync.broker import BrokerSettings, Will
from sync.credentials import secret, tls_context

WINDOW_MAX = 64
"""Unconfirmed publishes at most: paho walks through all of them at each PUBACK."""
INCOMING_MAX = 64
"""Messages that the server may send before we have acknowledged the first (Receive Maximum)."""
INCOMING_HELD_MAX = 1024
"""mosquitto 2.0 sends hundreds of small messages at once whatever it was told; more than this is no
burst."""
INCOMING_HELD_BYTES_MAX = 8 << 20
"""Of those held, together; one message alone is always taken."""
INCOMING_BYTES_MAX = 256 * 1024
CONNECT_TIMEOUT_S = 10.0
ANSWER_KEEPALIVES = 1.5
"""A broker from which nothing came for so many keepalive times, though it owes us an answer, has
gone; TCP's own patience with what is not acknowledged (TCP_USER_TIMEOUT) is as long."""


class Driver(Client):
    """paho with a border around its thread: what a mad broker says ends the connection, no more."""

    failed: Callable[[Exception], None]
    at_end = False
    """Whether the server has ended what it sends in order; paho tells that from no reset."""

    def _sock_recv(self, bufsize: int) -> bytes:
        received: bytes = super()._sock_recv(bufsize)
        self.at_end = not received
        return received

    def loop_forever(
        self, timeout: float = 1.0, retry_first_connection: bool = False
    ) -> MQTTErrorCode:
        """As paho's, but nothing is raised: paho's parser lets all sorts of errors out."""
        try:
            return super().loop_forever(timeout, retry_first_connection)
        except Exception as error:
            self.failed(error)
            return MQTTErrorCode.MQTT_ERR_PROTOCOL

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:
        """As paho's, but a packet larger than we said is not collected: paho does not look."""
        result = super().loop_read(max_packets)
        if self._in_packet["remaining_length"] > INCOMING_BYTES_MAX:
            raise ValueError("a packet larger than agreed")
        return result


def made(settings: BrokerSettings, will: Will | None) -> Driver:
    """The client of one attempt. BrokerRefused if a file it needs cannot be used.

    An older broker would keep its session for ever, and what it queued in it might be taken for
    news of a platform that is long gone: there every session is a new one.
    """
    older = settings.protocol == "3.1.1"
    client = Driver(
        CallbackAPIVersion.VERSION2,
        client_id=settings.client_id,
        clean_session=True if older else None,
        protocol=MQTTv311 if older else MQTTv5,
        reconnect_on_failure=False,
        manual_ack=True,
    )
    client.connect_timeout = CONNECT_TIMEOUT_S
    client.max_inflight_messages_set(WINDOW_MAX)
    client.max_queued_messages_set(WINDOW_MAX)
    if settings.token_file is not None:
        client.username_pw_set(settings.username, secret(settings.token_file, "token_file"))
    elif settings.username:
        path = settings.password_file
        client.username_pw_set(
            settings.username, None if path is None else secret(path, "password_file")
        )
    if settings.encrypted:
        client.tls_set_context(tls_context(settings.ca_file, settings.cert_file, settings.key_file))
    if will is not None:
        delay = None
        if not older:
            delay = Properties(PacketTypes.WILLMESSAGE)  # type: ignore[no-untyped-call]
            delay.WillDelayInterval = will.delay_s
        client.will_set(will.topic, will.payload, qos=1, retain=True, properties=delay)
    patience_ms = round(ANSWER_KEEPALIVES * settings.keepalive_s * 1000)
    client.on_socket_open = lambda _client, _, opened: _be_impatient(opened, patience_ms)
    return client


def _be_impatient(opened: Any, patience_ms: int) -> None:
    """A line on which nothing is acknowledged any more has ended, whatever TCP hopes for."""
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, patience_ms)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def connect_properties(settings: BrokerSettings) -> Properties:
    """What MQTT 5 lets us agree on."""
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = settings.session_expiry_s
    properties.ReceiveMaximum = INCOMING_MAX
    properties.MaximumPacketSize = INCOMING_BYTES_MAX
    return properties
