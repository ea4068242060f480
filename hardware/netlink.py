"""Generic netlink, as little of it as a radio needs: one request, and its answer or refusal.

Called by `hardware/radio.py` for nl80211. pyroute2 knows far more, but costs 0.8 s and 26 MB, and
its blocking calls look the family up again and leave an event loop behind at each request, which
a radio that hops four times a second makes too often. This knows no family and no device.

Sources: linux/netlink.h, linux/genetlink.h; netlink(7).
"""

import os
import socket
import struct
import sys

from hardware.closing import Closing

ANSWER_S_MAX = 2.0
"""The kernel answers at once, or after the radio has been set."""
ANSWER_BYTES_MAX = 32 * 1024
MESSAGES_MAX = 64
"""An answer to one request has a few; more would be somebody else's."""

_NETLINK_GENERIC = 16
_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_GENERIC = struct.Struct("=BBH")  # command, version, reserved
_ATTRIBUTE = struct.Struct("=HH")  # length, type
_REQUEST, _ACK = 1, 4
_ERROR, _DONE = 2, 3
_CONTROL, _GET_FAMILY, _FAMILY_ID, _FAMILY_NAME = 16, 3, 1, 2
_TYPE_MASK = 0x3FFF  # without "nested" and "network byte order"

Attributes = dict[int, bytes]


class Family(Closing):
    """One generic netlink family, such as "nl80211"; a context manager.

    OSError with the kernel's number: ENOENT if it does not know the family.
    """

    def __init__(self, name: str) -> None:
        self._sequence = 0
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_GENERIC)
        try:
            self._socket.settimeout(ANSWER_S_MAX)
            self._socket.bind((0, 0))
            named = {_FAMILY_NAME: name.encode() + b"\0"}
            found = self._ask(_CONTROL, _GET_FAMILY, named)
            self._id = int.from_bytes(found.get(_FAMILY_ID, b""), sys.byteorder)
        except OSError:
            self._socket.close()
            raise

    def ask(self, command: int, attributes: Attributes) -> Attributes:
        """Send one command and wait until it is done; what was answered.

        OSError with the kernel's number if it refuses, TimeoutError if it does not answer.
        """
        return self._ask(self._id, command, attributes)

    def _ask(self, family: int, command: int, attributes: Attributes) -> Attributes:
        self._sequence += 1
        self._socket.send(request(family, command, attributes, self._sequence))
        answered: Attributes = {}
        for _ in range(MESSAGES_MAX):
            done = self._take(self._socket.recv(ANSWER_BYTES_MAX), answered)
            if done:
                return answered
        raise TimeoutError("the answer does not end")

    def _take(self, received: bytes, answered: Attributes) -> bool:
        """One datagram; whether it says that the request is done."""
        at = 0
        while at + _HEADER.size <= len(received):
            length, kind, _, sequence, _ = _HEADER.unpack_from(received, at)
            body = received[at + _HEADER.size : at + length]
            at += max(_aligned(length), _HEADER.size)
            if sequence != self._sequence:
                continue  # an answer to what we no longer wait for
            if kind == _DONE:
                return True
            if kind == _ERROR:
                (number,) = struct.unpack_from("=i", body)
                if number:
                    raise OSError(-number, os.strerror(-number))
                return True
            answered |= read(body[_GENERIC.size :])
        return False

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def request(family: int, command: int, attributes: Attributes, sequence: int) -> bytes:
    """One message that asks for an acknowledgement."""
    body = _GENERIC.pack(command, 1, 0) + b"".join(
        _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + bytes(-len(value) % 4)
        for kind, value in attributes.items()
    )
    return _HEADER.pack(_HEADER.size + len(body), family, _REQUEST | _ACK, sequence, 0) + body


def read(body: bytes) -> Attributes:
    """The attributes of an answer by number; the rest of a damaged one is left out."""
    found: Attributes = {}
    at = 0
    while at + _ATTRIBUTE.size <= len(body):
        length, kind = _ATTRIBUTE.unpack_from(body, at)
        if length < _ATTRIBUTE.size:
            break
        found[kind & _TYPE_MASK] = body[at + _ATTRIBUTE.size : at + length]
        at += _aligned(length)
    return found


def _aligned(length: int) -> int:
    return length + -length % 4
