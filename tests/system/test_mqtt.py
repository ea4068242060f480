"""The connection: what the broker refuses, limits or never says must be told apart."""

import asyncio
import socket
import subprocess
import time
from dataclasses import replace

import pytest

from edge.errors import BrokerUnreachable
from edge.records import Stream
from sync.mqtt import BrokerSettings, Connection, Will
from tests.broker import Broker
from tests.system.sync_box import (
    ADDRESS,
    Box,
    listener,
    quick,
    running,
    until,
)


async def test_a_publish_that_the_broker_refuses_is_no_success(tmp_path):
    rules = tmp_path / "rules"
    rules.write_text(f"topic read {ADDRESS.down}\ntopic readwrite {ADDRESS.presence}\n")
    broker = Broker(tmp_path, f"allow_anonymous true\nacl_file {rules}")
    broker.start()
    try:
        async with running(Box(tmp_path, broker.port)) as box:
            await box.emit(Stream.CRIT)
            await until(lambda: "up/hello" in box.link.status().reason, "refusal shown")
            assert "access list" in box.link.status().remedy
            assert box.waiting() == 1
    finally:
        broker.stop()


async def test_the_connection_keeps_to_the_smaller_window(tmp_path):
    broker = Broker(tmp_path, "allow_anonymous true\nmax_inflight_messages 3")
    broker.start()
    try:
        async with (
            listener(broker.port, "news") as reader,
            listener(broker.port, name="writer") as writer,
        ):
            assert writer.window == 3
            async with asyncio.TaskGroup() as group:
                for number in range(50):
                    group.create_task(writer.publish("news", str(number).encode()))
            for number in range(50):
                message = await reader.receive()
                assert message.payload == str(number).encode()
                message.ack()
    finally:
        broker.stop()


async def test_an_unacknowledged_message_comes_again(mosquitto):
    settings = BrokerSettings("127.0.0.1", mosquitto.port, "reader", keepalive_s=5)
    reader = await Connection.open(settings, Will("gone", b"reader", 0))
    await reader.subscribe("news")
    async with listener(mosquitto.port, "gone") as writer:
        await writer.publish("news", b"one")
        await reader.receive()
        reader.abort()
        assert (await writer.receive()).payload == b"reader"
        again = await Connection.open(settings)
        message = await again.receive()
        assert message.payload == b"one"
        message.ack()
        await again.close()
        with pytest.raises(BrokerUnreachable):
            await again.publish("news", b"two")


async def test_a_port_where_nobody_answers_is_unreachable(tmp_path):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        async with running(Box(tmp_path, silent.getsockname()[1])) as box:
            await box.emit(Stream.CRIT)
            began = time.monotonic()
        # The way out of a hopeless attempt is quick.
        assert time.monotonic() - began < 3
    with pytest.raises(BrokerUnreachable, match="cannot be reached"):
        await Connection.open(BrokerSettings("127.0.0.1", silent_port(), "nobody"))


def silent_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def test_a_refused_login_says_what_to_do_and_keeps_everything(tmp_path):
    users = tmp_path / "users"
    users.touch()
    subprocess.run(["mosquitto_passwd", "-b", users, "box", "right"], check=True)
    password = tmp_path / "password"
    password.write_text("wrong\n")
    broker = Broker(tmp_path, f"allow_anonymous false\npassword_file {users}")
    broker.start()
    try:
        settings = quick(broker.port)
        settings = replace(
            settings, broker=replace(settings.broker, username="box", password_file=password)
        )
        async with running(Box(tmp_path, broker.port, settings)) as box:
            await box.emit(Stream.CRIT, 2)
            await until(lambda: "refused" in box.link.status().reason, "refused")
            assert "password_file" in box.link.status().remedy
            assert box.waiting() == 2
            password.write_text("right\n")
            await until(lambda: box.link.status().connected, "connected")
            assert box.waiting() == 2
    finally:
        broker.stop()
