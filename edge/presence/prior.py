"""Who is expected before any sign: the share of members among recent visits, and each one's weight.

Made by `edge/presence/expected.py` from the visits of the last weeks, used by `fusion`. Pure: time
is passed in. It only shifts what signs say: bounded, so that no prior alone comes near a decision,
and smoothed, so that who never came is still found.
"""

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

    Weights are (a/n + v) / (a + V): `v` the faded visits of the member, `V` those of all members,
    `n` = `members`, and `a` = max(EVEN_VISITS, V) (Dirichlet smoothing). A visit later than now
    counts as one of now: the clock was put back.
    """
    if members < 1:
        return Prior()
    return even(members)
