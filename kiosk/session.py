"""The screens: what each shows, who stands there, and the end of their visit.

Called by the core with scans and by the pages with taps; reads the ordering and presence desks.
It greets nobody by name who has not acted at that very screen (scanned a card, tapped "it's
me"), keeps nothing of a person once they are gone, and draws nothing itself.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from msgspec.structs import replace

from edge.clock import Clock
from edge.errors import Refused, StorageFull, StoreboxError, UnknownProduct
from edge.ordering.desk import OrderingDesk, Shelf
from edge.presence.enrolment import Enrolment
from edge.presence.requests import Answer, Found
from edge.records import Member
from edge.sales import Order
from kiosk import state
from kiosk.live import Bell
from kiosk.offers import OffersShown
from kiosk.people import NOT_FOUND, Presence
from kiosk.settings import KioskSettings
from kiosk.state import Page, ScreenState
from kiosk.words import EXCUSE, LANGUAGES, N_, NO_ROOM

log = logging.getLogger(__name__)

LOOKING_S_MAX = 15.0
"""Longest wait for the camera of a screen; presence itself gives up after some 10 s."""
NO_ROOM_SAID_S = 60.0
"""So long after there was no room carts and staff are told of it; then the next try finds out."""

WELCOME = N_("Nice to see you! Member prices are on.")
ADDED = N_("It is in the cart.")
REPRICED = (N_("The prices have changed."), N_("Look at the cart once more, please."))


class Place:
    """One screen: its state, and one action at a time."""

    __slots__ = ("bell", "busy", "looking", "state", "used")

    def __init__(self, first: ScreenState) -> None:
        self.state = first
        self.busy = asyncio.Lock()
        self.bell = Bell()
        self.used = asyncio.Event()
        self.looking: asyncio.Task[Answer] | None = None


class Screens:
    """All screens of one box. `run` must run for people to be forgotten."""

    def __init__(
        self,
        ordering: OrderingDesk,
        presence: Presence,
        clock: Clock,
        settings: KioskSettings,
        enrolment: Enrolment | None = None,
    ) -> None:
        self.enrolment = enrolment
        """Faces can be enrolled here; None on a box that has no camera."""
        self.ordering = ordering
        self.presence = presence
        self.clock = clock
        self.settings = settings
        self.shop = Bell()
        """Rings when visits or orders changed: for staff."""
        now_ms = clock.now().mono_ms
        self._screens = {
            name: Place(ScreenState(language=settings.language, touched_ms=now_ms))
            for name in settings.screens
        }
        self._full_ms: int | None = None
        self._offers = OffersShown(ordering)
        self._beyond_listeners: list[Callable[[], None]] = []
        presence.add_listener(self._somebody_changed)
        if enrolment is not None:
            enrolment.add_listener(self._enrolment_changed)

    # --- looking

    def state(self, screen: str) -> ScreenState:
        """What a screen shows. Refused for a screen that is not there."""
        return self._screen(screen).state

    def bell(self, screen: str) -> Bell:
        """Rings when the screen shows something else."""
        return self._screen(screen).bell

    def member(self, screen: str) -> Member | None:
        """Who is identified there, if they still are a member."""
        name = self._screen(screen).state.member
        return self.presence.member(name) if name else None

    @property
    def full(self) -> bool:
        """Whether the box just had no room for an order, or for what comes before one."""
        since_ms = self._full_ms
        return since_ms is not None and (
            self.clock.now().mono_ms - since_ms < NO_ROOM_SAID_S * 1000
        )

    def warning_left_s(self, screen: str) -> float | None:
        """How long the shopper may still answer the warning; None when there is none."""
        warned_ms = self._screen(screen).state.warned_ms
        if warned_ms is None:
            return None
        gone_s = (self.clock.now().mono_ms - warned_ms) / 1000
        return max(0.0, self.settings.warning_s - gone_s)

    # --- what happens at a screen

    async def scanned(self, screen: str, text: str, member: Member | None) -> None:
        """The scanner of `screen` read `text`; `member` if that is their card."""
        if member is not None:
            async with self.turn(screen) as place:
                await self.greet(screen, place, member, card=True)
                place.state = replace(place.state, card_ms=self.clock.now().mono_ms)
            return
        async with self.turn(screen) as place:
            shelf = self._find(text)
            if shelf is None:
                place.state = state.code_unknown(place.state, text.strip())
            else:
                place.state = state.product_shown(place.state, shelf.product.sku)

    async def choose(self, screen: str, sku: str) -> None:
        """Show another colour or size."""
        async with self.turn(screen) as place:
            place.state = state.product_shown(place.state, self.ordering.shelf(sku).product.sku)

    async def add(self, screen: str, sku: str) -> None:
        """Put one piece into the cart."""
        async with self.turn(screen) as place:
            member = self.member(screen)
            language = place.state.language
            await self.ordering.add(screen, sku, language=language, member=member)
            place.state = replace(place.state, notice=(ADDED,))

    async def remove(self, screen: str, sku: str) -> None:
        """Take one line out of the cart."""
        async with self.turn(screen):
            await self.ordering.remove(screen, sku)

    async def open_cart(self, screen: str) -> None:
        """Show the cart."""
        async with self.turn(screen) as place:
            place.state = state.cart_shown(place.state)

    async def place(self, screen: str) -> Order | None:
        """Place the order and show its number. A second tap on the button changes nothing."""
        async with self.turn(screen) as place:
            if place.state.page is Page.ORDERED:
                return self.ordering.order(place.state.order)
            member = self.member(screen)
            if place.state.member and member is None:
                await self.ordering.reprice(screen, None)  # no longer a member: show it first
                place.state = state.forgotten(place.state)
                raise Refused(*REPRICED)
            order = await self.ordering.place(screen, member=member)
            self._full_ms = None
            place.state = state.ordered(place.state, order.number)
            self.beyond_changed()
            return order
        return None

    async def its_me(self, screen: str) -> None:
        """The shopper asks to be recognised. Scans and taps go on meanwhile."""
        async with self.turn(screen) as place:
            if place.state.looking or self._is_enrolling(screen):
                return
            place.state = replace(place.state, looking=True)
            person = place.state.person
        answer = await self._looked(screen)
        async with self.turn(screen) as place:
            if place.state.person != person:
                return
            place.state = replace(place.state, looking=False)
            if answer.member is not None:
                await self.greet(screen, place, answer.member)
            elif not place.state.member:
                notice = NOT_FOUND.get(answer.found, NOT_FOUND[Found.ASK])
                place.state = replace(place.state, notice=(notice,))

    async def not_me(self, screen: str) -> None:
        """The shopper says they are not who the screen says, or no longer want to be."""
        async with self.turn(screen) as place:
            await self.let_go(screen, place)

    async def let_go(self, screen: str, place: Place) -> None:
        """Within a turn: who stands there is nobody known, and pays what anybody pays."""
        place.state = state.forgotten(place.state)
        await self.ordering.give_back(screen)
        await self._reprice(screen, None)

    async def speak(self, screen: str, language: str) -> None:
        """Use another language until the shopper leaves."""
        async with self.turn(screen) as place:
            if language in LANGUAGES:
                place.state = replace(place.state, language=language)

    async def back(self, screen: str) -> None:
        """One step back."""
        async with self.turn(screen) as place:
            place.state = state.went_back(place.state)

    async def finish(self, screen: str) -> None:
        """The shopper is done: forget them."""
        async with self.turn(screen) as place:
            await self._leave(screen, place)

    def awake(self, screen: str) -> None:
        """Somebody touched the screen: they are still there."""
        place = self._screen(screen)
        warned = place.state.warned_ms is not None
        place.state = state.awake(place.state, self.clock.now().mono_ms)
        if warned:
            place.bell.ring()

    # --- who goes away

    async def run(self) -> None:
        """Watch the time-outs of all screens until cancelled."""
        async with asyncio.TaskGroup() as watchers:
            for screen in self._screens:
                watchers.create_task(self._watch(screen), name=f"screen-{screen}")

    async def _watch(self, screen: str) -> None:
        place = self._screens[screen]
        await self._resume(screen, place)
        while True:
            place.used.clear()
            if not self._in_use(screen):
                await place.used.wait()
            elif (due_s := self._due_s(place.state)) > 0:
                await self.clock.wait(due_s)
            else:
                await self._timed_out(screen, place)

    async def _resume(self, screen: str, place: Place) -> None:
        """After a restart: the cart is still there, whoever filled it is not known any more."""
        if self.ordering.cart(screen) and place.state.page is Page.ATTRACT:
            async with self.turn(screen):
                await self.ordering.reprice(screen, None)
                place.state = state.cart_shown(place.state)

    def _due_s(self, now: ScreenState) -> float:
        """Seconds until the next step of the time-out: the warning, or the end."""
        limit_s, since_ms = self.settings.idle_s, now.touched_ms
        if now.warned_ms is not None:
            limit_s, since_ms = self.settings.warning_s, now.warned_ms
        return limit_s - (self.clock.now().mono_ms - since_ms) / 1000

    async def _timed_out(self, screen: str, place: Place) -> None:
        if place.state.looking or self._is_enrolling(screen):
            self.awake(screen)
        elif place.state.warned_ms is None:
            place.state = replace(place.state, warned_ms=self.clock.now().mono_ms)
            place.bell.ring()
        else:
            async with place.busy:
                if self._due_s(place.state) <= 0:
                    await self._leave_anyway(screen, place)

    async def _leave_anyway(self, screen: str, place: Place) -> None:
        """Forget the person though the database may refuse; the cart is tried again later."""
        try:
            await self._leave(screen, place)
        except StoreboxError as error:
            log.error("screen %s: the cart left behind cannot be emptied: %s", screen, error)
        place.bell.ring()

    async def _leave(self, screen: str, place: Place) -> None:
        now_ms = self.clock.now().mono_ms
        place.state = state.left(place.state, self.settings.language, now_ms)
        await self._turn_away(screen, place)
        if self.ordering.cart(screen):
            await self.ordering.abandon(screen)

    # --- inner workings

    def _screen(self, screen: str) -> Place:
        try:
            return self._screens[screen]
        except KeyError:
            known = ", ".join(self._screens)
            raise Refused(f"There is no screen '{screen}'.", f"There is: {known}.") from None

    def _in_use(self, screen: str) -> bool:
        now = self._screens[screen].state
        return state.in_use(now, self.settings.language, cart=bool(self.ordering.cart(screen)))

    @asynccontextmanager
    async def turn(self, screen: str) -> AsyncIterator[Place]:
        """One action at a screen; what is refused is told there, and the page is drawn anew."""
        place = self._screen(screen)
        async with place.busy:
            place.state = state.touched(place.state, self.clock.now().mono_ms)
            try:
                yield place
            except Refused as error:
                notice = tuple(part for part in (error.what, error.remedy) if part)
                place.state = replace(place.state, notice=notice)
            except StoreboxError as error:
                log.error("screen %s: %s", screen, error)
                place.state = replace(place.state, notice=self._excuse(error))
            finally:
                place.state = state.settled(place.state)
                await self._turn_away(screen, place)
                place.used.set()
                place.bell.ring()
            await self._offers.shown(place.state, screen)

    def _excuse(self, error: StoreboxError) -> tuple[str, ...]:
        """What to say when the box cannot; that it has no room others are told before they try."""
        if not isinstance(error, StorageFull):
            return EXCUSE
        self._full_ms = self.clock.now().mono_ms
        self.shop.ring()
        return NO_ROOM

    async def greet(self, screen: str, place: Place, member: Member, *, card: bool = False) -> None:
        """Within a turn: `member` showed there who they are. Whoever was greeted before is gone."""
        greeted = state.greeted(place.state, member.id, card=card)
        place.state = replace(greeted, notice=(WELCOME,))
        await self.ordering.give_back(screen, but=member.id)
        await self._reprice(screen, member)

    async def _reprice(self, screen: str, member: Member | None) -> None:
        if self.ordering.cart(screen):
            await self.ordering.reprice(screen, member)

    async def _looked(self, screen: str) -> Answer:
        asked: Coroutine[Any, Any, Answer] = self.presence.its_me(screen)
        self._screen(screen).looking = looking = asyncio.ensure_future(asked)
        try:
            done, _ = await asyncio.wait([looking], timeout=LOOKING_S_MAX)
            return looking.result() if done and not looking.cancelled() else Answer(Found.NOBODY)
        except StoreboxError as error:
            log.error("screen %s: nobody can be recognised: %s", screen, error)
            return Answer(Found.OFF)
        finally:
            looking.cancel()

    def _find(self, text: str) -> Shelf | None:
        try:
            return self.ordering.find(text)
        except UnknownProduct:
            return None

    async def _turn_away(self, screen: str, place: Place) -> None:
        """Whoever does something else at the screen, or has gone, is not enrolled any further; and
        nobody is looked for any more on the request of who has gone, or said who they are.
        """
        if place.looking is not None and not place.state.looking:
            place.looking.cancel()
            await asyncio.wait([place.looking])
        if self.enrolment is not None and place.state.page is not Page.FACE:
            await self.enrolment.cancel(screen)

    def _is_enrolling(self, screen: str) -> bool:
        capture = self.enrolment.at(screen) if self.enrolment is not None else None
        return capture is not None and capture.looking

    def _enrolment_changed(self, screen: str) -> None:
        self.bell(screen).ring()
        self.shop.ring()

    def add_beyond_listener(self, listener: Callable[[], None]) -> None:
        """Call `listener` when what members bought or began elsewhere has changed."""
        self._beyond_listeners.append(listener)

    def beyond_changed(self) -> None:
        """The platform sent carts, wishes or orders to collect, or a shopper went on with one."""
        for listener in self._beyond_listeners:
            listener()
        self._somebody_changed()

    def _somebody_changed(self) -> None:
        self.shop.ring()
        for place in self._screens.values():
            if place.state.member:
                place.bell.ring()
