"""The Wi-Fi sensor on live monitor interfaces, which are TAP devices: heard, surveyed, silent."""

import hashlib
import os
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from edge.errors import DeviceGone, DeviceNotFound, WrongDevice
from hardware.capture_file import records
from hardware.monitor import MonitorInterface
from sensors import wire
from sensors.radar.survey import Survey
from sensors.worker import EXIT_DEVICE
from tests.drivers.frames import ELEMENTS, probe, radiotap
from tests.drivers.tap import ETHERNET, NAME, Tap
from tests.drivers.worker import SALT, Worker, configured, running

PHONE, OTHER = bytes.fromhex("daa119000007"), bytes.fromhex("3c0630aabbcc")
SECOND = "mon1"
RATE_PER_S = 5_000
LEAVE_S = 300.0
PACE_S = 0.01
"""Frames are let through in portions of so long: a radio's interrupts are no more even."""


@pytest.fixture
def tap() -> Iterator[Tap]:
    with Tap() as made:
        yield made


@pytest.fixture
def two() -> Iterator[Tap]:
    with Tap(names=(NAME, SECOND)) as made:
        yield made


def listening(worker: Worker) -> bool:
    return any(one.state == "listening" for one in worker.health)


def surveyed(worker: Worker) -> Survey:
    """The next picture of the air, on leave that is given for a while."""
    shown = len(worker.surveys)
    worker.send(wire.Leave("survey", LEAVE_S))
    worker.until(lambda: len(worker.surveys) > shown)
    return worker.surveys[-1]


def heard_frames(worker: Worker) -> int:
    return sum(air.frames for air in worker.surveys[-1].airs) if worker.surveys else 0


def spellings(secret: bytes) -> list[bytes]:
    return [secret, secret.hex().encode(), secret.hex(":").encode(), secret.hex("-").encode()]


def assert_silent_about(worker: Worker, *secrets: bytes) -> None:
    said = (bytes(worker.received) + worker.stderr.encode()).lower()
    for secret in secrets:
        for form in spellings(secret):
            assert form not in said


def test_a_live_interface_is_heard_and_never_written_to(tap: Tap) -> None:
    beacon = radiotap(b"\x80" + probe(OTHER)[1:])
    with running("wifi", configured(NAME), within=tap.thread) as worker:
        worker.until(lambda: listening(worker))
        surveyed(worker)
        for seq in range(500):
            tap.heard(radiotap(probe(PHONE, seq=seq, name=b"Secret Home"), rssi_dbm=-33))
            tap.heard(beacon)
        tap.heard(radiotap(probe(PHONE)[:-1]))
        worker.until(lambda: heard_frames(worker) == 500 and worker.dropped)
        picture = worker.surveys[-1]
        (phone,) = picture.phones
        assert (phone.frames, phone.last_dbm, phone.randomised, phone.inside) == (
            500,
            -33,
            True,
            True,
        )
        assert [(air.radio, air.channel) for air in picture.airs] == [(NAME, 6)]
        assert worker.dropped == {"elements_malformed": 1}
        worker.hang_up()
        assert worker.exit_code(timeout_s=2) == 0
        assert tap.sent() == b""
        hashes = [hashlib.blake2b(PHONE, digest_size=8, key=SALT).digest()]
        assert_silent_about(worker, PHONE, b"secret home", ELEMENTS, *hashes)


def test_without_leave_nothing_is_shown(tap: Tap) -> None:
    with running("wifi", configured(NAME), within=tap.thread) as worker:
        worker.until(lambda: listening(worker))
        tap.heard(radiotap(probe(PHONE)))
        beats = len(worker.health)
        worker.until(lambda: len(worker.health) > beats + 1)  # two heartbeats take four seconds
        assert worker.surveys == []
        surveyed(worker)
        worker.send(wire.Leave("survey", 0))
        beats = len(worker.health)
        worker.until(lambda: len(worker.health) > beats)
        shown = len(worker.surveys)
        worker.until(lambda: len(worker.health) > beats + 1)
        assert len(worker.surveys) == shown


def test_each_survey_names_phones_anew(tap: Tap) -> None:
    names = []
    with running("wifi", configured(NAME), within=tap.thread) as worker:
        worker.until(lambda: listening(worker))
        for _ in range(2):
            surveyed(worker)
            for source in (PHONE, OTHER):
                tap.heard(radiotap(probe(source)))
            worker.until(lambda: worker.surveys and len(worker.surveys[-1].phones) == 2)
            names.append({phone.name for phone in worker.surveys[-1].phones})
            worker.surveys.clear()
            worker.send(wire.Leave("survey", 0))
            beats = len(worker.health)
            worker.until(lambda: len(worker.health) > beats)  # noqa: B023 - used at once
            worker.surveys.clear()
    assert all(len(name) == 4 for name in names[0] | names[1])
    assert not names[0] & names[1]


def test_two_radios_feed_one_radar(two: Tap) -> None:
    options = {"fixed_equipment": ["3c:06:30:aa:bb:cc"]}
    with running("wifi", configured(f"{NAME},{SECOND}", options), within=two.thread) as worker:
        worker.until(lambda: listening(worker))
        surveyed(worker)
        two.heard(radiotap(probe(PHONE, seq=1), rssi_dbm=-70))
        two.heard(radiotap(probe(PHONE, seq=1), rssi_dbm=-60), SECOND)
        two.heard(radiotap(probe(OTHER, seq=1)), SECOND)
        worker.until(lambda: heard_frames(worker) == 3 and worker.dropped)
        picture = worker.surveys[-1]
        assert {(air.radio, air.frames) for air in picture.airs} == {(NAME, 1), (SECOND, 2)}
        by_fixed = {phone.fixed: phone for phone in picture.phones}
        assert (by_fixed[False].frames, by_fixed[False].strongest_dbm) == (2, -60)
        assert worker.dropped == {"fixed": 1}


def test_one_radio_that_vanishes_does_not_end_the_other(two: Tap) -> None:
    with running("wifi", configured(f"{NAME},{SECOND}"), within=two.thread) as worker:
        worker.until(lambda: listening(worker))
        two.unplug(SECOND)
        worker.until(lambda: worker.trouble)
        assert worker.trouble
        assert SECOND in worker.trouble.state
        surveyed(worker)
        two.heard(radiotap(probe(PHONE)))
        worker.until(lambda: heard_frames(worker) == 1)
        two.plug(SECOND)
        worker.until(lambda: not worker.trouble)
        surveyed(worker)
        two.heard(radiotap(probe(PHONE)), SECOND)
        worker.until(lambda: any(air.radio == SECOND for air in worker.surveys[-1].airs))
        two.unplug(SECOND)
        two.unplug(NAME)
        assert worker.exit_code() == EXIT_DEVICE


def test_a_channel_that_cannot_be_set_is_told_and_the_radio_heard_all_the_same(two: Tap) -> None:
    """A TAP has no channels, so the kernel refuses; a real radio refuses likewise."""
    options = {"channels": [1, 6, 11], "hop_ms": 100}
    with running("wifi", configured(f"{NAME},{SECOND}", options), within=two.thread) as worker:
        worker.until(lambda: worker.trouble)
        assert worker.trouble
        assert f"The radio {NAME} cannot be set (channel 1)" in worker.trouble.state
        assert worker.trouble.remedy
        surveyed(worker)
        two.heard(radiotap(probe(PHONE)))
        worker.until(lambda: heard_frames(worker) == 1)


def test_a_silent_radio_is_restarted_and_told_when_that_does_not_help(tap: Tap) -> None:
    beacon = radiotap(b"\x80" + probe(OTHER)[1:])
    options = {"silence_restart_s": 1}
    with running("wifi", configured(NAME, options), within=tap.thread) as worker:
        worker.until(lambda: listening(worker))
        before = tap.switched()
        worker.until(lambda: worker.dropped["radio_restarted"] >= 1 or worker.trouble)
        assert tap.switched()[len(before) :][:2] == [False, True]
        worker.until(lambda: worker.trouble)
        assert worker.trouble
        assert f"The radio {NAME} hears nothing, though it was restarted 2 times." == (
            worker.trouble.state
        )
        assert "out and in again" in worker.trouble.remedy

        def well() -> bool:  # beacons do not pass the filter, and are heard all the same
            tap.heard(beacon)
            return not worker.trouble

        worker.until(well)
        assert tap.sent() == b""


def test_a_radio_that_hears_only_beacons_is_not_restarted(tap: Tap) -> None:
    beacon = radiotap(b"\x80" + probe(OTHER)[1:])
    with running("wifi", configured(NAME, {"silence_restart_s": 3}), within=tap.thread) as worker:
        worker.until(lambda: listening(worker))
        before = tap.switched()
        deadline_s = time.monotonic() + 7

        def long_enough() -> bool:
            tap.heard(beacon)
            return time.monotonic() > deadline_s

        worker.until(long_enough)
        assert tap.switched() == before
        assert not worker.trouble
        assert "radio_restarted" not in worker.dropped


def test_the_kernel_keeps_other_frames_away(tap: Tap) -> None:
    with tap.inside(MonitorInterface, NAME) as monitor:
        wanted = radiotap(probe(PHONE))
        for first in (0x80, 0x50, 0xB0, 0x08, 0x88):  # beacon, answer, authentication, data
            tap.heard(radiotap(bytes((first,)) + probe(OTHER)[1:]))
            tap.heard(wanted)
        assert list(iter(monitor.frame, None)) == [wanted] * 5
        assert tap.inside(monitor.received) >= 10


def test_an_interface_that_vanishes_is_gone(tap: Tap) -> None:
    with running("wifi", configured(NAME), within=tap.thread) as worker:
        worker.until(lambda: listening(worker))
        surveyed(worker)
        tap.heard(radiotap(probe(PHONE)))
        worker.until(lambda: heard_frames(worker) == 1)
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


def test_what_is_lost_reaches_the_core(tap: Tap) -> None:
    """A worker that is held up for a moment loses frames, and says how many."""
    burst = 60_000
    with running("wifi", configured(NAME), within=tap.thread) as worker:
        worker.until(lambda: listening(worker))
        surveyed(worker)
        with worker.held():
            for _ in range(burst):
                tap.heard(radiotap(probe(PHONE)))
        worker.until(lambda: heard_frames(worker) + worker.dropped["kernel_full"] == burst)
        assert worker.dropped["kernel_full"] > 0
        worker.until(lambda: worker.surveys[-1].airs[0].lost == worker.dropped["kernel_full"])


@pytest.mark.alone
@pytest.mark.parametrize("seconds", [5, pytest.param(60, marks=pytest.mark.slow)])
def test_nothing_is_lost_at_five_thousand_frames_a_second(tap: Tap, seconds: int) -> None:
    frames = [
        radiotap(probe(bytes((0xDA, 0xA1, 0x19, 0, number // 256, number % 256)), seq=number))
        for number in range(1000)
    ]
    total = RATE_PER_S * seconds
    with running("wifi", configured(NAME), within=tap.thread) as worker:
        worker.until(lambda: listening(worker))
        surveyed(worker)
        began_s, sent = time.monotonic(), 0
        while sent < total:
            worker.take_for(PACE_S)
            due = min(total, int((time.monotonic() - began_s) * RATE_PER_S))
            for number in range(sent, due):
                tap.heard(frames[number % len(frames)])
            sent = due
        worker.until(lambda: heard_frames(worker) == total)
        assert worker.dropped == {}
        assert all(air.lost == 0 for air in worker.surveys[-1].airs)


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
    mark = bytes.fromhex("02" + os.urandom(5).hex())
    with running("wifi", configured(NAME), within=tap.thread) as worker:
        worker.until(lambda: listening(worker))
        surveyed(worker)
        for number, frame in enumerate(whole):
            for cut in range(40, len(frame), 7):
                tap.heard(frame[:cut])
            tap.heard(radiotap(probe(mark, seq=number), rssi_dbm=-1))
        worker.until(lambda: worker.dropped and marked(worker) == len(whole))
        assert "Traceback" not in worker.stderr


def marked(worker: Worker) -> int:
    return sum(phone.frames for phone in worker.surveys[-1].phones if phone.strongest_dbm == -1)
