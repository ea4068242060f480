"""The staff page of what one member agreed to: a seller takes it back for them.

Made by `kiosk/app.py` beside the other routes of staff. Only members who are on the staff page can
be opened, and each withdrawal is credited to the seller who says to have done it.
"""

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from edge.records import ConsentKind, Member
from kiosk.consents import Consents, held
from kiosk.pardon import tried
from kiosk.shopper import Tick
from kiosk.staff import Session, StaffRoom, to_staff, token_of
from kiosk.staff_faces import Seller
from kiosk.views import believed
from kiosk.words import N_

GONE = (
    N_("The member is not on this page any more."),
    N_("Nothing was taken back. Scan their card, and try again."),
)
"""A withdrawal must not vanish without a word."""


@dataclass(frozen=True, slots=True)
class TakeBack:
    """The form; `sure` is a tick."""

    by: Seller
    kind: Annotated[ConsentKind, Form()]
    sure: Tick = ""


class ConsentsOfMembers:
    """Draws the page."""

    def __init__(self, room: StaffRoom, consents: Consents) -> None:
        self._room = room
        self._consents = consents

    def session(self, request: Request) -> Session | None:
        """The session of who asks, unless it has ended."""
        return self._room.sessions.find(token_of(request))

    def member(self, member: str) -> Member | None:
        """The member, if they are on the staff page now."""
        presence = self._room.screens.presence
        here = (visit.member for visit in presence.here() if believed(visit))
        return presence.member(member) if member in here else None

    def page(self, session: Session, member: Member) -> HTMLResponse:
        """What they agreed to, each with what is lost without it."""
        words = self._room.pages.words(session.language)
        said, session.said = session.said, ()
        return self._room.pages.page(
            "staff_consents.html",
            words,
            member=member,
            held=held(member),
            seller=session.seller,
            said=words.sentences(said),
        )

    async def withdraw(self, session: Session, member: Member, form: TakeBack) -> None:
        """The member takes it back; the session keeps what came of it."""
        session.seller = form.by.strip()

        async def withdrawn() -> None:
            session.said = await self._consents.withdraw_by_staff(
                member.id, form.kind, session.seller, sure=bool(form.sure)
            )

        session.said = await tried(withdrawn()) or session.said
        if self.member(member.id) is None:  # their page has gone with them
            session.notice, session.said = session.said, ()
        self._room.screens.shop.ring()


def staff_consent_routes(room: StaffRoom, consents: Consents) -> APIRouter:
    """All routes of it."""
    router, desk = APIRouter(), ConsentsOfMembers(room, consents)

    @router.get("/staff/consents/{name}", response_class=HTMLResponse)
    async def show(request: Request, name: str) -> Response:
        session, member = desk.session(request), desk.member(name)
        return desk.page(session, member) if session and member else to_staff()

    @router.post("/staff/consents/{name}/withdraw")
    async def withdraw(
        request: Request, name: str, form: Annotated[TakeBack, Depends()]
    ) -> Response:
        session, member = desk.session(request), desk.member(name)
        if session and member:
            await desk.withdraw(session, member, form)
        elif session:
            session.notice = GONE
        return RedirectResponse(f"/staff/consents/{quote(name, safe='')}", 303)

    return router
