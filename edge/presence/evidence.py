"""What one sign is worth: readings turned into log-likelihood ratios (nats) with their reasons.

Pure: called by the presence desk, never touches storage or a clock. A probe request is evidence
of nobody: a radar only counts.

What somebody has or says is worth 1 / (e c): `e` is how often such a sign is of somebody else than
it says, and `c` = 1e-6 by what chance it then names this very member of a chain. What `e` is was
not measured here: each is a careful guess, to be compared with the corrections of staff
(`storebox visits rates`). Faces have a ratio that was measured (`face_decision`).
"""

from msgspec.structs import replace

from edge.presence.face_decision import FaceDecision, Outcome
from edge.records import Moment
from edge.visiting import REASON_BEGINS, Evidence, SignKind, Strength

CARD_LLR = 20.7
"""A scanned loyalty card or code: about one in a thousand is a borrowed one. log(1000 x 1e6)."""

CODE_LLR = 20.7
"""A code that was sent to the member's phone and typed at a screen: like a card, about one in a
thousand is typed by whoever holds the phone for them."""

STAFF_LLR = 19.1
"""A seller said who it is: one in two hundred times it is somebody else, as two customers are mixed
up or the wrong line is tapped. log(200 x 1e6)."""

LOGIN_LLR = 18.4
"""A login to the shop's Wi-Fi: about one in a hundred is with a number that somebody else in the
family uses, or on a phone that was lent. log(100 x 1e6)."""

PHONE_LLR = 17.7
"""A phone with which a member logged in lately: twice as often somebody else has it by now. Weak
however likely it is, as nobody did anything to be known by it."""


def from_card(member: str, name_of_sensor: str, seen: Moment) -> Evidence:
    """A scan of the member's own card or loyalty code."""
    kind = SignKind.CARD
    reason = f"{REASON_BEGINS[kind]} scanned at {name_of_sensor}"
    return Evidence(member, kind, CARD_LLR, Strength.EXPLICIT, reason, seen)


def from_code(member: str, screen: str, seen: Moment) -> Evidence:
    """The code that was sent to the member's phone, typed at `screen`."""
    kind = SignKind.CODE
    reason = f"{REASON_BEGINS[kind]} typed at {screen}"
    return Evidence(member, kind, CODE_LLR, Strength.EXPLICIT, reason, seen)


def from_staff(member: str, by: str, seen: Moment) -> Evidence:
    """The seller `by` (an id, no name) said who it is."""
    kind = SignKind.STAFF
    reason = f"{REASON_BEGINS[kind]} said so: {by}"
    return Evidence(member, kind, STAFF_LLR, Strength.EXPLICIT, reason, seen)


def from_login(member: str, nas: str, seen: Moment) -> Evidence:
    """The member's own login to the Wi-Fi, reported by `nas`."""
    kind = SignKind.ASSOCIATION
    reason = f"{REASON_BEGINS[kind]} login at {nas}"
    return Evidence(member, kind, LOGIN_LLR, Strength.ASSOCIATION, reason, seen)


def from_phone(member: str, nas: str, seen: Moment) -> Evidence:
    """A phone on the Wi-Fi with which the member logged in before: never enough alone."""
    kind = SignKind.DEVICE
    reason = f"{REASON_BEGINS[kind]} phone known at {nas}"
    return Evidence(member, kind, PHONE_LLR, Strength.WEAK, reason, seen)


def from_face(decision: FaceDecision, sensor: str, seen: Moment) -> Evidence | None:
    """What the frames of one track say together; None if they name nobody.

    Frames of a track are not independent (same light, same pose), so their ratios are not added:
    the track is worth what its fused vector is. Who is to be asked for the card is only suggested.
    """
    if decision.member is None or decision.outcome is Outcome.UNKNOWN:
        return None
    sure = decision.outcome is Outcome.MEMBER
    told = f"{decision.frames} frames, score {decision.score:.2f}"
    return Evidence(
        decision.member,
        SignKind.FACE,
        decision.llr,
        Strength.AGREEMENT if sure else Strength.WEAK,
        f"{REASON_BEGINS[SignKind.FACE]} at {sensor}: {told}{'' if sure else ', not sure'}",
        seen,
    )


def weakened(sign: Evidence) -> Evidence:
    """The same sign after a correction: it does not identify by itself any more."""
    if sign.strength is Strength.WEAK:
        return sign
    return replace(sign, strength=Strength.WEAK, reason=f"{sign.reason}, mistaken lately")
