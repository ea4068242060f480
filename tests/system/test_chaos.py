"""Broker, platform and box are killed at random, again and again: nothing promised is lost.

The oracle stands outside of what is killed: the journal of promises, and the platform's log.
Repeat a failure with the seed that it prints: `STOREBOX_CHAOS_SEED=... pytest tests/system/...`.
"""

import asyncio
import os
import random
import subprocess
import sys
import time

import pytest

from edge.storage import journal
from sync.ingest.log import read_log
from sync.reference.judge import judge
from tests.system.chaos_box import BURST_MAX, DRAIN_S
from tests.system.sync_box import ROOT, PlatformProcess

DOWN_S_MAX = 1.0
BETWEEN_S = (0.1, 1.5)


class BoxProcess:
    """The box as a process: `start` and `kill` as often as wanted, `finish` once at the end."""

    def __init__(self, directory, port, rng):
        self._command = [sys.executable, "-m", "tests.system.chaos_box", str(directory), str(port)]
        self._rng = rng
        self._process = None

    def start(self):
        seed = str(self._rng.randrange(2**32))
        self._process = subprocess.Popen(
            [*self._command, seed], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout.readline() == "READY\n"

    def kill(self):
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            process.stdout.close()

    def finish(self):
        """Let it send what it has; its exit code."""
        self._process.terminate()
        code = self._process.wait(DRAIN_S + 10)
        self._process.stdout.close()
        self._process = None
        return code


@pytest.mark.parametrize(
    "duration_s", [5.0, pytest.param(45.0, marks=pytest.mark.slow)], ids=["short", "long"]
)
async def test_whatever_is_killed_each_promise_is_kept(mosquitto, tmp_path, duration_s):
    seed = int(os.environ.get("STOREBOX_CHAOS_SEED") or random.randrange(2**32))
    print(f"STOREBOX_CHAOS_SEED={seed}")
    rng = random.Random(seed)
    platform = PlatformProcess(tmp_path, mosquitto.port)
    box = BoxProcess(tmp_path, mosquitto.port, rng)
    parts = {"broker": mosquitto, "platform": platform, "box": box}
    kills = dict.fromkeys(parts, 0)
    platform.start()
    box.start()
    try:
        deadline_s = time.monotonic() + duration_s
        while time.monotonic() < deadline_s or not all(kills.values()):
            await asyncio.sleep(rng.uniform(*BETWEEN_S))
            name = rng.choice(sorted(parts))
            kills[name] += 1
            parts[name].kill()
            await asyncio.sleep(rng.uniform(0, DOWN_S_MAX))
            await asyncio.to_thread(parts[name].start)
        assert await asyncio.to_thread(box.finish) == 0, "everything is acknowledged at the end"
    finally:
        box.kill()
        platform.kill()
    verdict = judge(journal.read(tmp_path / "journal"), read_log(platform.log))
    print(kills, verdict)
    faults = (verdict.lost, verdict.duplicated, verdict.altered, verdict.disordered)
    assert faults == (0, 0, 0, 0), verdict
    assert verdict.created == verdict.acknowledged > 100
    # Killed between commit and promise, a box sends what nobody was told of: one burst at most.
    assert verdict.unpromised <= kills["box"] * BURST_MAX
