"""The Wi-Fi sensor as a real process: recorded captures, and a live monitor interface."""

import hashlib
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from edge.clock import SystemClock
from edge.errors import DeviceGone, DeviceNotFound, WrongDevice
from edge.records import ProbeReading
from hardware.capture_file import records
from hardware.monitor import MonitorInterface
from sensors import wire
from sensors.worker import EXIT_DEVICE
from tests.drivers.frames import ELEMENTS, pcap, probe, radiotap, with_fcs
from tests.drivers.tap import ETHERNET, NAME, Tap
from tests.drivers.worker import SALT, Worker, configured, running, started

START_MS = 1_700_000_000_000
PHONE, OTHER = bytes.fromhex("daa119000007"), bytes.fromhex("3c0630aabbcc")


@pytest.fixture
def morning(tmp_path: Path) -> Path:
    """Two phones over 61 s, one frame damaged in the air, one cut."""
    path = tmp_path / "morning.pcap"
    path.write_bytes(
        pcap(
            [
                (0, radiotap(probe(PHONE, seq=7, name=b"Secret Home"), rssi_dbm=-41)),
                (250, radiotap(probe(OTHER, seq=8), rssi_dbm=-80)),
                (300, radiotap(probe(OTHER)[:-3])),
                (61_000, radiotap(with_fcs(probe(OTHER)), flags=0x50)),
                (61_000, radiotap(probe(PHONE, seq=9), rssi_dbm=-42)),
            ]
        )
    )
    return path


def keyed(value: bytes, salt: bytes = SALT) -> bytes:
    return hashlib.blake2b(value, digest_size=8, key=salt).digest()


def assert_silent_about(worker: Worker, *secrets: bytes) -> None:
    """None of `secrets` crossed the socket or reached the journal, as bytes or as hex."""
    said = bytes(worker.received) + worker.stderr.encode()
    for secret in secrets:
        for form in (secret, secret.hex().encode(), secret.hex(":").encode()):
            assert form not in said.lower()


# --- recordings


@pytest.mark.parametrize("prefix", ["replay", "simulated"])
def test_a_recording_is_told_on_its_timeline(morning: Path, prefix: str) -> None:
    with started("wifi", f"{prefix}:{morning}", timeline_start_ms=START_MS) as worker:
        worker.until(lambda: worker.at_end_of_time and worker.finished and worker.dropped)
        first, weak, last = worker.observations
        assert (first.sensor, first.seen.wall_ms, first.seen.mono_ms) == ("tested", START_MS, 0)
        assert (first.seen.boot, first.seen.trusted) == ("boot0001", True)
        assert weak.seen.wall_ms == START_MS + 250
        assert last.seen.wall_ms == START_MS + 61_000
        assert isinstance(first.reading, ProbeReading)
        reading = first.reading
        assert (reading.rssi_dbm, reading.channel, reading.seq) == (-41, 6, 7)
        assert reading.device == keyed(PHONE)
        assert [one.randomised for one in worker.readings] == [True, False, True]
        assert len({one.fingerprint for one in worker.readings}) == 1
        assert worker.watermarks == sorted(worker.watermarks)
        assert worker.dropped == {"elements_malformed": 1, "fcs_bad": 1}
        worker.hang_up()
        assert worker.exit_code() == 0
        assert_silent_about(worker, PHONE, OTHER, b"secret home", ELEMENTS)


def test_a_real_recording_leaves_no_address_on_the_wire(recordings: Path) -> None:
    path = sorted((recordings / "wifi" / "room-occupancy").glob("*.gz"))[0]
    frames = [record.frame for record in records(path)]
    with started("wifi", f"replay:{path}", timeline_start_ms=START_MS) as worker:
        worker.until(lambda: worker.finished)
        assert len(worker.observations) == len(frames)
        # A radiotap header of 14 bytes, the source address ten bytes into the frame.
        sources = {frame[24:30] for frame in frames}
        assert {one.device for one in worker.readings} == {keyed(source) for source in sources}
        assert_silent_about(worker, *sources)


def test_without_a_timeline_the_recorded_pace_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "slow.pcap"
    path.write_bytes(pcap([(0, radiotap(probe(PHONE))), (700, radiotap(probe(OTHER)))]))
    with started("wifi", f"replay:{path}") as worker:
        worker.until(lambda: worker.finished)
        first, second = (one.seen for one in worker.observations)
        now = SystemClock().now()
        assert 650 <= second.mono_ms - first.mono_ms < 5000
        assert 0 <= now.mono_ms - second.mono_ms < 5000
        assert second.boot == "boot0001", "as the core names it"
        assert worker.watermarks == []


def test_without_a_timeline_it_can_go_fast(morning: Path) -> None:
    with started("wifi", f"replay:{morning}", options={"pace": "fast"}) as worker:
        worker.until(lambda: worker.finished)
        assert len(worker.observations) == 3
        spread_ms = worker.observations[-1].seen.mono_ms - worker.observations[0].seen.mono_ms
        assert spread_ms < 5000


def test_waiting_for_a_late_record_it_stays_alive(tmp_path: Path) -> None:
    path = tmp_path / "gap.pcap"
    path.write_bytes(pcap([(0, radiotap(probe(PHONE))), (3_600_000, radiotap(probe(OTHER)))]))
    with started("wifi", f"replay:{path}") as worker:
        worker.until(lambda: sum(one.state == "replaying" for one in worker.health) >= 2)
        worker.hang_up()
        assert worker.exit_code(timeout_s=2) == 0


def test_weak_signals_are_outside_the_shop(morning: Path) -> None:
    options = {"rssi_gate_dbm": -65}
    with started("wifi", f"replay:{morning}", options=options, timeline_start_ms=0) as worker:
        worker.until(lambda: worker.finished and worker.dropped)
        assert [one.rssi_dbm for one in worker.readings] == [-41, -42]
        assert worker.dropped["below_rssi_gate"] == 1


def test_a_recording_cut_short_counts_as_far_as_it_goes(morning: Path) -> None:
    morning.write_bytes(morning.read_bytes()[:-5])
    with started("wifi", f"replay:{morning}", timeline_start_ms=0) as worker:
        worker.until(lambda: worker.finished and worker.dropped)
        assert len(worker.observations) == 2
        assert worker.dropped["capture_damaged"] == 1
        assert "ends in the middle of a record" in worker.stderr


def test_a_clock_that_went_back_is_held_still(tmp_path: Path) -> None:
    path = tmp_path / "back.pcap"
    times_ms = (0, 5000, 100, 6000)
    path.write_bytes(pcap([(ms, radiotap(probe(PHONE))) for ms in times_ms]))
    with started("wifi", f"replay:{path}", timeline_start_ms=START_MS) as worker:
        worker.until(lambda: worker.finished)
        seen = [one.seen.wall_ms - START_MS for one in worker.observations]
        assert seen == [0, 5000, 5000, 6000]


def test_a_restarted_replay_skips_what_was_taken(morning: Path) -> None:
    configuration = wire.Configure(
        "tested", f"replay:{morning}", {}, SALT, "boot0001", START_MS, START_MS + 250
    )
    with running("wifi", configuration) as worker:
        worker.until(lambda: worker.finished)
        assert [one.seen.wall_ms for one in worker.observations] == [START_MS + 61_000]


@pytest.mark.parametrize("link_type", [1, 192])
def test_a_recording_of_something_else_is_refused(tmp_path: Path, link_type: int) -> None:
    path = tmp_path / "ethernet.pcap"
    path.write_bytes(pcap([(0, bytes(60))], link_type))
    with started("wifi", f"replay:{path}", timeline_start_ms=0) as worker:
        worker.until(lambda: worker.trouble)
        assert worker.trouble
        assert f"Link type {link_type}" in worker.trouble.state
        assert worker.exit_code() == EXIT_DEVICE


@pytest.mark.parametrize("salt", [b"", b"short", bytes(65)])
def test_without_a_proper_salt_nothing_is_hashed(morning: Path, salt: bytes) -> None:
    configuration = wire.Configure("tested", f"replay:{morning}", {}, salt, "boot0001", 0)
    with running("wifi", configuration) as worker:
        assert worker.exit_code() == EXIT_DEVICE
        assert not worker.observations
        assert "salt" in worker.stderr


# --- live, without a radio


@pytest.fixture
def tap() -> Iterator[Tap]:
    with Tap() as made:
        yield made


def test_a_live_interface_is_heard_and_never_written_to(tap: Tap) -> None:
    beacon = radiotap(b"\x80" + probe(OTHER)[1:])
    with running("wifi", configured(f"monitor:{NAME}"), within=tap.thread) as worker:
        worker.until(lambda: any(one.state == "listening" for one in worker.health))
        for seq in range(500):
            tap.heard(radiotap(probe(PHONE, seq=seq, name=b"Secret Home"), rssi_dbm=-33))
            tap.heard(beacon)
        tap.heard(radiotap(probe(PHONE)[:-1]))
        worker.until(lambda: len(worker.observations) == 500 and worker.dropped)
        assert [one.seq for one in worker.readings] == list(range(500))
        assert {(one.device, one.rssi_dbm) for one in worker.readings} == {(keyed(PHONE), -33)}
        assert worker.dropped == {"elements_malformed": 1}
        assert abs(worker.observations[-1].seen.wall_ms - time.time() * 1000) < 10_000
        renewed = bytes(reversed(SALT))
        worker.send(wire.Salt(renewed))

        def heard_under_the_new_salt() -> bool:  # until it has arrived, under the old one
            tap.heard(radiotap(probe(PHONE)))
            return bool(worker.readings[-1].device == keyed(PHONE, renewed))

        worker.until(heard_under_the_new_salt)
        worker.hang_up()
        assert worker.exit_code(timeout_s=2) == 0
        assert tap.sent() == b""
        assert_silent_about(worker, PHONE, b"secret home")


def test_the_kernel_keeps_other_frames_away(tap: Tap) -> None:
    with tap.inside(MonitorInterface, NAME) as monitor:
        wanted = radiotap(probe(PHONE))
        for first in (0x80, 0x50, 0xB0, 0x08, 0x88):  # beacon, answer, authentication, data
            tap.heard(radiotap(bytes((first,)) + probe(OTHER)[1:]))
            tap.heard(wanted)
        assert list(iter(monitor.frame, None)) == [wanted] * 5


def test_an_interface_that_vanishes_is_gone(tap: Tap) -> None:
    with running("wifi", configured(NAME), within=tap.thread) as worker:
        worker.until(lambda: any(one.state == "listening" for one in worker.health))
        tap.heard(radiotap(probe(PHONE)))
        worker.until(lambda: worker.observations)
        tap.unplug()
        worker.until(lambda: worker.trouble)
        assert worker.trouble
        assert "mon0 stopped" in worker.trouble.state
        assert "plugged in" in worker.trouble.remedy
        assert worker.exit_code() == EXIT_DEVICE


def test_what_the_kernel_had_no_room_for_is_counted(tap: Tap) -> None:
    with tap.inside(MonitorInterface, NAME) as monitor:
        burst = 40_000
        for _ in range(burst):
            tap.heard(radiotap(probe(PHONE)))
        lost = monitor.lost()
        read = sum(1 for _ in iter(monitor.frame, None))
        assert lost > 0
        assert read + lost == burst
        assert read >= 10_000
        assert monitor.lost() == 0


def test_an_interface_that_is_switched_off_is_gone(tap: Tap) -> None:
    with tap.inside(MonitorInterface, NAME) as monitor:
        tap.down()
        with pytest.raises(DeviceGone):
            monitor.frame()
    with pytest.raises(DeviceNotFound, match="is down") as refused:
        tap.inside(MonitorInterface, NAME)
    assert "link set mon0 up" in refused.value.remedy


def test_other_interfaces_are_not_captured(tap: Tap) -> None:
    for name in ("mon7", "", "a-name-that-is-too-long"):
        with pytest.raises(DeviceNotFound):
            tap.inside(MonitorInterface, name)
    with Tap(ETHERNET) as wired, pytest.raises(WrongDevice, match="not in monitor mode"):
        wired.inside(MonitorInterface, NAME)


def test_damaged_frames_from_the_air_are_survived(tap: Tap, recordings: Path) -> None:
    path = sorted((recordings / "wifi" / "labelled-phones").glob("*.gz"))[0]
    whole = [record.frame for record in islice(records(path), 50)]
    with running("wifi", configured(NAME), within=tap.thread) as worker:
        worker.until(lambda: any(one.state == "listening" for one in worker.health))
        for number, frame in enumerate(whole):
            for cut in range(40, len(frame), 7):
                tap.heard(frame[:cut])
            tap.heard(radiotap(probe(PHONE, seq=number)))
        worker.until(lambda: sum(o.device == keyed(PHONE) for o in worker.readings) == len(whole))
        worker.until(lambda: worker.dropped)
        assert "Traceback" not in worker.stderr
