"""Who may import whom: the contracts in pyproject.toml hold, and each of them can break.

What a static look cannot see (drivers are imported while observing) is seen in fresh processes.
"""

import importlib.util
import json
import pkgutil
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from sensors.declaration import kinds

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("edge", "sensors", "kiosk", "sync", "hardware")
NATIVE = {"cv2", "dlib", "face_recognition", "pyrad", "scapy", "serial"}


def lint_imports(tree: Path, *contract: str) -> subprocess.CompletedProcess[str]:
    """import-linter over the house in `tree`, as `make check` runs it."""
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [program, "--no-logo", "--no-cache", *contract],
        cwd=tree,
        env={"PYTHONPATH": str(tree), "PATH": ""},
        capture_output=True,
        text=True,
    )


def loaded_by(code: str) -> set[str]:
    """The top-level modules that a fresh process has loaded after `code`."""
    report = "import sys, json; print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
    run = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    return set(json.loads(run.stdout.splitlines()[-1]))


def test_the_contracts_hold():
    run = lint_imports(ROOT)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "0 broken" in run.stdout


def test_every_room_has_its_layer():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    (layers,) = [each["layers"] for each in contracts if each["id"] == "layers"]
    named = {part.strip(" ()") for layer in layers for part in layer.split("|")}
    rooms = {f"edge.{room.name}" for room in pkgutil.iter_modules([str(ROOT / "edge")])}
    assert rooms <= named
    assert set(PACKAGES) - {"edge"} <= named


@pytest.fixture(scope="module")
def a_copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The house copied, to be spoilt."""
    tree = tmp_path_factory.mktemp("house")
    shutil.copy(ROOT / "pyproject.toml", tree)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tree / package, ignore=shutil.ignore_patterns("__pyc*"))
    return tree


@pytest.mark.parametrize(
    ("contract", "module", "line"),
    [
        ("layers", "edge/records.py", "import edge.clock"),
        ("layers", "edge/storage/outbox.py", "import hardware"),
        ("sensors-stand-alone", "sensors/wire.py", "import edge.storage.database"),
        ("sensors-stand-alone", "sensors/scenario/__init__.py", "import edge.config"),
        ("native-libraries", "edge/config.py", "import cv2"),
        ("native-libraries", "kiosk/__init__.py", "from serial import Serial"),
        ("one-mqtt-client", "sync/__init__.py", "import paho.mqtt.client"),
        ("one-mqtt-client", "sensors/probe_lines.py", "import paho.mqtt.client"),
        ("two-users-of-sqlite", "edge/presence/__init__.py", "import sqlite3"),
        ("two-users-of-sqlite", "sync/__init__.py", "import sqlcipher3"),
    ],
)
def test_a_forbidden_import_breaks_its_contract(a_copy, contract, module, line):
    path = a_copy / module
    kept = path.read_text(encoding="utf-8")
    path.write_text(f"{kept}\n{line}\n", encoding="utf-8")
    try:
        run = lint_imports(a_copy, "--contract", contract)
    finally:
        path.write_text(kept, encoding="utf-8")
    assert run.returncode == 1, run.stdout + run.stderr
    assert "1 broken" in run.stdout


def test_the_core_loads_no_native_library():
    if importlib.util.find_spec("edge.daemon") is None:
        pytest.skip("edge.daemon is not written yet")
    assert not loaded_by("import edge.daemon, edge.config") & NATIVE


@pytest.mark.parametrize("kind", kinds())
def test_reading_a_declaration_loads_no_native_library(kind):
    code = f"from sensors.declaration import declared; assert declared({kind!r}).kind == {kind!r}"
    assert not loaded_by(code) & NATIVE


def test_the_look_into_a_process_sees_a_native_library():
    assert "serial" in loaded_by("import serial")
