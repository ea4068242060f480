"""From signs to a decision: Bayes over the members, and the three outcomes.

Pure. `posteriors` combines what is known of one visit; `decide` says identified, suggested or
anonymous. A false identification is the costlier error, so likelihood alone is never enough:
identified needs an explicit sign, an association, or a face in agreement over a track.
"""

import math
from collections.abc import Iterable

from msgspec import Struct

from edge.visiting import Evidence, Strength, VisitState

MEMBER_SHARE = 0.3
"""Prior: this share of visitors are members at all; all members are equally likely."""


class Thresholds(Struct, frozen=True):
    """How sure the box must be; from the configuration."""

    identified: float = 0.99
    suggested: float = 0.8


class Decision(Struct, frozen=True):
    """The outcome for one visit: the best member, how probable, why."""

    state: VisitState
    member: str | None
    posterior: float
    reasons: tuple[str, ...]


ANONYMOUS = Decision(VisitState.ANONYMOUS, None, 0.0, ())


def decide(evidence: Iterable[Evidence], members: int, thresholds: Thresholds) -> Decision:
    """The outcome of all signs of one visit in a shop with `members` members."""
    signs = strongest(evidence)
    if not signs or members < 1:
        return ANONYMOUS
    scores = posteriors(signs, members)
    best = max(scores, key=lambda member: (scores[member], member))
    mine = [sign for sign in signs if sign.member == best]
    reasons = tuple(f"{sign.reason} ({sign.llr:+.1f})" for sign in mine)
    carried = any(sign.strength is not Strength.WEAK for sign in mine)
    if carried and scores[best] >= thresholds.identified:
        return Decision(VisitState.IDENTIFIED, best, scores[best], reasons)
    if scores[best] >= thresholds.suggested:
        return Decision(VisitState.SUGGESTED, best, scores[best], reasons)
    return ANONYMOUS


def strongest(evidence: Iterable[Evidence]) -> list[Evidence]:
    """One sign per member and kind, the largest ratio: repeated signs of a kind are not news."""
    best: dict[tuple[str, str], Evidence] = {}
    for sign in evidence:
        key = (sign.member, sign.kind)
        if key not in best or _weight(sign) > _weight(best[key]):
            best[key] = sign
    return [best[key] for key in sorted(best)]


def _weight(sign: Evidence) -> tuple[float, bool, str]:
    """A total order, so that the outcome never depends on the order of the signs."""
    return sign.llr, sign.strength is not Strength.WEAK, sign.reason


def posteriors(signs: Iterable[Evidence], members: int) -> dict[str, float]:
    """P(visit is m | signs) for each named member.

    Each member has the prior MEMBER_SHARE / members, nobody-we-know has 1 - MEMBER_SHARE; a
    member without a sign keeps a ratio of one.
    """
    prior = MEMBER_SHARE / members
    logs: dict[str, float] = {}
    for sign in signs:
        logs[sign.member] = logs.get(sign.member, math.log(prior)) + sign.llr
    unnamed = (1 - MEMBER_SHARE) + prior * max(0, members - len(logs))
    top = max([math.log(unnamed), *logs.values()])
    total = math.exp(math.log(unnamed) - top) + sum(math.exp(v - top) for v in logs.values())
    return {member: math.exp(value - top) / total for member, value in logs.items()}
