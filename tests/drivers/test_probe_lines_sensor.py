"""Radars that send JSON lines, on a real pseudo-terminal and at a real broker with access lists."""

import re
import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from msgspec.structs import replace
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from sensors import probe_lines
from sensors.probe_lines import BURST_MAX, RADIOS_MAX, ProbeLinesOptions
from sensors.worker import EXIT_DEVICE
from tests.broker import HOST, Broker
from tests.drivers.near import Near, near
from tests.drivers.pty import SerialDevice
from tests.drivers.routes import line
from tests.drivers.worker import configured, running, started
from tests.unit.test_probe_lines import blocks

START_MS = 1_700_000_000_000
PHONE = bytes.fromhex("daa1190b8a8d")
OPTIONS = ProbeLinesOptions(window_s=1)
PASSWORDS = {"storebox": "open sesame", "r1": "one", "r2": "two"}


# --- serial


def test_a_serial_radar_is_heard_through_its_noise(radar: SerialDevice) -> None:
    with near(probe_lines, f"serial:{radar.path}", OPTIONS) as sensor:
        sensor.until_listening()
        for number in range(30):
            radar.sends(line(PHONE, q=number) + (b"\r\n", b"\n")[number % 2])
        radar.sends(b"rst:0x1 (POWERON_RESET)\r\n" + b"x" * 5000 + b"\n")
        radar.sends(line(PHONE)[:-9] + b"\n" + b"[" + line(PHONE) + b"," + line(PHONE) + b"]\n")
        radar.sends(line(PHONE, ie=None) + b"\n" + line(PHONE, q=None) + b"\n")
        sensor.until(lambda: sensor.frames == 34 and sensor.dropped.total() == 3)
        assert sensor.dropped == {"line_malformed": 2, "line_size": 1}
        assert sensor.presence_only == 2
        assert radar.said_to() == b"", "it is never written to"


def test_too_many_names_are_refused_and_the_known_ones_count_on(radar: SerialDevice) -> None:
    with near(probe_lines, f"serial:{radar.path}", OPTIONS) as sensor:
        sensor.until_listening()
        for number in range(RADIOS_MAX + 9):
            radar.sends(line(PHONE, s=f"r{number}") + b"\n")
        radar.sends(line(PHONE, s="r0") + b"\n")
        sensor.until(lambda: sensor.frames == RADIOS_MAX + 1 and sensor.dropped)
        assert sensor.dropped == {"too_many_radios": 9}


# --- MQTT


class Talker:
    """A radar's own client."""

    def __init__(self, broker: Broker, name: str, password: str = "") -> None:
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=MQTTv5)
        if password:
            self._client.username_pw_set(name, password)
        self._client.connect(broker.host, broker.port)
        self._client.loop_start()

    def says(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        self._client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(10)

    def leaves(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """mosquitto, configured as the document says."""
    passwords, access = tmp_path / "passwords", tmp_path / "access"
    passwords.write_text("".join(f"{user}:{word}\n" for user, word in PASSWORDS.items()))
    subprocess.run(["mosquitto_passwd", "-U", passwords], check=True)
    access.write_text(blocks("acl")[0])
    for file in (passwords, access):
        file.chmod(0o600)
    settings = re.sub(r"/etc/mosquitto/\w+\.passwd", str(passwords), blocks("conf")[0])
    settings = re.sub(r"/etc/mosquitto/\w+\.acl", str(access), settings)
    made = Broker(tmp_path, settings)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def radars(broker: Broker) -> Iterator[list[Talker]]:
    talkers = [Talker(broker, name, PASSWORDS[name]) for name in ("r1", "r2")]
    yield talkers
    for talker in talkers:
        talker.leaves()


def heard(broker: Broker) -> AbstractContextManager[Near]:
    """The sensor, let in by the password that the core hands down."""
    options = ProbeLinesOptions(window_s=1, username="storebox")
    return near(probe_lines, at(broker), options, PASSWORDS["storebox"].encode())


def at(broker: Broker) -> str:
    return f"mqtt:{broker.host}:{broker.port}"


def test_radars_are_heard_at_the_broker(broker: Broker, radars: list[Talker]) -> None:
    first, second = radars
    with heard(broker) as sensor:
        sensor.until_listening()
        for number in range(50):
            first.says("radar/r1/probe", line(PHONE, q=number, b="a", n=number))
        batch = b"[" + b",".join(line(PHONE, s="r2", q=number) for number in range(20)) + b"]"
        second.says("radar/r2/probe", batch)
        first.says("radar/r1/probe", b"garbage \xff")
        first.says("radar/r1/probe", b"[" + b"1," * 20_000 + b"1]")
        first.says("radar/r1/probe", line(PHONE, q=49, b="a", n=49))  # delivered once more
        first.says("radar/r1/probe", line(PHONE, s="r2"))
        first.says("radar/r1/probe", line(PHONE, ie=None))
        second.says("radar/r2/probe", line(PHONE, s="r2", q=21))
        sensor.until(lambda: sensor.frames == 72 and sensor.dropped.total() == 4)
        assert sensor.presence_only == 1
        assert sensor.dropped == {
            "line_malformed": 1,
            "line_size": 1,
            "line_repeated": 1,
            "line_of_another_radio": 1,
        }


def test_the_access_list_keeps_radars_to_themselves(broker: Broker, radars: list[Talker]) -> None:
    first, second = radars
    with heard(broker) as sensor:
        sensor.until_listening()
        first.says("radar/r2/probe", line(PHONE, s="r2"))
        first.says("chain/store/box", b"hello")
        second.says("radar/r2/probe", line(PHONE, s="r2"))
        first.says("radar/r1/probe", line(PHONE))
        sensor.until(lambda: sensor.frames == 2)
        assert not sensor.dropped


def test_what_was_kept_from_before_does_not_count(broker: Broker, radars: list[Talker]) -> None:
    first, _ = radars
    first.says("radar/r1/probe", line(PHONE), retain=True)
    with heard(broker) as sensor:
        sensor.until_listening()
        first.says("radar/r1/probe", line(PHONE, q=1))
        sensor.until(lambda: sensor.frames)
        assert sensor.frames == 1


def test_a_broker_that_comes_back_is_heard_again(broker: Broker) -> None:
    with heard(broker) as sensor:
        for round_number in range(1, 3):
            sensor.until_listening()
            talker = Talker(broker, "r1", PASSWORDS["r1"])
            talker.says("radar/r1/probe", line(PHONE))
            sensor.until(lambda wanted=round_number: sensor.frames == wanted)
            talker.leaves()
            if round_number == 1:
                broker.stop()
                sensor.until(lambda: "ended" in sensor.state)
                broker.start()


@pytest.mark.parametrize("word", ["", "wrong"])
def test_a_wrong_password_is_told_and_never_shown(broker: Broker, word: str) -> None:
    given = configured(at(broker), {"username": "storebox"})
    with running("probe_lines", replace(given, secret=word.encode())) as worker:
        worker.until(lambda: worker.trouble)
        assert worker.trouble
        assert "does not let us in" in worker.trouble.state
        assert "secret_file" in worker.trouble.remedy
        assert worker.exit_code() == EXIT_DEVICE
        assert not word or word not in worker.stderr + worker.trouble.state


CONNACK, SUBACK_REFUSED = bytes.fromhex("2003000000"), bytes.fromhex("900400010087")


@pytest.mark.parametrize(
    ("says", "words"),
    [
        (CONNACK + SUBACK_REFUSED, "does not let us read radar/+/probe"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n" + bytes(200), "ended"),
        (b"\xff" * 300, "ended"),
        (CONNACK + bytes.fromhex("3003ffff00"), "ended"),
        (CONNACK + bytes.fromhex("300d0005fe2f622f630068656c6c6f"), "ended"),  # no UTF-8
    ],
)
def test_a_broker_that_refuses_or_is_none_is_told(says: bytes, words: str) -> None:
    with socket.create_server((HOST, 0)) as listener:
        listener.settimeout(20)
        with started("probe_lines", f"mqtt:{HOST}:{listener.getsockname()[1]}") as worker:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(says)
                worker.until(lambda: worker.trouble and words in worker.trouble.state)
            worker.hang_up()
            worker.exit_code(timeout_s=3)
            assert "Traceback" not in worker.stderr
            assert "fault" not in worker.stderr


def test_a_topic_that_was_not_asked_for_names_no_radar() -> None:
    text = line(PHONE).ljust(200)
    said = struct.pack(">BBBH", 0x30, 204 % 128 + 128, 204 // 128, 1) + b"a\0" + text
    with socket.create_server((HOST, 0)) as listener:
        listener.settimeout(20)
        device = f"mqtt:{HOST}:{listener.getsockname()[1]}"
        with near(probe_lines, device, OPTIONS) as sensor:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(CONNACK + bytes.fromhex("900400010001") + said)
                sensor.until(lambda: sensor.dropped)
                assert sensor.dropped == {"line_of_another_radio": 1}


@pytest.mark.untapped("radars of the shop are no part of the contract with the platform")
def test_a_flood_of_one_radar_leaves_the_others_their_room(mosquitto: Broker) -> None:
    """Paced by the broker's window of unconfirmed messages, so nothing grows."""
    flooder, other = Talker(mosquitto, "r1"), Talker(mosquitto, "r2")
    batch = b"[" + b",".join([line(PHONE, ie="")] * 200) + b"]"
    try:
        with near(probe_lines, at(mosquitto), OPTIONS) as sensor:
            sensor.until_listening()
            for _ in range(120):
                flooder.says("radar/r1/probe", batch)
            other.says("radar/r2/probe", line(PHONE, s="r2", ie=None))
            sensor.until(lambda: sensor.frames + sensor.dropped["sender_too_fast"] == 120 * 200 + 1)
            assert sensor.presence_only == 1
    finally:
        flooder.leaves()
        other.leaves()


# --- devices that cannot be used


@pytest.mark.parametrize(
    ("device", "words"),
    [
        ("serial:/dev/null", "no serial device"),
        ("mqtt:127.0.0.1:9", "cannot be reached"),
        ("mqtt:box@127.0.0.1", "no host and port"),
        ("tcp:127.0.0.1:1", "brings no lines"),
        ("replay:/no/such/file", "cannot be read"),
    ],
)
def test_a_device_that_cannot_be_used_says_why(device: str, words: str) -> None:
    with started("probe_lines", device) as worker:
        worker.until(lambda: worker.trouble)
        assert worker.trouble
        assert words in worker.trouble.state
        assert worker.trouble.remedy.endswith(".")
        assert worker.exit_code() == EXIT_DEVICE
        assert "Traceback" not in worker.stderr


# --- recordings


def test_a_file_of_lines_is_played_by_its_clock(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    times = [1000.0, 1000.5, 3.0, 3.5, 4e12, 61.0]
    text = b"".join(line(PHONE, t=t, q=q) + b"\n" for q, t in enumerate(times))
    path.write_bytes(b"noise\n\n" + text + b"x" * 40_000 + b"\n[" + line(PHONE, t=61.5) + b"]")
    device = f"replay:{path}"
    with started("probe_lines", device, timeline_start_ms=START_MS) as worker:
        worker.until(lambda: worker.finished and worker.dropped)
        assert sum(one.frames for one in worker.readings) == 7
        assert worker.observations[-1].seen.wall_ms - START_MS <= 1500
        assert worker.dropped == {"line_malformed": 2, "line_size": 1}
        for secret in (PHONE, PHONE.hex().encode()):
            assert secret not in worker.received
            assert secret.decode(errors="replace") not in worker.stderr


def test_without_a_timeline_a_file_can_be_played_fast(tmp_path: Path) -> None:
    path = tmp_path / "hour"
    path.write_bytes(b"".join(line(PHONE, t=t) + b"\n" for t in (1000.0, 4600.0)))
    with started("probe_lines", f"replay:{path}", options={"pace": "fast"}) as worker:
        worker.until(lambda: worker.finished)
        assert len(worker.observations) == 6


def test_a_flood_is_cut_to_what_radios_can_hear(tmp_path: Path) -> None:
    path = tmp_path / "flood"
    calm = [line(PHONE, s="r2", t=1.001) + b"\n" for _ in range(50)]
    path.write_bytes((line(PHONE, t=1.0) + b"\n") * (BURST_MAX + 100) + b"".join(calm))
    with started("probe_lines", f"replay:{path}", timeline_start_ms=0) as worker:
        worker.until(lambda: worker.finished and worker.dropped)
        assert worker.dropped == {"sender_too_fast": 100}
        assert [one.frames for one in worker.readings] == [BURST_MAX + 50]
