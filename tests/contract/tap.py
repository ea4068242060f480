"""The bus tap: reads everything that is said at a test's broker and holds it against the document.

The `mosquitto` fixture uses it for each test that is not marked `untapped`, so that every test of
the whole line also tests the contract. What the tests themselves say (hostile, or playing the
platform's part) is excused one by one with `excuse`; what the product says never is.
"""

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct
from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.subscribeoptions import SubscribeOptions

from tests.broker import HOST, Broker
from tests.contract.document import Breach, contract

BYTES_MAX = 128 << 20
"""Recorded for one test; a test that says more is no test of the contract, but of our memory."""
BREACHES_SHOWN = 5
ANSWER_S_MAX = 10.0
END_TOPIC = "tap/end"
"""Said by the tap to itself: what arrives before it is all that was said before it."""

_excused: set[bytes] = set()


class Tapped(Struct, frozen=True):
    """One message as it crossed the broker."""

    topic: str
    payload: bytes
    qos: int
    retain: bool


class Heard(Struct, frozen=True):
    """What was heard: how often each (channel, message), and what breaks the document."""

    seen: Counter[tuple[str, str]]
    breaches: list[str]


def excuse(topic: str, payload: bytes) -> None:
    """A test says this itself: it is neither checked nor counted."""
    _excused.add(_key(topic, payload))


def check(messages: Iterable[Tapped], *, flags: bool = True) -> Heard:
    """Hold each message against the document: exactly one channel and message, QoS and retain.

    Without `flags` not those two: some brokers tell a subscriber others than a message came with.
    """
    heard, asked = Heard(Counter(), []), dict[str, str]()
    for said in messages:
        if _key(said.topic, said.payload) in _excused:
            continue
        try:
            qos, retain = (said.qos, said.retain) if flags else (None, None)
            place = contract().check(said.topic, said.payload, qos=qos, retain=retain)
            _correlate(said, place[1], asked)
            heard.seen[place] += 1
        except Breach as breach:
            heard.breaches.append(str(breach))
    return heard


def _correlate(said: Tapped, message: str, asked: dict[str, str]) -> None:
    """Hold an answer against the service that was asked; `asked` has it by the request's id."""
    if message == "request":
        asked[json.loads(said.payload)["id"]] = said.topic.rpartition("/")[2]
    elif message == "response":
        response = json.loads(said.payload)
        service = asked.get(response["id"])
        if service is not None and response["ok"]:
            contract().messages["response"].check_value(response["value"], service)


def _key(topic: str, payload: bytes) -> bytes:
    return hashlib.sha256(topic.encode() + b"\0" + payload).digest()


class Tap:
    """A client that is subscribed to everything. It survives the broker's end when told so."""

    def __init__(self) -> None:
        self.messages: list[Tapped] = []
        self._bytes = 0
        self._client: Client | None = None
        self._subscribed = threading.Event()
        self._ended = threading.Event()

    def connect(self, port: int) -> None:
        """Listen; what is said after this returns is heard."""
        client = Client(CallbackAPIVersion.VERSION2, client_id="tap", protocol=MQTTv5)
        client.on_connect = self._on_connect
        client.on_subscribe = lambda *_: self._subscribed.set()
        client.on_message = self._on_message
        self._subscribed.clear()
        client.connect(HOST, port, keepalive=60)
        self._client = client
        client.loop_start()
        assert self._subscribed.wait(ANSWER_S_MAX), "the tap could not subscribe"

    def disconnect(self, *, wait: bool = True) -> None:
        """Hear what has been said so far, if the broker lives, and leave."""
        client, self._client = self._client, None
        if client is None:
            return
        if wait and client.is_connected():
            self._ended.clear()
            client.publish(END_TOPIC, b"", qos=1)
            assert self._ended.wait(ANSWER_S_MAX), "the tap did not hear everything"
        client.disconnect()
        client.loop_stop()

    def heard(self) -> Heard:
        """What has been heard so far, held against the document."""
        return check(list(self.messages))

    def _on_connect(self, client: Client, *_: object) -> None:
        client.subscribe("#", options=SubscribeOptions(qos=2, retainAsPublished=True))

    def _on_message(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        if message.topic == END_TOPIC:
            self._ended.set()
            return
        self._bytes += len(message.payload)
        if self._bytes <= BYTES_MAX:
            said = (message.topic, bytes(message.payload), message.qos, bool(message.retain))
            self.messages.append(Tapped(*said))


class TappedBroker(Broker):
    """The broker of the `mosquitto` fixture, with a tap that comes and goes with it."""

    def __init__(self, directory: Path, settings: str = "allow_anonymous true") -> None:
        super().__init__(directory, settings)
        self.tap = Tap()

    def start(self) -> None:
        """Listen, and be listened to."""
        super().start()
        self.tap.connect(self.port)

    def stop(self) -> None:
        """End in order, after everything was heard."""
        self.tap.disconnect()
        super().stop()

    def kill(self) -> None:
        """End as a power cut would; what was said last may not have been heard."""
        super().kill()
        self.tap.disconnect(wait=False)

    def verify(self) -> None:
        """Fail if anything that was said breaks the document."""
        breaches = self.tap.heard().breaches
        shown = "\n".join(breaches[:BREACHES_SHOWN])
        assert not breaches, f"{len(breaches)} messages break sync/contract/asyncapi.yaml:\n{shown}"
