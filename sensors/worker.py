"""The process of one sensor: `python -m sensors.worker KIND`, the socket to the core on fd 3.

Started by systemd through socket activation (then fd 3 listens: the first connection is the
core) or by the core as a child (then fd 3 is the connection). The core's hanging up ends it.
A process border: whatever goes wrong leaves here as one sentence and an exit code.
"""

import ctypes
import importlib
import os
import resource
import select
import socket
import sys
import traceback
from pathlib import Path

import msgspec

from edge.errors import BadWireFrame, ConfigError, DeviceError, StoreboxError
from edge.notify import ALIVE, notify
from sensors.core_link import CoreGone, CoreLink
from sensors.declaration import declared

CORE_FD = 3
EXIT_DEVICE = 3
"""The device or its configuration cannot be used: starting again later may help."""
EXIT_FAULT = 70
"""A fault of ours, of a library or of the core (sysexits EX_SOFTWARE)."""
PR_SET_DUMPABLE = 4
"""Of prctl(2)."""
WAITING_BEAT_S = 10.0
"""So often systemd's watchdog is fed while nobody has connected yet; the unit allows 60 s."""
OVERWRITING = {
    "PYTHONMALLOC": "malloc",
    "GLIBC_TUNABLES": "glibc.malloc.perturb=90:glibc.malloc.tcache_count=0",
}
"""With these in its environment, which whoever starts a worker gives it, the C library overwrites
memory as it is freed: no address, network name or picture lies about for longer than it is used.
Python's own allocator would leave it there. No cost was measurable."""
TRACEBACK_VARIABLE = "STOREBOX_TRACEBACK"
"""Set, it shows where a fault happened. A trace may hold what was read, so never by itself."""


def main() -> int:
    """Run the sensor named on the command line until the core hangs up."""
    kind = "".join(sys.argv[1:2])
    link: CoreLink | None = None
    try:
        keep_memory_private()
        link = CoreLink(connection(CORE_FD), kind, os.getpid())
        run(link, kind)
    except (CoreGone, KeyboardInterrupt):
        return 0
    except Exception as error:  # the border: a sentence leaves, never what a library was given
        told = error if isinstance(error, StoreboxError) else fault(error)
        print(f"{kind}: {told}", file=sys.stderr, flush=True)
        if os.environ.get(TRACEBACK_VARIABLE):
            traceback.print_exc()
        if link is not None:
            report(link, told)
        return EXIT_DEVICE if is_of_device(error) else EXIT_FAULT
    return EXIT_FAULT  # a sensor observes until its core is gone


def keep_memory_private() -> None:
    """Let nobody look into this process: no core dump, no debugger, no /proc/PID/mem.

    Vectors, pictures and addresses pass through it. Root can still look (prctl(2), core(5)).
    DeviceError where the kernel refuses: then the sensor does not run.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform != "linux":
        return
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        why = os.strerror(ctypes.get_errno())
        raise DeviceError(
            f"The memory of a sensor cannot be closed to others: {why}.",
            "Let the unit's SystemCallFilter allow prctl.",
        )


def connection(fd: int, *, beat_s: float = WAITING_BEAT_S) -> socket.socket:
    """The socket to the core: `fd` itself, or its first visitor when it listens."""
    given = socket.socket(fileno=fd)
    if not given.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        return given
    with given:  # a second visitor has to wait for the next process
        notify(ALIVE)
        while not select.select([given], [], [], beat_s)[0]:
            notify(ALIVE)
        connected, _ = given.accept()
    return connected


def run(link: CoreLink, kind: str) -> None:
    """Validate the options once more (the socket is an edge) and observe."""
    declaration = declared(kind)
    try:
        options = msgspec.convert(link.configuration.options, declaration.options)
    except msgspec.ValidationError as error:
        raise ConfigError(
            f"The options of sensor {link.configuration.sensor} do not fit its kind: {error}.",
            "Correct its section of the configuration: storebox config check.",
        ) from error
    importlib.import_module(f"sensors.{kind}").observe(link, link.configuration.device, options)


def fault(error: Exception) -> StoreboxError:
    """Where something went wrong that nobody foresaw; not its words, which may quote input."""
    place = traceback.extract_tb(error.__traceback__, limit=-1)[0]
    name = type(error).__name__
    return StoreboxError(
        f"A fault in the sensor: {name} at line {place.lineno} of {Path(place.filename).name}.",
        f"It is started again; if this repeats, report what {TRACEBACK_VARIABLE}=1 shows.",
    )


def is_of_device(error: Exception) -> bool:
    """Whether the device, its input or its configuration is to blame, and not a program."""
    return isinstance(error, StoreboxError) and not isinstance(error, BadWireFrame)


def report(link: CoreLink, error: StoreboxError) -> None:
    """Tell the core why this process ends; if the core is gone already, nobody needs to know."""
    try:
        link.flush()
        link.unhealthy(error.what, error.remedy)
    except (CoreGone, StoreboxError, OSError):
        pass


if __name__ == "__main__":
    sys.exit(main())
