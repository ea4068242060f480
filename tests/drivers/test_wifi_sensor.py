"""The Wi-Fi sensor as a real process on recorded captures. Live radios: `test_wifi_live.py`."""

from itertools import pairwise
from pathlib import Path

import pytest

from edge.clock import SystemClock
from edge.records import CountReading
from hardware.capture_file import records
from sensors import wire
from sensors.worker import EXIT_DEVICE
from tests.drivers.frames import ELEMENTS, pcap, probe, radiotap, with_fcs
from tests.drivers.worker import SALT, Worker, running, started

START_MS = 1_700_000_000_000
PHONE, OTHER = bytes.fromhex("daa119000007"), bytes.fromhex("3c0630aabbcc")
WINDOW_MS, DAY_MS = 60_000, 86_400_000
SHORT = {"window_s": WINDOW_MS // 1000}


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


def assert_silent_about(worker: Worker, *secrets: bytes) -> None:
    """None of `secrets` crossed the socket or reached the journal, as bytes or as hex."""
    said = (bytes(worker.received) + worker.stderr.encode()).lower()
    for secret in secrets:
        for form in (secret, secret.hex().encode(), secret.hex(":").encode()):
            assert form not in said


def frames(worker: Worker) -> list[int]:
    return [one.frames for one in worker.readings]


def ends_ms(worker: Worker) -> list[int]:
    return [one.seen.wall_ms - START_MS for one in worker.observations]


@pytest.mark.parametrize("prefix", ["replay", "simulated"])
def test_a_recording_is_counted_in_windows_on_its_timeline(morning: Path, prefix: str) -> None:
    with started(
        "wifi", f"{prefix}:{morning}", options=SHORT, timeline_start_ms=START_MS
    ) as worker:
        worker.until(lambda: worker.at_end_of_time and worker.finished and worker.dropped)
        first, last = worker.observations
        assert (first.sensor, first.seen.wall_ms) == ("tested", START_MS + WINDOW_MS)
        assert first.seen.mono_ms == WINDOW_MS
        assert (first.seen.boot, first.seen.trusted) == ("boot0001", True)
        assert last.seen.wall_ms == START_MS + 61_000
        assert isinstance(first.reading, CountReading)
        assert [one.lasted_ms for one in worker.readings] == [WINDOW_MS, 1000]
        assert frames(worker) == [2, 1]
        assert [one.addresses for one in worker.readings] == [2, 1]
        assert all(one.devices_low <= one.devices <= one.devices_high for one in worker.readings)
        assert worker.watermarks == sorted(worker.watermarks)
        assert worker.dropped == {"elements_malformed": 1, "fcs_bad": 1}
        worker.hang_up()
        assert worker.exit_code() == 0
        assert_silent_about(worker, PHONE, OTHER, b"secret home", ELEMENTS)


def test_a_real_recording_leaves_no_address_on_the_wire(recordings: Path) -> None:
    path = sorted((recordings / "wifi" / "room-occupancy").glob("*.gz"))[0]
    heard = [record.frame for record in records(path)]
    with started("wifi", f"replay:{path}", timeline_start_ms=START_MS) as worker:
        worker.until(lambda: worker.finished and worker.dropped)
        # Machines that were heard for two hours are no visitors any more.
        assert sum(frames(worker)) + worker.dropped["fixed"] == len(heard)
        assert all(later - earlier == 600_000 for earlier, later in pairwise(ends_ms(worker)[:-1]))
        # A radiotap header of 14 bytes, the source address ten bytes into the frame.
        assert_silent_about(worker, *{frame[24:30] for frame in heard})


def test_a_quiet_window_is_counted_too(tmp_path: Path) -> None:
    path = tmp_path / "gap.pcap"
    path.write_bytes(pcap([(0, radiotap(probe(PHONE))), (150_000, radiotap(probe(OTHER)))]))
    with started("wifi", f"replay:{path}", options=SHORT, timeline_start_ms=START_MS) as worker:
        worker.until(lambda: worker.finished)
        assert ends_ms(worker) == [60_000, 120_000, 150_000]
        assert [(one.frames, one.devices) for one in worker.readings[:2]] == [(1, 1), (0, 0)]


def test_without_a_timeline_the_recorded_pace_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "slow.pcap"
    path.write_bytes(pcap([(0, radiotap(probe(PHONE))), (700, radiotap(probe(OTHER)))]))
    before = SystemClock().now()
    with started("wifi", f"replay:{path}") as worker:
        worker.until(lambda: worker.finished)
        (only,) = worker.observations
        now = SystemClock().now()
        assert only.seen.mono_ms - before.mono_ms >= 700
        assert 0 <= now.mono_ms - only.seen.mono_ms < 5000
        assert only.reading.lasted_ms == 700
        assert only.seen.boot == "boot0001", "as the core names it"
        assert worker.watermarks == []


def test_without_a_timeline_it_can_go_fast(tmp_path: Path) -> None:
    path = tmp_path / "hour.pcap"
    path.write_bytes(pcap([(0, radiotap(probe(PHONE))), (3_600_000, radiotap(probe(OTHER)))]))
    with started("wifi", f"replay:{path}", options={"pace": "fast"}) as worker:
        worker.until(lambda: worker.finished)
        assert len(worker.observations) == 6
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
    options = {"rssi_gate_dbm": -65, **SHORT}
    with started("wifi", f"replay:{morning}", options=options, timeline_start_ms=0) as worker:
        worker.until(lambda: worker.finished)
        first = worker.readings[0]
        assert (first.devices, first.passers) == (1, 1)


@pytest.mark.parametrize("written", ["3c:06:30:aa:bb:cc", "3C-06-30-AA-BB-CC"])
def test_the_shops_own_equipment_is_not_counted(morning: Path, written: str) -> None:
    options = {"fixed_equipment": [written], **SHORT}
    with started("wifi", f"replay:{morning}", options=options, timeline_start_ms=0) as worker:
        worker.until(lambda: worker.finished and worker.dropped)
        assert [(one.frames, one.addresses) for one in worker.readings] == [(1, 1), (1, 1)]
        assert worker.dropped["fixed"] == 1
        assert_silent_about(worker, OTHER)


def test_a_recording_cut_short_counts_as_far_as_it_goes(morning: Path) -> None:
    morning.write_bytes(morning.read_bytes()[:-5])
    with started("wifi", f"replay:{morning}", timeline_start_ms=0) as worker:
        worker.until(lambda: worker.finished and worker.dropped)
        assert frames(worker) == [2]
        assert worker.dropped["capture_damaged"] == 1
        assert "ends in the middle of a record" in worker.stderr


@pytest.mark.parametrize(
    ("times_ms", "last_ms"),
    [
        ((0, 59_000, 100, 61_000), 59_000 + 60_900),
        ((0, 1000, 2 * DAY_MS, 2 * DAY_MS + 61_000), 1000 + 61_000),
    ],
    ids=["back", "two days on"],
)
def test_a_step_of_the_recorded_clock_is_no_time_that_passed(
    tmp_path: Path, times_ms: tuple[int, ...], last_ms: int
) -> None:
    path = tmp_path / "steps.pcap"
    path.write_bytes(pcap([(ms, radiotap(probe(PHONE))) for ms in times_ms]))
    with started("wifi", f"replay:{path}", options=SHORT, timeline_start_ms=START_MS) as worker:
        worker.until(lambda: worker.finished)
        assert ends_ms(worker) == [60_000, last_ms]
        assert frames(worker) == [3, 1]


def test_a_restarted_replay_skips_what_was_taken(morning: Path) -> None:
    configuration = wire.Configure(
        *("tested", f"replay:{morning}", SHORT, SALT, "boot0001"), START_MS, START_MS + WINDOW_MS
    )
    with running("wifi", configuration) as worker:
        worker.until(lambda: worker.finished)
        assert ends_ms(worker) == [61_000]


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
def test_without_a_proper_salt_nothing_is_counted(morning: Path, salt: bytes) -> None:
    configuration = wire.Configure("tested", f"replay:{morning}", {}, salt, "boot0001", 0)
    with running("wifi", configuration) as worker:
        assert worker.exit_code() == EXIT_DEVICE
        assert not worker.observations
        assert "salt" in worker.stderr


@pytest.mark.parametrize(
    ("device", "options", "words"),
    [
        ("wlan1,wlan2,wlan3,wlan4", {}, "4 radios"),
        ("wlan1, wlan1", {}, "twice"),
        ("wlan1,wlan2", {"channels": [6]}, "only 1 channels"),
        ("wlan1,", {}, "no interface name"),
        ("a-name-that-is-too-long", {}, "no interface name"),
    ],
)
def test_radios_and_channels_that_do_not_fit_are_refused(
    device: str, options: dict[str, object], words: str
) -> None:
    with started("wifi", device, options=options) as worker:
        worker.until(lambda: worker.trouble)
        assert worker.trouble
        assert words in worker.trouble.state
        assert worker.trouble.remedy
        assert worker.exit_code() == EXIT_DEVICE
