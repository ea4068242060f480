"""Questions to the platform while somebody waits: stock elsewhere, a balance, a coupon, a payment.

Pages and desks call `ask`, which always answers within the service's budget: with what the platform
says, else with what it said last and how old that is, else with a sentence why not. The link lends
its connection (`attach`) and hands in what comes on `rs/{boot}`. A late answer is kept for the next
question and changes nothing else; what nobody asked for is counted.
"""

import asyncio
import logging
from collections import OrderedDict
from functools import partial
from typing import Any

import msgspec
from msgspec import Struct

from edge.clock import Clock
from edge.counters import Counters
from edge.errors import BadMessage, StorageError, SyncError
from edge.records import Moment
from edge.storage import answered
from edge.storage.answered import Answered
from edge.storage.database import Database
from sync.complaints import Complaints
from sync.downward import Publish
from sync.messages import Address, decode
from sync.spoken import ARGUMENTS_BYTES_MAX, Request, Response, Service

log = logging.getLogger(__name__)

IN_FLIGHT_MAX = 32
"""Questions waiting at the same time: more than a shop has screens. The next is told to wait."""
LATE_MAX = 256
"""Questions whose answer may still come too late and be kept; the oldest are given up."""
RESPONSE_BYTES_MAX = ARGUMENTS_BYTES_MAX + 1024

BUDGET_S = {
    Service.STOCK: 0.8,
    Service.BALANCE: 0.5,
    Service.COUPON_CLAIM: 1.5,
    Service.COUPON_CONFIRM: 1.5,
    Service.COUPON_RELEASE: 1.5,
    Service.PHONE_VERIFY: 5.0,
    Service.PAYMENT_LINK: 3.0,
    Service.ORDER_STATUS: 0.8,
}
"""How long somebody who stands there is kept waiting for each service."""

REMEMBERED = frozenset({Service.STOCK, Service.BALANCE, Service.ORDER_STATUS})
"""Services whose last answer is worth something later, to the same question.

The others change something at the platform or are good for once: they are never answered from
memory.
"""
SUBJECT_BYTES_MAX = 512
"""An answer is remembered by its question's arguments; none of ours is nearly as long."""
OFF_LINE = "This is not possible just now: there is no connection."
TOO_LATE = "This is not possible just now: the answer takes too long."
TOO_MANY = "This is not possible just now: too many ask at once."
TOO_LARGE = "This question is too large."


class Answer(Struct, frozen=True):
    """What came of a question: `value` if `ok`, else `reason`, a sentence to show.

    If not `fresh`, the value is the last one known, `age_s` old; None if its age is not known.
    """

    value: dict[str, Any]
    ok: bool
    reason: str = ""
    fresh: bool = True
    age_s: float | None = 0.0


class _Asked(Struct, frozen=True):
    """A question on its way."""

    service: Service
    args: dict[str, Any]
    answer: asyncio.Future[Response]


class Calls:
    """Asks and waits. One for the box; `attach` and `detach` are the link's."""

    def __init__(
        self, database: Database, clock: Clock, *, address: Address, counters: Counters
    ) -> None:
        self._database = database
        self._clock = clock
        self._address = address
        self._counters = counters
        self._complaints = Complaints(log, counters)
        self._publish: Publish | None = None
        # Late answers to a former process of this boot must fit no question of ours.
        self._origin = f"{clock.now().mono_ms:x}"
        self._number = 0
        self._waiting: dict[str, _Asked] = {}
        self._late: OrderedDict[str, _Asked] = OrderedDict()

    def attach(self, publish: Publish) -> None:
        """There is a connection now."""
        self._publish = publish

    def detach(self) -> None:
        """It has ended: who waits is answered at once."""
        self._publish = None
        for asked in self._waiting.values():
            if not asked.answer.done():
                asked.answer.cancel()

    async def ask(
        self, service: Service, args: dict[str, Any], *, budget_s: float | None = None
    ) -> Answer:
        """Ask the platform, and wait no longer than `budget_s` (by default the service's)."""
        budget_s = BUDGET_S[service] if budget_s is None else budget_s
        encoded_bytes = len(msgspec.json.encode(args))
        if encoded_bytes > ARGUMENTS_BYTES_MAX:
            return Answer({}, ok=False, reason=TOO_LARGE)
        if self._publish is None:
            return self._remembered(service, args, OFF_LINE)
        if len(self._waiting) >= IN_FLIGHT_MAX:
            self._counters.add("calls.too_many")
            return self._remembered(service, args, TOO_MANY)
        response = await self._asked(self._publish, service, args, budget_s)
        if isinstance(response, str):
            return self._remembered(service, args, response)
        return Answer(response.value, response.ok, response.reason)

    async def receive(self, boot: str, payload: bytes) -> None:
        """Take an answer. What is malformed, of another boot or not asked for is counted."""
        if boot != self._clock.now().boot:
            self._complain("calls.other_boot", "An answer to another boot of this box came.")
            return
        try:
            if len(payload) > RESPONSE_BYTES_MAX:
                raise BadMessage(f"An answer of {len(payload)} bytes is too large.")
            response = decode(payload, Response)
        except BadMessage as error:
            self._complain("calls.malformed", error)
            return
        if (asked := self._waiting.get(response.id)) is not None and not asked.answer.done():
            asked.answer.set_result(response)
        elif (asked := self._late.pop(response.id, None)) is not None:
            self._counters.add("calls.late")
        else:
            self._complain("calls.not_asked", "An answer came that nobody had asked for.")
            return
        await self._keep(asked, response)

    # --- inside

    async def _asked(
        self, publish: Publish, service: Service, args: dict[str, Any], budget_s: float
    ) -> Response | str:
        """The platform's response, or why there is none."""
        self._number += 1
        identity = f"{self._origin}-{self._number}"
        request = Request(
            v=1,
            id=identity,
            boot=self._clock.now().boot,
            args=args,
            budget_ms=max(1, round(budget_s * 1000)),
        )
        asked = _Asked(service, args, asyncio.get_running_loop().create_future())
        self._waiting[identity] = asked
        try:
            async with asyncio.timeout(budget_s):
                await publish(self._address.request(service), msgspec.json.encode(request))
                return await asyncio.shield(asked.answer)
        except TimeoutError:
            self._counters.add("calls.timed_out")
            self._expect_late(identity, asked)
            return TOO_LATE
        except SyncError:
            self._expect_late(identity, asked)
            return OFF_LINE
        except asyncio.CancelledError:
            if not asked.answer.cancelled():
                raise  # it is us who are cancelled, not the answer by `detach`
            self._expect_late(identity, asked)
            return OFF_LINE
        finally:
            del self._waiting[identity]

    def _expect_late(self, identity: str, asked: _Asked) -> None:
        self._late[identity] = asked
        while len(self._late) > LATE_MAX:
            self._late.popitem(last=False)

    def _remembered(self, service: Service, args: dict[str, Any], reason: str) -> Answer:
        """The last answer with its age, or the refusal."""
        known = None
        if (subject := _subject(service, args)) is not None:
            known = answered.get(self._database.reading, service, subject)
        if known is None:
            return Answer({}, ok=False, reason=reason)
        value = msgspec.json.decode(known.value, type=dict[str, Any])
        age_s = _age_s(known.moment, self._clock.now())
        return Answer(value, ok=True, reason=reason, fresh=False, age_s=age_s)

    async def _keep(self, asked: _Asked, response: Response) -> None:
        """Remember what may be shown again; a box without room for it goes on without."""
        subject = _subject(asked.service, asked.args)
        if subject is None or not response.ok:
            return
        member = asked.args.get("member")
        value = msgspec.json.encode(response.value)
        about = member if isinstance(member, str) else None
        kept = Answered(asked.service, subject, about, value, self._clock.now())
        try:
            await self._database.transact(partial(answered.put, answer=kept))
        except StorageError as error:
            self._complain("calls.not_kept", error)

    def _complain(self, kind: str, text: object) -> None:
        self._complaints.say(kind, text, asyncio.get_running_loop().time())


def _subject(service: Service, args: dict[str, Any]) -> str | None:
    """What an answer is remembered by; None if it is not."""
    encoded = msgspec.json.encode(args, order="sorted")
    if service not in REMEMBERED or len(encoded) > SUBJECT_BYTES_MAX:
        return None
    return encoded.decode()


def _age_s(then: Moment, now: Moment) -> float | None:
    """Seconds between two moments, if any clock can tell."""
    if then.boot == now.boot and then.mono_ms <= now.mono_ms:
        return (now.mono_ms - then.mono_ms) / 1000
    if then.trusted and now.trusted:
        return max(0.0, (now.wall_ms - then.wall_ms) / 1000)
    return None
