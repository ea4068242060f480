"""The papers a shop owes to the people in it, written from its own configuration.

`storebox privacy documents` prints them: the sign for the door, the retention table and the fact
sheet for the impact assessment. They change when the configuration does, and cannot say otherwise.
"""

from edge.config import Config
from edge.operation.papers.assessment import assessment
from edge.operation.papers.facts import facts
from edge.operation.papers.paper import Paper
from edge.operation.papers.retention import retention
from edge.operation.papers.sign import sign

LANGUAGES = ("ru", "en")


def papers(config: Config, language: str) -> list[Paper]:
    """The sign in both languages, and the tables in `language`. ConfigError without a contact."""
    known = facts(config)
    signs = [sign(known, each) for each in LANGUAGES]
    return [*signs, retention(known, language), assessment(known, language)]
