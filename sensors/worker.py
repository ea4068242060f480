"""The process of one sensor: `python -m sensors.worker KIND`, the socket to the core on fd 3.

Started by systemd through socket activation (then fd 3 listens: the first connection is the
core) or by the core as a child (then fd 3 is the connection). The core's hanging up ends it.
A process border: whatever goes wrong leaves here as one sentence and an exit code.
"""

import importlib
import os
import resource
import socket
import sys

import msgspec

from edge.errors import BadWireFrame, StoreboxError
from sensors.core_link import CoreGone, CoreLink
from sensors.declaration import declared

CORE_FD = 3
EXIT_DEVICE = 3
"""The device cannot be used: starting again later may help."""
EXIT_FAULT = 70
"""A fault of ours or of a library (sysexits EX_SOFTWARE)."""


def main() -> int:
    """Run the sensor named on the command line until the core hangs up."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold vectors
    kind = sys.argv[1]
    link: CoreLink | None = None
    try:
        link = CoreLink(connection(CORE_FD), kind, os.getpid())
        run(link, kind)
    except (CoreGone, KeyboardInterrupt):
        return 0
    except StoreboxError as error:
        print(f"{kind}: {error}", file=sys.stderr, flush=True)
        if link is not None:
            report(link, error)
        return EXIT_DEVICE
    return EXIT_FAULT


def connection(fd: int) -> socket.socket:
    """The socket to the core: `fd` itself, or its first visitor when it listens."""
    given = socket.socket(fileno=fd)
    if given.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        connected, _ = given.accept()
        return connected
    return given


def run(link: CoreLink, kind: str) -> None:
    """Validate the options once more (the socket is an edge) and observe."""
    options = msgspec.convert(link.configuration.options, declared(kind).options)
    importlib.import_module(f"sensors.{kind}").observe(link, link.configuration.device, options)


def report(link: CoreLink, error: StoreboxError) -> None:
    """Tell the core why this process ends; if the core is gone already, nobody needs to know."""
    try:
        link.flush()
        link.unhealthy(error.what, error.remedy)
    except (CoreGone, BadWireFrame):
        pass


if __name__ == "__main__":
    sys.exit(main())
