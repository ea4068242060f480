"""The parts of the chain as processes that can be killed, frozen and asked, for the fault matrix.

`Shop` is one box, one broker and one platform on loopback, and the seed of everything random:
repeat a failure with `STOREBOX_FAULT_SEED=...`, which each test prints. Only processes that a test
started are signalled, by their own pid.
"""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from edge.records import Stream
from tests.broker import Broker
from tests.system.chaos_box import Options
from tests.system.sync_box import ROOT, PlatformProcess

ANSWER_S_MAX = 60.0
END_S_MAX = 90.0


class Platform(PlatformProcess):
    """The reference platform, which can be frozen as well."""

    def freeze(self) -> None:
        """Stop it where it is, as a machine that swaps or a debugger would."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid


class FrozenBroker(Broker):
    """mosquitto, which can be frozen as well."""

    def reload(self) -> None:
        """Let it read its rights again."""
        self._process.send_signal(signal.SIGHUP)

    def freeze(self) -> None:
        """Stop it where it is: its port still accepts connections, and nobody answers."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)


class BoxProcess:
    """A chaos box as a process: `start` and `kill` as often as wanted, `finish` once at the end.

    Other `environment` variables and a `wrapper` command are for clocks and limits.
    """

    def __init__(self, directory: Path, port: int, rng: random.Random, **options: Any) -> None:
        self.options = Options(str(directory), port, 0, **options)
        self.environment: dict[str, str] = {}
        self.limits: Callable[[], None] | None = None
        """Run in the child before the program, for resource limits."""
        self.errors = directory / "box.log"
        self._rng = rng
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it, with another seed each time, and wait until database and link run."""
        options = msgspec.structs.replace(self.options, seed=self._rng.randrange(2**32))
        with self.errors.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.system.chaos_box", msgspec.json.encode(options)],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=os.environ | self.environment,
                preexec_fn=self.limits,
            )
        line = self._process.stdout.readline()
        assert line == "READY\n", self.errors.read_text()[-2000:]

    def kill(self) -> None:
        """End it as a power cut would, but for the disk."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()

    def freeze(self) -> None:
        """Stop it where it is."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    def ask(self, *words: object) -> Any:
        """Say one line to it; what it answers."""
        self._process.stdin.write(" ".join(map(str, words)) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, self.errors.read_text()[-2000:]
        return json.loads(line)

    def emit(self, stream: Stream, count: int = 1) -> int:
        """Let it produce one change; how many events it promised."""
        return int(self.ask("emit", stream.value, count))

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def rss_bytes(self) -> int:
        """Its resident memory now."""
        return _status_bytes(self.pid, "VmRSS")

    def peak_bytes(self) -> int:
        """The most that it was so far."""
        return peak_bytes(self.pid)

    def finish(self) -> int:
        """Let it send what it has; its exit code, 0 when the platform has everything."""
        process, self._process = self._process, None
        process.terminate()
        try:
            return process.wait(self.options.drain_s + END_S_MAX)
        finally:
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()


class Shop:
    """Box, broker and platform together. `box_port` leads a box through a faulty line."""

    def __init__(self, directory: Path, *, box_port: int | None = None, **options: Any) -> None:
        self.seed = int(os.environ.get("STOREBOX_FAULT_SEED") or random.randrange(2**32))
        print(f"STOREBOX_FAULT_SEED={self.seed}")
        self.rng = random.Random(self.seed)
        self.directory = directory
        (directory / "broker").mkdir()
        self.broker = FrozenBroker(directory / "broker", options.pop("broker", ANYBODY))
        self.broker.start()
        where = options.pop("platform_directory", directory)
        self.platform = Platform(where, self.broker.port)
        self.box = BoxProcess(directory, box_port or self.broker.port, self.rng, **options)

    @property
    def parts(self) -> dict[str, Any]:
        """By name."""
        return {"box": self.box, "broker": self.broker, "platform": self.platform}

    def __enter__(self) -> "Shop":
        return self

    def __exit__(self, *_: object) -> None:
        for part in self.parts.values():
            part.kill()


ANYBODY = "allow_anonymous true"


def peak_bytes(pid: int) -> int:
    """The most memory that a process had so far."""
    return _status_bytes(pid, "VmHWM")


def _status_bytes(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"process {pid} has no {name}")


async def wait_for(condition: Callable[[], object], what: str, timeout_s: float = 30.0) -> float:
    """Wait until `condition`, which may block for a moment, holds; how long it took."""
    began_s = time.monotonic()
    while not await asyncio.to_thread(condition):
        assert time.monotonic() - began_s < timeout_s, f"still not after {timeout_s:g} s: {what}"
        await asyncio.sleep(0.02)
    return time.monotonic() - began_s
