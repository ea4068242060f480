"""What one sign is worth: readings turned into log-likelihood ratios (nats) with their reasons.

Pure: called by the presence desk, never touches storage or a clock. A probe request is evidence
of nobody: a radar only counts.
"""

from edge.presence.face_decision import FaceDecision, Outcome
from edge.records import Moment
from edge.visiting import REASON_BEGINS, Evidence, SignKind, Strength

CARD_LLR = 20.7
"""A scanned loyalty card: about one in a thousand is a borrowed one, and that it is this very
member's has a chance of one in a million: e^20.7."""

LOGIN_LLR = 18.4
"""A login to the shop's Wi-Fi: about one in a hundred is with a number that somebody else in the
family uses, or on a phone that was lent; and this very member's by a chance of one in a million."""

PHONE_LLR = 17.7
"""A phone with which a member logged in lately: twice as often somebody else has it by now."""


def from_card(member: str, name_of_sensor: str, seen: Moment) -> Evidence:
    """A scan of the member's own card."""
    return Evidence(
        member,
        SignKind.CARD,
        CARD_LLR,
        Strength.EXPLICIT,
        f"{REASON_BEGINS[SignKind.CARD]} scanned at {name_of_sensor}",
        seen,
    )


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
