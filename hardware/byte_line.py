"""Lines that bring bytes from another device: a TCP connection, a FIFO.

Called by the radar routes that read streams, beside `serial_port.py`, which can be used in the same
way. They are only read: nothing is ever written to one.
"""

import os
import select
import socket
import stat

from edge.errors import DeviceGone, DeviceNotFound, WrongDevice
from hardware.closing import Closing
from hardware.endpoint import endpoint

READ_BYTES = 64 * 1024
CONNECT_S_MAX = 1.5
"""In the shop's own network an answer takes milliseconds; the core is not heard meanwhile."""
KEEPALIVE_IDLE_S, KEEPALIVE_EVERY_S, KEEPALIVE_TRIES = 10, 5, 3
"""A device that lost its power is noticed after 25 s; nothing but TCP's own probes is sent."""


class ByteLine(Closing):
    """What all lines can do; a context manager."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.awaited = ""
        """What is missing before it can bring anything, as a sentence; empty if nothing is."""

    def fileno(self) -> int:
        """To wait on."""
        raise NotImplementedError

    def close(self) -> None:
        """Give the device back."""
        raise NotImplementedError

    def wait(self, core_fd: int, timeout_s: float) -> None:
        """Return when there is something to read, when `core_fd` has, or after `timeout_s`."""
        select.select([self.fileno(), core_fd], [], [], timeout_s)


class TcpLine(ByteLine):
    """A connection to HOST:PORT. DeviceNotFound if nobody answers there."""

    def __init__(self, where: str) -> None:
        super().__init__(where)
        try:
            self._socket = socket.create_connection(endpoint(where), CONNECT_S_MAX)
        except OSError as error:
            raise DeviceNotFound(
                f"Nobody answers at {where}: {error.strerror or 'no answer in time'}.",
                "Start the capture there, and check the address and the firewalls.",
            ) from error
        self._socket.setblocking(False)
        for option, value in (
            (socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_S),
            (socket.TCP_KEEPINTVL, KEEPALIVE_EVERY_S),
            (socket.TCP_KEEPCNT, KEEPALIVE_TRIES),
        ):
            self._socket.setsockopt(socket.IPPROTO_TCP, option, value)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def fileno(self) -> int:
        """To wait on."""
        return self._socket.fileno()

    def read(self) -> bytes:
        """The bytes that are there. DeviceGone if the connection ended."""
        try:
            chunk = self._socket.recv(READ_BYTES)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise self._gone() from error
        if not chunk:
            raise self._gone()
        return chunk

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _gone(self) -> DeviceGone:
        return DeviceGone(f"The connection to {self.name} ended.", "Start the capture there again.")


class Fifo(ByteLine):
    """A named pipe, which needs no writer yet. DeviceNotFound if it is not there."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.awaited = f"Nobody writes into {path} yet."
        self._fd = -1
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise DeviceNotFound(
                f"The FIFO {path} cannot be opened: {error.strerror}.",
                f"Run: mkfifo {path}; let the sensor's user read it.",
            ) from error
        if not stat.S_ISFIFO(os.fstat(self._fd).st_mode):
            self.close()
            raise WrongDevice(f"{path} is no FIFO.", "Write replay:PATH for a file.")

    def fileno(self) -> int:
        """To wait on: readable when a writer wrote, or has been here and gone."""
        return self._fd

    def read(self) -> bytes:
        """The bytes that are there. DeviceGone if the last writer has closed it."""
        if not select.select([self._fd], [], [], 0)[0]:
            return b""  # without having had a writer it would look like one that has gone
        chunk = os.read(self._fd, READ_BYTES)
        if not chunk:
            raise DeviceGone(
                f"Nobody writes into {self.name} any more.", "Start the capture again."
            )
        self.awaited = ""
        return chunk

    def close(self) -> None:
        """Give it back."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
