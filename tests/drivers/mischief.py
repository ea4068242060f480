"""Servers on loopback that are no cameras, whatever port they listen on.

Each answers every visitor alike until it is closed: with nothing, with noise, with a header that
does not end. Used by tests of the network camera.
"""

import random
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

CHUNK_BYTES = 16 * 1024
DROP_S = 0.1


def garbage(stop: threading.Event) -> Iterator[bytes]:
    """Noise, from a seed."""
    chance = random.Random(1)
    while True:
        yield chance.randbytes(CHUNK_BYTES)


def silence(stop: threading.Event) -> Iterator[bytes]:
    """Nothing: it has accepted and that is all."""
    stop.wait()
    yield b""


def endless_header(stop: threading.Event) -> Iterator[bytes]:
    """A right beginning, then lines of a header for ever."""
    yield b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n"
    while True:
        yield b"X: " + b"a" * CHUNK_BYTES + b"\r\n"


def endless_line(stop: threading.Event) -> Iterator[bytes]:
    """One line of a header that does not end."""
    yield b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nX: "
    while True:
        yield b"a" * CHUNK_BYTES


def dripping(stop: threading.Event) -> Iterator[bytes]:
    """Byte by byte, so that no time-out of a single read ever strikes."""
    yield b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nX: "
    while not stop.wait(DROP_S):
        yield b"a"


def hanging_up(stop: threading.Event) -> Iterator[bytes]:
    """It closes at once."""
    yield b""


MISCHIEF = {
    each.__name__: each
    for each in (garbage, silence, endless_header, endless_line, dripping, hanging_up)
}


class MischievousServer:
    """Answers everybody with `answer` until it is closed."""

    def __init__(self, answer: Callable[[threading.Event], Iterator[bytes]]) -> None:
        self._answer = answer
        self._stop = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._visitors: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        """Hang up on everybody; returns when all has ended."""
        self._stop.set()
        for each in (self._listener, *self._visitors):
            with suppress(OSError):  # it was closed from the other end
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        with suppress(OSError):  # until the listener is closed
            while True:
                visitor, _ = self._listener.accept()
                self._visitors.append(visitor)
                thread = threading.Thread(target=self._converse, args=(visitor,))
                self._threads.append(thread)
                thread.start()

    def _converse(self, visitor: socket.socket) -> None:
        with suppress(OSError), visitor:  # until the visitor leaves
            for chunk in self._answer(self._stop):
                visitor.sendall(chunk)
