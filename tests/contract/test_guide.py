"""The guide for fleets: its access list for mosquitto lets through what the document names only."""

import re
import threading
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from tests.broker import HOST, Broker
from tests.contract.document import FOLDER, contract
from tests.contract.specimens import ADDRESS, specimens

GUIDE = (FOLDER / "FLEET.md").read_text(encoding="utf-8")
BOX, ANOTHER, PLATFORM = str(ADDRESS), "chain/shop-1/box-2", "platform"
NOT_AUTHORIZED = 0x87
ANSWER_S_MAX = 10.0


class Member:
    """A client that is subscribed to everything; what reaches it is what it may read."""

    def __init__(self, port: int, name: str) -> None:
        self.heard: set[str] = set()
        self._answers: dict[int, int] = {}
        self._subscribed = False
        self._changed = threading.Condition()
        self._client = Client(
            CallbackAPIVersion.VERSION2, client_id=name.replace("/", "-"), protocol=MQTTv5
        )
        self._client.username_pw_set(name)
        self._client.on_publish = self._on_publish
        self._client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = lambda _c, _u, message: self._on_message(message.topic)
        self._client.connect(HOST, port)
        self._client.loop_start()
        self._wait(lambda: self._subscribed)

    def may_publish(self, topic: str) -> bool:
        """Whether the broker takes it."""
        info = self._client.publish(topic, b"{}", qos=1)
        self._wait(lambda: info.mid in self._answers)
        return self._answers.pop(info.mid) != NOT_AUTHORIZED

    def hears(self, topic: str) -> None:
        """Wait until a message on `topic` has come."""
        self._wait(lambda: topic in self.heard)

    def leave(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def _wait(self, condition) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, ANSWER_S_MAX), "the broker did not answer"

    def _on_publish(self, _c: Client, _u: object, mid: int, reason: ReasonCode, _p: Properties):
        with self._changed:
            self._answers[mid] = reason.value
            self._changed.notify_all()

    def _on_subscribe(self, *_: object) -> None:
        with self._changed:
            self._subscribed = True
            self._changed.notify_all()

    def _on_message(self, topic: str) -> None:
        with self._changed:
            self.heard.add(topic)
            self._changed.notify_all()


@pytest.fixture
def members(tmp_path: Path):
    (block,) = re.findall(r"```acl\n(.*?)```", GUIDE, re.S)
    (tmp_path / "acl").write_text(block, encoding="ascii")
    broker = Broker(tmp_path, f"allow_anonymous true\nacl_file {tmp_path / 'acl'}")
    broker.start()
    joined: dict[str, Member] = {}
    try:
        for name in (BOX, ANOTHER, PLATFORM):
            joined[name] = Member(broker.port, name)
        yield joined
    finally:
        for member in joined.values():
            member.leave()
        broker.stop()


def sender_of(topic: str) -> str:
    """Whose operation it is to publish there."""
    operation = contract().channel_of(topic).publications[0].operation
    return PLATFORM if operation.startswith("platform") else BOX


def test_everybody_may_say_and_hear_what_the_document_gives_them_and_no_more(members):
    shop_only = {channel for channel, _ in contract().said("shop")} - {
        channel for channel, _ in contract().said("broker")
    }
    topics = {
        each.topic
        for each in specimens().values()
        if contract().channel_of(each.topic).name not in shop_only
    }
    assert len(topics) > 10
    for topic in sorted(topics):
        sender = sender_of(topic)
        allowed = {name for name, member in members.items() if member.may_publish(topic)}
        assert allowed == {sender}, topic
        readers = {PLATFORM} if sender == BOX else {BOX}
        readers |= {ANOTHER} if "/-/-/" in topic else set()
        for name in readers:
            members[name].hears(topic)
    for name, member in members.items():
        own = {t for t in topics if name == BOX and sender_of(t) == PLATFORM}
        shared = {t for t in topics if "/-/-/" in t}
        upward = {t for t in topics if name == PLATFORM and sender_of(t) == BOX}
        assert member.heard == own | shared | upward, name


def test_what_the_shops_own_broker_carries_has_no_way_to_the_platform(members):
    for said in (specimens()["piece-sensed"], specimens()["piece-led"]):
        assert not any(member.may_publish(said.topic) for member in members.values())


def test_the_guide_names_the_limits_that_hold():
    assert "128 KiB" in GUIDE
    for channel in contract().document["channels"].values():
        assert channel["address"].count("/") <= 7
