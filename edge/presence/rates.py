"""How often the box takes somebody for somebody else: what it expects, what it may, what staff saw.

Pure, read by `edge/operation/rating.py`. If posteriors are calibrated, the mean of 1 - posterior
over the visits that were told as a member's is the share of them that was somebody else's.
"""

from msgspec import Struct

from edge.presence.fusion import Thresholds
from edge.storage.recent_visits import Tallies, Tally


class Rate(Struct, frozen=True):
    """One threshold with its rates of error; None where there is nothing to take a mean of.

    `bound` is what the configuration allows: 1 - the threshold, which the mean cannot exceed.
    `told` is over how many it is taken, `expected` and `observed` are shares of them. What is
    observed is only what staff corrected: at least so many were wrong.
    """

    name: str
    threshold: float
    bound: float
    told: int
    expected: float | None
    corrected: int
    observed: float | None


def rates(found: Tallies, thresholds: Thresholds, target_fpir: float) -> tuple[Rate, ...]:
    """Of `identified`, `suggested` and `target_fpir`, by these thresholds of the configuration.

    The last one is of strangers, not of who was named: of those who ended as anybody's (whoever
    staff had to correct among them), and of as many named ones as are expected to be none.
    """
    return (
        _of_named("identified", thresholds.identified, found.identified),
        _of_named("suggested", thresholds.suggested, found.suggested),
        _of_strangers(target_fpir, found),
    )


def _of_named(name: str, threshold: float, tally: Tally) -> Rate:
    """A visit that was corrected was told, too."""
    told = tally.visits + tally.corrected
    return Rate(
        name=name,
        threshold=threshold,
        bound=round(1 - threshold, 9),
        told=told,
        expected=tally.doubt / tally.visits if tally.visits else None,
        corrected=tally.corrected,
        observed=tally.corrected / told if told else None,
    )


def _of_strangers(target_fpir: float, found: Tallies) -> Rate:
    named = found.by_face
    strangers = found.anonymous + named.doubt
    return Rate(
        name="target_fpir",
        threshold=target_fpir,
        bound=target_fpir,
        told=found.anonymous,
        expected=named.doubt / strangers if strangers > 0 else None,
        corrected=named.corrected,
        observed=min(1.0, named.corrected / strangers) if strangers > 0 else None,
    )
