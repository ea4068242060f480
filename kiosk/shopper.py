"""The routes of the screens: pages, taps, the live stream, and the state as JSON.

Made by `kiosk/app.py`. Each tap is a plain form that ends in a redirect to the screen's one
address, so that everything also works without JavaScript. No rule of the shop is decided here.
"""

from functools import partial
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Form, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from msgspec import Struct

from edge.errors import Refused, UnknownProduct
from edge.records import ConsentKind, Member
from edge.sales import (
    CartLine,
    Order,
)
from kiosk.cards import BeyondView, Cards
from kiosk.consents import Consents
from kiosk.continuing import go_on, left_out_views
from kiosk.faces import Faces, Offer
from kiosk.guard import is_loopback
from kiosk.live import LiveConnections
from kiosk.pages import Pages
from kiosk.phone import PhoneCodes
from kiosk.settings import FIELD_MAX
from kiosk.state import Page, ScreenState
from kiosk.views import CartView, LineView, ProductView, line_views, product_view
from kiosk.words import NO_ROOM, first_name

Field = Annotated[str, Form(min_length=1, max_length=FIELD_MAX)]
Tick = Annotated[str, Form(max_length=FIELD_MAX)]
"""A box that was ticked; nothing if it was not."""
SSE_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class ScreenNow(Struct, frozen=True):
    """What a screen shows, for programs. Money in minor units; `member` is a first name."""

    screen: str
    page: Page
    language: str
    product: str
    code: str
    lines: tuple[CartLine, ...]
    total_minor: int
    order: str
    member: str
    warned: bool


class Shopper:
    """Draws the screens of one box."""

    def __init__(
        self,
        consents: Consents,
        pages: Pages,
        cards: Cards,
        *,
        faces: Faces | None,
        phones: bool,
    ) -> None:
        self.screens = consents.screens
        self.consents = consents
        self._pages = pages
        self._cards = cards
        self._faces = faces
        self._phones = phones

    def fragment(self, screen: str) -> str:
        """What is inside the page: all that changes."""
        values = self._values(screen)
        return self._pages.draw("screen.html", values.pop("words"), **values)

    def page(self, screen: str) -> HTMLResponse:
        """The whole page."""
        values = self._values(screen)
        return self._pages.page("kiosk.html", values.pop("words"), **values)

    def now(self, screen: str) -> ScreenNow:
        """The state, for programs."""
        state = self.screens.state(screen)
        cart = CartView(self.screens.ordering.cart(screen))
        member = self.screens.member(screen)
        return ScreenNow(
            screen=screen,
            page=state.page,
            language=state.language,
            product=state.sku,
            code=state.code,
            lines=cart.lines,
            total_minor=cart.total_minor,
            order=state.order,
            member=first_name(member.name) if member else "",
            warned=state.warned_ms is not None,
        )

    def _values(self, screen: str) -> dict[str, Any]:
        screens = self.screens
        state = screens.state(screen)
        words = self._pages.words(state.language)
        product = self._product(state.sku, words.language) if state.page is Page.PRODUCT else None
        member = screens.member(screen)
        order = screens.ordering.order(state.order) if state.order else None
        return {
            "words": words,
            "screen": screen,
            "state": state,
            "notice": words.sentences(self._notice(state)),
            "product": product,
            "cart": CartView(screens.ordering.cart(screen)),
            "order": order,
            "lines": self._lines(screen, state.page, order, words.language),
            "member": member,
            "first_name": first_name(member.name) if member else "",
            "warning_left_s": screens.warning_left_s(screen),
            "beyond": self._beyond(state, member, words.language),
            "left_out": left_out_views(
                state.left_out, state.page, screens.ordering, words.language
            ),
            "phones": self._phones,
            "consents": self.consents.of(screen),
            "asked": self.consents.asked(screen),
            **self._face_values(screen, state.language),
        }

    def _face_values(self, screen: str, language: str) -> dict[str, Any]:
        """What may be offered, the enrolment under way, and the consent that it asks for."""
        if self._faces is None:
            return {"offer": Offer(), "face": None, "agreement": None}
        return {
            "offer": self._faces.offer(screen),
            "face": self._faces.view(screen),
            "agreement": self._faces.text(self._pages.words(language).language),
        }

    def _beyond(self, state: ScreenState, member: Member | None, language: str) -> BeyondView:
        """What the greeted member began elsewhere, on the pages that offer it."""
        if member is None or state.page not in (Page.ATTRACT, Page.CART):
            return BeyondView()
        return self._cards.beyond(member, language)

    def _notice(self, state: ScreenState) -> tuple[str, ...]:
        """What was said, else what the shopper should know before they order."""
        warn = self.screens.full and state.page is Page.CART
        return state.notice or (NO_ROOM if warn else ())

    def _lines(
        self, screen: str, page: Page, order: Order | None, language: str
    ) -> tuple[LineView, ...]:
        """The lines this page lists: of the cart or of the placed order."""
        ordering = self.screens.ordering
        if page is Page.CART:
            return line_views(ordering.cart(screen), ordering, language)
        return line_views(order.lines, ordering, language) if order else ()

    def _product(self, sku: str, language: str) -> ProductView | None:
        """The product shown, or None if it has left the catalogue meanwhile."""
        ordering, settings = self.screens.ordering, self.screens.settings
        now_ms = self.screens.clock.now().wall_ms
        try:
            shelf = ordering.shelf(sku)
        except UnknownProduct:
            return None
        return product_view(shelf, ordering, settings, language=language, now_ms=now_ms)


def shopper_routes(
    shopper: Shopper, live: LiveConnections, *, faces: Faces | None, phones: PhoneCodes | None
) -> APIRouter:
    """All routes of the screens."""
    screens = shopper.screens

    def known(screen: str, request: Request) -> str:
        client = request.client.host if request.client else ""
        if not screens.settings.remote_screens and not is_loopback(client):
            raise HTTPException(403, "Screens answer only on the box itself.")
        try:
            screens.state(screen)
        except Refused as error:
            raise HTTPException(404, str(error)) from error
        return screen

    router = APIRouter(dependencies=[Depends(known)])

    @router.get("/kiosk/{screen}", response_class=HTMLResponse)
    async def show(screen: str) -> HTMLResponse:
        return shopper.page(screen)

    @router.get("/live/kiosk/{screen}")
    async def follow(screen: str) -> Response:
        if live.full:
            return Response("Too many pages are open.", 503, {"Retry-After": "5"})
        stream = live.stream(lambda: shopper.fragment(screen), screens.bell(screen))
        return StreamingResponse(stream, media_type="text/event-stream", headers=SSE_HEADERS)

    @router.get("/api/kiosk/{screen}")
    async def tell(screen: str) -> Response:
        body = msgspec.json.encode(shopper.now(screen))
        return Response(body, media_type="application/json")

    _add_taps(router, shopper)
    if faces is not None:
        _add_face_taps(router, faces)
    if phones is not None:
        _add_phone_taps(router, phones)
    return router


def _add_taps(router: APIRouter, shopper: Shopper) -> None:
    """One form action each."""
    screens = shopper.screens
    _add_consent_taps(router, shopper.consents)

    @router.post("/kiosk/{screen}/choose")
    async def choose(screen: str, sku: Field) -> Response:
        await screens.choose(screen, sku)
        return _back_to(screen)

    @router.post("/kiosk/{screen}/add")
    async def add(screen: str, sku: Field) -> Response:
        await screens.add(screen, sku)
        return _back_to(screen)

    @router.post("/kiosk/{screen}/remove")
    async def remove(screen: str, sku: Field) -> Response:
        await screens.remove(screen, sku)
        return _back_to(screen)

    @router.post("/kiosk/{screen}/language")
    async def speak(screen: str, language: Field) -> Response:
        await screens.speak(screen, language)
        return _back_to(screen)

    @router.post("/kiosk/{screen}/awake")
    async def awake(screen: str) -> Response:
        screens.awake(screen)
        return _back_to(screen)

    for name, act in {
        "cart": screens.open_cart,
        "order": screens.place,
        "its-me": screens.its_me,
        "not-me": screens.not_me,
        "back": screens.back,
        "finish": screens.finish,
        "continue": partial(go_on, screens),
    }.items():
        _add_tap(router, name, act)


def _add_consent_taps(router: APIRouter, consents: Consents) -> None:
    """What was agreed to, taken back."""

    @router.post("/kiosk/{screen}/consents/ask")
    async def ask(screen: str, kind: Annotated[ConsentKind, Form()]) -> Response:
        await consents.ask(screen, kind)
        return _back_to(screen)

    _add_tap(router, "consents/open", consents.open)
    _add_tap(router, "consents/withdraw", consents.withdraw)


def _add_face_taps(router: APIRouter, faces: Faces) -> None:
    """Consent to faces, given and taken back."""

    @router.post("/kiosk/{screen}/face/agree")
    async def agree(screen: str, version: Field, agreed: Tick = "", adult: Tick = "") -> Response:
        await faces.agree(screen, version, agreed=bool(agreed), adult=bool(adult))
        return _back_to(screen)

    for name, act in {
        "face/open": faces.open,
        "face/extend": faces.extend,
        "face/off": faces.ask_off,
        "face/withdraw": faces.withdraw,
    }.items():
        _add_tap(router, name, act)


def _add_phone_taps(router: APIRouter, phones: PhoneCodes) -> None:
    """A code by telephone. The number stands in no address and in no log."""

    @router.post("/kiosk/{screen}/phone/send")
    async def send(screen: str, number: Field) -> Response:
        await phones.send(screen, number)
        return _back_to(screen)

    @router.post("/kiosk/{screen}/phone/check")
    async def check(screen: str, code: Field) -> Response:
        await phones.check(screen, code)
        return _back_to(screen)

    _add_tap(router, "phone/open", phones.open)


def _add_tap(router: APIRouter, name: str, act: Any) -> None:
    """A form without fields."""

    async def tap(screen: str) -> Response:
        await act(screen)
        return _back_to(screen)

    router.add_api_route(f"/kiosk/{{screen}}/{name}", tap, methods=["POST"], name=name)


def _back_to(screen: str) -> Response:
    return RedirectResponse(f"/kiosk/{screen}", 303)
