"""The connection: what the broker refuses, limits or never says must be told apart."""

import asyncio
import socket
import subprocess
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edge.errors import BrokerRefused, BrokerUnreachable
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


def self_signed(folder):
    """A key and a certificate of 127.0.0.1, as files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker")])
    here = x509.IPAddress(IPv4Address("127.0.0.1"))
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([here]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(pem))
    plain = serialization.NoEncryption()
    (folder / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    )
    return folder / "certificate.pem", folder / "key.pem"


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


@pytest.mark.parametrize(
    ("key", "made", "says"),
    [
        *((key, as_missing, "No such file") for key in ("password_file", "ca_file")),
        *((key, as_directory, "Is a directory") for key in ("password_file", "ca_file")),
        *((key, as_loop, "symbolic links") for key in ("password_file", "ca_file")),
        ("password_file", as_garbage, "UTF-8"),
        ("ca_file", as_garbage, "PEM"),
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
