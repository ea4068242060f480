"""How often the box was wrong about whose a visit was: what `storebox visits rates` shows.

The daemon answers from its own connection, the command from the dead database. Nobody is named.
"""

from collections.abc import Callable

from msgspec import Struct

from edge.config import Config
from edge.control import Nothing, Question, question
from edge.presence.fusion import Thresholds
from edge.presence.rates import Rate, rates
from edge.storage import recent_visits
from edge.storage.outbox import Executes

DAYS = 30
DAY_MS = 86_400_000


class VisitRates(Struct, frozen=True):
    """The answer to `visit_rates`: over how many days, and each threshold."""

    days: int
    rates: tuple[Rate, ...]


def visit_rates(connection: Executes, config: Config, now_ms: int) -> VisitRates:
    """Of the last DAYS days."""
    section = config.recognition
    found = recent_visits.tallies(connection, max(0, now_ms - DAYS * DAY_MS))
    thresholds = Thresholds(section.identified, section.suggested)
    return VisitRates(DAYS, rates(found, thresholds, section.target_fpir))


def rating_questions(
    reading: Executes, config: Config, now_ms: Callable[[], int]
) -> dict[str, Question]:
    """`visit_rates`."""
    return {
        "visit_rates": question(Nothing, lambda _: visit_rates(reading, config, now_ms())),
    }
