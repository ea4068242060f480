"""The Wi-Fi's own word: which logins to it began, go on and ended, by RADIUS accounting.

Run by `sensors/worker.py`. `device` is `udp:ADDRESS[:PORT]` (several with commas; 1813 is usual,
1646 old), or `replay:PATH` or `simulated:PATH`, a file with one record as JSON in each line
(`Line`).
Packets are `hardware.radius`'s, sessions `hardware.radius_sessions`'s. It neither knows nor decides
whose a login is, and what it hears leaves to the core alone.
"""

import hashlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta, Struct, field

from edge.errors import ConfigError, WrongDevice
from edge.records import AssociationPhase, AssociationReading, Moment, Short, Whole
from hardware.address import address_of
from sensors.core_link import CoreLink
from sensors.declaration import Needs, Sensor
from sensors.recorded import opened, recording
from sensors.senders import Senders, by_address, require_named

if TYPE_CHECKING:
    from hardware.endpoint import Endpoint
    from hardware.radius import Accounting
    from hardware.radius_sessions import Change

PORTS_MAX = 4
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

    `senders` names each one that is allowed: `senders = { hall = "192.168.88.1" }`. `secret_file`
    holds the secret that is shared with them; the core reads it. `interim_s` is how often they
    update.
    """

    senders: Senders = field(default_factory=dict)
    secret_file: str = ""
    interim_s: Annotated[int, Meta(ge=60, le=3600)] | None = None

    def __post_init__(self) -> None:
        """ValueError, which msgspec hands on as its own, if a sender cannot be told by these."""
        by_address(self.senders)


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
    needs=Needs(peers=("each of the senders",)),
    local_only=True,
)


def observe(core: CoreLink, device: str, options: RadiusOptions) -> None:
    """Report logins until the core hangs up."""
    logins = Logins(core, options.interim_s)
    if (path := recording(device)) is not None:
        play(core, logins, path)
        return
    require_named(options.senders)
    if not core.secret:
        raise ConfigError(
            f"Sensor {core.configuration.sensor} has no secret_file.",
            "Name in its section the file with the secret that is shared with the senders.",
        )
    listen(core, logins, places_of(device), options)


def listen(
    core: CoreLink, logins: "Logins", places: "list[Endpoint]", options: RadiusOptions
) -> None:
    """Report what the senders say over UDP."""
    from hardware.radius import AccountingPort

    with AccountingPort(places, by_address(options.senders), core.secret) as port:
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


def places_of(device: str) -> "list[Endpoint]":
    """Where to listen. WrongDevice if `device` is not understood, or names too many ports."""
    from hardware.endpoint import udp_endpoint
    from hardware.radius import PORT

    parts = [part.strip() for part in device.split(",")]
    if len(parts) > PORTS_MAX:
        raise WrongDevice(f"'{device}' names more than {PORTS_MAX} ports.", "Use fewer.")
    return [udp_endpoint(part, PORT) for part in parts]


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
    from hardware.radius import Accounting, Status

    return Accounting(
        nas=line.nas,
        status=Status(line.status),
        session=line.session,
        login=line.login,
        address=address_of(line.address) or None,
        age_s=line.age_s,
    )


def _lines(path: Path) -> Iterator[bytes]:
    """The lines that are not blank. DeviceNotFound if the file cannot be read."""
    with opened(path) as script:
        while line := script.readline(LINE_BYTES_MAX):
            if line.strip():
                yield line
