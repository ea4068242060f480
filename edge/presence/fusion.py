"""From signs to a decision: Bayes over the members, and the three outcomes.

Pure, called by the book of visits with all signs of one visit. `decide` says identified, suggested
or anonymous; it depends on the signs and the time alone, never on the order in which they came. A
false identification is the costlier error, so likelihood alone is never enough: identified needs
an explicit sign, an association, or a face in agreement over a track.
"""

import math
from collections.abc import Iterable

import msgspec
from msgspec import Struct

from edge.presence.prior import Prior
from edge.records import Moment
from edge.visiting import Evidence, SignKind, Strength, VisitState

HOUR_S = 3600.0
HALF_LIVES_S = {
    SignKind.CARD: 24 * HOUR_S,
    SignKind.CODE: 24 * HOUR_S,
    SignKind.ASSOCIATION: 8 * HOUR_S,
    SignKind.DEVICE: 4 * HOUR_S,
    SignKind.FACE: 8 * HOUR_S,
    SignKind.STAFF: math.inf,
}
"""After so long a sign is worth half its ratio, as half of the visits it was carried along with
would be somebody else's by now. Card and code were shown by the person themselves: only the day
ends them. A face is carried on by its track, an association by each report of the router (its age
is counted from the last one): a working day. A known phone is left on a table or handed on the
soonest. What staff said holds until they say otherwise."""
SAME_THING = {SignKind.DEVICE: SignKind.ASSOCIATION}
"""A login and the phone it was made on are one thing, and count once."""


class Thresholds(Struct, frozen=True):
    """How sure the box must be; from the configuration."""

    identified: float = 0.99
    suggested: float = 0.8


class Decision(Struct, frozen=True):
    """The outcome for one visit: the best member, how probable, why.

    `guessed` is the best member and `guess` their posterior even where that is not enough to say
    so: for tests of calibration, in memory only, never stored or told.
    """

    state: VisitState
    member: str | None
    posterior: float
    reasons: tuple[str, ...]
    guessed: str | None = None
    guess: float = 0.0


ANONYMOUS = Decision(VisitState.ANONYMOUS, None, 0.0, ())


def decide(
    signs: Iterable[Evidence], prior: Prior, thresholds: Thresholds, now: Moment
) -> Decision:
    """The outcome of all signs of one visit, as they are worth `now`, in any order."""
    known = [faded(sign, now) for sign in signs]
    telling = strongest(known)
    if not telling or prior.members < 1:
        return ANONYMOUS
    scores = posteriors(telling, prior)
    best = max(scores, key=lambda member: (scores[member], member))
    sure = scores[best]
    reasons = tuple(f"{one.reason} ({one.llr:+.1f})" for one in telling if one.member == best)
    carried = any(s.member == best and s.strength is not Strength.WEAK for s in known)
    if carried and sure >= thresholds.identified:
        return Decision(VisitState.IDENTIFIED, best, sure, reasons, best, sure)
    if sure >= thresholds.suggested:
        return Decision(VisitState.SUGGESTED, best, sure, reasons, best, sure)
    return Decision(VisitState.ANONYMOUS, None, 0.0, (), best, sure)


def faded(sign: Evidence, now: Moment) -> Evidence:
    """The sign as it is worth now: log(h e^llr + 1 - h) with h = 2^(-age / half-life).

    With the chance h it is still a sign of whoever this visit is; otherwise it says nothing. Ratios
    on either side of one draw nearer to it, never away from it.
    """
    held = 0.5 ** (_age_s(sign, now) / HALF_LIVES_S[sign.kind])
    if held >= 1:
        return sign
    return msgspec.structs.replace(sign, llr=_mixed(sign.llr, held))


def _mixed(llr: float, held: float) -> float:
    """log(held e^llr + 1 - held), exact near zero and without overflow."""
    if held <= 0:
        return 0.0
    if llr < 1:
        return math.log1p(held * math.expm1(llr))
    return llr + math.log(held + (1 - held) * math.exp(-llr))


def _age_s(sign: Evidence, now: Moment) -> float:
    """Seconds since it was seen. Over a start of the box by the wall clock, where both times can be
    trusted; otherwise nobody knows, and it is taken for one half-life.
    """
    seen = sign.seen
    if seen.boot == now.boot:
        return max(0.0, (now.mono_ms - seen.mono_ms) / 1000)
    if seen.trusted and now.trusted:
        return max(0.0, (now.wall_ms - seen.wall_ms) / 1000)
    half = HALF_LIVES_S[sign.kind]
    return half if math.isfinite(half) else 0.0


def strongest(signs: Iterable[Evidence]) -> list[Evidence]:
    """One sign per member and kind, the largest ratio: repeated signs of a kind are not news."""
    best: dict[tuple[str, str], Evidence] = {}
    for sign in signs:
        key = (sign.member, SAME_THING.get(sign.kind, sign.kind))
        if key not in best or _weight(sign) > _weight(best[key]):
            best[key] = sign
    return [best[key] for key in sorted(best)]


def _weight(sign: Evidence) -> tuple[float, bool, str, str]:
    """A total order, so that the outcome never depends on the order of the signs."""
    return sign.llr, sign.strength is not Strength.WEAK, sign.kind, sign.reason


def posteriors(signs: Iterable[Evidence], prior: Prior) -> dict[str, float]:
    """P(visit is m | signs) for each named member; whoever has no sign keeps a ratio of one.

    Empty in a shop without members.
    """
    ratios: dict[str, float] = {}
    for sign in signs:
        ratios[sign.member] = ratios.get(sign.member, 0.0) + sign.llr
    logs = {m: math.log(prior.of(m)) + llr for m, llr in ratios.items() if prior.of(m) > 0}
    unnamed = math.log(max(1e-12, 1 - math.fsum(prior.of(member) for member in logs)))
    top = max([unnamed, *logs.values()])
    total = math.exp(unnamed - top) + math.fsum(math.exp(v - top) for v in logs.values())
    return {member: math.exp(value - top) / total for member, value in logs.items()}
