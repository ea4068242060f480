"""The demo's own proof, and that it would notice: a platform that loses, one that doubles, and a
box that takes anybody for a member each end it with exit 1.
"""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edge.face_models import DLIB
from sensors.scenario.story import PlaceOrder, Story, load
from tests.conftest import ROOT
from tests.scenarios import built

WINDOW_MS = 600_000
"""A radar counts for ten minutes."""
DEMO_S_MAX = 110.0
PLATFORM = f"{sys.executable} -m sync.reference.main --ingest tests.system.erring_ingest"


@pytest.fixture
def story() -> Story:
    return load(built())


def command(cache: Path, *options: str) -> tuple[list[str], dict[str, str]]:
    """The demo with the scenario that all tests share; command and environment."""
    (cache / "storebox").mkdir()
    (cache / "storebox" / "scenario-7").symlink_to(built())
    words = [sys.executable, "-m", "edge.cli.main", "demo", *options]
    return words, {"PATH": "/usr/bin:/bin", "HOME": str(cache), "XDG_CACHE_HOME": str(cache)}


def demo(cache: Path, *options: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, result and what the spectator saw."""
    words, environment = command(cache, "--exit", "--json", *options)
    done = subprocess.run(
        words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=DEMO_S_MAX
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout), done.stderr


def test_a_morning_with_the_line_cut_keeps_every_promise(tmp_path: Path, story: Story) -> None:
    report = tmp_path / "heard.json"
    tapped = f"{sys.executable} -m tests.contract.tapped_platform {report}"
    code, result, said = demo(tmp_path, "--platform", tapped)
    assert code == 0, said
    heard = json.loads(report.read_text())
    assert heard["breaches"] == [], heard["breaches"][:3]
    assert {"batches batch", "hello hello", "presence presence", "acks ack"} <= set(heard["seen"])
    events = result["events"]
    assert events["created"] == events["acknowledged"] > 0
    assert (events["lost"], events["duplicated"], result["false_recognitions"]) == (0, 0, 0)
    by_card = {act.member for act in story.acts if isinstance(act, PlaceOrder) and act.member}
    by_face = {visit.member for visit in story.visits if visit.by_face}
    assert result["members_recognised"] == len(by_card | by_face)
    assert result["orders_placed"] == sum(isinstance(act, PlaceOrder) for act in story.acts)
    # everybody at the door, and the one whom only her card may name once more at the scanner
    assert result["visits_opened"] == len(story.visits) + len(by_card - by_face)
    assert result["observations"]["radar"] == (story.end_ms - story.start_ms) // WINDOW_MS
    assert result["observations"]["door"] >= 3 * len(story.visits)
    assert result["observations"]["scanner"] > 0
    assert "THE LINE IS CUT" in said
    assert "not recognised" not in said
    assert said.count("Europe/Moscow") == 1
    assert "\n09:30:00  THE LINE IS CUT" in said, "the time is that of the shop"


def test_a_lost_row_is_noticed(tmp_path: Path) -> None:
    code, result, said = demo(tmp_path, "--platform", f"{PLATFORM}:Losing")
    assert (code, result["events"]["duplicated"]) == (1, 0)
    assert result["events"]["lost"] > 0
    assert "The last words of the daemon:" in said


def test_a_doubled_batch_is_noticed(tmp_path: Path) -> None:
    code, result, _ = demo(tmp_path, "--platform", f"{PLATFORM}:Doubling")
    assert (code, result["events"]["lost"]) == (1, 0)
    assert result["events"]["duplicated"] > 0


def test_an_open_threshold_is_noticed(tmp_path: Path) -> None:
    table = tmp_path / "open.json"
    cell = {"photos": 3, "frames": 3, "start": -2.0, "base": 40.0, "slope": 1e4, "bend": 0.0}
    cells = [cell | {"shift": 0.0, "pairs": 1}]  # whoever is nearest is sure to be meant
    open_table = {"version": 1, "model": DLIB, "cohort": "", "cells": cells}
    table.write_text(json.dumps(open_table))
    overlay = tmp_path / "open.toml"
    overlay.write_text(f'[recognition]\ncalibration = "{table}"\n')
    code, result, said = demo(tmp_path, "--with", str(overlay))
    assert code == 1
    assert result["false_recognitions"] > 0
    assert "FALSE RECOGNITION" in said
    assert result["events"]["lost"] == 0


def test_a_demo_that_fails_shows_what_the_box_said_last(tmp_path: Path) -> None:
    overlay = tmp_path / "screen.toml"
    overlay.write_text('[kiosk]\nscreens = ["other"]\n[sensors.scanner]\nscreen = "other"\n')
    code, said = failed(tmp_path, "--with", str(overlay))
    assert code != 0
    assert "The kiosk answered 404." in said
    assert "The last words of the daemon:" in said
    assert "The last words of the platform:" in said
    assert "log." not in said.splitlines()[-1], "it is gone with the demo"


def test_a_directory_with_something_in_it_is_refused(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "precious").write_text("mine")
    code, said = failed(tmp_path, "--keep", str(kept))
    assert code == 1
    assert said.startswith(f"storebox: The directory {kept} is not empty.")
    assert [file.name for file in kept.iterdir()] == ["precious"]


def failed(cache: Path, *options: str) -> tuple[int, str]:
    """A demo without a result: its exit code and what the spectator saw."""
    words, environment = command(cache, "--exit", "--json", *options)
    done = subprocess.run(
        words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=DEMO_S_MAX
    )
    assert not done.stdout
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


def test_it_stays_until_it_is_stopped(tmp_path: Path) -> None:
    words, environment = command(tmp_path)
    # Whoever runs us in the background may have us ignore Ctrl-C, and children inherit that.
    words = ["env", "--default-signal=INT", *words]
    with subprocess.Popen(words, cwd=ROOT, env=environment, stderr=subprocess.PIPE) as shown:
        assert shown.stderr is not None
        lines = iter(shown.stderr.readline, b"")
        said = [next(line for line in lines if b"Kiosk:" in line)]
        said += [next(line for line in lines if b"somebody comes in" in line)]
        shown.send_signal(signal.SIGINT)
        rest = shown.stderr.read()
    assert shown.returncode == 0, rest
    assert b"The demo has ended." in rest
    assert b"Traceback" not in rest
