"""A UDP port that hears known senders: each of them has a socket, and so a buffer, of its own.

Called by `sensors/tzsp.py`. What one sender floods is lost in its own buffer, and the others'
datagrams are never behind it; a last socket hears everybody else, so that they can be counted.
Nothing is ever sent.
"""

import select
import socket
import struct
from collections.abc import Iterable

from hardware.closing import Closing
from hardware.endpoint import Endpoint, cannot_listen

RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024
"""Of each known sender: some thousand datagrams, or a second of a busy router."""
STRANGERS_BUFFER_BYTES = 64 * 1024
"""Of everybody else: they are only counted."""
DATAGRAM_BYTES_MAX = 4096 + 512
"""The longest frame with its header; of a longer datagram the rest is cut off."""
EARLY_DATAGRAMS_MAX = 1000
"""Arrived while a socket was not yet bound to its sender, so anybody's: thrown away."""

_SO_RCVBUFFORCE, _SO_MEMINFO, _MEMINFO_DROPS = 33, 55, 8


class Inbox:
    """What one sender sends, or (without a sender) what everybody else does."""

    def __init__(self, here: Endpoint, sender: str | None) -> None:
        self.sender = sender
        family = socket.AF_INET6 if ":" in here.host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._lost_before = 0
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind((here.host, here.port))
            if sender is None:
                self._enlarge(STRANGERS_BUFFER_BYTES)
            else:
                self._socket.connect((sender, 0))  # of any of its ports
                for _ in range(EARLY_DATAGRAMS_MAX):
                    if self.receive() is None:
                        break
                self._enlarge(RECEIVE_BUFFER_BYTES)
        except OSError:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """To wait on."""
        return self._socket.fileno()

    def receive(self) -> bytes | None:
        """The next datagram, None if there is none now.

        Anybody can forge an ICMP error, which a connected socket reports: reading clears it.
        """
        try:
            return self._socket.recv(DATAGRAM_BYTES_MAX)
        except OSError:
            return None

    def stranger(self) -> str | None:
        """Who sent the next datagram of everybody else, None if there is none now."""
        try:
            return str(self._socket.recvfrom(1)[1][0])
        except OSError:
            return None

    def lost(self) -> int:
        """How many datagrams the kernel had no room for since this was last asked."""
        told = self._socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 4 * (_MEMINFO_DROPS + 1))
        drops: int = struct.unpack_from("=I", told, 4 * _MEMINFO_DROPS)[0]
        before, self._lost_before = self._lost_before, drops
        return (drops - before) % 2**32

    def keep_port(self) -> None:
        """From now on no other program can share the port."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)

    def close(self) -> None:
        """Give the port back."""
        self._socket.close()

    def _enlarge(self, size: int) -> None:
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, size)
        except PermissionError:  # without CAP_NET_ADMIN the system's limit stays
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)


class DatagramPort(Closing):
    """A UDP port of this machine; a context manager.

    DeviceNotFound if `here` is no address of this machine, the port is in use, or a sender cannot
    be reached from it.
    """

    def __init__(self, here: Endpoint, senders: Iterable[str]) -> None:
        self.inboxes: list[Inbox] = []
        try:
            self.strangers = Inbox(here, None)
            self.inboxes.append(self.strangers)
            for sender in senders:
                self.inboxes.append(Inbox(here, sender))
            for inbox in self.inboxes:
                inbox.keep_port()
        except OSError as error:
            self.close()
            raise cannot_listen(here, error) from error

    @property
    def known(self) -> list[Inbox]:
        """The inboxes of the senders, in their order."""
        return self.inboxes[1:]

    def wait(self, core_fd: int, timeout_s: float) -> None:
        """Return when a datagram or `core_fd` can be read, or after `timeout_s`."""
        waiting = [core_fd, *(inbox.fileno() for inbox in self.inboxes)]
        select.select(waiting, [], [], timeout_s)

    def close(self) -> None:
        """Give the port back."""
        for inbox in self.inboxes:
            inbox.close()
