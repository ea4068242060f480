"""What a member has agreed to, and how they take one kind of it back, or their whole profile.

Called by the routes of the screens, where only who showed their card there is listened to, and by
the staff page. What is lost is said before, and what was erased after. It draws nothing.
"""

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from edge.consent import Said
from edge.errors import Refused
from edge.presence.capture import Channel
from edge.presence.withdrawals import Withdrawals
from edge.records import ConsentKind, Member
from kiosk import state
from kiosk.faces import CARD_FIRST
from kiosk.session import Screens
from kiosk.state import ScreenState
from kiosk.words import N_

FACE, WIFI = ConsentKind.FACE, ConsentKind.WIFI
MARKETING, PROGRAMME = ConsentKind.MARKETING, ConsentKind.PROGRAMME
ORDER = (FACE, WIFI, MARKETING, PROGRAMME)

TITLES = {
    FACE: N_("Recognition by face"),
    WIFI: N_("Recognition by the shop's Wi-Fi"),
    MARKETING: N_("News and personal offers"),
    PROGRAMME: N_("The loyalty programme: the whole profile"),
}
LOSES = {
    FACE: N_(
        "The description of the face is deleted at once, and the shop does not recognise it any"
        " more. The card, its prices and points stay."
    ),
    WIFI: N_(
        "The login and the phone are forgotten at once, and the shop does not recognise the phone"
        " any more. The Wi-Fi itself works as before; the card, its prices and points stay."
    ),
    MARKETING: N_(
        "From now on no news and no personal offers are sent. The card, its prices and points stay."
    ),
    PROGRAMME: N_(
        "Everything is deleted at once and for ever: name, card, points, purchases, and all other"
        " consents. The card does not work any more. Whoever joins again begins anew."
    ),
}
DONE = {
    FACE: N_("Done: the consent to recognition by face has ended."),
    WIFI: N_("Done: the consent to recognition by Wi-Fi has ended."),
    MARKETING: N_("Done: the consent to news and offers has ended."),
    PROGRAMME: N_("Done: the whole profile is deleted, for ever."),
}
ERASED = {
    "profile": N_("Name and card are deleted."),
    "templates": N_("The description of the face is deleted."),
    "logins": N_("The login for the Wi-Fi is deleted."),
    "bindings": N_("The link to the phone is deleted."),
    "documents": N_("Points, purchases and wishes are deleted."),
}
"""What went, by the names of `edge/storage/belongings.py`; the others are parts of these."""
PROVED = N_("The shop keeps a proof of it that names nobody.")
NOTED = N_("It is noted in the log of consents, and the shop can print a proof.")
CARD_AGAIN = N_("Scan your card once more, please: everything would be deleted. Then say yes.")
CARD_S_MAX = 30.0
"""So fresh must the card be for what nobody can undo: whoever comes next finds the screen open."""
NOTHING = N_("There is nothing to take back: this was not agreed to.")
SURE = N_("Tick the box, please: something is lost.")


class Held(Struct, frozen=True):
    """A consent that holds. `title` and `loses` are English sentences (catalogue keys)."""

    kind: ConsentKind
    title: str
    loses: str
    given_ms: int


def held(member: Member) -> tuple[Held, ...]:
    """What the member agrees to now; the programme last, for all goes with it."""
    given = {each.kind: each.given_ms for each in member.consents}
    return tuple(
        Held(kind, TITLES[kind], LOSES[kind], given[kind]) for kind in ORDER if kind in given
    )


def told(kind: ConsentKind, gone: Mapping[str, int] | None) -> tuple[str, ...]:
    """What came of it, in English sentences; `gone` is what the desk says was erased."""
    if gone is None:
        return (NOTHING,)
    erased = (sentence for name, sentence in ERASED.items() if gone.get(name))
    return (DONE[kind], *erased, PROVED if kind is PROGRAMME else NOTED)


class Consents:
    """The actions of all screens of one box, and of its staff."""

    def __init__(self, screens: Screens, withdrawals: Withdrawals) -> None:
        self.screens = screens
        self._withdrawals = withdrawals

    def of(self, screen: str) -> tuple[Held, ...]:
        """What may be taken back there now: of who showed their card."""
        member = self.screens.member(screen)
        return held(member) if member and self.screens.state(screen).card else ()

    def asked(self, screen: str) -> Held | None:
        """Which of them is asked about."""
        kind = self.screens.state(screen).kind
        return next((each for each in self.of(screen) if each.kind == kind), None)

    async def open(self, screen: str) -> None:
        """Show what the member agreed to."""
        async with self.screens.turn(screen) as place:
            self._carded(screen)
            place.state = state.consents_shown(place.state)

    async def ask(self, screen: str, kind: ConsentKind) -> None:
        """Ask whether it is really to be taken back."""
        async with self.screens.turn(screen) as place:
            member = self._carded(screen)
            if not member.agreed(kind):
                raise Refused(NOTHING)
            place.state = state.withdrawal_asked(place.state, kind)

    async def withdraw(self, screen: str) -> None:
        """Yes: the member takes back what was asked about. A second tap changes nothing, and leaves
        what the first one was told.
        """
        if self.of(screen) and self.asked(screen) is None:
            return
        async with self.screens.turn(screen) as place:
            member, asked = self._carded(screen), self.asked(screen)
            if asked is None:
                raise Refused(NOTHING)
            everything = asked.kind is PROGRAMME
            if everything:
                self._card_is_fresh(place.state)
                await self.screens.ordering.give_back(screen)
            gone = await self._withdrawals.withdraw(member.id, asked.kind, Said(Channel.KIOSK))
            if everything:
                await self.screens.let_go(screen, place)
            else:
                place.state = state.consents_shown(place.state)
            place.state = replace(place.state, notice=told(asked.kind, gone))

    def _card_is_fresh(self, shown: ScreenState) -> None:
        age_ms = self.screens.clock.now().mono_ms - shown.card_ms
        if age_ms > CARD_S_MAX * 1000:
            raise Refused(CARD_AGAIN)

    async def withdraw_by_staff(
        self, member: str, kind: ConsentKind, by: str, *, sure: bool
    ) -> tuple[str, ...]:
        """A seller takes it back for a member who wants it; what came of it. Refused unsure."""
        if not sure:
            raise Refused(SURE)
        return told(kind, await self._withdrawals.withdraw(member, kind, Said(Channel.STAFF, by)))

    def _carded(self, screen: str) -> Member:
        member = self.screens.member(screen)
        if member is None or not self.screens.state(screen).card:
            raise Refused(CARD_FIRST)
        return member
