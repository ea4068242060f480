"""The staff page of one member's face: enrol with the member's consent, watch, withdraw.

Made by `kiosk/app.py` beside the other routes of staff. Only members who are on the staff page can
be opened, and each step is credited to the seller who says to have done it.
"""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse

from edge.consent import Said
from edge.errors import Refused
from edge.presence.capture import Channel
from edge.presence.enrolment import BY_CHARACTERS_MAX
from edge.records import Member
from kiosk.faces import FORGOTTEN_BY_STAFF, NOTHING_TO_FORGET, TEXT_CHANGED, TICK_BOTH, Faces, seen
from kiosk.live import LiveConnections
from kiosk.pardon import tried
from kiosk.shopper import SSE_HEADERS, Field, Tick
from kiosk.staff import Session, StaffRoom, to_staff, token_of
from kiosk.twins import NOT_ENROLLED_BY_STAFF, has_twin
from kiosk.views import believed

Seller = Annotated[str, Form(min_length=1, max_length=BY_CHARACTERS_MAX, pattern=r"\S")]


@dataclass(frozen=True, slots=True)
class Begin:
    """The form that begins an enrolment; `agreed` and `adult` are ticks, `twin` is an answer."""

    by: Seller
    screen: Field
    version: Field
    twin: Tick = ""
    agreed: Tick = ""
    adult: Tick = ""


class FacesOfMembers:
    """Draws the page of one member's face."""

    def __init__(self, room: StaffRoom, faces: Faces) -> None:
        self._room = room
        self.faces = faces

    def session(self, request: Request, *, touch: bool = True) -> Session | None:
        """The session of who asks, unless it has ended."""
        return self._room.sessions.find(token_of(request), touch=touch)

    def member(self, member: str) -> Member | None:
        """The member, if they are on the staff page now, or being enrolled."""
        presence = self._room.screens.presence
        here = (visit.member for visit in presence.here() if believed(visit))
        found = presence.member(member) if member in here else None
        if found is None and self.faces.of_member(member) is not None:
            return presence.member(member)
        return found

    def page(self, session: Session, member: Member) -> HTMLResponse:
        """The whole page."""
        words = self._room.pages.words(session.language)
        return self._room.pages.page("staff_face.html", words, **self._values(session, member))

    def fragment(self, token: str, name: str) -> str | None:
        """What changes; None once the session has ended or the member has gone."""
        session = self._room.sessions.find(token, touch=False)
        member = self.member(name)
        if session is None or member is None:
            return None
        words = self._room.pages.words(session.language)
        return self._room.pages.draw("shop_face.html", words, **self._values(session, member))

    def _values(self, session: Session, member: Member) -> dict[str, Any]:
        found = self.faces.of_member(member.id)
        screens = self.faces.enrolment.screens
        words = self._room.pages.words(session.language)
        return {
            "member": member,
            "face": seen(found[1]) if found else None,
            "offer": self.faces.offer_to(member, here=bool(screens)),
            "screens": screens,
            "agreement": self.faces.text(words.language),
            "seller": session.seller,
            "said": words.sentences(session.said),
        }

    async def act(self, session: Session, seller: str, doing: Awaitable[object]) -> None:
        """Do it, and keep for the page what came of it."""
        session.seller = seller
        session.said = ()
        excuse = await tried(doing)
        session.said = excuse or session.said
        self.ring()

    async def enrol(self, member: str, form: Begin, session: Session) -> None:
        """Begin at a screen, if there is no twin, and all was agreed to, in the text shown."""
        if has_twin(form.twin):
            raise Refused(NOT_ENROLLED_BY_STAFF)
        shown = self.faces.text(self._room.pages.words(session.language).language)
        if not (form.agreed and form.adult):
            raise Refused(TICK_BOTH)
        if form.version != shown.version:
            raise Refused(TEXT_CHANGED)
        await self.faces.begin_by_staff(form.screen, member, session.seller, form.version)

    async def withdraw(self, member: str, session: Session) -> None:
        """The member takes the consent back."""
        said = Said(Channel.STAFF, session.seller)
        done = await self.faces.enrolment.withdraw(member, said)
        session.said = (FORGOTTEN_BY_STAFF if done else NOTHING_TO_FORGET,)

    def ring(self) -> None:
        """Something changed for staff."""
        self._room.screens.shop.ring()

    async def cancel(self, member: str) -> None:
        """Stop it, wherever it is under way."""
        found = self.faces.of_member(member)
        if found is not None:
            await self.faces.enrolment.cancel(found[0])


def staff_face_routes(room: StaffRoom, faces: Faces, live: LiveConnections) -> APIRouter:
    """All routes of it."""
    router, desk = APIRouter(), FacesOfMembers(room, faces)

    @router.get("/staff/face/{name}", response_class=HTMLResponse)
    async def show(request: Request, name: str) -> Response:
        session, member = desk.session(request), desk.member(name)
        return desk.page(session, member) if session and member else to_staff()

    @router.get("/live/staff/face/{name}")
    async def follow(request: Request, name: str) -> Response:
        if desk.session(request, touch=False) is None:
            return Response("Sign in first.", 401)
        if live.full:
            return Response("Too many pages are open.", 503, {"Retry-After": "5"})
        token = token_of(request)
        stream = live.stream(lambda: desk.fragment(token, name), room.screens.shop)
        return StreamingResponse(stream, media_type="text/event-stream", headers=SSE_HEADERS)

    _add_acts(router, desk)
    return router


def _add_acts(router: APIRouter, desk: FacesOfMembers) -> None:
    @router.post("/staff/face/{name}/enrol")
    async def enrol(request: Request, name: str, form: Annotated[Begin, Depends()]) -> Response:
        session = desk.session(request)
        if session and desk.member(name):
            await desk.act(session, form.by.strip(), desk.enrol(name, form, session))
        return _back_to(name)

    @router.post("/staff/face/{name}/withdraw")
    async def withdraw(request: Request, name: str, by: Seller, sure: Tick) -> Response:
        session = desk.session(request)
        if session and sure and desk.member(name):
            await desk.act(session, by.strip(), desk.withdraw(name, session))
        return _back_to(name)

    @router.post("/staff/face/{name}/cancel")
    async def cancel(request: Request, name: str) -> Response:
        session = desk.session(request)
        if session and desk.member(name):
            await desk.act(session, session.seller, desk.cancel(name))
        return _back_to(name)

    @router.post("/staff/face/{name}/seen")
    async def put_away(request: Request, name: str) -> Response:
        if desk.session(request):
            desk.faces.enrolment.put_away(name)
            desk.ring()
        return to_staff()


def _back_to(name: str) -> Response:
    return RedirectResponse(f"/staff/face/{quote(name, safe='')}", 303)
