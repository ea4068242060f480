"""A sensor's worker without the daemon: started alone for a technician, gone with the command.

Called by `trial` and `pictures` while the daemon is dead. It has no more leave than the command
gives it. What its messages mean is for those who called.
"""

import contextlib
import secrets
import select
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from edge.clock import boot_id
from edge.config import Config
from edge.errors import BadWireFrame, DeviceNotFound
from edge.operation import opt_outs, settings
from edge.operation.sensors import child_environment, worker_command
from edge.sections import ClockSource
from sensors import wire
from sensors.declaration import declared

CHILD_END_S = 2.0
SALT_BYTES = 16
POLL_S = 0.25
"""Who waits for a worker shows so often how long it has been."""
STARTING_S_MAX = 30.0
"""A camera's models take seconds to load on a small box; who shows nothing by then never will."""


@contextlib.contextmanager
def worker(config: Config, name: str) -> Iterator[socket.socket]:
    """The worker's socket: systemd's, or our own child's. Leaving the block ends the worker.

    DeviceNotFound if nobody listens where systemd should.
    """
    with contextlib.ExitStack() as stack:
        if path := settings.socket_path(config, name):
            yield stack.enter_context(_activated(name, path))
        else:
            yield stack.enter_context(_child(config.sensors[name].kind))


def configuration(config: Config, name: str) -> wire.Configure:
    """What the worker is told first; its salt is known to nobody else."""
    scenario = config.clock.source is ClockSource.SCENARIO
    spec = next(each for each in settings.sensor_specs(config) if each.name == name)
    radar = declared(spec.kind).is_radar
    return wire.Configure(
        sensor=name,
        device=spec.device,
        options=spec.options,
        salt=secrets.token_bytes(SALT_BYTES),
        boot=boot_id(),
        timeline_start_ms=config.clock.start_ms if scenario else None,
        secret=spec.secret(),
        opt_outs=opt_outs.of_files(Path(config.state.directory)) if radar else None,
    )


def messages(connection: socket.socket, until_s: Callable[[], float]) -> Iterator[Any]:
    """What a worker says, as messages of `wire`, and None whenever it was silent for `POLL_S`.

    Ends at `until_s()` of `time.monotonic`, which may move meanwhile. ConnectionResetError when
    the worker hangs up, BadWireFrame if it is of another version.
    """
    reader = wire.FrameReader(down=False)
    while (left_s := until_s() - time.monotonic()) > 0:
        if not select.select([connection], [], [], min(left_s, POLL_S))[0]:
            yield None
            continue
        chunk = connection.recv(65536)
        if not chunk:
            raise ConnectionResetError("it hung up")
        try:
            complete = reader.feed(chunk)
        except BadWireFrame as error:
            raise BadWireFrame(error.what, "Is it a sensor of this version?") from error
        yield from complete


@contextlib.contextmanager
def _activated(name: str, path: str) -> Iterator[socket.socket]:
    """The worker that systemd starts, with its own privileges, when somebody connects."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            connection.connect(path)
        except OSError as error:
            raise DeviceNotFound(
                f"Nobody listens on the socket of sensor {name} ({path}): {error.strerror}.",
                f"Run: systemctl status storebox-sensor@{name}.socket (or try it with sudo)",
            ) from error
        yield connection


@contextlib.contextmanager
def _child(kind: str) -> Iterator[socket.socket]:
    """The worker as our child, its end of a pair on fd 3."""
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            child = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                worker_command(kind),
                stdin=theirs.fileno(),
                env=child_environment(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # libraries talk; a trace could hold what was read
            )
        try:
            yield ours
        finally:
            ours.close()
            try:
                child.wait(CHILD_END_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
