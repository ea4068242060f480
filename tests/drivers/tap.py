"""Monitor-mode interfaces without a radio: TAP devices with the link type of one.

What is written into one arrives at packet sockets as if a radio had heard it; what anybody sent
through the interface can be read from it. They live in a network namespace of one thread, so
that nothing on this machine is touched; needs root.
"""

import ctypes
import fcntl
import os
import select
import socket
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
_OF_LINKS, _NEWLINK = 1, 16

T = TypeVar("T")


class Tap:
    """The interfaces `names` in a namespace of their own; `thread` is inside it."""

    def __init__(self, link_type: int = RADIOTAP, names: tuple[str, ...] = (NAME,)) -> None:
        self.thread = ThreadPoolExecutor(1)
        self._taps: dict[str, int] = {}
        self._told: list[tuple[int, bool]] = []
        try:
            self._listener = self.inside(_entered_namespace)
            for name in names:
                self._taps[name] = self.inside(_made, name, link_type)
        except OSError as error:
            self.thread.shutdown()
            pytest.skip(f"no network namespace with a TAP device here: {error}")

    def inside(self, function: Callable[..., T], *args: object) -> T:
        """`function(*args)`, called in the namespace."""
        return self.thread.submit(function, *args).result()

    def heard(self, frame: bytes, name: str = NAME) -> None:
        """Let an interface hear `frame`."""
        os.write(self._taps[name], frame)

    def sent(self) -> bytes:
        """What somebody sent through any interface; empty if nobody did."""
        return b"".join(_read(tap) for tap in self._taps.values())

    def down(self, name: str = NAME) -> None:
        """Switch an interface off."""
        self.inside(_ip, "link", "set", name, "down")

    def switched(self, name: str = NAME) -> list[bool]:
        """How an interface was switched on (True) and off since it is there, as the kernel told."""
        index = self.inside(socket.if_nametoindex, name)
        self._told += _told(self._listener)
        ups = [up for told, up in self._told if told == index]
        return [up for up, before in zip(ups, [None, *ups], strict=False) if up != before]

    def unplug(self, name: str = NAME) -> None:
        """Take an interface away."""
        os.close(self._taps.pop(name))

    def plug(self, name: str = NAME) -> None:
        """Bring an interface."""
        self._taps[name] = self.inside(_made, name, RADIOTAP)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self._taps):
            self.unplug(name)
        self._listener.close()
        self.thread.shutdown()


def _entered_namespace() -> socket.socket:
    """A socket that hears what the kernel tells of the interfaces in there."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    listener = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    listener.bind((0, _OF_LINKS))
    return listener


def _made(name: str, link_type: int) -> int:
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    fcntl.ioctl(tap, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _TAP_WITHOUT_HEADER))
    fcntl.ioctl(tap, _TUNSETLINK, link_type)
    # Else the kernel itself sends through it: neighbours, routers.
    Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6").write_text("1")
    _ip("link", "set", name, "up")
    return tap


def _read(tap: int) -> bytes:
    try:
        return os.read(tap, 65536)
    except BlockingIOError:
        return b""


def _told(listener: socket.socket) -> list[tuple[int, bool]]:
    """(interface index, whether it is up) of each RTM_NEWLINK that waits, rtnetlink(7)."""
    told = []
    while select.select([listener], [], [], 0)[0]:
        received, at = listener.recv(65536), 0
        while at + 32 <= len(received):
            length, kind = struct.unpack_from("=IH", received, at)
            _, index, flags = struct.unpack_from("=4siI", received, at + 16)
            if kind == _NEWLINK:
                told.append((index, bool(flags & 1)))
            at += length + -length % 4
    return told


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, timeout=10)
