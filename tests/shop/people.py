"""The town around the made-up shop: who lives there, what they agreed to, and what they usually do.

Drawn once from a seed; `cameras` says what they look like, `story` when they come. No number of the
product is used here. Shares without a source are assumptions, and named as such: they are plausible
for a neighbourhood shop, and the bench prints what follows from them.
"""

from dataclasses import dataclass, field

import numpy as np

from edge.records import Consent, ConsentKind, Member

PROGRAMME_SHARE = 0.35
"""Of the adults (assumption)."""
WIFI_SHARE, FACE_SHARE, MARKETING_SHARE = 0.40, 0.30, 0.60
"""Of the members, each by itself (assumption: face recognition is asked for by a seller)."""
MEMBER_RATE = 1.6
"""How much oftener a member comes than anybody else (assumption)."""
TWIN_SHARE = 1 / 125
"""Identical twins are four births in a thousand, so that one person in 125 is one."""
TWIN_NEAR = 0.25
"""... whose brother or sister shops here as well (assumption); the other twins live elsewhere."""
TWIN_SAYS_SO = 0.95
"""Of all twins, wherever the other lives: asked before an enrolment, they say so (assumption)."""
COUPLE_SHARE, FAMILY_SHARE = 0.30, 0.25
"""Households of two adults, and of two adults with children (assumption)."""
TOGETHER, CHILD_ALONG = 0.35, 0.45
"""How often the partner comes along, and each child (assumption)."""
CARD_IN_POCKET, KIOSK_USE, PHONE_LOGS_IN = 0.7, 0.15, 0.5
"""Means over people, each of whom has a habit of their own (assumption)."""
CARD_BORROWED = 0.002
"""Of the scans of a card: it is that of the partner (assumption)."""
PHONE_SHARED = 0.01
"""Of couples with a member who logs in: the partner's phone is on the same number (assumption)."""
DWELL_MEDIAN_S, DWELL_SPREAD = 480.0, 0.8
"""A log-normal stay: eight minutes in the middle, one in six over 18 (assumption)."""
GROUPS = ("a", "b", "c", "d")
GROUP_SHARES = (0.78, 0.06, 0.08, 0.08)
"""Kinds of faces that a model tells apart less or more well (facts/faces.md 4.6)."""
CHILDREN = "child"
FIRST_CARD = 2_780_000_000_000
PHOTOS = ((3, 0.1), (4, 0.2), (5, 0.7))
"""How many good frames an enrolment got."""


@dataclass(slots=True)
class Person:
    """Somebody of the town. `member` and `consents` are as agreed at the start of the story."""

    number: int
    kind: str = "adult"
    """`adult`, `child`, `staff` or `delivery`."""
    group: str = GROUPS[0]
    twin: int | None = None
    """Who of the town has the same face."""
    says_twin: bool = False
    """Has a twin, here or elsewhere, and says so when asked: their face is not enrolled."""
    partner: int | None = None
    children: tuple[int, ...] = ()
    consents: frozenset[ConsentKind] = frozenset()
    photos: int = 0
    rate: float = 0.0
    """How often they come of themselves, relative to others."""
    dwell_s: float = DWELL_MEDIAN_S
    card_habit: float = 0.0
    kiosk_habit: float = 0.0
    phone_habit: float = 0.0
    logs_in_as: int | None = None
    """On whose number the phone is: their own, or their partner's."""
    address: bytes = b""
    """What the phone calls itself on the shop's Wi-Fi; it stays for weeks (facts/wifi.md 3d)."""

    @property
    def id(self) -> str:
        """As a member."""
        return f"m{self.number:06d}"

    @property
    def is_member(self) -> bool:
        """Whether there is a profile of them."""
        return ConsentKind.PROGRAMME in self.consents

    @property
    def has_face(self) -> bool:
        """Whether their face may be matched, and was enrolled."""
        return self.photos > 0 and ConsentKind.FACE in self.consents

    @property
    def card(self) -> str:
        """What a scan of the card reads."""
        return str(FIRST_CARD + self.number)

    @property
    def login(self) -> str:
        """Under which number the phone logs in."""
        return f"+7900{self.number:07d}"

    def profile(self) -> Member:
        """As the platform sends it."""
        given = tuple(Consent(kind, 0, "v1", "staff") for kind in sorted(self.consents))
        logins = (self.login,) if ConsentKind.WIFI in self.consents else ()
        return Member(self.id, "Анна", self.card, consents=given, logins=logins)


@dataclass(slots=True)
class Town:
    """Everybody, by number."""

    people: list[Person] = field(default_factory=list)

    @property
    def adults(self) -> list[Person]:
        """Who shops here."""
        return [one for one in self.people if one.kind == "adult"]

    @property
    def members(self) -> list[Person]:
        """Who is in the programme at the start."""
        return [one for one in self.people if one.is_member]

    def of_kind(self, kind: str) -> list[Person]:
        """Staff, delivery people, children."""
        return [one for one in self.people if one.kind == kind]

    def by_id(self, member: str) -> Person:
        """Whose profile that is."""
        return self.people[int(member[1:])]


def town(dice: np.random.Generator, adults: int, *, staff: int = 5, delivery: int = 8) -> Town:
    """A town of so many adults, with their children, the shop's staff, and who brings things."""
    made = Town()
    grown = 0
    while grown < adults:
        grown += _household(made, dice)
    _twins(made, dice)
    for kind, count in (("staff", staff), ("delivery", delivery)):
        for _ in range(count):
            one = _person(made, dice, kind)
            if kind == "staff" and dice.random() < 0.5:  # half of them have the card themselves
                _join(one, dice)
    return made


def _household(town: Town, dice: np.random.Generator) -> int:
    """One more household; how many adults it has."""
    first = _shopper(town, dice)
    lot = dice.random()
    if lot >= COUPLE_SHARE + FAMILY_SHARE:
        return 1
    second = _shopper(town, dice)
    first.partner, second.partner = second.number, first.number
    for one, other in ((first, second), (second, first)):
        if one.logs_in_as == one.number and dice.random() < PHONE_SHARED:
            other.logs_in_as, other.phone_habit = one.number, one.phone_habit
    if lot < FAMILY_SHARE:
        children = [_person(town, dice, "child") for _ in range(int(dice.integers(1, 4)))]
        for child in children:
            child.group = CHILDREN
        first.children = second.children = tuple(child.number for child in children)
    return 2


def _shopper(town: Town, dice: np.random.Generator) -> Person:
    one = _person(town, dice, "adult")
    one.rate = float(dice.lognormal(0, 0.8))
    one.dwell_s = float(DWELL_MEDIAN_S * dice.lognormal(0, 0.3))
    one.kiosk_habit = float(dice.beta(1.5, 1.5 / KIOSK_USE - 1.5))
    if dice.random() < PROGRAMME_SHARE:
        one.rate *= MEMBER_RATE
        _join(one, dice)
    return one


def _join(one: Person, dice: np.random.Generator) -> None:
    """Become a member. A phone logs in with the consent or without it: both happen."""
    shares = {
        ConsentKind.WIFI: WIFI_SHARE,
        ConsentKind.FACE: FACE_SHARE,
        ConsentKind.MARKETING: MARKETING_SHARE,
    }
    agreed = {kind for kind, share in shares.items() if dice.random() < share}
    one.consents = frozenset(agreed | {ConsentKind.PROGRAMME})
    if ConsentKind.FACE in agreed:
        one.photos = int(dice.choice([n for n, _ in PHOTOS], p=[p for _, p in PHOTOS]))
    one.card_habit = float(dice.beta(3, 3 / CARD_IN_POCKET - 3))
    one.phone_habit = float(dice.beta(2, 2 / PHONE_LOGS_IN - 2))
    one.logs_in_as = one.number


def _person(town: Town, dice: np.random.Generator, kind: str) -> Person:
    one = Person(len(town.people), kind)
    one.group = str(dice.choice(GROUPS, p=GROUP_SHARES))
    one.address = bytes([0x02, *dice.integers(0, 256, 5).tolist()])
    town.people.append(one)
    return one


def _twins(town: Town, dice: np.random.Generator) -> None:
    """Pairs of adults of different households who have one face."""
    adults = town.adults
    wanted = round(len(adults) * TWIN_SHARE * TWIN_NEAR / 2)
    pairs = max(1, wanted)
    chosen = dice.choice(len(adults), size=2 * pairs, replace=False)
    for left, right in zip(chosen[:pairs], chosen[pairs:], strict=True):
        one, other = adults[left], adults[right]
        one.twin, other.twin, other.group = other.number, one.number, one.group
    _asked(adults, dice.spawn(1)[0])


def _asked(adults: list[Person], dice: np.random.Generator) -> None:
    """Before an enrolment everybody is asked for a twin: who says so has no face enrolled.

    It draws by itself, so that the rest of the town is the same with this question and without.
    """
    for one in adults:
        has_twin = one.twin is not None or dice.random() < TWIN_SHARE * (1 - TWIN_NEAR)
        one.says_twin = has_twin and dice.random() < TWIN_SAYS_SO
        if one.says_twin:
            one.consents, one.photos = one.consents - {ConsentKind.FACE}, 0
