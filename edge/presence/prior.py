"""Who is expected before any sign: the share of members among recent visits, and each one's weight.

Made by `edge/presence/expected.py` from the visits of the last weeks, used by `fusion`. Pure: time
is passed in. It only shifts what signs say: bounded, so that no prior alone comes near a decision,
and smoothed, so that who never came is still found.
"""

import math
from collections.abc import Iterable, Mapping

from msgspec import Struct

DAY_MS = 86_400_000
WINDOW_MS = 60 * DAY_MS
"""Visits that are older say nothing of who comes today."""
HALF_LIFE_MS = 21 * DAY_MS
"""A visit three weeks ago counts half: many come every week or month."""
MEMBER_SHARE = 0.3
"""The share of members among visitors where nothing is known of the shop yet."""
SHARE_VISITS = 100
"""MEMBER_SHARE weighs like so many visits (Beta prior): a few days of a small shop outweigh it."""
SHARE_MIN, SHARE_MAX = 0.1, 0.6
"""Members who were not recognised count among the strangers, so that a low share is never quite
believed; nor is a high one, since a box that names everybody would prove itself right."""
EVEN_VISITS = 50.0
"""An even weight for all members weighs like so many of their visits, and never less than all that
are known: who never came keeps at least half of an even weight."""
TIMES_EVEN_MAX = 100.0
"""Who comes every day is expected at most so many times as much as anybody else (4.6 nats)."""
MEMBER_MAX = 0.2
"""Nobody alone is expected to be more than this share of all visitors, even in a shop with one
member. It is far below what staff are told of."""


class Prior(Struct, frozen=True):
    """P(a visit is this member's) before any sign: `weights` for who came lately, `other` for each
    one else of `members`. What is left over is nobody known.
    """

    members: int = 0
    other: float = 0.0
    weights: Mapping[str, float] = {}

    def of(self, member: str) -> float:
        """P(a visit is this member's), at most MEMBER_MAX; 0 in a shop without members."""
        return self.weights.get(member, self.other)

    @property
    def share(self) -> float:
        """P(a visit is any member's)."""
        return sum(self.weights.values()) + self.other * (self.members - len(self.weights))


def even(members: int, share: float = MEMBER_SHARE) -> Prior:
    """All of them are equally likely."""
    return Prior(members, min(MEMBER_MAX, share / members)) if members > 0 else Prior()


def from_visits(visits: Iterable[tuple[str | None, int]], members: int, now_ms: int) -> Prior:
    """The prior from recent visits, each its member (None: nobody known) and when it was (Unix ms).

    Members weigh (a/n + v) / (a + V): `v` the faded visits of the member, `V` those of all, `n` =
    `members`, `a` = max(EVEN_VISITS, V) (Dirichlet smoothing). Their share is that of a Beta
    distribution with SHARE_VISITS at MEMBER_SHARE. What a bound takes off goes to nobody known. A
    visit later than now counts as one of now: the clock was put back.
    """
    if members < 1:
        return Prior()
    theirs: dict[str, float] = {}
    total = 0.0
    for member, seen_ms in visits:
        weight = _held(now_ms - seen_ms)
        total += weight
        if member is not None and weight:
            theirs[member] = theirs.get(member, 0.0) + weight
    known = math.fsum(theirs.values())
    share = (SHARE_VISITS * MEMBER_SHARE + known) / (SHARE_VISITS + total)
    share = min(SHARE_MAX, max(SHARE_MIN, share))
    count = max(members, len(theirs))
    smooth = max(EVEN_VISITS, known)

    def weighed(visits: float) -> float:
        weight = (smooth / count + visits) / (smooth + known)
        return min(MEMBER_MAX, share * min(weight, TIMES_EVEN_MAX / count))

    return Prior(count, weighed(0.0), {name: weighed(own) for name, own in theirs.items()})


def _held(age_ms: int) -> float:
    """What a visit still counts: half after each HALF_LIFE_MS, nothing beyond WINDOW_MS."""
    if age_ms > WINDOW_MS:
        return 0.0
    return float(0.5 ** (max(0, age_ms) / HALF_LIFE_MS))
