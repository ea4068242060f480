"""The border of a sensor's process, and its link: each end has a reason, each wait a beat."""

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.notify import ALIVE
from edge.records import CodeReading, Moment, TrackReading
from sensors import wire
from sensors.core_link import CoreLink
from sensors.worker import EXIT_DEVICE, EXIT_FAULT, connection
from tests.drivers.worker import SALT, Worker, configured, running, started

SECRET = "4111111111111111"
FAULTY = f"simulated:/nowhere/{SECRET}\0"
"""No path at all: Python raises a ValueError of its own, not an OSError."""
WAIT_S_MAX = 20.0


# --- how a worker ends


def sentences(worker: Worker) -> list[str]:
    return worker.stderr.splitlines()


def test_a_fault_ends_with_one_sentence_for_the_journal_and_for_the_core() -> None:
    with started("code", FAULTY) as worker:
        worker.until(lambda: worker.trouble)
        assert worker.trouble
        assert worker.trouble.state.startswith("A fault in the sensor")
        assert "ValueError" in worker.trouble.state
        assert "STOREBOX_TRACEBACK" in worker.trouble.remedy
        assert worker.exit_code() == EXIT_FAULT
        assert len(sentences(worker)) == 1
        assert "ValueError" in worker.stderr
        assert SECRET.encode() not in worker.received
        assert SECRET not in worker.stderr


def test_a_traceback_is_shown_to_who_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOREBOX_TRACEBACK", "1")
    with started("code", FAULTY) as worker:
        assert worker.exit_code() == EXIT_FAULT
        assert "Traceback" in worker.stderr
        assert "sensors/code.py" in worker.stderr


@pytest.mark.parametrize("options", [{"baud_rate": "fast"}, {"baud_rate": 1}])
def test_options_that_do_not_fit_are_told(options: dict[str, object]) -> None:
    with started("code", "/dev/null", options=options) as worker:
        worker.until(lambda: worker.trouble)
        assert worker.trouble
        assert "baud_rate" in worker.trouble.state
        assert worker.trouble.remedy.endswith(".")
        assert worker.exit_code() == EXIT_DEVICE
        assert len(sentences(worker)) == 1


def test_a_kind_that_does_not_exist_is_told() -> None:
    with started("toaster", "/dev/null") as worker:
        worker.until(lambda: worker.trouble)
        assert worker.trouble
        assert "toaster" in worker.trouble.state
        assert worker.exit_code() == EXIT_DEVICE


def test_a_core_that_breaks_the_protocol_is_told_so() -> None:
    with running("code", configured("simulated:/dev/null")) as worker:
        worker.until(lambda: worker.finished)
        worker._core.sendall(b"\xff" * 8)
        worker.until(lambda: worker.trouble)
        assert worker.exit_code() == EXIT_FAULT
        assert len(sentences(worker)) == 1


def test_a_reason_is_never_longer_than_the_core_takes() -> None:
    with started("code", "simulated:/" + "long/" * 400) as worker:
        worker.until(lambda: worker.trouble)
        assert worker.trouble
        assert len(worker.trouble.state) == wire.HEALTH_CHARACTERS_MAX
        assert worker.exit_code() == EXIT_DEVICE


# --- waiting for the core


def test_a_worker_that_waits_for_its_core_keeps_its_watchdog_fed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd,
        socket.socket(socket.AF_UNIX) as listener,
        socket.socket(socket.AF_UNIX) as core,
    ):
        systemd.bind(address)
        systemd.settimeout(WAIT_S_MAX)
        listener.bind("")
        listener.listen()
        accepted: list[socket.socket] = []
        fd = os.dup(listener.fileno())
        waiting = threading.Thread(target=lambda: accepted.append(connection(fd, beat_s=0.01)))
        waiting.start()
        try:
            assert [systemd.recv(100) for _ in range(3)] == [ALIVE.encode()] * 3
        finally:
            core.connect(listener.getsockname())
            waiting.join(WAIT_S_MAX)
        core.settimeout(WAIT_S_MAX)
        accepted[0].sendall(b"x")
        assert core.recv(1) == b"x"
        accepted[0].close()


# --- the link


@pytest.fixture
def ends() -> Iterator[tuple[CoreLink, socket.socket]]:
    """A link that is configured as live, and the core's end of it."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(WAIT_S_MAX)
        ours.sendall(wire.encode(wire.Configure("door", "live", {}, SALT, "boot-of-core")))
        yield CoreLink(theirs, "face", 1), ours


def heard(core: socket.socket, wanted: type) -> list[object]:
    """What came up of one type, until at least one did."""
    reader = wire.FrameReader(down=False)
    found: list[object] = []
    while not found:
        found = [one for one in reader.feed(core.recv(65536)) if isinstance(one, wanted)]
    return found


def test_a_live_moment_is_of_the_boot_that_the_core_names(
    ends: tuple[CoreLink, socket.socket],
) -> None:
    assert ends[0].moment(0).boot == "boot-of-core"
    assert ends[0].moment(0).wall_ms > 0


def test_leaves_are_counted_as_they_are_given(ends: tuple[CoreLink, socket.socket]) -> None:
    link, core = ends
    assert link.leave_number("embed") == 0
    for leave, number in (
        (wire.Leave("embed", 9.0), 1),
        (wire.Leave("other", 9.0), 1),
        (wire.Leave("embed", 0.0), 1),
        (wire.Leave("embed", 9.0), 2),
        (wire.Leave("embed", None), 3),
    ):
        core.sendall(wire.encode(leave))
        link.poll()
        assert link.leave_number("embed") == number


def test_a_leave_for_some_seconds_does_not_end_a_standing_one(
    ends: tuple[CoreLink, socket.socket],
) -> None:
    link, core = ends
    for leave, allowed in (
        (wire.Leave("embed", None), True),
        (wire.Leave("embed", 1e-6), True),
        (wire.Leave("embed", 0.0), False),
        (wire.Leave("embed", 1e-6), False),
    ):
        core.sendall(wire.encode(leave))
        link.poll()
        assert link.may("embed") is allowed


def test_a_quality_is_kept_within_its_bounds(ends: tuple[CoreLink, socket.socket]) -> None:
    link, core = ends
    for quality in (-0.5, 0.25, 1.5, float("nan")):
        link.observe(TrackReading(1), link.moment(0), quality)
    link.flush()
    (seen,) = heard(core, wire.Seen)
    assert isinstance(seen, wire.Seen)
    assert [one.quality for one in seen.observations] == [0.0, 0.25, 1.0, 0.0]


def test_many_of_the_longest_codes_still_fit_into_frames(
    ends: tuple[CoreLink, socket.socket],
) -> None:
    link, core = ends
    sending = threading.Thread(target=flood, args=(link, wire.OBSERVATIONS_PER_FRAME_MAX))
    sending.start()
    reader, count = wire.FrameReader(down=False), 0
    while count < wire.OBSERVATIONS_PER_FRAME_MAX:
        for message in reader.feed(core.recv(65536)):
            if isinstance(message, wire.Seen):
                count += len(message.observations)
    sending.join(WAIT_S_MAX)


def flood(link: CoreLink, count: int) -> None:
    seen: Moment = link.moment(0)
    for _ in range(count):
        link.observe(CodeReading("\U0001f45f" * 512), seen)
    link.flush()
