"""What people say: a code typed at a screen, and whom staff name.

Pure; called by the presence desk. A scanned card is weighed in `evidence.py`.
"""

from edge.presence.evidence import CARD_LLR
from edge.records import Moment
from edge.visiting import REASON_BEGINS, Evidence, SignKind, Strength

STAFF_LLR = 20.7
"""A seller says who it is: wrong as seldom as a card is borrowed, about once in a thousand."""


def at_screen(member: str, kind: SignKind, screen: str, seen: Moment) -> Evidence:
    """The member showed at `screen` who they are; it is worth what a card is."""
    reason = f"{REASON_BEGINS[kind]} at the screen {screen}"
    return Evidence(member, kind, CARD_LLR, Strength.EXPLICIT, reason, seen)


def by_staff(member: str, by: str, seen: Moment) -> Evidence:
    """The seller `by` says that it is this member."""
    kind = SignKind.STAFF
    reason = f"{REASON_BEGINS[kind]} said so ({by})" if by else f"{REASON_BEGINS[kind]} said so"
    return Evidence(member, kind, STAFF_LLR, Strength.EXPLICIT, reason, seen)
