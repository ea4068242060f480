"""An access point for tests: pyrad's own client, on loopback, and a plain socket for forgeries.

Addresses 127.0.0.x are one sender each. Nothing leaves this machine.
"""

import random
import socket
import struct
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from pyrad.client import Client, Timeout
from pyrad.packet import AcctPacket

from hardware.radius import DICTIONARY
from tests.broker import PORTS, TRIES_MAX

SECRET = b"a secret of two"
BOX = "127.0.0.1"
REPLY_S = 5.0
CODES = {"start": 1, "stop": 2, "alive": 3, "on": 7, "off": 8}


def free_port() -> int:
    """A UDP port of loopback that nobody has."""
    for port in random.sample(PORTS, TRIES_MAX):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as tried:
            try:
                tried.bind((BOX, port))
            except OSError:
                continue
            return port
    raise AssertionError("no port would do")


class Nas:
    """One sender of accounting."""

    def __init__(
        self, port: int, address: str = BOX, secret: bytes = SECRET, timeout_s: float = REPLY_S
    ) -> None:
        self._client = Client(
            BOX, acctport=port, secret=secret, dict=DICTIONARY, retries=1, timeout=timeout_s
        )
        self._client.bind((address, 0))
        self.port, self.address = port, address

    def packet(self, status: str, session: str = "s1", **attributes: Any) -> AcctPacket:
        """A record as access points send it."""
        packet = self._client.CreateAcctPacket()
        packet["Acct-Status-Type"] = CODES[status]
        packet["Acct-Session-Id"] = session
        for name, value in attributes.items():
            packet[name.replace("_", "-")] = value
        return packet

    def login(self, status: str, session: str = "s1", **more: Any) -> AcctPacket:
        """A record of a phone whose owner logged in, as a MikroTik hotspot says it."""
        usual = {
            "User_Name": "+7 916 123-45-67",
            "Calling_Station_Id": "30:39:26:86:CC:EA",
            "Called_Station_Id": "hotspot1",
            "NAS_Identifier": "MikroTik",
            "NAS_Port_Type": 19,
        }
        return self.packet(status, session, **(usual | more))

    def send(self, packet: AcctPacket) -> bool:
        """Whether it was answered, and the answer proves that the box knows the secret."""
        try:
            self._client.SendPacket(packet)
        except Timeout:
            return False
        return True

    def say(self, status: str, session: str = "s1", **more: Any) -> bool:
        """Send a record of a phone; whether it was answered."""
        return self.send(self.login(status, session, **more))

    def close(self) -> None:
        """Give the socket back."""
        self._client._CloseSocket()


@contextmanager
def nas(port: int, address: str = BOX, **how: Any) -> Iterator[Nas]:
    """A sender, for the block."""
    with closing(Nas(port, address, **how)) as made:
        yield made


def throw(port: int, *datagrams: bytes, address: str = BOX) -> None:
    """Send bytes as they are, and wait for nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as thrown:
        thrown.bind((address, 0))
        for datagram in datagrams:
            thrown.sendto(datagram, (BOX, port))


def signed(attributes: bytes, secret: bytes = SECRET, code: int = 4, id_: int = 7) -> bytes:
    """A packet around these very bytes, with a valid authenticator: hostile, but no forgery."""
    import hashlib

    header = struct.pack("!BBH", code, id_, 20 + len(attributes))
    return header + hashlib.md5(header + bytes(16) + attributes + secret).digest() + attributes


def attribute(code: int, value: bytes) -> bytes:
    """One attribute."""
    return bytes((code, len(value) + 2)) + value
