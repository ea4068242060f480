"""Radars that stream pcap over a real pseudo-terminal, TCP connection and FIFO, with noise."""

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sensors import pcap
from sensors.pcap import PcapOptions
from sensors.radar.stream import AWAY_S_MAX
from sensors.worker import EXIT_DEVICE
from tests.drivers.frames import probe, radiotap
from tests.drivers.near import near
from tests.drivers.pty import SerialDevice
from tests.drivers.routes import file_header, record, streamed
from tests.drivers.worker import started

START_MS = 1_700_000_000_000
PHONE = bytes.fromhex("daa119000007")
BOOT_LOG = b"\r\nets Jun  8 2016 00:22:57\r\nrst:0x1 (POWERON_RESET),boot:0x13\r\n"
OPTIONS = PcapOptions(window_s=1)


def frames(count: int, first: int = 0) -> list[bytes]:
    return [probe(PHONE, seq=(first + n) % 4096, name=b"Secret Home") for n in range(count)]


def records(count: int, first: int = 0) -> bytes:
    return streamed(frames(count, first))[24:]


# --- serial


def test_a_serial_radar_is_heard_through_its_noise(radar: SerialDevice) -> None:
    with near(pcap, f"serial:{radar.path}", OPTIONS) as sensor:
        sensor.until_listening()
        radar.sends(BOOT_LOG + streamed(frames(30)))
        radar.sends(b"E (77) wifi: oops\r\n" + records(30) + record(radiotap(probe(PHONE)))[:40])
        radar.sends(BOOT_LOG + streamed(frames(30)))  # its power failed in mid-record
        sensor.until(lambda: sensor.frames == 90 and sensor.dropped)
        cut = {"header_malformed", "elements_malformed"}
        assert set(sensor.dropped) <= {"stream_bytes_skipped"} | cut
        assert radar.said_to() == b"", "it is never written to"


def test_what_an_unfinished_record_swallowed_counts_after_a_silence(radar: SerialDevice) -> None:
    with near(pcap, f"serial:{radar.path}", OPTIONS) as sensor:
        sensor.until_listening()
        lie = record(radiotap(probe(PHONE)), size=8000)
        radar.sends(file_header() + lie + records(20))
        sensor.until(lambda: sensor.frames == 20)


def test_a_clock_that_jumps_does_not_matter(radar: SerialDevice) -> None:
    """The sender's time is never used: it may begin at 0, go back, or be years ahead."""
    with near(pcap, f"serial:{radar.path}", OPTIONS) as sensor:
        sensor.until_listening()
        clocks_ms = (0, 4_000_000_000_000, 5, 1_700_000_000_000, 0)
        radar.sends(file_header())
        for clock_ms in clocks_ms:
            radar.sends(record(radiotap(probe(PHONE)), clock_ms=clock_ms))
        sensor.until(lambda: sensor.frames == len(clocks_ms))
        assert all(count.lasted_ms == 1000 for count in sensor.counts)


@pytest.mark.slow
def test_a_radar_that_stays_away_ends_it_and_the_open_window_counts(
    radar: SerialDevice,
) -> None:
    with near(pcap, f"serial:{radar.path}", PcapOptions(window_s=600)) as sensor:
        sensor.until_listening()
        radar.sends(BOOT_LOG + streamed(frames(12)))
        sensor.until(lambda: sensor.dropped["stream_bytes_skipped"])
        radar.unplug()
        sensor.until(lambda: sensor.ended and sensor.counts, AWAY_S_MAX + 20)
        assert sensor.ended
        assert "was unplugged" in sensor.ended.what
        assert sensor.frames == 12
        assert sensor.counts[0].lasted_ms < 1000 * AWAY_S_MAX


# --- TCP


@pytest.fixture
def access_point() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)
        yield listener


def place(listener: socket.socket) -> str:
    return f"tcp:127.0.0.1:{listener.getsockname()[1]}"


def test_an_access_point_is_heard_by_tcp_and_reached_again(access_point: socket.socket) -> None:
    with near(pcap, place(access_point), OPTIONS) as sensor:
        sent = 0
        for number in range(3):
            connection, _ = access_point.accept()
            with connection:
                sensor.until_listening()
                connection.sendall(streamed(frames(25)) + record(radiotap(probe(PHONE)))[:30])
                sent += 25
                sensor.until(lambda wanted=sent: sensor.frames == wanted)
                connection.setblocking(False)
                with pytest.raises(BlockingIOError):
                    connection.recv(100)
            sensor.until(lambda n=number: sum(not one.ok for one in sensor.health) > n)
        trouble = next(one for one in sensor.health if not one.ok)
        assert "ended" in trouble.state
        assert trouble.remedy


def test_a_fast_sender_does_not_keep_the_sensor_from_its_core(access_point: socket.socket) -> None:
    content = records(2000)
    over = threading.Event()

    def flood() -> None:
        connection, _ = access_point.accept()
        with connection:
            connection.settimeout(20)
            connection.sendall(file_header())
            try:
                while not over.is_set():
                    connection.sendall(content)
            except OSError:
                pass

    sender = threading.Thread(target=flood)
    sender.start()
    try:
        with near(pcap, place(access_point), OPTIONS) as sensor:
            sensor.until(lambda: len(sensor.counts) >= 2)
            assert sensor.frames >= 4000
            assert not sensor.dropped
    finally:
        over.set()
        sender.join(20)


@pytest.mark.parametrize("link_type", [1, 113, 192])
def test_a_stream_of_something_else_is_refused(access_point: socket.socket, link_type: int) -> None:
    with started("pcap", place(access_point)) as worker:
        connection, _ = access_point.accept()
        with connection:
            connection.sendall(file_header(link_type=link_type))
            worker.until(lambda: worker.trouble)
            assert worker.trouble
            assert f"link type {link_type}" in worker.trouble.state
            assert worker.exit_code() == EXIT_DEVICE


def test_the_core_ends_it_while_it_waits_to_reach_again(access_point: socket.socket) -> None:
    with started("pcap", place(access_point)) as worker:
        connection, _ = access_point.accept()
        access_point.close()
        connection.close()
        worker.until(lambda: worker.trouble)
        worker.hang_up()
        assert worker.exit_code(timeout_s=3) == 0


# --- FIFO


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "air"
    os.mkfifo(path)
    return path


def test_a_fifo_is_heard_from_its_first_writer_on(fifo: Path) -> None:
    with near(pcap, f"fifo:{fifo}", OPTIONS) as sensor:
        sensor.until(lambda: "Nobody writes" in sensor.state)
        assert not sensor.counts, "nothing was counted while nothing could be heard"
        for number in range(1, 3):
            with fifo.open("wb") as writer:
                writer.write(streamed(frames(20)))
                writer.flush()
                sensor.until(lambda wanted=20 * number: sensor.frames == wanted)
                sensor.until_listening()
            sensor.until(lambda: "any more" in sensor.state or "yet" in sensor.state)


# --- devices that cannot be used


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.mark.parametrize(
    ("device", "words"),
    [
        ("serial:/dev/null", "no serial device"),
        ("serial:/dev/ttyUSB77", "There is no radar"),
        ("fifo:/no/such/fifo", "mkfifo /no/such/fifo"),
        ("fifo:/dev/null", "is no FIFO"),
        ("tcp:127.0.0.1", "no host and port"),
        ("udp:127.0.0.1:1", "is no stream"),
        ("wlan1", "is no stream"),
        ("replay:/no/such/file", "cannot be read"),
    ],
)
def test_a_device_that_cannot_be_used_says_why(device: str, words: str) -> None:
    with started("pcap", device) as worker:
        worker.until(lambda: worker.trouble)
        assert worker.trouble
        assert words in f"{worker.trouble.state} {worker.trouble.remedy}"
        assert worker.exit_code() == EXIT_DEVICE
        assert "Traceback" not in worker.stderr


def test_nobody_at_the_port_says_so() -> None:
    with started("pcap", f"tcp:127.0.0.1:{free_port()}") as worker:
        worker.until(lambda: worker.trouble)
        assert worker.trouble
        assert "Nobody answers" in worker.trouble.state
        assert worker.exit_code() == EXIT_DEVICE


# --- recordings of streams


def test_a_recorded_stream_is_played_with_its_garbage(tmp_path: Path) -> None:
    path = tmp_path / "stream"
    back = record(radiotap(probe(PHONE, seq=99)), clock_ms=10)  # its clock began anew
    far = record(radiotap(probe(PHONE, seq=98)), clock_ms=2**41)
    path.write_bytes(BOOT_LOG + streamed(frames(10)) + b"noise" + back + records(5) + far)
    device = f"replay:{path}"
    with started("pcap", device, timeline_start_ms=START_MS) as worker:
        worker.until(lambda: worker.finished and worker.dropped)
        assert [one.frames for one in worker.readings] == [17]
        assert worker.dropped == {"stream_bytes_skipped": len(BOOT_LOG) + 5}
        assert worker.observations[0].seen.wall_ms < START_MS + 3000
        for secret in (PHONE, b"Secret Home"):
            assert secret not in worker.received
