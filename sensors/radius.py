"""The Wi-Fi's own word: which logins to it began, go on and ended, by RADIUS accounting.

Run by `sensors/worker.py`. `device` is `udp:ADDRESS:PORT` (several with commas; 1813 is usual, 1646
old), or `replay:PATH` or `simulated:PATH`, a file with one record as JSON in each line (`Line`).
Packets are `hardware.radius`'s, sessions `hardware.radius_sessions`'s. It neither knows nor decides
whose a login is, and what it hears leaves to the core alone.
"""

import hashlib
import ipaddress
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from edge.errors import ConfigError, DeviceNotFound
from edge.records import AssociationPhase, AssociationReading, Moment, Short, Whole
from sensors.core_link import CoreLink
from sensors.declaration import Needs, Sensor

if TYPE_CHECKING:
    from hardware.radius import Accounting
    from hardware.radius_sessions import Change

UDP_PREFIX = "udp:"
FILE_PREFIXES = ("replay:", "simulated:")
PORTS_MAX = 4
NAS_MAX = 32
WAIT_S = 1.0
RECORDS_PER_POLL = 100
LINE_BYTES_MAX = 4096
"""Of a recorded line: many times the longest one."""
EXPLAINED = {
    "radius_forged": "sends what the secret does not fit. Compare secret_file with the secret that"
    " is set there.",
    "radius_stale": "sends what happened long before its newest record: somebody repeats what was"
    " overheard, or its clock was set back. If it was, restart this sensor.",
}
"""What a person can do about it; said once until a record of the sender is genuine."""
TOKEN_BYTES = 8
"""So much tells one session from all others of a shop."""


class RadiusOptions(Struct, frozen=True, kw_only=True):
    """Options of `[sensors.NAME]` with kind "radius".

    `nas` names each sender that is allowed: `nas = { hall = "192.168.88.1" }`. `secret_file` holds
    the secret that is shared with them; the core reads it. `interim_s` is how often they update.
    """

    nas: Annotated[dict[Short, Short], Meta(max_length=NAS_MAX)] = {}
    secret_file: str = ""
    interim_s: Annotated[int, Meta(ge=60, le=3600)] | None = None

    def __post_init__(self) -> None:
        """ValueError, which msgspec hands on as its own, if a sender has no address."""
        for name, address in self.nas.items():
            try:
                ipaddress.ip_address(address)
            except ValueError as error:
                raise ValueError(f"the address of nas {name} is no IP address") from error


class Line(Struct, frozen=True, forbid_unknown_fields=True):
    """One line of a recorded or simulated file: what one sender reported at a time."""

    at_ms: Annotated[int, Meta(ge=0, le=2**52)]
    nas: Short
    status: Literal["start", "alive", "stop", "on", "off"]
    session: Short = ""
    login: Short = ""
    address: Short = ""
    age_s: Whole = 0

    def __repr__(self) -> str:
        """Without login, session and address: a representation may end up in a log."""
        return f"Line(at_ms={self.at_ms}, status={self.status!r})"


SENSOR = Sensor(
    kind="radius",
    options=RadiusOptions,
    needs=Needs(families=("AF_INET", "AF_INET6"), peers=("each sender named in nas",)),
    local_only=True,
)


def observe(core: CoreLink, device: str, options: RadiusOptions) -> None:
    """Report logins until the core hangs up."""
    logins = Logins(core, options.interim_s)
    for prefix in FILE_PREFIXES:
        if device.startswith(prefix):
            play(core, logins, Path(device.removeprefix(prefix)))
            return
    listen(core, logins, places_of(device), options)


def listen(
    core: CoreLink, logins: "Logins", places: list[tuple[str, int]], options: RadiusOptions
) -> None:
    """Report what the senders say over UDP."""
    from hardware.radius import AccountingPort

    senders = {address: name for name, address in options.nas.items()}
    with AccountingPort(places, senders, core.secret) as port:
        if not core.secret or not senders:
            raise ConfigError(
                f"Sensor {core.configuration.sensor} has no {'secret_file' if senders else 'nas'}.",
                "Name in its section the senders, and the file with the secret shared with them.",
            )
        core.healthy("listening")
        while True:
            port.wait(core.fileno(), WAIT_S)
            now_ms = time.monotonic_ns() // 1_000_000
            for sender, found in port.take():
                if isinstance(found, str):
                    logins.refuse(found.value, sender)
                else:
                    logins.take(found, now_ms, core.moment(0))
            logins.pass_time(now_ms, core.moment(0))
            core.poll()


def play(core: CoreLink, logins: "Logins", path: Path) -> None:
    """Report the records of a file, each at its time; a line that is no record is counted."""
    core.healthy()
    latest_ms = 0
    for number, text in enumerate(_lines(path)):
        try:
            line = msgspec.json.decode(text, type=Line)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            core.dropped("script_malformed")
            continue
        latest_ms = max(latest_ms, line.at_ms)
        seen = core.reach(latest_ms)
        logins.pass_time(latest_ms, seen)
        logins.take(_recorded(line), latest_ms, seen)
        core.passed(seen)
        if number % RECORDS_PER_POLL == 0:
            core.poll()
    core.finish()


def places_of(device: str) -> list[tuple[str, int]]:
    """The addresses and ports in `device`. ConfigError if it is not understood."""
    places = []
    for part in device.split(","):
        address, _, port = part.strip().removeprefix(UDP_PREFIX).rpartition(":")
        try:
            place = str(ipaddress.ip_address(address.strip("[]"))), int(port)
        except ValueError:
            place = "", -1
        if not part.strip().startswith(UDP_PREFIX) or not 0 <= place[1] <= 65535:
            raise ConfigError(
                f"The device '{device}' is no place to listen for accounting.",
                "Write an address of this box and a port: udp:192.168.88.2:1813",
            )
        places.append(place)
    if len(places) > PORTS_MAX:
        raise ConfigError(f"'{device}' names more than {PORTS_MAX} ports.", "Use fewer.")
    return places


class Logins:
    """What has been reported becomes readings and counts. One per sensor."""

    def __init__(self, core: CoreLink, interim_s: int | None) -> None:
        from hardware.radius_sessions import SessionBook

        self._core = core
        self._book = SessionBook(interim_s)
        self._explained: set[str] = set()

    def take(self, record: "Accounting", now_ms: int, seen: Moment) -> None:
        """One genuine record."""
        self._explained.discard(record.nas)
        # Without the session's id: senders put addresses into theirs, and the book keeps it.
        session = record.session and self._token(record.nas, record.session)
        changes = self._book.take(msgspec.structs.replace(record, session=session), now_ms)
        if isinstance(changes, str):
            self._core.dropped(changes.value)
            return
        self._report(changes, seen)

    def pass_time(self, now_ms: int, seen: Moment) -> None:
        """Time passes: sessions whose end was lost are over."""
        self._report(self._book.expire(now_ms), seen)

    def refuse(self, reason: str, sender: str) -> None:
        """Something came that was not believed: counted, and said once until one is genuine."""
        self._core.dropped(reason)
        if reason in EXPLAINED and sender not in self._explained:
            self._explained.add(sender)
            print(f"radius: {sender} {EXPLAINED[reason]}", file=sys.stderr, flush=True)

    def _report(self, changes: "list[Change]", seen: Moment) -> None:
        for change in changes:
            session = change.session
            reading = AssociationReading(
                login=change.login,
                address=bytearray(change.address),
                nas=session.nas,
                session=session.id,
                phase=AssociationPhase(change.phase.value),
            )
            self._core.observe(reading, seen)

    def _token(self, nas: str, session: str) -> str:
        """What stands for a session.

        Under the first salt, not the current one: a session keeps its token to its end.
        """
        salt = self._core.configuration.salt
        text = f"{nas}\n{session}".encode()
        return hashlib.blake2b(text, digest_size=TOKEN_BYTES, key=salt).hexdigest()


def _recorded(line: Line) -> "Accounting":
    from hardware.radius import Accounting, Status, address_of

    return Accounting(
        nas=line.nas,
        status=Status(line.status),
        session=line.session,
        login=line.login,
        address=address_of(line.address),
        age_s=line.age_s,
    )


def _lines(path: Path) -> Iterator[bytes]:
    """The lines that are not blank. DeviceNotFound if the file cannot be read."""
    try:
        with path.open("rb") as script:
            while line := script.readline(LINE_BYTES_MAX):
                if line.strip():
                    yield line
    except OSError as error:
        raise DeviceNotFound(
            f"The recording {path} cannot be read: {error.strerror}.",
            "Check the path and its permissions.",
        ) from error
