"""What one screen shows and to whom: frozen states and the pure steps between them.

Used by `kiosk/session.py`, which adds time, the desks and the lock. No I/O and no clock here.
A state holds a member's id only; the name is looked up when a page is drawn, so that who
withdraws disappears from the screen at once.
"""

from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from edge.ordering.continuing import LeftOut

CODE_SHOWN_MAX = 40
"""How much of an unknown code is shown; it may be anything that a stranger printed."""


class Page(StrEnum):
    """What the screen shows."""

    ATTRACT = "attract"
    PRODUCT = "product"
    CART = "cart"
    ORDERED = "ordered"
    UNKNOWN = "unknown"
    TWIN = "twin"
    """Asks for a twin, before a face is enrolled."""
    FACE = "face"
    """Consent, progress or end of an enrolment (`Enrolment.at` says which)."""
    FACE_OFF = "face_off"
    """Asks whether the consent to faces is really to be taken back."""
    CONSENTS = "consents"
    """What the member has agreed to."""
    WITHDRAW = "withdraw"
    """Asks whether the consent of `kind` is really to be taken back."""
    PHONE = "phone"
    """Asks for a telephone number, to send a code to."""
    CODE = "code"
    """Asks for the code that was sent to `phone`."""


PERSONAL = frozenset({Page.TWIN, Page.FACE, Page.FACE_OFF, Page.CONSENTS, Page.WITHDRAW})
"""Pages of one member alone."""
PHONES = frozenset({Page.PHONE, Page.CODE})


class ScreenState(Struct, frozen=True):
    """One screen. `person` counts the people before it, so that no late answer reaches the next.

    `notice` are English sentences, which are also the keys of their translations. `card`: the
    member showed their card, and was not only recognised. `phone` is the number that a code was
    sent to, `kind` the consent that is asked about, each for as long as it is asked for. `left_out`
    is what stayed behind of a web cart, as long as the cart is shown. `warned_ms` is when the
    warning was put up (monotonic), or None.
    """

    language: str
    touched_ms: int
    person: int = 0
    page: Page = Page.ATTRACT
    sku: str = ""
    code: str = ""
    order: str = ""
    member: str = ""
    card: bool = False
    card_ms: int = 0
    """When it was shown last, by the box's own time."""
    notice: tuple[str, ...] = ()
    looking: bool = False
    phone: str = ""
    kind: str = ""
    left_out: tuple[LeftOut, ...] = ()
    warned_ms: int | None = None


def touched(state: ScreenState, now_ms: int) -> ScreenState:
    """Somebody did something: the time-out starts again and old notices go."""
    return replace(state, touched_ms=now_ms, warned_ms=None, notice=())


def awake(state: ScreenState, now_ms: int) -> ScreenState:
    """Somebody touched the screen without wanting anything: only the time-out starts again."""
    return replace(state, touched_ms=now_ms, warned_ms=None)


def product_shown(state: ScreenState, sku: str) -> ScreenState:
    """A product was scanned or chosen."""
    return replace(_after_order(state), page=Page.PRODUCT, sku=sku, code="")


def code_unknown(state: ScreenState, code: str) -> ScreenState:
    """A code nobody knows was scanned."""
    shown = code if len(code) <= CODE_SHOWN_MAX else code[: CODE_SHOWN_MAX - 1] + "…"
    return replace(_after_order(state), page=Page.UNKNOWN, code=shown)


def greeted(state: ScreenState, member: str, *, card: bool = False) -> ScreenState:
    """A member showed who they are. What they were looking at stays, unless it was another's.

    A card that was shown counts until they go, however they are greeted again.
    """
    state = _after_order(state)
    same = state.member == member
    left = state.page is Page.UNKNOWN or (state.page in PERSONAL and not same)
    page = Page.ATTRACT if left else state.page
    if state.page in PHONES:
        page = Page.PRODUCT if state.sku else Page.ATTRACT
    shown = card or (same and state.card)
    kept = state.left_out if same else ()
    return replace(
        state, page=page, code="", member=member, card=shown, looking=False, left_out=kept
    )


def forgotten(state: ScreenState) -> ScreenState:
    """The shopper said that this is somebody else."""
    page = Page.ATTRACT if state.page in PERSONAL else state.page
    return replace(state, page=page, member="", card=False, looking=False, left_out=())


def twin_asked(state: ScreenState) -> ScreenState:
    """The member wants to be enrolled, and is asked whether somebody else looks so."""
    return replace(_after_order(state), page=Page.TWIN, code="")


def face_shown(state: ScreenState) -> ScreenState:
    """An enrolment is to be seen."""
    return replace(_after_order(state), page=Page.FACE, code="")


def face_off_shown(state: ScreenState) -> ScreenState:
    """The member wants to take the consent to faces back."""
    return replace(_after_order(state), page=Page.FACE_OFF, code="")


def consents_shown(state: ScreenState) -> ScreenState:
    """The member wants to see what they agreed to."""
    return replace(_after_order(state), page=Page.CONSENTS, code="")


def withdrawal_asked(state: ScreenState, kind: str) -> ScreenState:
    """The member wants to take this consent back."""
    return replace(_after_order(state), page=Page.WITHDRAW, code="", kind=kind)


def cart_shown(state: ScreenState) -> ScreenState:
    """The cart was opened."""
    return replace(_after_order(state), page=Page.CART, code="")


def phone_shown(state: ScreenState) -> ScreenState:
    """The shopper wants to say who they are by a code to their telephone."""
    return replace(_after_order(state), page=Page.PHONE, code="", phone="")


def code_asked(state: ScreenState, phone: str) -> ScreenState:
    """A code is on its way to `phone`."""
    return replace(state, page=Page.CODE, phone=phone)


def continued(state: ScreenState, left_out: tuple[LeftOut, ...]) -> ScreenState:
    """A web cart goes on here: the cart is shown, and what stayed behind."""
    return replace(cart_shown(state), left_out=left_out)


def settled(state: ScreenState) -> ScreenState:
    """After an action: what belongs to a page that is no longer shown is forgotten."""
    phone = state.phone if state.page is Page.CODE else ""
    kind = state.kind if state.page is Page.WITHDRAW else ""
    left_out = state.left_out if state.page is Page.CART else ()
    return replace(state, phone=phone, kind=kind, left_out=left_out)


def went_back(state: ScreenState) -> ScreenState:
    """One step back: to the product looked at last, else to the start."""
    if state.page is Page.ORDERED:
        return left(state, state.language, state.touched_ms)
    back_to_product = state.sku and state.page in {Page.CART, Page.UNKNOWN, *PHONES}
    if back_to_product:
        return replace(state, page=Page.PRODUCT, code="")
    return replace(state, page=Page.ATTRACT, sku="", code="")


def ordered(state: ScreenState, number: str) -> ScreenState:
    """The order was placed; its number is shown."""
    return replace(state, page=Page.ORDERED, order=number, sku="", code="")


def left(state: ScreenState, language: str, now_ms: int) -> ScreenState:
    """The person has gone: nothing of them stays."""
    return ScreenState(language=language, touched_ms=now_ms, person=state.person + 1)


def in_use(state: ScreenState, language: str, *, cart: bool) -> bool:
    """Whether anything of a person would be seen by the next one."""
    return (
        cart
        or bool(state.member)
        or state.page is not Page.ATTRACT
        or (state.language != language or state.looking or bool(state.notice))
    )


def _after_order(state: ScreenState) -> ScreenState:
    """Once an order is placed, whoever acts next may be somebody else: they start as nobody."""
    if state.page is not Page.ORDERED:
        return state
    return left(state, state.language, state.touched_ms)
