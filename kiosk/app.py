"""The application: screens for shoppers, the staff page, and what both share.

`create` is called by the daemon once; `kiosk/server.py` serves what it returns. Every page is
drawn here on the box, and nothing in it comes from elsewhere.
"""

import logging
from concurrent.futures import Executor

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse, RedirectResponse, Response

from edge.errors import StoreboxError
from edge.presence.withdrawals import Withdrawals
from kiosk.cards import Cards
from kiosk.consents import Consents
from kiosk.faces import Faces
from kiosk.guard import Guard
from kiosk.live import LiveConnections
from kiosk.pages import Assets, Pages
from kiosk.people import Presence
from kiosk.phone import PhoneCodes, Phones
from kiosk.pin import Gate
from kiosk.session import Screens
from kiosk.settings import LIVE_CONNECTIONS_MAX
from kiosk.shopper import Shopper, shopper_routes
from kiosk.staff import StaffRoom, staff_routes
from kiosk.staff_consents import staff_consent_routes
from kiosk.staff_faces import staff_face_routes
from kiosk.staff_visits import staff_visit_routes

log = logging.getLogger(__name__)


def create(
    screens: Screens,
    presence: Presence,
    withdrawals: Withdrawals,
    *,
    workers: Executor | None = None,
    phones: Phones | None = None,
) -> FastAPI:
    """The application. `workers` check PINs; the loop's own executor if None. `phones` sends codes;
    without it nobody can say by telephone who they are.

    `app.state.live.close()` ends all live streams; `kiosk.server` does so when it stops.
    """
    assert screens.presence is presence, "screens and pages speak of the same shop"
    settings = screens.settings
    assets = Assets()
    pages = Pages(settings, assets.build)
    live = LiveConnections(LIVE_CONNECTIONS_MAX)
    # the usual documentation pages load their scripts from elsewhere
    app = FastAPI(title="storebox kiosk", docs_url=None, redoc_url=None)
    app.state.live = live
    faces = Faces(screens, screens.enrolment) if screens.enrolment is not None else None
    cards = Cards(screens.ordering, presence, screens.clock, settings)
    screens.add_beyond_listener(cards.changed)
    codes = PhoneCodes(screens, phones) if phones is not None else None
    consents = Consents(screens, withdrawals)
    shopper = Shopper(consents, pages, cards, faces=faces, phones=codes is not None)
    app.include_router(shopper_routes(shopper, live, faces=faces, phones=codes))
    gate = Gate(settings.staff_pin_hash, screens.clock, workers)
    room = StaffRoom(screens, pages, gate, cards, faces)
    app.include_router(staff_routes(room, live))
    app.include_router(staff_visit_routes(room))
    app.include_router(staff_consent_routes(room, consents))
    if faces is not None:
        app.include_router(staff_face_routes(room, faces, live))

    _add_small_pages(app, settings.screens[0], assets)
    _add_excuses(app)
    app.add_middleware(Guard, host_names=settings.host_names)
    return app


def _add_small_pages(app: FastAPI, first: str, assets: Assets) -> None:
    """The way to the first screen, a sign of life, and the static files."""

    @app.get("/")
    async def first_screen() -> Response:
        return RedirectResponse(f"/kiosk/{first}")

    @app.get("/healthz")
    async def health() -> Response:
        return PlainTextResponse("ok")

    @app.get("/static/{name:path}")
    async def static(name: str, request: Request) -> Response:
        return assets.answer(name, request)


def _add_excuses(app: FastAPI) -> None:
    """What is said when a page cannot be drawn."""

    @app.exception_handler(StoreboxError)
    async def impossible(request: Request, error: StoreboxError) -> Response:
        log.error("%s %s: %s", request.method, request.url.path, error)
        return PlainTextResponse("This is not possible right now. Ask a seller, please.", 503)

    @app.exception_handler(RequestValidationError)
    async def incomplete(request: Request, error: RequestValidationError) -> Response:
        return PlainTextResponse("This form is incomplete.", 422)
