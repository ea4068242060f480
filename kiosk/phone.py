"""Saying who one is by telephone: the number, a code by message, the code typed at the screen.

Called by the routes of the screens. The platform sends and checks the code, so this needs the
line, and says so when there is none; nobody waits longer than its budget. Whose number it is the
box knows only of members who agreed to be recognised by the Wi-Fi; all others are asked for their
card. The number lives in the memory of the screen until the shopper goes on, and nowhere else.
"""

from collections.abc import Awaitable
from enum import StrEnum
from typing import Protocol

from msgspec.structs import replace

from edge import logins
from edge.errors import Refused
from edge.visiting import SignKind
from kiosk import state
from kiosk.session import Place, Screens
from kiosk.state import Page
from kiosk.tries import Tries
from kiosk.words import N_

PHONE_DIGITS = (10, 15)
"""ITU-T E.164 allows fifteen; fewer than ten is no mobile number."""
CODE_DIGITS = (4, 8)

NO_NUMBER = N_("This is no telephone number.")
NO_CODE = N_("Type all digits of the code, please.")
TOO_OFTEN = N_("Too many codes were asked for. Show your loyalty card, please.")
TOO_MANY_WRONG = N_("Too many wrong codes. Ask for a new one, or show your loyalty card.")
WRONG_CODE = N_("This is not the code that was sent.")
NO_LINE = N_("There is no connection for codes just now. Scan your loyalty card, please.")
NOT_SENT = N_("No code can be sent to this number. Scan your loyalty card, please.")
NOT_FOUND = N_("The number is right, but we find no profile by it. Scan your loyalty card, please.")
ONE_MOMENT = N_("One moment, please.")


class Outcome(StrEnum):
    """What the platform said: done, no, or nothing at all."""

    DONE = "done"
    REFUSED = "refused"
    AWAY = "away"


class Phones(Protocol):
    """Who sends and checks codes, and knows whose number it is."""

    async def send(self, phone: str) -> Outcome:
        """Send a code to `phone`; within the service's budget."""
        ...

    async def check(self, phone: str, code: str) -> Outcome:
        """Whether `code` is the one that was sent."""
        ...

    def owner(self, phone: str) -> str | None:
        """The one member whose number it is, if they agreed to be found by it."""
        ...


class PhoneCodes:
    """Codes by telephone at all screens of one box."""

    def __init__(self, screens: Screens, phones: Phones) -> None:
        self._screens = screens
        self._phones = phones
        self._tries = Tries()
        self._asking: set[str] = set()

    async def open(self, screen: str) -> None:
        """Ask for the number."""
        async with self._screens.turn(screen) as place:
            if not place.state.member:
                place.state = state.phone_shown(place.state)

    async def send(self, screen: str, typed: str) -> None:
        """Send a code to the number that was typed."""
        phone, person = logins.normalised(typed), None
        async with self._screens.turn(screen) as place:
            if place.state.page not in state.PHONES or screen in self._asking:
                return
            if not _digits(phone, PHONE_DIGITS):
                raise Refused(NO_NUMBER)
            now_ms = self._screens.clock.now().mono_ms
            if not self._tries.may_send(screen, phone, now_ms):
                raise Refused(TOO_OFTEN)
            person = self._begin(screen, place)
        if person is None:
            return
        outcome = await self._answer(screen, self._phones.send(phone))
        async with self._screens.turn(screen) as place:
            if place.state.person != person or place.state.page not in state.PHONES:
                return
            if outcome is not Outcome.DONE:
                raise Refused(NO_LINE if outcome is Outcome.AWAY else NOT_SENT)
            place.state = state.code_asked(place.state, phone)

    async def check(self, screen: str, typed: str) -> None:
        """The code was typed: greet whose number it is."""
        code, phone, person = typed.strip(), "", None
        async with self._screens.turn(screen) as place:
            if place.state.page is not Page.CODE or screen in self._asking:
                return
            phone = place.state.phone
            if not _digits(code, CODE_DIGITS):
                raise Refused(NO_CODE)
            if not self._tries.may_check(screen, phone):
                raise Refused(TOO_MANY_WRONG)
            person = self._begin(screen, place)
        if person is None:
            return
        outcome = await self._answer(screen, self._phones.check(phone, code))
        async with self._screens.turn(screen) as place:
            if (place.state.person, place.state.phone) != (person, phone):
                return
            if outcome is not Outcome.DONE:
                raise Refused(NO_LINE if outcome is Outcome.AWAY else WRONG_CODE)
            await self._found(screen, place, phone)

    async def _found(self, screen: str, place: Place, phone: str) -> None:
        """The number is theirs: greet its member, if the box may find them by it."""
        name, presence = self._phones.owner(phone), self._screens.presence
        member = presence.member(name) if name is not None else None
        if member is None:
            place.state = state.went_back(place.state)
            raise Refused(NOT_FOUND)
        await presence.proved(screen, member.id, SignKind.CODE)
        await self._screens.greet(screen, place, member)

    def _begin(self, screen: str, place: Place) -> int:
        """The platform is about to be asked, for this person; others wait."""
        self._asking.add(screen)
        place.state = replace(place.state, notice=(ONE_MOMENT,))
        return place.state.person

    async def _answer(self, screen: str, asking: Awaitable[Outcome]) -> Outcome:
        try:
            return await asking
        finally:
            self._asking.discard(screen)


def _digits(text: str, limits: tuple[int, int]) -> bool:
    return text.isascii() and text.isdigit() and limits[0] <= len(text) <= limits[1]
