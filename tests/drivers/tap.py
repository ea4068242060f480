"""A monitor-mode interface without a radio: a TAP device with the link type of one.

What is written into it arrives at packet sockets as if a radio had heard it; what anybody sent
through the interface can be read from it. It lives in a network namespace of one thread, so
that nothing on this machine is touched; needs root.
"""

import ctypes
import fcntl
import os
import struct
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self, TypeVar

import pytest

NAME = "mon0"
RADIOTAP, ETHERNET = 803, 1

_CLONE_NEWNET = 0x40000000
_TUNSETIFF, _TUNSETLINK = 0x400454CA, 0x400454CD
_TAP_WITHOUT_HEADER = 0x0002 | 0x1000

T = TypeVar("T")


class Tap:
    """The interface `mon0` in a namespace of its own; `thread` is inside it."""

    def __init__(self, link_type: int = RADIOTAP) -> None:
        self.thread = ThreadPoolExecutor(1)
        try:
            self._tap = self.inside(_made, link_type)
        except OSError as error:
            self.thread.shutdown()
            pytest.skip(f"no network namespace with a TAP device here: {error}")

    def inside(self, function: Callable[..., T], *args: object) -> T:
        """`function(*args)`, called in the namespace."""
        return self.thread.submit(function, *args).result()

    def heard(self, frame: bytes) -> None:
        """Let the interface hear `frame`."""
        os.write(self._tap, frame)

    def sent(self) -> bytes:
        """A frame that somebody sent through the interface; empty if nobody did."""
        try:
            return os.read(self._tap, 65536)
        except BlockingIOError:
            return b""

    def down(self) -> None:
        """Switch the interface off."""
        self.inside(_ip, "link", "set", NAME, "down")

    def unplug(self) -> None:
        """Take the interface away."""
        os.close(self._tap)
        self._tap = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._tap >= 0:
            self.unplug()
        self.thread.shutdown()


def _made(link_type: int) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    fcntl.ioctl(tap, _TUNSETIFF, struct.pack("16sH22x", NAME.encode(), _TAP_WITHOUT_HEADER))
    fcntl.ioctl(tap, _TUNSETLINK, link_type)
    # Else the kernel itself sends through it: neighbours, routers.
    Path(f"/proc/sys/net/ipv6/conf/{NAME}/disable_ipv6").write_text("1")
    _ip("link", "set", NAME, "up")
    return tap


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, timeout=10)
