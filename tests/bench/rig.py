"""Broker, platform, line and box as processes for the benchmark's parts of the area "sync".

The parts (`drain`, `slow`, `memory`, `rivals`) start them here and read what they cost from /proc.
Nothing here decides what a figure means.
"""

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sync.ingest.log import follow_log
from tests.broker import Broker
from tests.conftest import ROOT
from tests.system.sync_box import PlatformProcess

TICKS_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Site:
    """Where the processes are: the broker's port, and the platform's log."""

    directory: Path
    port: int
    log: Path
    broker: Broker
    platform_pid: int

    def cpu_s(self) -> dict[str, float]:
        """CPU seconds of broker and platform so far."""
        broker_pid = _pid_of(self.directory / "mosquitto.conf")
        return {"platform": _cpu_s(self.platform_pid), "broker": _cpu_s(broker_pid)}

    def restart_broker(self) -> None:
        """As after a power cut; it keeps nothing."""
        self.broker.kill()
        self.broker.start()


@contextmanager
def folder() -> Iterator[Path]:
    """A directory of the benchmark's own, on the disk where the box's state would be."""
    with tempfile.TemporaryDirectory(prefix="storebox-bench-") as directory:
        yield Path(directory)


@asynccontextmanager
async def site(directory: Path) -> AsyncIterator[Site]:
    """mosquitto and the reference platform, ready."""
    here = Path(tempfile.mkdtemp(prefix="site-", dir=directory))
    broker = Broker(here)
    broker.start()
    try:
        before = _children()
        with PlatformProcess(here, broker.port) as platform:
            (pid,) = _children() - before
            await platform.connected()
            yield Site(here, broker.port, platform.log, broker, pid)
    finally:
        broker.stop()


async def box(what: str, directory: Path, *flags: str, **options: float) -> dict[str, Any]:
    """Run `tests/bench/box.py`; what it measured."""
    words = [what, str(directory), *(f"--{flag}" for flag in flags)]
    for name, value in options.items():
        words += [f"--{name.replace('_', '-')}", str(value)]
    return await program("tests.bench.box", *words)


async def program(module: str, *words: str) -> dict[str, Any]:
    """Run `python -m module words`; the last line that it prints is JSON."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *words, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    try:
        said, _ = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    assert process.returncode == 0, f"{module} {' '.join(words)} ended with {process.returncode}"
    result: dict[str, Any] = json.loads(said.splitlines()[-1])
    return result


def check_log(path: Path, expected: int) -> None:
    """The platform has each event once, in order, without a hole; else the figure is worthless."""
    last: dict[str, int] = {}
    count = 0
    for received in follow_log(path):
        key = f"{received.epoch}-{received.stream}"
        assert received.seq == last.get(key, 0) + 1, f"{received.id} after {last.get(key)}"
        last[key] = received.seq
        count += 1
    assert count >= expected, f"the platform has {count} of {expected} events"


def entry(
    name: str, value: float, unit: str, goal: float | None = None, *, baseline: float | None = None
) -> dict[str, Any]:
    """One figure; without a baseline its goal is an upper limit."""
    return {
        "name": name,
        "value": _rounded(value),
        "unit": unit,
        "baseline": None if baseline is None else _rounded(baseline),
        "ratio": None if not baseline else _rounded(value / baseline),
        "goal": goal,
        "met": None if goal is None else value <= goal,
    }


def quantile(values: list[float], share: float) -> float:
    """The smallest value that `share` of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _rounded(value: float) -> float:
    return round(value) if abs(value) >= 1000 else round(value, 2)


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICKS_S


def _children() -> set[int]:
    lists = Path("/proc/self/task").glob("*/children")
    return {int(child) for each in lists for child in each.read_text().split()}


def _pid_of(argument: Path) -> int:
    for pid in _children():
        if str(argument) in Path(f"/proc/{pid}/cmdline").read_text():
            return pid
    raise LookupError(f"no child of ours was started with {argument}")
