"""scripts/setup.py where it can fail, in small trees of its own, with the network out of reach."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("edge", "sensors", "kiosk", "sync", "hardware")
PIP_OFFLINE = {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": ""}
UNKNOWN_PACKAGE = f"no-such-package-anywhere==1.0 --hash=sha256:{'0' * 64}\n"


def setup(tree: Path, level: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, tree / "scripts" / "setup.py", "--for", level],
        env={**os.environ, **PIP_OFFLINE},
        capture_output=True,
        text=True,
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with the script and a lock that cannot be satisfied."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "setup.py", tmp_path / "scripts")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "requirements.lock").write_text(UNKNOWN_PACKAGE)
    return tmp_path


def test_what_cannot_be_had_is_said_in_a_sentence(tree):
    run = setup(tree, "demo")
    assert run.returncode == 1
    assert "no-such-package-anywhere" in run.stderr  # pip's last words
    last = run.stderr.splitlines()[-1]
    assert last.startswith("setup: Installing requirements.lock failed")
    assert "build/setup.log" in last
    assert "Traceback" not in run.stderr
    assert (tree / "build" / "setup.log").stat().st_size
    assert not (tree / ".venv" / "storebox-setup.json").exists()  # the next run tries again


def test_an_old_python_is_told_so(tree):
    script = tree / "scripts" / "setup.py"
    text = script.read_text(encoding="utf-8")
    script.write_text(text.replace("PYTHON_MIN = (3, 11)", "PYTHON_MIN = (3, 99)"))
    run = setup(tree, "demo")
    assert run.returncode == 1
    assert "storebox needs Python 3.99 or newer" in run.stderr
    assert not (tree / ".venv").exists()


def test_a_second_run_does_nothing():
    stamp = ROOT / ".venv" / "storebox-setup.json"
    if (ROOT / ".venv").is_symlink():
        pytest.skip("this .venv is another tree's, and would be set up for this one")
    if not stamp.exists():
        pytest.skip("this .venv was not made by scripts/setup.py")
    before = stamp.stat().st_mtime_ns
    run = setup(ROOT, "demo")
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[-1].endswith(".venv is up to date")
    assert len(run.stdout.splitlines()) == 1
    assert stamp.stat().st_mtime_ns == before


def test_the_wheel_holds_every_file_of_the_five_packages(tmp_path):
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    packed = {each for each in zipfile.ZipFile(wheel).namelist() if each.startswith(PACKAGES)}
    ours = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert packed == ours


def test_an_npm_package_that_is_not_the_known_one_is_not_used(tree):
    """npm is played by a program that brings another archive, as a forged registry would."""
    npm = tree / "bin" / "npm"
    npm.parent.mkdir()
    npm.write_text('#!/bin/sh\necho forged > "$5/asyncapi-specs-6.11.1.tgz"\n')
    npm.chmod(0o755)
    code = "import setup; setup.LOG.parent.mkdir(); setup.fetch_asyncapi_schema()"
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tree / "scripts",
        env={**os.environ, "PATH": f"{npm.parent}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 1
    assert "is not the @asyncapi/specs@" in run.stderr
    assert not (tree / ".venv" / "asyncapi").exists()
