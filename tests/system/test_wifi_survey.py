"""`storebox wifi` over live monitor interfaces: with the daemon dead, and through a running one."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edge.control import ask
from edge.errors import NotReachable
from tests.conftest import ROOT
from tests.drivers.frames import ELEMENTS, probe, radiotap
from tests.drivers.tap import NAME, Tap
from tests.programs import until

PHONE, PRINTER = bytes.fromhex("daa119000007"), bytes.fromhex("3c0630aabbcc")
COMMAND_S_MAX = 90.0
FRAMES_PAUSE_S = 0.05
"""The pace of what is on the air; nothing is waited for by it."""


@pytest.fixture
def tap() -> Iterator[Tap]:
    with Tap() as made:
        made.inside(subprocess.run, ["ip", "link", "set", "lo", "up"])
        yield made


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "storebox.toml"
    path.write_text(
        f'[box]\ntenant = "chain"\nstore = "s"\nbox = "b"\n'
        f'[state]\ndirectory = "{tmp_path}/state"\ncontrol_socket = "{tmp_path}/control.sock"\n'
        f"[broker]\nport = 1\n[kiosk]\nport = 0\n"
        f'[sensors.radar]\nkind = "wifi"\ndevice = "{NAME}"\nrssi_gate_dbm = -65\n'
        f'fixed_equipment = ["{PRINTER.hex(":")}"]\n'
        f'[sensors.scanner]\nkind = "code"\ndevice = "/dev/none"\n'
    )
    return path


@contextmanager
def storebox(tap: Tap, path: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """The command, running in the namespace of the interface."""

    def spawn() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "edge.cli.main", *words, "-c", str(path)],
            cwd=ROOT,
            env={**os.environ, "COLUMNS": "120"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    process = tap.inside(spawn)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=20)


def finished(tap: Tap, process: subprocess.Popen[str], rssi_dbm: int = -50) -> tuple[str, str]:
    """What the command said, while a phone and a printer are on the air."""
    began_s, seq = time.monotonic(), 0
    while process.poll() is None:
        assert time.monotonic() - began_s < COMMAND_S_MAX
        tap.heard(radiotap(probe(PHONE, seq=seq & 4095, name=b"Secret Home"), rssi_dbm=rssi_dbm))
        tap.heard(radiotap(probe(PRINTER, seq=seq & 4095), rssi_dbm=-80))
        seq += 1
        time.sleep(FRAMES_PAUSE_S)
    assert process.stdout is not None
    assert process.stderr is not None
    return process.stdout.read(), process.stderr.read()


def assert_silent(*said: str) -> None:
    whole = "".join(said).lower()
    assert "traceback" not in whole
    for secret in (PHONE, PRINTER):
        for form in (secret.hex(), secret.hex(":"), secret.hex("-")):
            assert form not in whole
    assert "secret home" not in whole
    assert ELEMENTS.hex() not in whole


def phones(line: str) -> dict[bool, dict[str, Any]]:
    """A picture's phones by whether they are fixed equipment."""
    return {phone["fixed"]: phone for phone in json.loads(line)["phones"]}


def test_a_survey_with_the_daemon_dead(tap: Tap, path: Path) -> None:
    with storebox(tap, path, "wifi", "survey", "--seconds", "3", "--json") as command:
        out, err = finished(tap, command)
    assert command.returncode == 0, err
    assert "Starting the sensor alone." in err
    lines = out.splitlines()
    assert len(lines) in (3, 4, 5), "one document a second"
    last = phones(lines[-1])
    assert (last[False]["last_dbm"], last[False]["inside"], last[False]["randomised"]) == (
        *(-50, True),
        True,
    )
    assert (last[True]["inside"], last[True]["randomised"]) == (False, False)
    (air,) = json.loads(lines[-1])["airs"]
    assert (air["radio"], air["channel"], air["lost"]) == (NAME, 6, 0)
    assert_silent(out, err)
    assert tap.sent() == b""


def test_a_survey_in_words(tap: Tap, path: Path) -> None:
    with storebox(tap, path, "wifi", "survey", "radar", "--seconds", "2") as command:
        out, err = finished(tap, command)
    assert command.returncode == 0, err
    for words in ("gate -65 dBm", "frames/s", "private", "fixed", "-80 dBm", "█"):
        assert words in out
    assert "\x1b[" not in out, "no colour in a pipe"
    assert_silent(out, err)


def test_a_radar_is_tried_by_what_it_hears_and_not_by_its_counts(tap: Tap, path: Path) -> None:
    """A count takes a window of minutes."""
    words = ("sensors", "test", "radar", "--seconds", "3", "--json")
    with storebox(tap, path, *words) as command:
        out, err = finished(tap, command)
    assert command.returncode == 0, err
    assert json.loads(out)["observed"]["frames"] > 20
    assert_silent(out, err)
    with storebox(tap, path, *words) as command:
        out, _ = command.communicate(timeout=60)
    assert command.returncode == 1
    assert json.loads(out)["state"] == "listening, but it observed nothing"


def test_a_survey_of_a_running_daemon(tap: Tap, path: Path, tmp_path: Path) -> None:
    control = tmp_path / "control.sock"

    def ready() -> bool:
        try:
            return any(s["name"] == "radar" and s["ok"] for s in ask(control, "sensors"))
        except NotReachable:
            return False

    with storebox(tap, path, "run", "--dev") as daemon:
        until(ready, "the radar to listen", 60)
        with storebox(tap, path, "wifi", "survey", "radar", "--seconds", "3", "--json") as command:
            out, err = finished(tap, command)
        assert command.returncode == 0, err
        assert err == ""
        assert phones(out.splitlines()[-1])[False]["frames"] > 20
        assert ask(control, "survey", sensor="radar") is not None
        with storebox(tap, path, "sensors", "test", "radar", "--json") as command:
            tried, err = finished(tap, command)
        assert command.returncode == 0, err
        assert json.loads(tried)["observed"]["frames"] > 20
        daemon.terminate()
        said = daemon.communicate(timeout=30)
    assert_silent(out, *said)
    state = b"".join(
        each.read_bytes() for each in (tmp_path / "state").rglob("*") if each.is_file()
    )
    names = [phone["name"] for phone in phones(out.splitlines()[-1]).values()]
    assert not [name for name in (*names, PHONE.hex()) if name.encode() in state]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["survey", "scanner"], "There is no radar 'scanner'. Configured: radar."),
        (["calibrate", "nobody"], "There is no radar 'nobody'"),
    ],
)
def test_what_is_no_radar(tap: Tap, path: Path, words: list[str], said: str) -> None:
    with storebox(tap, path, "wifi", *words) as command:
        out, err = command.communicate(timeout=30)
    assert command.returncode == 2
    assert said in " ".join((out + err).replace("│", " ").split())


def test_a_radar_that_is_not_there(tap: Tap, path: Path) -> None:
    path.write_text(path.read_text().replace(f'device = "{NAME}"', 'device = "wlan7"'))
    with storebox(tap, path, "wifi", "survey", "--seconds", "2") as command:
        _, err = command.communicate(timeout=60)
    assert command.returncode == 1
    assert "There is no interface wlan7. Check the radio" in err


@pytest.mark.slow
def test_a_walk_along_the_border_proposes_a_gate(tap: Tap, path: Path) -> None:
    with storebox(tap, path, "wifi", "calibrate", "radar", "--seconds", "15") as command:
        out, err = finished(tap, command, rssi_dbm=-48)
    assert command.returncode == 0, err
    assert "Hold the phone at the radar" in err
    assert "[sensors.radar]\nrssi_gate_dbm = -48\nchannels = [1, 6, 11]" in out
    assert "gate -48 dBm" in out
    assert_silent(out, err)
