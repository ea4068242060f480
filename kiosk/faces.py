"""What happens at a screen about the face of who stands there: offer, the question about a twin,
consent, progress, and the end of it all when they take the consent back.

Called by the routes of the screens and of the staff page. A face never enrols itself: at a screen
only who showed their card there is offered anything. It draws nothing.
"""

from msgspec import Struct
from msgspec.structs import replace

from edge.consent import Said
from edge.errors import Refused
from edge.presence.capture import Asked, Capture, Channel, Failure, Purpose, Stage
from edge.presence.enrolment import Enrolment
from edge.records import PHOTOS_WANTED, ConsentKind, Hint, Member
from kiosk import state
from kiosk.consent_text import ConsentText, face_text
from kiosk.session import Screens
from kiosk.state import Page
from kiosk.twins import ANSWER_FIRST, NOT_ENROLLED, has_twin
from kiosk.words import N_

CARD_FIRST = N_("Scan your loyalty card first, please.")
TICK_BOTH = N_("Tick both boxes, please, if you agree.")
TEXT_CHANGED = N_("The text has changed. Read it once more, please.")
NOT_OFFERED = N_("Faces cannot be enrolled at this screen.")
IN_USE = N_("Somebody else is using that screen.")
FORGOTTEN = N_("Done: the description of your face is deleted. Your card works as before.")
FORGOTTEN_BY_STAFF = N_("Done: the description of the face is deleted.")
NOTHING_TO_FORGET = N_("There is nothing to delete: the member has not agreed to it.")
NOTHING_KNOWN = N_("There is nothing to delete: you have not agreed to be recognised by face.")

STARTING = N_("One moment: the camera starts…")
HINTS = {
    Hint.GOOD: N_("Good! Stay like this"),
    Hint.NOBODY: N_("Step in front of the camera, please"),
    Hint.ALONE: N_("Only you in the picture, please"),
    Hint.CLOSER: N_("Come a little closer"),
    Hint.CENTRE: N_("Move to the middle"),
    Hint.STRAIGHT: N_("Look straight at the camera"),
    Hint.LIGHT: N_("Turn towards the light"),
    Hint.STILL: N_("Hold still for a moment"),
}
WHY_FAILED = {
    Failure.TIMED_OUT: N_("It took too long. Better light and a little patience usually help."),
    Failure.CANCELLED: N_("It was stopped. Nothing was stored."),
    Failure.TWO_PEOPLE: N_("Several people were in the picture. One person only, please."),
    Failure.NOT_ALIKE: N_("This does not look enough like the description that we have of you."),
    Failure.NO_CAMERA: N_("The camera does not answer at the moment."),
    Failure.WITHDRAWN: N_("The consent was taken back meanwhile. Nothing was stored."),
    Failure.NOT_KEPT: N_("It could not be stored. Nothing was kept."),
}


class Offer(Struct, frozen=True):
    """What may be offered: to be enrolled, to add new views, or to be forgotten."""

    enrol: bool = False
    extend: bool = False
    withdraw: bool = False


class FaceView(Struct, frozen=True):
    """An enrolment as a page shows it. `hint` and `why` are English sentences (catalogue keys)."""

    stage: Stage
    purpose: Purpose
    photos: int
    hint: Hint | None
    says: str
    why: str
    wanted: int = PHOTOS_WANTED


class Faces:
    """The actions of all screens of one box."""

    def __init__(self, screens: Screens, enrolment: Enrolment) -> None:
        self._screens = screens
        self.enrolment = enrolment

    # --- looking

    def text(self, language: str) -> ConsentText:
        """The consent in `language`."""
        settings = self._screens.settings
        return face_text(
            language,
            operator=settings.operator or settings.store_name,
            contact=settings.contact,
            sent_up=settings.templates_sent_up,
        )

    def offer(self, screen: str) -> Offer:
        """What is offered to who stands there now."""
        member = self._screens.member(screen)
        if member is None or not self._screens.state(screen).card:
            return Offer()
        return self.offer_to(member, here=self.enrolment.offered(screen))

    def offer_to(self, member: Member, *, here: bool) -> Offer:
        """What may be offered to a member; `here`: there is a camera that could look."""
        enrolled = self.enrolment.is_enrolled(member.id)
        return Offer(
            enrol=here and not enrolled,
            extend=here and enrolled and self.enrolment.may_extend(member.id),
            withdraw=enrolled or member.agreed(ConsentKind.FACE),
        )

    def view(self, screen: str) -> FaceView | None:
        """What there is to be seen of an enrolment; None if there is none."""
        capture = self.enrolment.at(screen)
        return seen(capture) if capture is not None else None

    # --- at a screen

    async def open(self, screen: str) -> None:
        """Ask who showed their card whether they have a twin."""
        async with self._screens.turn(screen) as place:
            self._carded(screen)
            if not self.enrolment.offered(screen):
                raise Refused(NOT_OFFERED)
            place.state = state.twin_asked(place.state)

    async def answer(self, screen: str, twin: str) -> None:
        """Show the consent to who has no twin; with the others it ends here."""
        async with self._screens.turn(screen) as place:
            member = self._carded(screen)
            if has_twin(twin):
                place.state = replace(state.went_back(place.state), notice=NOT_ENROLLED)
                return
            self.enrolment.ask(screen, Asked(member.id, Channel.KIOSK))
            place.state = state.face_shown(place.state)

    async def agree(self, screen: str, version: str, *, agreed: bool, adult: bool) -> None:
        """The member has ticked the boxes; the camera may look."""
        async with self._screens.turn(screen) as place:
            member = self._carded(screen)
            self._of(screen, member)
            if not agreed or not adult:
                raise Refused(TICK_BOTH)
            if version != self.text(place.state.language).version:
                raise Refused(TEXT_CHANGED)
            await self.enrolment.agree(screen, version, adult=adult)

    async def extend(self, screen: str) -> None:
        """The member wants new views in their template."""
        async with self._screens.turn(screen) as place:
            member = self._carded(screen)
            asked = Asked(member.id, Channel.KIOSK, purpose=Purpose.EXTEND)
            self.enrolment.ask(screen, asked)
            place.state = state.face_shown(place.state)
            self.enrolment.extend(screen)

    async def ask_off(self, screen: str) -> None:
        """Ask whether the consent is really to be taken back."""
        async with self._screens.turn(screen) as place:
            self._carded(screen)
            place.state = state.face_off_shown(place.state)

    async def withdraw(self, screen: str) -> None:
        """The member takes the consent back."""
        async with self._screens.turn(screen) as place:
            member = self._carded(screen)
            done = await self.enrolment.withdraw(member.id, Said(Channel.KIOSK))
            notice = (FORGOTTEN if done else NOTHING_KNOWN,)
            place.state = replace(state.went_back(place.state), notice=notice)

    def _carded(self, screen: str) -> Member:
        """Who showed their card there: by their face alone nobody changes anything about it."""
        member = self._screens.member(screen)
        if member is None or not self._screens.state(screen).card:
            raise Refused(CARD_FIRST)
        return member

    def _of(self, screen: str, member: Member) -> None:
        """There is a consent to agree to only for who has answered."""
        capture = self.enrolment.at(screen)
        if capture is None or capture.asked.member != member.id:
            raise Refused(ANSWER_FIRST)

    # --- by staff

    async def begin_by_staff(self, screen: str, member: str, by: str, version: str) -> None:
        """A seller enrols a member, who has read the text and agreed. Refused if it cannot be."""
        if screen not in self.enrolment.screens:
            raise Refused(NOT_OFFERED)
        if not self._is_free_for(screen, member):
            raise Refused(IN_USE)
        asked = Asked(member, Channel.STAFF, by)
        async with self._screens.turn(screen) as place:
            if self._is_free_for(screen, member):
                self.enrolment.ask(screen, asked)
                place.state = state.face_shown(place.state)
        # What is refused above is told at the screen; and whoever came there meanwhile is another.
        capture = self.enrolment.at(screen)
        if capture is None or capture.asked != asked or not self._is_free_for(screen, member):
            raise Refused(IN_USE)
        await self.enrolment.agree(screen, version, adult=True)

    def _is_free_for(self, screen: str, member: str) -> bool:
        """Whether nobody but this member is using the screen."""
        now = self._screens.state(screen)
        free = now.page in (Page.ATTRACT, Page.TWIN, Page.FACE) and now.member in ("", member)
        return free and not self._screens.ordering.cart(screen)

    def of_member(self, member: str) -> tuple[str, Capture] | None:
        """The screen at which this member's enrolment is to be seen, and how it stands."""
        for screen in self._screens.settings.screens:
            capture = self.enrolment.at(screen)
            if capture is not None and capture.asked.member == member:
                return screen, capture
        return None


def seen(capture: Capture) -> FaceView:
    """An enrolment as a page shows it."""
    return FaceView(
        stage=capture.stage,
        purpose=capture.asked.purpose,
        photos=capture.photos,
        hint=capture.hint,
        says=HINTS[capture.hint] if capture.hint is not None else STARTING,
        why=WHY_FAILED[capture.failure] if capture.failure is not None else "",
    )
