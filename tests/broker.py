"""A real MQTT broker for tests: Debian's mosquitto, on a loopback port of its own.

Used by the `mosquitto` fixture, and directly by tests that want another configuration. It can be
stopped and started again on the same port, which is how a test cuts the line. It keeps nothing.
"""

import getpass
import os
import random
import shutil
import socket
import subprocess
import time
from pathlib import Path

HOST = "127.0.0.1"
PORTS = range(20_000, 32_000)
"""Below the kernel's ephemeral ports, so that nobody's connection takes the port while stopped."""
WORKERS_MAX = 8
"""Each worker of pytest-xdist has its own ports, so that no other broker takes one either."""
TRIES_MAX = 20
START_S_MAX = 10.0
STOP_S_MAX = 10.0
PROGRAM = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")


class Broker:
    """mosquitto as a child process; `settings` are further lines of its configuration."""

    host = HOST

    def __init__(self, directory: Path, settings: str = "allow_anonymous true") -> None:
        self.port = 0
        self._settings = settings
        self._config = directory / "mosquitto.conf"
        self._log = directory / "mosquitto.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Listen: on a free port the first time, on the same one ever after."""
        assert self._process is None, "the broker runs already"
        if self.port:
            assert self._listens(self.port), self.log()
            return
        candidates = random.sample(_own_ports(), TRIES_MAX)
        self.port = next((port for port in candidates if self._listens(port)), 0)
        assert self.port, f"no port would do; the last try said:\n{self.log()}"

    def stop(self) -> None:
        """End it in order: clients are disconnected and the port is closed. Twice is once."""
        self._end(force=False)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(force=True)

    def log(self) -> str:
        """What it has said so far."""
        return self._log.read_text() if self._log.exists() else ""

    def _listens(self, port: int) -> bool:
        """Start on `port`; False (and nothing runs) when that did not work."""
        assert PROGRAM, "mosquitto is not installed: run `make setup`"
        if port != self.port and not _free(port):
            return False
        self._config.write_text(
            f"listener {port} {HOST}\npersistence false\nlog_dest stderr\n"
            f"user {getpass.getuser()}\n{self._settings}\n"
        )
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([PROGRAM, "-c", self._config], stderr=log)
        deadline_s = time.monotonic() + START_S_MAX
        while self._process.poll() is None and time.monotonic() < deadline_s:
            if not _free(port) and _accepts(port):
                return True
            time.sleep(0.01)  # between two looks at the port, not instead of one
        self._end(force=True)
        return False

    def _end(self, *, force: bool) -> None:
        if self._process is None:
            return
        process, self._process = self._process, None
        if force:
            process.kill()
        else:
            process.terminate()
        try:
            process.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _own_ports() -> range:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    return PORTS[int(worker) % WORKERS_MAX :: WORKERS_MAX]


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((HOST, port)) == 0
