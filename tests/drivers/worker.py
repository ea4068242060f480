"""A sensor's worker as a real process, and the core's side of its socket, for tests.

    with started("wifi", f"replay:{path}", timeline_start_ms=0) as worker:
        worker.until(lambda: worker.finished)
        assert worker.observations

Everything the worker sent is kept, decoded and raw. Leaving the block hangs up and takes the
process away.
"""

import os
import select
import signal
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from functools import partial
from typing import Any

from edge.clock import END_OF_TIME_MS
from edge.records import Observation
from sensors import wire
from sensors.radar.survey import Survey
from tests.conftest import ROOT

SALT = bytes(range(32))
CORE_FD, STDERR_FD = 3, 2
REPLY_S_MAX = 20.0
"""Loading scapy or OpenCV on a busy machine takes seconds."""
END_S_MAX = 2.0
"""So soon a worker ends after the core hung up."""
UNREAD_BYTES, PEEK_S = 1024 * 1024, 0.02


class Worker:
    """One running worker. `within` is a one-thread executor in whose namespaces it starts."""

    def __init__(
        self,
        kind: str,
        configuration: wire.Configure,
        *,
        activated: bool = False,
        within: Executor | None = None,
    ) -> None:
        self.observations: list[Observation] = []
        self.health: list[wire.Health] = []
        self.dropped: Counter[str] = Counter()
        self.watermarks: list[int] = []
        self.surveys: list[Survey] = []
        self.hello: wire.Hello | None = None
        self.received = bytearray()
        self.hung_up = False
        self._reader = wire.FrameReader(down=False)
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in end()
        self._exit_code: int | None = None
        self._core, theirs = _listening() if activated else socket.socketpair()
        spawn = partial(_spawned, kind, theirs.fileno(), self._errors.fileno())
        self.pid: int = within.submit(spawn).result() if within else spawn()
        self._process = os.pidfd_open(self.pid)
        if activated:
            self._core.connect(theirs.getsockname())
        theirs.close()
        self.send(configuration)

    # --- down

    def send(self, message: wire.Down) -> None:
        """Say something as the core."""
        self._core.sendall(wire.encode(message))

    def hang_up(self) -> None:
        """Close the core's end."""
        self.hung_up = True
        self._core.close()

    # --- up

    def until(self, wanted: Callable[[], Any], timeout_s: float = REPLY_S_MAX) -> None:
        """Take what the worker says until `wanted()` holds; fail if it ends or takes too long."""
        deadline_s = time.monotonic() + timeout_s
        while not wanted():
            left_s = deadline_s - time.monotonic()
            assert left_s > 0, f"not within {timeout_s} s; {self._story()}"
            if select.select([self._core], [], [], left_s)[0]:
                chunk = self._core.recv(65536)
                assert chunk, f"the worker hung up; {self._story()}"
                self._take(chunk)

    def take_for(self, seconds: float) -> None:
        """Take what the worker says within so long."""
        deadline_s = time.monotonic() + seconds
        while (left_s := deadline_s - time.monotonic()) > 0:
            if select.select([self._core], [], [], left_s)[0]:
                chunk = self._core.recv(65536)
                assert chunk, f"the worker hung up; {self._story()}"
                self._take(chunk)

    @contextmanager
    def held(self) -> Iterator[None]:
        """The worker gets no time meanwhile."""
        signal.pidfd_send_signal(self._process, signal.SIGSTOP)
        try:
            yield
        finally:
            signal.pidfd_send_signal(self._process, signal.SIGCONT)

    def until_unread(self, words: bytes) -> None:
        """Wait until the worker has said `words`, and leave all it said unread."""
        deadline_s = time.monotonic() + REPLY_S_MAX
        while words not in self._core.recv(UNREAD_BYTES, socket.MSG_PEEK):
            assert time.monotonic() < deadline_s, f"not within {REPLY_S_MAX} s; {self._story()}"
            select.select([self._process], [], [], PEEK_S)

    @property
    def readings(self) -> list[Any]:
        """What was read, without when and where."""
        return [observation.reading for observation in self.observations]

    @property
    def finished(self) -> bool:
        """Whether a recording is at its end."""
        return any(health.state == "finished" for health in self.health)

    @property
    def at_end_of_time(self) -> bool:
        """Whether the worker promised that nothing will follow."""
        return END_OF_TIME_MS in self.watermarks

    @property
    def trouble(self) -> wire.Health | None:
        """The latest report that something is wrong, if that is how it stands."""
        return self.health[-1] if self.health and not self.health[-1].ok else None

    @property
    def stderr(self) -> str:
        """What the worker wrote for the journal."""
        size = os.fstat(self._errors.fileno()).st_size
        return os.pread(self._errors.fileno(), size, 0).decode(errors="replace")

    def exit_code(self, timeout_s: float = REPLY_S_MAX) -> int:
        """How the worker ended; it must do so within the time."""
        if self._exit_code is None:
            self._drain(time.monotonic() + timeout_s)
            self._exit_code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self._exit_code

    def _drain(self, deadline_s: float) -> None:
        """Take what is still said until the process has ended."""
        while not select.select([self._process], [], [], 0)[0]:
            core = [] if self.hung_up else [self._core.fileno()]
            left_s = deadline_s - time.monotonic()
            assert left_s > 0, f"the worker did not end; {self._story()}"
            ready, _, _ = select.select([self._process, *core], [], [], left_s)
            if set(core) & set(ready):
                self._take_rest()
        while not self.hung_up and select.select([self._core], [], [], 0)[0]:
            self._take_rest()

    def _take_rest(self) -> None:
        chunk = self._core.recv(65536)
        self._take(chunk)
        if not chunk:
            self.hang_up()

    def _take(self, chunk: bytes) -> None:
        self.received += chunk
        for message in self._reader.feed(chunk):
            match message:
                case wire.Hello():
                    self.hello = message
                case wire.Seen(observations=observations):
                    self.observations += observations
                case wire.Health():
                    self.health.append(message)
                case wire.Dropped(counts=counts):
                    self.dropped.update(counts)
                case wire.Watermark(wall_ms=wall_ms):
                    self.watermarks.append(wall_ms)
                case wire.Surveyed(survey=survey):
                    self.surveys.append(survey)

    def _story(self) -> str:
        return (
            f"{len(self.observations)} observations, dropped {dict(self.dropped)}, "
            f"health {self.health[-3:]}, stderr: {self.stderr or 'nothing'}"
        )

    def end(self) -> None:
        """Hang up, and take the process away even if it does not listen."""
        self.hang_up()
        if self._exit_code is None:
            if not select.select([self._process], [], [], END_S_MAX)[0]:
                signal.pidfd_send_signal(self._process, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self._process)
        self._errors.close()


@contextmanager
def started(
    kind: str,
    device: str,
    *,
    options: dict[str, Any] | None = None,
    timeline_start_ms: int | None = None,
    activated: bool = False,
) -> Iterator[Worker]:
    """A worker for `device`; `activated` starts it as systemd does, with a listening socket."""
    with running(kind, configured(device, options, timeline_start_ms), activated=activated) as one:
        yield one


@contextmanager
def running(
    kind: str,
    configuration: wire.Configure,
    *,
    activated: bool = False,
    within: Executor | None = None,
) -> Iterator[Worker]:
    """A worker with all that can be said to it."""
    worker = Worker(kind, configuration, activated=activated, within=within)
    try:
        yield worker
    finally:
        worker.end()


def configured(
    device: str, options: dict[str, Any] | None = None, timeline_start_ms: int | None = None
) -> wire.Configure:
    """The first frame of a core whose sensor is called `tested`."""
    return wire.Configure("tested", device, options or {}, SALT, "boot0001", timeline_start_ms)


def _listening() -> tuple[socket.socket, socket.socket]:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind("")  # the kernel finds a free abstract name
    listener.listen()
    return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), listener


def _spawned(kind: str, core_fd: int, errors_fd: int) -> int:
    """The worker's process id. Everything but its socket and its errors is closed to it."""
    return os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", "sensors.worker", kind],
        {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1"},
        file_actions=[
            (os.POSIX_SPAWN_DUP2, core_fd, CORE_FD),
            (os.POSIX_SPAWN_DUP2, errors_fd, STDERR_FD),
        ],
    )
