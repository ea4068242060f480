"""RADIUS accounting (RFC 2866): datagrams of access points in, records and answers out.

Called by `sensors/radius.py`. pyrad decodes; a packet counts only if its authenticator proves that
its sender knows the shared secret, and only then it is answered. Who is not a configured sender is
not even looked at. It knows no shop word, keeps no record, and sends nothing but answers.
"""

import io
import select
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

from msgspec import Struct
from pyrad.dictionary import Dictionary
from pyrad.packet import AccountingRequest, AcctPacket, PacketError

from edge.errors import DeviceError, DeviceGone
from hardware.address import address_of
from hardware.allowance import TOO_FAST, Allowance
from hardware.closing import Closing
from hardware.endpoint import Endpoint, cannot_listen, plain

PORT = 1813
DATAGRAM_BYTES_MAX = 4096
"""RFC 2866: the longest packet there is."""
HEADER_BYTES = 20
TEXT_CHARACTERS_MAX = 64
"""Logins and session ids are shorter; what is longer is nobody's phone number."""
RECEIVE_BUFFER_BYTES = 1 << 20
"""Some 2000 packets of one burst wait here while the others are looked at."""
DATAGRAMS_PER_TURN = 256
"""Looked at before the core is heard again: 0.1 s of work when all are genuine."""
PER_S_MAX, BURST_MAX = 200, 400
"""Of one sender. A shop of 500 phones with an interim update a minute sends 10 a second."""
EVENT_AGE_S_MAX = 300
"""An Event-Timestamp further away than this tells of a wrong clock in the sender."""
STALE_S = 300
"""A record that happened so long before the newest one of its sender is no news: it was repeated,
perhaps by somebody who overheard it. Whatever the clocks say, a sender's own does not go back."""

_ATTRIBUTES = """
ATTRIBUTE User-Name 1 string
ATTRIBUTE NAS-IP-Address 4 ipaddr
ATTRIBUTE Framed-IP-Address 8 ipaddr
ATTRIBUTE Called-Station-Id 30 string
ATTRIBUTE Calling-Station-Id 31 string
ATTRIBUTE NAS-Identifier 32 string
ATTRIBUTE Proxy-State 33 octets
ATTRIBUTE Acct-Status-Type 40 integer
ATTRIBUTE Acct-Delay-Time 41 integer
ATTRIBUTE Acct-Session-Id 44 string
ATTRIBUTE Acct-Session-Time 46 integer
ATTRIBUTE Acct-Terminate-Cause 49 integer
ATTRIBUTE Event-Timestamp 55 date
ATTRIBUTE NAS-Port-Type 61 integer
ATTRIBUTE Message-Authenticator 80 octets
"""
DICTIONARY = Dictionary(io.StringIO(_ATTRIBUTES))
"""What is read, or said by ordinary senders (RFC 2865, 2866, 2869); all else is passed over."""


class Status(StrEnum):
    """What happened (Acct-Status-Type)."""

    START = "start"
    STOP = "stop"
    ALIVE = "alive"
    ON = "on"
    OFF = "off"


STATUS_OF = {1: Status.START, 2: Status.STOP, 3: Status.ALIVE, 7: Status.ON, 8: Status.OFF}


class Defect(StrEnum):
    """Why a datagram gave no record."""

    UNKNOWN_SENDER = "radius_unknown_sender"
    TOO_FAST = TOO_FAST
    MALFORMED = "radius_malformed"
    FORGED = "radius_forged"
    STALE = "radius_stale"
    """Genuine once, and long ago: by the sender's own clock, whatever that shows."""
    OTHER = "radius_other"
    """Genuine, but of no kind that says who is there; answered, so that it is not sent again."""


class Accounting(Struct, frozen=True):
    """One genuine record. `nas` is the sender's configured name, `age_s` how long ago it happened.

    `address` is the phone's (6 bytes), None if it was not told or is none.
    """

    nas: str
    status: Status
    session: str
    login: str = ""
    address: bytes | None = None
    age_s: int = 0

    def __repr__(self) -> str:
        """Without login, session and address: a representation may end up in a log."""
        return f"Accounting(nas={self.nas!r}, status={self.status!r})"


class Reader:
    """Datagrams in; records, and what to answer, out. Holds the shared secret, and by sender the
    newest time that it told (Unix time by its clock, s).
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._newest_s: dict[str, int] = {}

    def read(self, datagram: bytes, nas: str, wall_s: float) -> tuple[Accounting | Defect, bytes]:
        """What `nas` said, and the answer to it; none to what is malformed, forged or stale.

        `wall_s` is Unix time, against which an Event-Timestamp is held.
        """
        if not HEADER_BYTES <= len(datagram) <= DATAGRAM_BYTES_MAX:
            return Defect.MALFORMED, b""
        if datagram[0] != AccountingRequest:
            return Defect.OTHER, b""
        try:
            packet = AcctPacket(packet=datagram, dict=DICTIONARY, secret=self._secret)
        except PacketError:
            return Defect.MALFORMED, b""
        if not _genuine(packet):
            return Defect.FORGED, b""
        if self._is_stale(packet, nas):
            return Defect.STALE, b""
        return _record(packet, nas, wall_s), packet.CreateReply().ReplyPacket()

    def _is_stale(self, packet: AcctPacket, nas: str) -> bool:
        told_s = _number(packet, "Event-Timestamp")
        if told_s is None:
            return False
        newest_s = self._newest_s[nas] = max(told_s, self._newest_s.get(nas, told_s))
        return told_s < newest_s - STALE_S


def _genuine(packet: AcctPacket) -> bool:
    """RFC 2866 section 3, and RFC 2869 section 5.14 where the sender signs that way, too."""
    if not packet.VerifyAcctRequest():
        return False
    return packet.message_authenticator is None or bool(packet.verify_message_authenticator())


def _record(packet: AcctPacket, nas: str, wall_s: float) -> Accounting | Defect:
    status = STATUS_OF.get(_number(packet, "Acct-Status-Type") or 0)
    if status is None:
        return Defect.OTHER
    return Accounting(
        nas=nas,
        status=status,
        session=_text(packet, "Acct-Session-Id"),
        login=_text(packet, "User-Name"),
        address=address_of(_text(packet, "Calling-Station-Id")) or None,
        age_s=_age_s(packet, wall_s),
    )


def _age_s(packet: AcctPacket, wall_s: float) -> int:
    """How long ago it happened: the sender's own count of its delay, or what its clock says.

    A clock that is far off says nothing, and so is not believed.
    """
    delay_s = _number(packet, "Acct-Delay-Time") or 0
    happened_s = _number(packet, "Event-Timestamp")
    if happened_s is None:
        return delay_s
    age_s = round(wall_s) - happened_s
    return max(delay_s, age_s) if 0 <= age_s <= EVENT_AGE_S_MAX else delay_s


def _text(packet: AcctPacket, name: str) -> str:
    """The first value of an attribute; empty if there is none that can be read."""
    values = packet.get(name, [""])
    text = values[0]
    if not isinstance(text, str) or len(text) > TEXT_CHARACTERS_MAX or not text.isprintable():
        return ""
    return text


def _number(packet: AcctPacket, name: str) -> int | None:
    try:
        values = packet.get(name, [None])
    except ValueError:  # it is not of four bytes
        return None
    number = values[0]
    return number if isinstance(number, int) else None


class AccountingPort(Closing):
    """UDP ports on which accounting is taken, open for reading and answering; a context manager.

    `senders` gives each allowed sender's plain address its name. DeviceNotFound if a port cannot
    be had.
    """

    def __init__(
        self, places: Sequence[Endpoint], senders: Mapping[str, str], secret: bytes
    ) -> None:
        self._reader = Reader(secret)
        self._names = dict(senders)
        self._allowances = {address: Allowance(PER_S_MAX, BURST_MAX) for address in self._names}
        self._sockets: list[socket.socket] = []
        try:
            for place in places:
                self._sockets.append(_bound(place))
        except DeviceError:
            self.close()
            raise

    def wait(self, core_fd: int, timeout_s: float) -> None:
        """Return when something came, when `core_fd` has something, or after `timeout_s`."""
        ports = [port.fileno() for port in self._sockets]
        select.select([*ports, core_fd], [], [], timeout_s)

    def take(self) -> Iterator[tuple[str, Accounting | Defect]]:
        """What has come, at most `DATAGRAMS_PER_TURN`, each with its sender's name ('' if unknown).

        What is genuine has been answered when it is given.
        """
        for port in self._sockets:
            for _ in range(DATAGRAMS_PER_TURN // len(self._sockets)):
                try:
                    datagram, sender = port.recvfrom(DATAGRAM_BYTES_MAX + 1)
                except BlockingIOError:
                    break
                except ConnectionError:  # an answer did not reach a sender that has gone
                    continue
                except OSError as error:
                    raise DeviceGone(
                        f"The accounting port failed: {error.strerror}.", "It is opened again."
                    ) from error
                yield self._taken(port, datagram, sender)

    def _taken(
        self, port: socket.socket, datagram: bytes, sender: Any
    ) -> tuple[str, Accounting | Defect]:
        address = plain(sender[0])
        name = self._names.get(address)
        if name is None:
            return "", Defect.UNKNOWN_SENDER
        if not self._allowances[address].spend(time.monotonic_ns() // 1_000_000):
            return name, Defect.TOO_FAST
        found, answer = self._reader.read(datagram, name, time.time())
        if answer:
            try:
                port.sendto(answer, sender)
            except OSError:  # no way there, or no room: the sender asks again
                return name, found
        return name, found

    def close(self) -> None:
        """Give the ports back."""
        for each in self._sockets:
            each.close()


def _bound(here: Endpoint) -> socket.socket:
    family = socket.AF_INET6 if ":" in here.host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_DGRAM)
    try:
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        made.bind(here)
    except OSError as error:
        made.close()
        raise cannot_listen(here, error) from error
    return made
