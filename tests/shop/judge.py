"""What the product said of a day, held against what was true. Pure: sums and lists, no opinion.

A name is right if it is that of the person whose reading decided it, so that a borrowed card or a
twin's face count as wrong, whoever could have known. Each figure comes with what it was counted
from, and wrong names with the mechanism behind them, so that whoever mends it knows where to look.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist

from edge.presence.figures import dwell_mean_s
from edge.records import ConsentKind
from tests.shop.people import Person, Town
from tests.shop.play import Named, Told
from tests.shop.scenes import Stay

FACE, WIFI, CARD, STAFF = "face", "Wi-Fi", "card", "staff"
"""How the reasons begin that the product gives (they are its words to the platform)."""
ENOUGH_IN_DECILE = 100
"""Visits; or fewer, if even so it is clear that the gap is too wide."""
GAP_MAX = 0.05
"""Between what is believed and what is so (the issue's five points)."""
FACE_WITHIN_MS = 10_000
"""A face at the door names its person within so much of the doorway, or did not."""


@dataclass(slots=True)
class Share:
    """`hits` of `of`."""

    hits: int = 0
    of: int = 0

    def add(self, hit: bool) -> None:
        """One more."""
        self.hits += hit
        self.of += 1

    def join(self, other: "Share") -> None:
        """Those of another day."""
        self.hits += other.hits
        self.of += other.of

    @property
    def rate(self) -> float:
        """NaN of nothing."""
        return self.hits / self.of if self.of else math.nan

    def interval(self, sure: float = 0.95) -> tuple[float, float]:
        """Wilson's score interval."""
        if not self.of:
            return 0.0, 1.0
        z = NormalDist().inv_cdf(0.5 + sure / 2)
        middle = (self.rate + z * z / (2 * self.of)) / (1 + z * z / self.of)
        half = z * math.sqrt(self.rate * (1 - self.rate) / self.of + (z / (2 * self.of)) ** 2)
        half /= 1 + z * z / self.of
        return max(0.0, middle - half), min(1.0, middle + half)


@dataclass(slots=True)
class Verdict:
    """The figures of one or more days."""

    named: Share = field(default_factory=Share)
    """Identified visits with the right name."""
    mended: Share = field(default_factory=Share)
    """The same of visits as they stand in the end, after what staff corrected."""
    by_face: Share = field(default_factory=Share)
    """Stays of members with a face and a good picture that were named at the door by the face."""
    by_any: Share = field(default_factory=Share)
    """... that were named at all."""
    any_picture: Share = field(default_factory=Share)
    """Stays of members with a face, whatever the picture, named by the face at the door."""
    recognised: Share = field(default_factory=Share)
    """Stays of members of the programme that were named by whatever sign."""
    counted: int = 0
    came: int = 0
    """Stays of shoppers."""
    others: Counter[str] = field(default_factory=Counter)
    """Visits counted that were opened by staff, by who brought something, by who stayed outside."""
    day_errors: list[float] = field(default_factory=list)
    """Per day: (counted - came) / came."""
    without_consent: int = 0
    """Names given to who did not agree to be known by such a sign. Must be 0."""
    deciles: dict[int, list[float]] = field(default_factory=dict)
    """By tenth of the posterior: how many, the sum of posteriors, how many were right."""
    wrong: Counter[str] = field(default_factory=Counter)
    """Wrong names by mechanism."""
    marks: Counter[str] = field(default_factory=Counter)
    dwell_s: list[tuple[float, float]] = field(default_factory=list)
    """Per day on which the product says a mean: that, and the true one."""

    def join(self, other: "Verdict") -> None:
        """Add the figures of other days."""
        for name in ("named", "mended", "by_face", "by_any", "any_picture", "recognised"):
            getattr(self, name).join(getattr(other, name))
        self.counted += other.counted
        self.came += other.came
        self.without_consent += other.without_consent
        for name in ("others", "wrong", "marks"):
            getattr(self, name).update(getattr(other, name))
        self.day_errors += other.day_errors
        self.dwell_s += other.dwell_s
        for tenth, sums in other.deciles.items():
            mine = self.deciles.setdefault(tenth, [0, 0.0, 0])
            self.deciles[tenth] = [a + b for a, b in zip(mine, sums, strict=True)]

    def reliability(self) -> list["Decile"]:
        """How right the product is where it believes so much."""
        return [Decile(tenth, *sums) for tenth, sums in sorted(self.deciles.items())]


@dataclass(frozen=True, slots=True)
class Decile:
    """Visits whose best guess had a posterior of this tenth."""

    tenth: int
    count: float
    believed_sum: float
    right: float

    @property
    def gap(self) -> float:
        """How much more was believed than was so, as a share."""
        return (self.believed_sum - self.right) / self.count

    @property
    def enough(self) -> bool:
        """Whether there are enough of them to say anything."""
        low, high = self.interval
        return self.count >= ENOUGH_IN_DECILE or low > GAP_MAX or high < -GAP_MAX

    @property
    def interval(self) -> tuple[float, float]:
        """Of the gap, by Wilson."""
        low, high = Share(round(self.right), round(self.count)).interval()
        mean = self.believed_sum / self.count
        return mean - high, mean - low


def judge(town: Town, truth: Sequence[Stay], told: Told) -> Verdict:
    """The figures of one day."""
    verdict = Verdict()
    _names(verdict, town, truth, told)
    _recall(verdict, town, truth, told)
    _counts(verdict, town, truth, told)
    _beliefs(verdict, town, told)
    for stay in truth:
        verdict.marks.update(stay.marks)
    return verdict


def _names(verdict: Verdict, town: Town, truth: Sequence[Stay], told: Told) -> None:
    wrong: set[tuple[str, str]] = set()
    decided: dict[tuple[str, str], bool] = {}
    for name in told.named:
        who = name.who if name.who is not None else told.opened.get(name.visit)
        if who is None:  # decided by what is left of older signs, after a correction: are they in?
            right = _inside(truth, town.by_id(name.member), name.at_ms)
        else:
            right = town.people[who].id == name.member
        key = (name.visit, name.member)
        decided[key] = decided.get(key, True) and right
        if not right and key not in wrong:
            wrong.add(key)
            verdict.wrong[mechanism(town, who, name)] += 1
        verdict.without_consent += not allowed(town.by_id(name.member), name.reasons)
    for right in decided.values():
        verdict.named.add(right)
    for row in told.rows:
        key = (row.id, row.member or "")
        if row.state == "identified" and key in decided:
            verdict.mended.add(decided[key])


def _inside(truth: Sequence[Stay], one: Person, at_ms: int) -> bool:
    return any(stay.who == one.number and stay.in_ms <= at_ms <= stay.out_ms for stay in truth)


def allowed(one: Person, reasons: Iterable[str]) -> bool:
    """Whether this person agreed to be known by all of these signs."""
    needs = {FACE: ConsentKind.FACE, WIFI: ConsentKind.WIFI}
    asked = {ConsentKind.PROGRAMME}
    asked |= {needs[kind] for reason in reasons for kind in needs if reason.startswith(kind)}
    return asked <= one.consents


def mechanism(town: Town, who: int | None, name: Named) -> str:
    """How it came to a wrong name, in words."""
    kinds = "+".join(sorted({reason.split(" ")[0] for reason in name.reasons}))
    if who is None:
        return f"{kinds}: nobody's reading"
    one, taken = town.people[who], town.by_id(name.member)
    if one.twin == taken.number:
        return f"{kinds}: a twin"
    if one.partner == taken.number:
        return f"{kinds}: the partner's"
    member = "a member with a face" if one.has_face else "no face enrolled"
    return f"{kinds}: {one.kind}, {member}"


def _recall(verdict: Verdict, town: Town, truth: Sequence[Stay], told: Told) -> None:
    names: dict[str, list[Named]] = {}
    last_ms = {row.id: row.last_seen.wall_ms for row in told.rows}
    for name in told.named:
        names.setdefault(name.member, []).append(name)
    for stay in truth:
        one = town.people[stay.who]
        if stay.kind != "visit" or not one.is_member:
            continue
        mine = [
            name
            for name in names.get(one.id, ())
            if name.who == stay.who and -10_000 < name.at_ms - stay.in_ms < stay.out_ms - stay.in_ms
        ]
        known = any(
            name.who == stay.who
            and name.at_ms < stay.in_ms <= last_ms.get(told.merged.get(name.visit, name.visit), 0)
            for name in names.get(one.id, ())
        )  # their last visit is still open: nobody is named anew
        verdict.recognised.add(known or bool(mine))
        if not one.has_face or (known and not mine):
            continue
        face = any(
            name.at_ms - stay.in_ms < FACE_WITHIN_MS
            and any(reason.startswith(FACE) for reason in name.reasons)
            for name in mine
        )
        verdict.any_picture.add(face)
        if stay.good:
            verdict.by_face.add(face)
            verdict.by_any.add(bool(mine))


def _counts(verdict: Verdict, town: Town, truth: Sequence[Stay], told: Told) -> None:
    stays = [stay for stay in truth if stay.kind == "visit"]
    kinds = {stay.who: stay.kind for stay in truth}
    rows = [row for row in told.rows if row.counted and row.id not in told.merged]
    verdict.counted, verdict.came = len(rows), len(stays)
    verdict.day_errors.append((len(rows) - len(stays)) / max(1, len(stays)))
    for row in rows:
        who = told.opened.get(row.id)
        kind = "nobody" if who is None else kinds.get(who, "outside")
        if kind != "visit":
            verdict.others[kind] += 1
    lengths = [told.closed.get(row.id) for row in rows]
    known = [length for length in lengths if length is not None]
    mean_s = dwell_mean_s(sum(known), len(known), len(rows))
    if mean_s is not None and stays:
        true_s = sum(stay.out_ms - stay.in_ms for stay in stays) / len(stays) / 1000
        verdict.dwell_s.append((mean_s, true_s))


def _beliefs(verdict: Verdict, town: Town, told: Told) -> None:
    for guess in told.believed.values():
        who = guess.who if guess.who is not None else told.opened.get(guess.visit)
        if who is None:
            continue
        tenth = min(9, int(guess.posterior * 10))
        sums = verdict.deciles.setdefault(tenth, [0, 0.0, 0])
        sums[0] += 1
        sums[1] += guess.posterior
        sums[2] += town.people[who].id == guess.member
