"""How the signs of a visit are judged: who is expected here, and how sure the box must be.

Pure; made by the presence desk for each batch, asked by the book of visits.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from edge.presence import fusion
from edge.presence.prior import Prior
from edge.records import Moment
from edge.visiting import Evidence


@dataclass(frozen=True, slots=True)
class Judge:
    """What a decision needs besides the signs."""

    prior: Prior
    thresholds: fusion.Thresholds

    def decide(self, signs: Iterable[Evidence], now: Moment) -> fusion.Decision:
        """`fusion.decide` with this prior and these thresholds."""
        return fusion.decide(signs, self.prior, self.thresholds, now)
