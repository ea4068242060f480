"""What every sensor must do, whatever it senses. Runs over all kinds that there are.

Each kind brings its devices in `rigs.py`; the worker is a real process, started both ways: with
a connection, as the core starts a child, and with a listening socket, as systemd does.
"""

import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from edge.records import Observation
from sensors.declaration import declared, kinds
from sensors.worker import EXIT_DEVICE
from tests.conftest import ROOT
from tests.drivers.gone import gone_once
from tests.drivers.rigs import RIGS, Rig
from tests.drivers.worker import END_S_MAX, Worker, configured, running, started

START_MS = 1_700_000_000_000
EVERY_KIND = pytest.mark.parametrize("kind", kinds())
BOTH_STARTS = pytest.mark.parametrize("activated", [False, True], ids=["child", "activated"])
NATIVE = ("cv2", "dlib", "face_recognition", "numpy", "pyrad", "scapy", "serial")


def rig_of(kind: str) -> Rig:
    assert kind in RIGS, f"the sensor '{kind}' has no rig: add one in tests/drivers/rigs.py"
    return RIGS[kind]


def told(worker: Worker) -> list[tuple[int, object]]:
    return [(one.seen.wall_ms, one.reading) for one in worker.observations]


@EVERY_KIND
def test_it_declares_itself(kind: str) -> None:
    sensor = declared(kind)
    assert sensor.kind == kind
    assert sensor.options(), "every option has a default"
    config = sensor.options.__struct_config__
    assert config.frozen


@EVERY_KIND
def test_reading_the_declaration_loads_no_library(kind: str) -> None:
    program = (
        f"import sys; from sensors.declaration import declared; declared({kind!r}); "
        f"print([name for name in {NATIVE!r} if name in sys.modules])"
    )
    words = [sys.executable, "-c", program]
    loaded = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert (loaded.stdout, loaded.stderr) == ("[]\n", "")


@EVERY_KIND
@BOTH_STARTS
def test_it_opens_reads_and_ends(kind: str, activated: bool, tmp_path: Path) -> None:
    rig = rig_of(kind)
    device = rig.good(tmp_path)
    with started(
        kind, device, options=rig.options, timeline_start_ms=START_MS, activated=activated
    ) as worker:
        worker.until(lambda: worker.at_end_of_time and worker.finished)
        assert worker.hello
        assert (worker.hello.kind, worker.hello.pid) == (kind, worker.pid)
        assert worker.observations
        assert {type(one).__name__ for one in worker.readings} <= rig.readings
        in_order(worker.observations)
        gone_once(worker.readings)
        assert worker.watermarks == sorted(worker.watermarks)
        worker.hang_up()
        assert worker.exit_code(END_S_MAX) == 0
        assert "Traceback" not in worker.stderr


def in_order(observations: list[Observation]) -> None:
    walls = [one.seen.wall_ms for one in observations]
    assert walls == sorted(walls)
    assert all(wall >= START_MS for wall in walls)
    assert all(one.seen.mono_ms == one.seen.wall_ms - START_MS for one in observations)
    assert all(one.sensor == "tested" and 0 <= one.quality <= 1 for one in observations)


@EVERY_KIND
def test_opened_again_it_reads_the_same(kind: str, tmp_path: Path) -> None:
    rig = rig_of(kind)
    device = rig.good(tmp_path)
    runs = []
    for _ in range(2):
        with started(kind, device, options=rig.options, timeline_start_ms=START_MS) as worker:
            worker.until(lambda w=worker: w.at_end_of_time)
            runs.append(told(worker))
    assert runs[0] == runs[1]


@EVERY_KIND
@BOTH_STARTS
def test_an_absent_device_gives_a_sentence(kind: str, activated: bool, tmp_path: Path) -> None:
    rig = rig_of(kind)
    configuration = replace(configured(rig.absent(tmp_path), rig.options), secret=rig.secret)
    with running(kind, configuration, activated=activated) as worker:
        worker.until(lambda: worker.trouble)
        assert worker.trouble
        assert worker.trouble.state.endswith(".")
        assert worker.trouble.remedy.endswith(".")
        if rig.waits:
            beats = len(worker.health)
            worker.until(lambda: len(worker.health) > beats)
        else:
            assert worker.exit_code() == EXIT_DEVICE
        assert "Traceback" not in worker.stderr
        assert not worker.observations


@EVERY_KIND
def test_garbage_is_refused_or_counted(kind: str, tmp_path: Path) -> None:
    rig = rig_of(kind)
    device = rig.garbage(tmp_path)
    with started(kind, device, options=rig.options, timeline_start_ms=START_MS) as worker:
        worker.until(lambda: worker.trouble or worker.dropped)
        if worker.trouble:
            assert worker.trouble.remedy
            assert worker.exit_code() == EXIT_DEVICE
        else:
            worker.until(lambda: worker.finished)
        assert "Traceback" not in worker.stderr
        assert not worker.observations


@EVERY_KIND
@BOTH_STARTS
def test_it_ends_with_the_core(kind: str, activated: bool, tmp_path: Path) -> None:
    rig = rig_of(kind)
    with started(kind, rig.good(tmp_path), options=rig.options, activated=activated) as worker:
        worker.until(lambda: worker.observations)
        worker.hang_up()
        assert worker.exit_code(END_S_MAX) == 0
        assert "Traceback" not in worker.stderr


@EVERY_KIND
def test_it_ends_with_a_core_that_never_listened(kind: str, tmp_path: Path) -> None:
    rig = rig_of(kind)
    device = rig.good(tmp_path)
    with started(kind, device, options=rig.options, timeline_start_ms=START_MS) as worker:
        worker.until_unread(b"finished")
        worker.hang_up()  # the kernel makes a reset of it, not an end
        assert worker.exit_code(END_S_MAX) == 0
        assert "Traceback" not in worker.stderr
