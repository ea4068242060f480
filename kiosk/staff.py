"""The staff page: a PIN, a session, and who is in the shop, live.

Made by `kiosk/app.py`. Anonymous visitors are only ever a number here; members are shown with
how sure the box is and why. Sessions live in memory: a restart ends them.
"""

import hashlib
import math
import secrets
from collections import OrderedDict
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from msgspec import Struct

from edge.clock import Clock
from kiosk.cards import Cards
from kiosk.faces import Faces
from kiosk.live import LiveConnections
from kiosk.pages import Pages
from kiosk.pin import PIN_LENGTH_MAX, Gate, Outcome
from kiosk.session import Screens
from kiosk.shopper import SSE_HEADERS, Field
from kiosk.views import orders_of_day, shop_view
from kiosk.words import LANGUAGES

COOKIE = "storebox_staff"
CARDS_SHOWN_MAX = 40
"""More members than a page can show well; the newest ones are shown, the others counted."""
SESSIONS_MAX = 8
"""Tablets signed in at once; one more signs out the one that signed in first."""
SESSION_S = 12 * 3600
"""A session ends with the shift, however busy."""
SESSION_IDLE_S = 2 * 3600
"""A tablet that nobody touched for so long is signed out; looking is not touching."""


UNDO_S = 120.0
"""So long a seller may take back what they said of a visit."""


class Correction(Struct, frozen=True):
    """A seller said that `visit` is, or is not, this member's."""

    visit: str
    member: str
    is_them: bool
    at_ms: int


class Session:
    """One signed-in tablet."""

    __slots__ = ("began_ms", "corrected", "language", "notice", "said", "seller", "used_ms")

    def __init__(self, now_ms: int, language: str) -> None:
        self.began_ms = self.used_ms = now_ms
        self.language = language
        self.seller = ""
        """Who is credited with an enrolment or a correction; asked once a shift."""
        self.said: tuple[str, ...] = ()
        """What came of the last thing done to a member, in English sentences."""
        self.notice: tuple[str, ...] = ()
        """Why the last correction was not possible, if so."""
        self.corrected: Correction | None = None
        """What was said last of a visit, for as long as it can be taken back."""


class StaffSessions:
    """Who is signed in. Only hashes of the cookies are kept."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._sessions: OrderedDict[str, Session] = OrderedDict()

    def begin(self, language: str) -> str:
        """A new session; the value of its cookie."""
        token = secrets.token_urlsafe(32)
        while len(self._sessions) >= SESSIONS_MAX:
            self._sessions.popitem(last=False)
        self._sessions[_hashed(token)] = Session(self._clock.now().mono_ms, language)
        return token

    def find(self, token: str, *, touch: bool = True) -> Session | None:
        """The session of a cookie, unless it has expired."""
        session = self._sessions.get(_hashed(token))
        if session is None:
            return None
        now_ms = self._clock.now().mono_ms
        too_long = now_ms - session.began_ms > SESSION_S * 1000
        if too_long or now_ms - session.used_ms > SESSION_IDLE_S * 1000:
            self.end(token)
            return None
        if touch:
            session.used_ms = now_ms
        return session

    def end(self, token: str) -> None:
        """Sign out."""
        self._sessions.pop(_hashed(token), None)


class StaffRoom:
    """Draws the staff page."""

    def __init__(
        self,
        screens: Screens,
        pages: Pages,
        gate: Gate,
        cards: Cards,
        faces: Faces | None = None,
    ) -> None:
        self.screens = screens
        self.pages = pages
        self.gate = gate
        self.faces = faces
        self.cards = cards
        self.sessions = StaffSessions(screens.clock)

    def undoable(self, session: Session) -> Correction | None:
        """What this tablet may take back now."""
        last, now_ms = session.corrected, self.screens.clock.now().mono_ms
        return last if last is not None and now_ms - last.at_ms <= UNDO_S * 1000 else None

    def fragment(self, token: str) -> str | None:
        """What changes; None once the session has ended."""
        session = self.sessions.find(token, touch=False)
        if session is None:
            return None
        words = self.pages.words(session.language)
        return self.pages.draw("shop.html", words, **self._values(session))

    def page(self, session: Session) -> HTMLResponse:
        """The whole page."""
        words = self.pages.words(session.language)
        return self.pages.page("staff.html", words, **self._values(session))

    def door(self, request: Request, *, said: str = "", wait_s: float = 0) -> HTMLResponse:
        """The page that asks for the PIN."""
        asked = request.query_params.get("language", "")
        language = asked if asked in LANGUAGES else self.screens.settings.language
        status = 200 if not said else (429 if wait_s else 403)
        page = self.pages.page(
            "door.html",
            self.pages.words(language),
            status,
            said=said,
            wait_s=math.ceil(wait_s),
            has_pin=self.gate.is_set,
        )
        if wait_s:
            page.headers["Retry-After"] = str(math.ceil(wait_s))
        return page

    def _values(self, session: Session) -> dict[str, Any]:
        presence, now = self.screens.presence, self.screens.clock.now()
        words = self.pages.words(session.language)
        orders = self.screens.ordering.latest_orders()
        shop = shop_view(presence.here(), presence.member, now)
        guests = shop.guests[:CARDS_SHOWN_MAX]
        undo = self.undoable(session)
        return {
            "shop": shop,
            "cards": [(guest, self.cards.card(guest.member, words.language)) for guest in guests],
            "seller": session.seller,
            "said": words.sentences(session.notice),
            "undo": undo,
            "corrected": presence.member(undo.member) if undo is not None else None,
            "orders": orders_of_day(orders, words.day, now.wall_ms),
            "member": presence.member,
            "now_ms": now.wall_ms,
            "full": self.screens.full,
            "notices": self.faces.enrolment.notices if self.faces is not None else [],
            "faces": self.faces is not None,
        }


def staff_routes(room: StaffRoom, live: LiveConnections) -> APIRouter:
    """All routes of the staff page."""
    router = APIRouter()
    _add_door(router, room)

    @router.get("/staff", response_class=HTMLResponse)
    async def show(request: Request) -> Response:
        session = room.sessions.find(token_of(request))
        return room.page(session) if session else room.door(request)

    @router.post("/staff/leave")
    async def leave(request: Request) -> Response:
        room.sessions.end(token_of(request))
        room.screens.shop.ring()
        answer = to_staff()
        answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
        return answer

    @router.post("/staff/language")
    async def speak(request: Request, language: Field) -> Response:
        session = room.sessions.find(token_of(request))
        if session and language in LANGUAGES:
            session.language = language
        return to_staff()

    @router.get("/live/staff")
    async def follow(request: Request) -> Response:
        token = token_of(request)
        if room.sessions.find(token, touch=False) is None:
            return Response("Sign in first.", 401)
        if live.full:
            return Response("Too many pages are open.", 503, {"Retry-After": "5"})
        stream = live.stream(lambda: room.fragment(token), room.screens.shop, redraw_on_beat=True)
        return StreamingResponse(stream, media_type="text/event-stream", headers=SSE_HEADERS)

    return router


def _add_door(router: APIRouter, room: StaffRoom) -> None:
    """Signing in."""

    @router.get("/staff/enter")
    async def again() -> Response:
        return to_staff()

    @router.post("/staff/enter")
    async def enter(
        request: Request, pin: Annotated[str, Form(max_length=PIN_LENGTH_MAX)]
    ) -> Response:
        client = request.client.host if request.client else ""
        verdict = await room.gate.check(client, pin)
        if verdict.outcome is not Outcome.RIGHT:
            return room.door(request, said=verdict.outcome, wait_s=verdict.wait_s)
        room.sessions.end(token_of(request))
        token = room.sessions.begin(room.screens.settings.language)
        answer = to_staff()
        answer.set_cookie(
            COOKIE, token, max_age=SESSION_S, path="/", httponly=True, samesite="strict"
        )
        return answer


def to_staff() -> RedirectResponse:
    """To who is in the shop."""
    return RedirectResponse("/staff", 303)


def token_of(request: Request) -> str:
    """The cookie of the session."""
    return request.cookies.get(COOKIE, "")


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
