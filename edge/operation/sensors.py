"""Keeps every configured sensor running: connects to systemd's socket or starts the worker as a
child, hands the connection to the intake, and begins again with backoff when it ends.

One task per sensor, started by the daemon. It never looks at a reading.
"""

import asyncio
import logging
import os
import random
import socket
import sys
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from edge.errors import DeviceError, DeviceNotFound, InputError
from edge.intake import Intake
from edge.sensor_spec import SensorSpec
from sensors.worker import OVERWRITING

log = logging.getLogger(__name__)

BACKOFF_FIRST_S = 0.5
BACKOFF_MAX_S = 60.0
HEALTHY_S = 60.0
"""After running this long a sensor has earned a quick restart again."""
CHILD_END_S = 2.0
"""A child that does not end by itself after we hang up is killed."""


Reach = Callable[[], AbstractAsyncContextManager[socket.socket]]
"""How to get a connection to a sensor's worker, wherever it runs."""


async def supervise(spec: SensorSpec, reach: Reach, intake: Intake, seed: int) -> None:
    """Run one sensor until cancelled."""
    jitter = random.Random(f"{seed}:{spec.name}")  # noqa: S311 - spreads restarts, guards nothing
    backoff_s = BACKOFF_FIRST_S
    while True:
        began_s = time.monotonic()
        try:
            async with reach() as connection:
                await intake.serve(spec.name, connection)
        except (DeviceError, InputError) as error:
            intake.restarting(spec.name, error.what, error.remedy)
            log.warning("sensor %s: %s", spec.name, error)
        except Exception as error:  # the task's border: one sensor never ends the others
            intake.restarting(spec.name, f"{type(error).__name__}: {error}", "See the log.")
            log.exception("sensor %s could not be run", spec.name)
        if time.monotonic() - began_s > HEALTHY_S:
            backoff_s = BACKOFF_FIRST_S
        await asyncio.sleep(backoff_s * jitter.uniform(0.5, 1.0))
        backoff_s = min(backoff_s * 2, BACKOFF_MAX_S)


@asynccontextmanager
async def started(kind: str, name: str, socket_path: str) -> AsyncIterator[socket.socket]:
    """A running worker of `kind` and the socket to it: systemd's, or without a path our child's.

    Leaving the block hangs up, which ends the worker. DeviceNotFound if nobody listens.
    """
    if socket_path:
        with await _connected(name, socket_path) as connection:
            yield connection
        return
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            child = await asyncio.create_subprocess_exec(
                *worker_command(kind), stdin=theirs.fileno(), env=child_environment()
            )
        try:
            yield ours
        finally:
            ours.close()
            await _end(child)


async def _connected(name: str, path: str) -> socket.socket:
    """systemd supervises: connecting to the socket starts the worker, hanging up ends it."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(connection, path)
    except OSError as error:
        connection.close()
        raise DeviceNotFound(
            f"Nobody listens on the socket of sensor {name} ({path}): {error}.",
            f"Run: systemctl status storebox-sensor@{name}.socket",
        ) from error
    return connection


def worker_command(kind: str) -> tuple[str, ...]:
    """The command of a worker that finds its connection on stdin and moves it to fd 3."""
    return (
        "/bin/sh",
        "-c",
        'exec "$0" -m sensors.worker "$1" 3<&0 </dev/null',
        sys.executable,
        kind,
    )


def child_environment() -> dict[str, str]:
    """Ours without what systemd said to us: a child must not feed our watchdog. It forgets."""
    ours = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID")
    return {name: value for name, value in os.environ.items() if name not in ours} | OVERWRITING


async def _end(child: Process) -> None:
    try:
        async with asyncio.timeout(CHILD_END_S):
            await child.wait()
    except TimeoutError:
        child.kill()
        await child.wait()
