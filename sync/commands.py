"""The platform's signed commands: judged, carried out once, and answered with `command.done.v1`.

The link hands each message of `dn/cmd` to `take`. Effect, counter and answer are one transaction.
What is not signed by a trusted key, meant for another box, or known already has no effect and is
counted; what is authentic but expired, unknown or wrong is answered with the reason. There is no
shell here, and no way to one: `sync/spoken.py` lists all that can be commanded.
"""

import asyncio
import logging
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from edge import consent, erasure
from edge.clock import Clock
from edge.counters import Counters
from edge.errors import BadMessage, StorageError
from edge.lease import Lease
from edge.records import ConsentKind, Moment, Stream
from edge.storage import commanded, erased
from edge.storage.commanded import Commanded
from edge.storage.database import Database, Transaction
from sync.complaints import Complaints
from sync.messages import Address, Dataset, decode_json
from sync.signing import TrustedKeys
from sync.spoken import ARGUMENTS_BYTES_MAX, Command, CommandType

log = logging.getLogger(__name__)

COMMAND_BYTES_MAX = ARGUMENTS_BYTES_MAX + 4096
"""The arguments and what stands around them."""
BEYOND_MAX = 100
"""Counters remembered that came before those below them: the platform sends all of them again."""
DONE, REPORTED = "command.done.v1", "box.reported.v1"

MemberId = Annotated[str, Meta(min_length=1, max_length=128)]


class EraseMember(Struct, frozen=True, forbid_unknown_fields=True):
    """`member.erase`: everything of this person leaves the box and never comes back."""

    member: MemberId


class WithdrawConsent(Struct, frozen=True, forbid_unknown_fields=True):
    """`consent.withdraw`: the member takes one agreement back; what rested on it goes."""

    member: MemberId
    kind: ConsentKind


class Report(Struct, frozen=True, forbid_unknown_fields=True):
    """`box.report`: the box tells how it is."""


class Refresh(Struct, frozen=True, forbid_unknown_fields=True):
    """`datasets.refresh`: the box asks for these datasets anew, or for all."""

    datasets: Annotated[tuple[Dataset, ...], Meta(max_length=len(Dataset))] = ()


Action = EraseMember | WithdrawConsent | Report | Refresh
ACTIONS: dict[str, type[Action]] = {
    CommandType.ERASE_MEMBER: EraseMember,
    CommandType.WITHDRAW_CONSENT: WithdrawConsent,
    CommandType.REPORT: Report,
    CommandType.REFRESH: Refresh,
}
"""The allow-list: what a command of each type must bring."""


class Authority(Struct, frozen=True):
    """Which box this is, and whose signature it obeys."""

    address: Address
    keys: TrustedKeys


class Place(StrEnum):
    """Where a command stands among those that this box has taken."""

    NEXT = "next"
    KNOWN = "known"
    BEYOND = "beyond"
    """One before it is missing."""


class Unfit(Struct, frozen=True):
    """A message without effect: what is counted, and what is said."""

    kind: str
    text: str


class Commands:
    """Takes commands. `add_listener` for what must happen in memory after one."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        authority: Authority,
        lease: Lease,
        counters: Counters,
    ) -> None:
        self._database = database
        self._clock = clock
        self._authority = authority
        self._lease = lease
        self._complaints = Complaints(log, counters)
        self._listeners: list[Callable[[Action], None]] = []
        self._report: Callable[[], dict[str, Any]] = dict
        self._beyond: set[int] = set()
        self.incomplete = False
        """Whether a command could not be kept: the platform is to be asked for it again."""

    @property
    def last(self) -> int:
        """The counter of the newest command taken, for the hello."""
        return commanded.last(self._database.reading)

    def add_listener(self, listener: Callable[[Action], None]) -> None:
        """Call `listener` on the loop with what has just been carried out."""
        self._listeners.append(listener)

    def report_with(self, report: Callable[[], dict[str, Any]]) -> None:
        """What `box.report` tells; the daemon knows."""
        self._report = report

    async def take(self, payload: bytes) -> bool:
        """Judge one message and carry it out.

        True if the platform should be told by a hello up to where its commands have come, because
        one is missing; it sends again what is above.
        """
        command = self._authentic(payload)
        if isinstance(command, Unfit):
            self._complain(command.kind, command.text)
            return False
        action, refusal = self._judged(command)
        report = self._report() if isinstance(action, Report) else {}
        change = partial(
            self._carry_out, command=command, action=action, refusal=refusal, report=report
        )
        erases = isinstance(action, EraseMember | WithdrawConsent)
        try:
            done = await self._database.transact(change, reserve=True, scrub=erases)
        except StorageError as error:
            self.incomplete = True
            self._complain("commands.not_kept", error)
            return False
        self.incomplete = False
        if isinstance(done, Commanded):
            self._carried_out(done, action)
        elif done is Place.KNOWN:
            self._complain("commands.replayed", "A command was taken already.")
        else:  # noted only now: a change may run twice
            if len(self._beyond) < BEYOND_MAX:
                self._beyond.add(command.counter)
            self._complain("commands.beyond", "A command came before one that is missing.")
        return done is Place.BEYOND

    def _carried_out(self, done: Commanded, action: Action | None) -> None:
        self._beyond.clear()
        log.info("command %s (%s): %s", done.id, done.type, done.reason or "done")
        if not done.ok:
            self._complain("commands.refused", f"A command was refused: {done.reason}")
        elif action is not None:
            for listener in self._listeners:
                listener(action)

    # --- judging

    def _authentic(self, payload: bytes) -> Command | Unfit:
        """The command, if a key that we trust signed it for this box."""
        if len(payload) > COMMAND_BYTES_MAX:
            return Unfit("commands.malformed", f"A command of {len(payload)} bytes is too large.")
        try:
            message = decode_json(payload, dict[str, Any])
            command = msgspec.convert(message, Command)
        except (BadMessage, msgspec.ValidationError) as error:
            return Unfit("commands.malformed", f"A command is malformed: {error}")
        try:
            self._authority.keys.check(message)
        except BadMessage as error:
            return Unfit("commands.unsigned", error.what)
        if command.box != str(self._authority.address):
            return Unfit("commands.misaddressed", "A command is meant for another box.")
        return command

    def _judged(self, command: Command) -> tuple[Action | None, str]:
        """What is commanded, or the reason why it cannot be done."""
        kind = ACTIONS.get(command.type)
        if kind is None:
            return None, "This box knows no such command."
        if kind is not EraseMember and (late := self._too_late(command)):
            return None, late
        try:
            return msgspec.convert(command.args, kind), ""
        except msgspec.ValidationError:
            # What it says of the arguments stays here: they name people.
            return None, "The arguments do not fit the command."

    def _too_late(self, command: Command) -> str:
        """Why the command may not be done any more by now; empty if it may."""
        wall_ms = self._lease.wall_ms()
        if wall_ms is None:
            return "The box does not know the time, so that the command may have expired."
        return "The command has expired." if wall_ms >= command.exp * 1000 else ""

    # --- carrying out, in the writer

    def _carry_out(
        self,
        tx: Transaction,
        *,
        command: Command,
        action: Action | None,
        refusal: str,
        report: dict[str, Any],
    ) -> Commanded | Place:
        """Effect, counter and answer, if it is the next one; else nothing but its place."""
        place = self._place(tx, command, action)
        if place is not Place.NEXT:
            return place
        now = self._clock.now()
        if action is not None:
            _obey(tx, action, report, now)
        done = Commanded(
            command.counter, command.id, command.type, action is not None, refusal, now.wall_ms
        )
        commanded.note(tx, done)
        body = {"id": done.id, "type": done.type, "ok": done.ok, "reason": done.reason}
        tx.emit(Stream.CRIT, DONE, body, now)
        return done

    def _place(self, tx: Transaction, command: Command, action: Action | None) -> Place:
        """Whether the command is the next one.

        The platform sends in order, but a broker may have lost some: what comes again after our
        hello has nothing missing before it. An erasure that comes late is next as long as the
        person may be here, whatever its counter: it can be done but once.
        """
        if commanded.knows(tx, command.id):
            return Place.KNOWN
        last = commanded.last(tx)
        if command.counter <= last:
            late = isinstance(action, EraseMember) and not erased.contains(
                tx, tx.vault, action.member
            )
            return Place.NEXT if late else Place.KNOWN
        if command.counter > last + 1 and command.counter not in self._beyond:
            return Place.BEYOND
        return Place.NEXT

    def _complain(self, kind: str, text: object) -> None:
        self._complaints.say(kind, text, asyncio.get_running_loop().time())


def _obey(tx: Transaction, action: Action, report: dict[str, Any], now: Moment) -> None:
    match action:
        case EraseMember(member=member):
            erasure.erase(tx, member, now)
        case WithdrawConsent(member=member, kind=kind):
            consent.withdraw(tx, member, kind, now)
        case Report():
            tx.emit(Stream.CRIT, REPORTED, report, now)
        case Refresh():
            pass  # in memory, by a listener
