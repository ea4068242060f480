"""What a seller says of a visit: "it is not them", "yes, it is them", and that they were wrong.

Made by `kiosk/app.py` beside the other routes of staff. The presence desk decides what becomes of
the visit; whoever says it is credited, and can take it back for a while.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import Response

from edge.errors import Refused
from edge.presence.enrolment import BY_CHARACTERS_MAX
from edge.visiting import Visit
from kiosk.pardon import tried
from kiosk.shopper import Field
from kiosk.staff import Correction, Session, StaffRoom, to_staff, token_of
from kiosk.views import believed
from kiosk.words import N_

NAME_FIRST = N_("Say your name or number first, please.")
CHANGED = N_("This has changed meanwhile. Look once more, please.")
TOO_LATE = N_("It is too late to undo this. Correct the card instead, please.")

Seller = Annotated[str, Form(max_length=BY_CHARACTERS_MAX)]


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said of one card: `visit` is this `member`'s, or not."""

    visit: Field
    member: Field
    answer: Annotated[Literal["yes", "no"], Form()]
    by: Seller = ""


class Corrections:
    """What sellers correct on the page of who is in the shop."""

    def __init__(self, room: StaffRoom) -> None:
        self._room = room

    def session(self, request: Request) -> Session | None:
        """The session of who asks, unless it has ended."""
        return self._room.sessions.find(token_of(request))

    async def say(self, session: Session, said: Answer) -> None:
        """It is them, or it is not."""
        session.seller = said.by.strip() or session.seller
        session.notice = await tried(self._say(session, said))
        self._room.screens.shop.ring()

    async def undo(self, session: Session) -> None:
        """The last correction of this tablet was wrong."""
        session.notice = await tried(self._undo(session))
        self._room.screens.shop.ring()

    async def _say(self, session: Session, said: Answer) -> None:
        if not session.seller:
            raise Refused(NAME_FIRST)
        visit = self._visit(said.visit)
        if visit is None or visit.member != said.member or not believed(visit):
            raise Refused(CHANGED)
        is_them = said.answer == "yes"
        await self._correct(session, visit.id, said.member, is_them=is_them)
        now_ms = self._room.screens.clock.now().mono_ms
        session.corrected = Correction(visit.id, said.member, is_them, now_ms)

    async def _undo(self, session: Session) -> None:
        last = self._room.undoable(session)
        session.corrected = None
        if last is None:
            raise Refused(TOO_LATE)
        await self._correct(session, last.visit, last.member, is_them=not last.is_them)

    async def _correct(self, session: Session, visit: str, member: str, *, is_them: bool) -> None:
        presence = self._room.screens.presence
        await presence.correct(visit, member=member if is_them else None, by=session.seller)

    def _visit(self, visit: str) -> Visit | None:
        here = self._room.screens.presence.here()
        return next((each for each in here if each.id == visit), None)


def staff_visit_routes(room: StaffRoom) -> APIRouter:
    """All routes of it. What is said, and of whom, stands in no address."""
    router, corrections = APIRouter(), Corrections(room)

    @router.post("/staff/visits/say")
    async def say(request: Request, said: Annotated[Answer, Depends()]) -> Response:
        session = corrections.session(request)
        if session is not None:
            await corrections.say(session, said)
        return to_staff()

    @router.post("/staff/visits/undo")
    async def undo(request: Request) -> Response:
        session = corrections.session(request)
        if session is not None:
            await corrections.undo(session)
        return to_staff()

    return router
