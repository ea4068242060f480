"""What every test may use, and what every test must leave behind: nothing.

Recordings and the broker are real. No fixture here replaces a part of storebox.
"""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.broker import Broker
from tests.contract.tap import TappedBroker
from tests.scenarios import shared_folder

ROOT = Path(__file__).resolve().parent.parent
LEAVE_S_MAX = 3.0
"""So long threads and child processes of a test may take to end after it."""
SHARED_HELPERS = (
    "multiprocessing.resource_tracker",
    "multiprocessing.forkserver",
    "-m tests.command",
)
"""Processes that Python itself, or `tests/command.py`, starts once and keeps."""

settings.register_profile("storebox", print_blob=True, deadline=None)
settings.load_profile("storebox")


@pytest.hookimpl(wrapper=True)
def pytest_cmdline_main() -> Iterator[None]:
    """One folder for the scenario, for this run and all its workers."""
    with shared_folder():
        return (yield)


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of recordings made at real devices; without it the test is skipped."""
    named = os.environ.get("STOREBOX_RECORDINGS")
    path = Path(named) if named else ROOT.parent / "shared" / "data"
    if not path.is_dir():
        pytest.skip(f"no recordings at {path}: name their folder in STOREBOX_RECORDINGS")
    return path.resolve()


@pytest.fixture(scope="session")
def models(recordings: Path) -> Path:
    """The folder of face models beside the recordings; without it the test is skipped."""
    path = recordings.parent / "models"
    if not path.is_dir():
        pytest.skip(f"no face models at {path}")
    return path


@pytest.fixture
def mosquitto(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Broker]:
    """A running broker on a loopback port; `stop()` and `start()` cut and mend the line.

    Whatever the product says there is held against `sync/contract/asyncapi.yaml` in the end.
    """
    directory = tmp_path / "broker"
    directory.mkdir()
    tapped = request.node.get_closest_marker("untapped") is None
    broker = TappedBroker(directory) if tapped else Broker(directory)
    broker.start()
    yield broker
    broker.stop()
    if isinstance(broker, TappedBroker):
        broker.verify()


@pytest.fixture(autouse=True)
def _nothing_left_behind() -> Iterator[None]:
    """Fail a test that leaves a thread or a child process running."""
    threads, children = set(threading.enumerate()), _children()
    yield
    deadline_s = time.monotonic() + LEAVE_S_MAX
    while left := _left_threads(threads) + _left_children(children):
        assert time.monotonic() < deadline_s, f"the test left behind: {', '.join(left)}"
        time.sleep(0.01)


def _left_threads(before: set[threading.Thread]) -> list[str]:
    """Threads that keep a process alive. asyncio's own pool ends with its loop, later than this."""
    new = [thread for thread in threading.enumerate() if thread not in before]
    return [f"thread {t.name}" for t in new if not t.daemon and not t.name.startswith("asyncio_")]


def _left_children(before: set[int]) -> list[str]:
    named = {pid: _command(pid) for pid in _children() - before}
    return [
        f"process {pid} ({command})"
        for pid, command in named.items()
        if not any(helper in command for helper in SHARED_HELPERS)
    ]


def _children() -> set[int]:
    """Our child processes, whichever thread started them (Linux)."""
    lists = Path("/proc/self/task").glob("*/children")
    return {int(pid) for each in lists for pid in _read(each).split()}


def _command(pid: int) -> str:
    return _read(Path(f"/proc/{pid}/cmdline")).replace("\0", " ").strip() or "ended, not waited for"


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""  # a thread or process that ended while we looked
