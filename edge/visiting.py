"""The words of visits: signs of who somebody is, and what is believed of one stay in the shop.

Used by the presence desk, consent, the storage of visits and the pages. Frozen types; like
`edge/records.py` it decides nothing. Sensors do not know these words.
"""

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct

from edge.records import ConsentKind, Moment


class SignKind(StrEnum):
    """What a sign is. Of one kind only the strongest sign of a member counts."""

    CARD = "card"
    """The member's card or loyalty code was scanned."""
    CODE = "code"
    """The member typed the code that was sent to their phone."""
    ASSOCIATION = "association"
    """A login to the shop's Wi-Fi with the member's number: enough alone from a phone that was
    proved to be theirs."""
    DEVICE = "device"
    """A phone that the member logged in with before is on the Wi-Fi: never enough alone."""
    FACE = "face"
    STAFF = "staff"
    """A seller said who it is."""


class Strength(StrEnum):
    """How far a sign alone can carry an identification."""

    EXPLICIT = "explicit"
    ASSOCIATION = "association"
    AGREEMENT = "agreement"
    WEAK = "weak"


class Evidence(Struct, frozen=True):
    """One sign that a visit is `member`'s: a log-likelihood ratio (nats) and its reason. `phone` is
    the keyed hash by which the binding of the phone is found that gave it, if there is one.
    """

    member: str
    kind: SignKind
    llr: float
    strength: Strength
    reason: str
    seen: Moment
    phone: bytes | None = None


REASON_BEGINS = {
    SignKind.CARD: "card",
    SignKind.CODE: "code",
    SignKind.ASSOCIATION: "Wi-Fi",
    SignKind.DEVICE: "Wi-Fi",
    SignKind.FACE: "face",
    SignKind.STAFF: "staff",
}
"""How the reason of a sign begins, by its kind. Of an ended visit only the reasons are left."""
RESTS_ON = (
    (ConsentKind.FACE, SignKind.FACE),
    (ConsentKind.WIFI, SignKind.ASSOCIATION),
    (ConsentKind.WIFI, SignKind.DEVICE),
)
"""Kinds of signs that need a consent of their own."""


class VisitState(StrEnum):
    """How sure the box is whose visit it is."""

    ANONYMOUS = "anonymous"
    SUGGESTED = "suggested"
    """To staff, who may confirm or correct it; nobody else is told."""
    IDENTIFIED = "identified"


class Stage(StrEnum):
    """How far a visit has come."""

    ARRIVED = "arrived"
    BROWSING = "browsing"
    AT_KIOSK = "kiosk"
    LEFT = "left"


class Visit(Struct, frozen=True):
    """One stay of one person, known or not. `reasons` say why `member` is believed.

    `counted`: it is a visit in the figures; one that the cameras at the door saw as another one is
    none of its own. `reached` is the furthest stage before it ended, `zones` how long they stayed
    where (ms), by "sensor/zone".
    """

    id: str
    state: VisitState
    opened: Moment
    last_seen: Moment
    sensor: str
    member: str | None = None
    posterior: float = 0.0
    reasons: tuple[str, ...] = ()
    stage: Stage = Stage.ARRIVED
    counted: bool = True
    reached: Stage = Stage.ARRIVED
    zones: Mapping[str, int] = {}

    @property
    def left(self) -> bool:
        """Whether it has ended."""
        return self.stage is Stage.LEFT


class Step(Struct, frozen=True):
    """One thing in the history of a visit: what happened, by which sensor, in words for people.

    `member` and `sign` say whom it speaks of, and by which kind of sign, so that it can be
    forgotten with the consent that it rests on. `posterior` is what was believed after it.
    """

    at: Moment
    what: str
    sensor: str = ""
    text: str = ""
    member: str | None = None
    sign: SignKind | None = None
    llr: float | None = None
    posterior: float | None = None
