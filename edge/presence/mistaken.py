"""Members of whom staff said that somebody was not they, and by which kind of sign it was believed.

Part of the presence desk. For a while such a sign alone only suggests them: a twin who is not
enrolled is not named twice, nor whoever goes about with the phone that they logged in with. What is
shown or typed on purpose is believed each time. The mark is kept over a restart, and goes with the
consent that the sign rests on.
"""

from collections.abc import Iterable

from edge.presence.evidence import weakened
from edge.presence.facts import SPEAKS_BY, Fact
from edge.records import ConsentKind, Moment
from edge.storage import mistaken
from edge.storage.outbox import Executes
from edge.visiting import Evidence, SignKind

LOOKALIKE_DAYS = 30
"""Who looks like a member comes again within weeks, ..."""
PHONE_DAYS = 1
"""... and no session of a phone lasts longer than a day."""
DAYS = {ConsentKind.FACE: LOOKALIKE_DAYS, ConsentKind.WIFI: PHONE_DAYS}
DAY_MS = 86_400_000


class Mistaken:
    """Whose face, or whose phone, is not enough now."""

    def __init__(self, reading: Executes) -> None:
        self._until_ms = mistaken.until(reading)

    def found(self, member: str, kinds: Iterable[SignKind], now: Moment) -> list[Fact]:
        """Signs of these kinds were taken for the member's, and were not; what is to be written."""
        facts = []
        for kind in sorted({SPEAKS_BY[sign] for sign in kinds if sign in SPEAKS_BY}):
            self._until_ms[member, kind] = until_ms = now.wall_ms + DAYS[kind] * DAY_MS
            facts.append(Fact(None, None, "", None, now, mistaken=(member, kind, until_ms)))
        return facts

    def forget(self, member: str, signs: Iterable[SignKind] = SPEAKS_BY) -> None:
        """The member withdrew the consent to signs of these kinds, or altogether."""
        for sign in signs:
            self._until_ms.pop((member, SPEAKS_BY[sign]), None)

    def weighed(self, sign: Evidence) -> Evidence:
        """A sign for what it is worth: of one of them it is weak."""
        until_ms = self._until_ms.get((sign.member, SPEAKS_BY[sign.kind]), 0)
        return weakened(sign) if sign.seen.wall_ms < until_ms else sign
