"""Members whose face staff said it was not: somebody looks like them, and comes here.

Part of the presence desk. For some weeks the face alone only suggests them, so that a twin who is
not enrolled is not named twice. Whoever says before an enrolment that they have one is not enrolled
at all (`kiosk/twins.py`); this is for the others. The mark is kept, and goes with the consent to
faces.
"""

from msgspec.structs import replace

from edge.presence.facts import Fact
from edge.records import Moment
from edge.storage import mistaken
from edge.storage.outbox import Executes
from edge.visiting import Evidence, Strength

LOOKALIKE_DAYS = 30
DAY_MS = 86_400_000


class Lookalikes:
    """Whose face is not enough now."""

    def __init__(self, reading: Executes) -> None:
        self._until_ms = mistaken.until(reading)

    def found(self, member: str, now: Moment) -> Fact:
        """A face was taken for this member's, and was not; what is to be written."""
        self._until_ms[member] = until_ms = now.wall_ms + LOOKALIKE_DAYS * DAY_MS
        return Fact(None, None, "", None, now, mistaken=(member, until_ms))

    def forget(self, member: str) -> None:
        """The member withdrew the consent to faces."""
        self._until_ms.pop(member, None)

    def weighed(self, sign: Evidence | None) -> Evidence | None:
        """A face for what it is worth: of one of them it is weak."""
        if sign is None or self._until_ms.get(sign.member, 0) <= sign.seen.wall_ms:
            return sign
        if sign.strength is Strength.WEAK:
            return sign
        return replace(sign, strength=Strength.WEAK, reason=f"{sign.reason}, mistaken lately")
