"""The connection: what the broker refuses, limits or never says must be told apart."""

import asyncio
import socket
import ssl
import subprocess
import time
from dataclasses import replace

import pytest

from edge.errors import BrokerRefused, BrokerUnreachable
from edge.records import Stream
from sync.mqtt import BrokerSettings, Connection, Will
from tests.broker import Broker
from tests.certificates import issued, self_signed, server_tls
from tests.faults.proxy import FaultProxy
from tests.hostile import HostileBroker
from tests.system.sync_box import (
    ADDRESS,
    Box,
    PlatformProcess,
    listener,
    quick,
    running,
    until,
)


async def test_a_publish_that_the_broker_refuses_is_no_success(tmp_path):
    rules = tmp_path / "rules"
    rules.write_text(
        "".join(f"topic read {each}\n" for each in ADDRESS.down)
        + f"topic readwrite {ADDRESS.presence}\n"
    )
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


@pytest.mark.untapped("topics of no contract: only the transport is tried here")
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


def as_missing(path):
    assert not path.exists()


def as_directory(path):
    path.mkdir()


def as_garbage(path):
    path.write_bytes(b"\xff\xfe\x00")


def as_pem_without_a_certificate(path):
    path.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")


def as_loop(path):
    path.symlink_to(path)  # what not even root can open


NAMED = ("password_file", "token_file", "ca_file", "cert_file")


@pytest.mark.parametrize(
    ("key", "made", "says"),
    [
        *((key, as_missing, "No such file") for key in NAMED),
        *((key, as_directory, "Is a directory") for key in NAMED),
        *((key, as_loop, "symbolic links") for key in NAMED),
        ("password_file", as_garbage, "UTF-8"),
        ("token_file", as_garbage, "UTF-8"),
        ("ca_file", as_garbage, "PEM"),
        ("cert_file", as_garbage, "PEM"),
        ("ca_file", as_pem_without_a_certificate, "PEM"),
    ],
)
async def test_a_file_that_cannot_be_used_is_named_with_its_key(
    mosquitto, tmp_path, key, made, says
):
    path = tmp_path / "file"
    made(path)
    settings = BrokerSettings("127.0.0.1", mosquitto.port, "box", username="box")
    with pytest.raises(BrokerRefused, match=says) as raised:
        await Connection.open(replace(settings, **{key: path}))
    assert str(path) in raised.value.what
    assert f"{key} under [broker]" in raised.value.remedy


# paho leaves the socket of a failed handshake to its destructor.
@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
async def test_an_encrypted_line_trusts_only_the_named_authority(tmp_path):
    (tmp_path / "other").mkdir()
    certificate, key = self_signed(tmp_path)
    other, _ = self_signed(tmp_path / "other")
    files = f"certfile {certificate}\nkeyfile {key}"
    broker = Broker(tmp_path, f"{files}\nallow_anonymous true")
    broker.start()
    try:
        settings = BrokerSettings("127.0.0.1", broker.port, "box", ca_file=certificate)
        connection = await Connection.open(settings)
        await connection.publish("news", b"sealed")
        await connection.close()
        with pytest.raises(BrokerUnreachable, match="certificate"):
            await Connection.open(replace(settings, ca_file=other))
        with pytest.raises(BrokerRefused, match="ca_file"):
            await Connection.open(replace(settings, ca_file=tmp_path / "nothing.pem"))
    finally:
        broker.stop()


@pytest.fixture
def device(tmp_path):
    """An authority that is the broker too, and what it gave to a box."""
    authority = self_signed(tmp_path)
    cert_file, key_file = issued(tmp_path, "box-1", authority)
    return authority, {"ca_file": authority[0], "cert_file": cert_file, "key_file": key_file}


@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
async def test_a_device_certificate_lets_in_and_nothing_else_does(tmp_path, device):
    (certificate, key), files = device
    broker = Broker(
        tmp_path,
        f"certfile {certificate}\nkeyfile {key}\ncafile {certificate}\n"
        "require_certificate true\nuse_identity_as_username true\nallow_anonymous false",
    )
    broker.start()
    try:
        settings = quick(broker.port)
        shown = replace(settings, broker=replace(settings.broker, **files))
        async with running(Box(tmp_path, broker.port, shown)) as box:
            await until(lambda: box.link.status().connected, "connected")
            assert box.link._connection._client.socket().version() == "TLSv1.3"
        bare = replace(shown.broker, cert_file=None, key_file=None)
        with pytest.raises(BrokerUnreachable):
            await Connection.open(bare)
        (tmp_path / "foreign").mkdir()
        foreign = issued(tmp_path / "foreign", "box-1", self_signed(tmp_path / "foreign"))
        with pytest.raises(BrokerUnreachable):
            await Connection.open(replace(bare, cert_file=foreign[0], key_file=foreign[1]))
        with pytest.raises(BrokerRefused, match="key_file"):
            await Connection.open(replace(shown.broker, key_file=foreign[1]))
        with pytest.raises(BrokerRefused, match="No such file") as raised:
            await Connection.open(replace(shown.broker, key_file=tmp_path / "nothing"))
        assert "key_file under [broker]" in raised.value.remedy
    finally:
        broker.stop()


@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
async def test_an_older_tls_and_another_hosts_certificate_are_not_good_enough(tmp_path):
    tls = server_tls(tmp_path)
    tls.server.maximum_version = ssl.TLSVersion.TLSv1_2
    (tmp_path / "there").mkdir()
    elsewhere = server_tls(tmp_path / "there", "127.0.0.2")
    for each, why in ((tls, "SSL"), (elsewhere, "not valid for")):
        async with HostileBroker(each.server) as broker:
            settings = BrokerSettings("127.0.0.1", broker.port, "box", ca_file=each.authority)
            with pytest.raises(BrokerUnreachable, match=why):
                await Connection.open(settings)
            assert broker.connects == 0


async def test_a_token_is_read_at_each_attempt(tmp_path):
    users, token = tmp_path / "users", tmp_path / "token"
    users.touch()
    subprocess.run(["mosquitto_passwd", "-b", users, "box", "fresh"], check=True)
    token.write_text("stale\n")
    broker = Broker(tmp_path, f"allow_anonymous false\npassword_file {users}")
    broker.start()
    try:
        settings = BrokerSettings("127.0.0.1", broker.port, "box", username="box", token_file=token)
        with pytest.raises(BrokerRefused) as raised:
            await Connection.open(settings)
        assert "token_file" in raised.value.remedy
        token.write_text("fresh\n")
        await (await Connection.open(settings)).close()
    finally:
        broker.stop()


async def test_the_last_version_but_one_is_spoken_if_told_so(mosquitto, tmp_path):
    settings = quick(mosquitto.port)
    older = replace(settings, broker=replace(settings.broker, protocol="3.1.1"))
    with PlatformProcess(tmp_path, mosquitto.port) as platform:
        async with running(Box(tmp_path, mosquitto.port, older)) as box:
            await box.emit(Stream.BULK, 600)
            await box.emit(Stream.CRIT, 3)
            assert await box.link.drained(20)
            assert box.link.status().protocol == "3.1.1"
            assert box.verdict(platform.log).flawless


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
async def test_a_half_open_line_is_noticed_within_one_and_a_half_keepalives(mosquitto, busy):
    keepalive_s = 4
    proxy = await FaultProxy.open(mosquitto.port)
    try:
        settings = BrokerSettings("127.0.0.1", proxy.port, "box", keepalive_s=keepalive_s)
        connection = await Connection.open(settings)
        opened = connection._client.socket()
        patience_ms = opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        assert patience_ms == 1.5 * keepalive_s * 1000
        proxy.blackhole()
        began_s = time.monotonic()
        said = [asyncio.ensure_future(connection.publish("news", b"x"))] if busy else []
        error = await connection.closed
        assert time.monotonic() - began_s <= 1.5 * keepalive_s + 0.5
        assert isinstance(error, BrokerUnreachable)
        for publishing in said:
            with pytest.raises(BrokerUnreachable):
                await publishing
    finally:
        await proxy.close()
