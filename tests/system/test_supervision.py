"""Sensors as the core keeps them: killed, hung, unplugged and back, with the rest going on.

Real workers on ptys, the real supervisor and the real intake; only the core around them is absent.
"""

import asyncio
import os
import pty
import resource
import signal
import tty
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from edge.clock import SystemClock
from edge.intake import Intake
from edge.operation.sensors import started, supervise
from edge.records import CodeReading
from edge.sensor_spec import SensorSpec

WAIT_S = 30.0


class Scanner:
    """A pty that can be unplugged and plugged in again under the same name."""

    def __init__(self, name: Path) -> None:
        self.name = name
        self._master = -1

    def plug(self) -> None:
        self._master, slave = pty.openpty()
        tty.setraw(slave)
        self.name.unlink(missing_ok=True)
        self.name.symlink_to(os.ttyname(slave))
        os.set_blocking(slave, False)
        self._slave = slave

    def unplug(self) -> None:
        self.name.unlink(missing_ok=True)
        os.close(self._slave)
        os.close(self._master)

    def scan(self, text: str) -> None:
        os.write(self._master, text.encode() + b"\r")


@asynccontextmanager
async def supervised(*specs: SensorSpec) -> AsyncIterator[tuple[Intake, list[str]]]:
    """The intake, and the texts of all codes that came out of it."""
    intake = Intake(SystemClock(), list(specs))
    texts: list[str] = []

    async def gather() -> None:
        async for batch in intake.batches():
            texts.extend(
                f"{o.sensor}:{o.reading.text}" for o in batch if isinstance(o.reading, CodeReading)
            )

    reach = {spec.name: partial(started, spec.kind, spec.name, "") for spec in specs}
    tasks = [asyncio.create_task(supervise(s, reach[s.name], intake, seed=1)) for s in specs]
    tasks.append(asyncio.create_task(gather()))
    try:
        yield intake, texts
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not condition():
            await asyncio.sleep(0.02)


def spec(name: str, device: Path, silence_s: float = 15) -> SensorSpec:
    return SensorSpec(name, "code", str(device), {}, "", silence_s)


def worker_pids() -> list[int]:
    """The workers that are our children, oldest first."""
    lists = Path("/proc/self/task").glob("*/children")
    children = sorted(int(pid) for each in lists for pid in each.read_text().split())
    found = []
    for pid in children:
        with suppress(OSError):
            if b"sensors.worker" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return found


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSEGV])
async def test_a_killed_or_crashed_sensor_comes_back_and_the_other_goes_on(
    tmp_path: Path, how: signal.Signals, caplog: pytest.LogCaptureFixture
) -> None:
    """SIGSEGV is what a fault inside a native library looks like."""
    left, right = Scanner(tmp_path / "left"), Scanner(tmp_path / "right")
    left.plug()
    right.plug()
    async with supervised(spec("left", left.name), spec("right", right.name)) as (intake, texts):
        await until(lambda: all(status.ok for status in intake.statuses()))
        victim = worker_pids()[0]
        os.kill(victim, how)
        await until(lambda: sum(status.restarts for status in intake.statuses()) == 1)
        broken = next(s.name for s in intake.statuses() if s.restarts)
        assert f"The process of sensor {broken} ended" in caplog.text
        other = right if broken == "left" else left
        other.scan("while-the-other-is-down")
        await until(lambda: any("while-the-other-is-down" in text for text in texts))
        await until(lambda: all(status.ok for status in intake.statuses()))
        (left if broken == "left" else right).scan("back-again")
        await until(lambda: f"{broken}:back-again" in texts)
    left.unplug()
    right.unplug()


async def test_a_hung_sensor_is_noticed_and_replaced(tmp_path: Path) -> None:
    scanner = Scanner(tmp_path / "scanner")
    scanner.plug()
    async with supervised(spec("scanner", scanner.name, silence_s=4)) as (intake, texts):
        await until(lambda: intake.status("scanner").ok)
        hung = worker_pids()[0]
        os.kill(hung, signal.SIGSTOP)
        await until(lambda: intake.status("scanner").restarts == 1)
        await until(lambda: intake.status("scanner").ok)
        assert worker_pids() != [hung]
        scanner.scan("alive")
        await until(lambda: texts == ["scanner:alive"])
    scanner.unplug()


async def test_an_unplugged_scanner_says_so_and_works_when_it_is_back(tmp_path: Path) -> None:
    scanner = Scanner(tmp_path / "scanner")
    scanner.plug()
    async with supervised(spec("scanner", scanner.name)) as (intake, texts):
        await until(lambda: intake.status("scanner").ok)
        scanner.unplug()
        await until(lambda: intake.status("scanner").restarts >= 1)
        status = intake.status("scanner")
        assert not status.ok
        assert status.remedy
        scanner.plug()
        await until(lambda: intake.status("scanner").ok)
        scanner.scan("back")
        await until(lambda: texts == ["scanner:back"])
    scanner.unplug()


async def test_stopping_leaves_no_worker(tmp_path: Path) -> None:
    scanner = Scanner(tmp_path / "scanner")
    scanner.plug()
    before = worker_pids()
    async with supervised(spec("scanner", scanner.name)) as (intake, _):
        await until(lambda: intake.status("scanner").ok)
        assert len(worker_pids()) == len(before) + 1
    assert worker_pids() == before
    scanner.unplug()


@contextmanager
def no_descriptors_left() -> Iterator[None]:
    """Nothing more can be opened in this process, as on a box that leaks somewhere else."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(entry.name) for entry in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, hard))
    filling: list[int] = []
    try:
        with suppress(OSError):
            while True:
                filling.append(os.open("/dev/null", os.O_RDONLY))
        yield
    finally:
        for descriptor in filling:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_sensor_that_cannot_even_be_started_is_tried_again(tmp_path: Path) -> None:
    scanner = Scanner(tmp_path / "scanner")
    scanner.plug()
    async with supervised(spec("scanner", scanner.name)) as (intake, texts):
        await until(lambda: intake.status("scanner").ok)
        (victim,) = worker_pids()
        with no_descriptors_left():
            os.kill(victim, signal.SIGKILL)
            await until(lambda: intake.status("scanner").restarts >= 2)
        await until(lambda: intake.status("scanner").ok)
        scanner.scan("after all")
        await until(lambda: texts == ["scanner:after all"])
    scanner.unplug()
