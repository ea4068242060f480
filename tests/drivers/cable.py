"""A cable to a server on loopback: a port that relays, and vanishes when it is unplugged.

While it is out, whoever connects is refused, and whoever was connected is cut off. Used by tests
and benchmarks of network cameras; it looks into nothing that passes.
"""

import socket
import struct
import threading
from contextlib import suppress

HOST = "127.0.0.1"
CHUNK_BYTES = 64 * 1024
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Cable:
    """From `port`, which stays the same, to `target_port`; plugged in from the start."""

    def __init__(self, target_port: int, port: int) -> None:
        self.port = port
        self._target_port = target_port
        self._ends: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.plug_in()

    def plug_in(self) -> None:
        """Return when it lets connections in."""
        listener = socket.create_server((HOST, self.port))
        self._ends = [listener]
        self._threads = []
        self._begin(self._accept, listener)

    def unplug(self) -> None:
        """Cut everybody off; returns when that is done. Twice is once."""
        while self._ends:
            end = self._ends.pop()
            with suppress(OSError):  # it was closed from the other side
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        while self._threads:
            self._threads.pop().join(5)

    def _begin(self, task: object, *arguments: socket.socket) -> None:
        thread = threading.Thread(target=task, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):  # until it is unplugged
            while True:
                near, _ = listener.accept()
                self._ends.append(near)
                try:
                    far = socket.create_connection((HOST, self._target_port))
                except OSError:  # nobody at home
                    near.close()
                    continue
                self._ends.append(far)
                self._begin(self._pump, near, far)
                self._begin(self._pump, far, near)

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):  # until one end closes
            while chunk := source.recv(CHUNK_BYTES):
                target.sendall(chunk)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)
