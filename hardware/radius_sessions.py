"""Which phones are logged in: accounting records, in whatever order they come, become sessions.

Pure; called by `sensors/radius.py` with records and the time. A session starts once and stops once,
whatever is repeated, lost or late: RFC 2866 promises neither order nor delivery. It knows no device
and no shop word, and remembers a bounded number of sessions, in memory only. Of a phone and of who
is logged in it keeps hashes under a key of its own, made anew with each book, to tell one from
another: login and address are given on with the record that brought them, and gone with it.
"""

import hashlib
import secrets
from collections import OrderedDict
from enum import StrEnum

from msgspec import Struct

from hardware.radius import STALE_S, Accounting, Status

SESSIONS_MAX = 5000
"""More phones than this are not in one shop; the one unheard for longest makes room."""
ENDED_MAX = 10_000
LATE_MS = 1000 * STALE_S
"""So long after its end a record of a session is one that was repeated or overtaken. Afterwards the
sender has begun to number anew. A start that is as old as this tells nothing of now."""
SILENCE_S = 900
"""Without updates of its state nobody is believed to be there for longer."""
SILENT_UPDATES = 2
"""One update may be lost on the way."""
ROUNDING_MS = 2000
"""Ages are told in whole seconds, at both ends of a session."""
BOOT_REPEATED_MS = 60_000
"""So long a sender repeats that it has just begun or ended."""
MARK_BYTES = 16
KEY_BYTES = 32


class Phase(StrEnum):
    """What a session does now."""

    START = "start"
    ALIVE = "alive"
    STOP = "stop"


class Refusal(StrEnum):
    """Why a genuine record changes nothing."""

    LATE = "radius_late"
    """It was repeated or overtaken, or tells of long ago."""
    NO_SESSION = "radius_no_session"
    NO_ADDRESS = "radius_no_address"


class Session(Struct):
    """One login of one phone at one sender. Times are milliseconds of the caller's steady clock.

    `phone` and `person` are keyed hashes; an empty login has one, too.
    """

    nas: str
    id: str
    phone: bytes
    person: bytes
    begun_ms: int
    heard_ms: int

    def __repr__(self) -> str:
        """Without who it is."""
        return f"Session(nas={self.nas!r})"


class Change(Struct, frozen=True):
    """A session did something. `login` and `address` are of the record that said so, just now; what
    has ended has neither.
    """

    phase: Phase
    session: Session
    login: str = ""
    address: bytes = b""

    def __repr__(self) -> str:
        """Without who it is."""
        return f"Change(phase={self.phase!r}, session={self.session!r})"


Key = tuple[str, str]


class SessionBook:
    """The sessions of all senders. `interim_s` is how often they report one that goes on."""

    def __init__(self, interim_s: int | None = None) -> None:
        self._key = secrets.token_bytes(KEY_BYTES)
        self._nobody = self._mark(b"")
        self._silence_ms = 1000 * (SILENT_UPDATES * interim_s if interim_s else SILENCE_S)
        self._open: dict[Key, Session] = {}
        self._ended: OrderedDict[Key, tuple[int, bytes | None]] = OrderedDict()
        self._boots: dict[str, tuple[str, str, int]] = {}
        """The last time that each sender said it began or ended: which, and when heard."""
        self._since_ms: dict[str, int] = {}
        """Nothing that happened before goes on."""

    def take(self, record: Accounting, now_ms: int) -> list[Change] | Refusal:
        """What follows from one record. `now_ms` never goes back."""
        happened_ms = now_ms - record.age_s * 1000
        if record.status in (Status.ON, Status.OFF):
            return self._boot(record, now_ms, happened_ms)
        if not record.session:
            return Refusal.NO_SESSION
        if record.status is Status.STOP:
            return self._stop(record, now_ms, happened_ms)
        if record.address is None:
            return Refusal.NO_ADDRESS
        if self._is_late(record, now_ms, happened_ms):
            return Refusal.LATE
        return self._go_on(record, record.address, happened_ms)

    def expire(self, now_ms: int) -> list[Change]:
        """End what has not been heard of for so long that its end must have been lost."""
        silent_ms = now_ms - self._silence_ms
        silent = [key for key, session in self._open.items() if session.heard_ms <= silent_ms]
        while self._ended and now_ms - next(iter(self._ended.values()))[0] > LATE_MS:
            self._ended.popitem(last=False)
        # Not among the ended: one that is heard of again goes on.
        return [Change(Phase.STOP, self._open.pop(key)) for key in silent]

    def _is_late(self, record: Accounting, now_ms: int, happened_ms: int) -> bool:
        if now_ms - happened_ms > LATE_MS:
            return True
        if happened_ms + ROUNDING_MS < self._since_ms.get(record.nas, happened_ms):
            return True
        ended_ms, phone = self._ended.get((record.nas, record.session), (None, None))
        if ended_ms is None or now_ms - ended_ms > LATE_MS:
            return False
        # Another phone's is a session that is new.
        return phone is None or phone == self._phone(record)

    def _go_on(self, record: Accounting, address: bytes, happened_ms: int) -> list[Change]:
        key = (record.nas, record.session)
        known = self._open.get(key)
        phone, person = self._mark(address), self._mark(record.login.encode())
        changes: list[Change] = []
        if known is not None:
            if known.phone == phone and person in (self._nobody, known.person):
                return _heard(known, record, address, happened_ms)
            changes.append(Change(Phase.STOP, self._open.pop(key)))
        elif len(self._open) >= SESSIONS_MAX:
            silent = min(self._open, key=lambda each: self._open[each].heard_ms)
            changes.append(Change(Phase.STOP, self._open.pop(silent)))
        session = Session(record.nas, record.session, phone, person, happened_ms, happened_ms)
        self._open[key] = session
        return [*changes, Change(Phase.START, session, record.login, address)]

    def _stop(self, record: Accounting, now_ms: int, happened_ms: int) -> list[Change] | Refusal:
        key = (record.nas, record.session)
        known = self._open.get(key)
        if known is not None and happened_ms + ROUNDING_MS < known.begun_ms:
            return Refusal.LATE  # of an earlier one of the same name
        repeated = known is None and key in self._ended
        if not repeated:
            phone = known.phone if known is not None else self._phone(record)
            self._note_end(key, now_ms, phone)
        if known is None:
            return Refusal.LATE if repeated else []
        del self._open[key]
        return [Change(Phase.STOP, known)]

    def _mark(self, what: bytes) -> bytes:
        """What tells it from others within this book, and nothing outside of it."""
        return hashlib.blake2b(what, digest_size=MARK_BYTES, key=self._key).digest()

    def _phone(self, record: Accounting) -> bytes | None:
        return None if record.address is None else self._mark(record.address)

    def _note_end(self, key: Key, now_ms: int, phone: bytes | None) -> None:
        self._ended.pop(key, None)
        self._ended[key] = (now_ms, phone)
        if len(self._ended) > ENDED_MAX:
            self._ended.popitem(last=False)

    def _boot(self, record: Accounting, now_ms: int, happened_ms: int) -> list[Change] | Refusal:
        """All sessions of the sender are over, except those that began since."""
        said = (record.session, record.status)
        *before, heard_ms = self._boots.get(record.nas, ("", "", 0))
        if said == tuple(before) and now_ms - heard_ms < BOOT_REPEATED_MS:
            return Refusal.LATE
        self._boots[record.nas] = (*said, now_ms)
        since_ms = max(happened_ms, self._since_ms.get(record.nas, happened_ms))
        self._since_ms[record.nas] = since_ms
        over = [
            key
            for key, session in self._open.items()
            if key[0] == record.nas and session.begun_ms <= since_ms
        ]
        for key in [key for key in self._ended if key[0] == record.nas]:
            del self._ended[key]  # it numbers its sessions anew
        return [Change(Phase.STOP, self._open.pop(key)) for key in over]


def _heard(session: Session, record: Accounting, address: bytes, happened_ms: int) -> list[Change]:
    """It is known already: either its start is repeated, or it goes on."""
    session.heard_ms = max(session.heard_ms, happened_ms)
    if record.status is not Status.ALIVE:
        return []
    return [Change(Phase.ALIVE, session, record.login, address)]
