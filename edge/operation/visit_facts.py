"""The history of one visit, as `storebox visits show` tells it.

Made from the database alone, by the daemon or without it.
"""

from collections.abc import Iterator

from msgspec import Struct

from edge.errors import Refused
from edge.operation.facts import VisitRow, visit_row
from edge.presence.deciding import MERGED, MERGED_WITH
from edge.storage import visits
from edge.storage.outbox import Executes
from edge.visiting import Step

MERGED_SHOWN_MAX = 20
"""So many visits that went into one have their history shown with it."""


class StepRow(Struct, frozen=True):
    """One thing that happened in `visit`, which is the one asked for or one that went into it.

    `llr` (nats) is what a sign was worth when it was seen, `posterior` what was believed of
    `member` then.
    """

    at_ms: int
    visit: str
    what: str
    sensor: str
    text: str
    member: str | None
    sign: str | None
    llr: float | None
    posterior: float | None


class VisitStory(Struct, frozen=True):
    """One visit with its history. `zones` are milliseconds by "sensor/zone"."""

    visit: VisitRow
    zones: dict[str, int]
    steps: tuple[StepRow, ...]


def story(connection: Executes, visit_id: str) -> VisitStory:
    """A visit, and what happened in it and in those that went into it, in order of time. Refused if
    the box does not know it.
    """
    visit = visits.get(connection, visit_id)
    if visit is None:
        raise Refused(
            f"This box knows no visit '{visit_id}'.", "`storebox visits list --all` shows them."
        )
    rows = [_row(of, step) for of, step in _steps(connection, visit_id)]
    rows.sort(key=lambda row: row.at_ms)
    return VisitStory(visit_row(visit), dict(visit.zones), tuple(rows))


def _steps(connection: Executes, visit_id: str) -> Iterator[tuple[str, Step]]:
    of = [visit_id]
    for visit in of:
        for step in visits.steps(connection, visit):
            yield visit, step
            other = step.text.removeprefix(MERGED_WITH)
            if step.what == MERGED and other not in of and len(of) <= MERGED_SHOWN_MAX:
                of.append(other)


def _row(visit: str, step: Step) -> StepRow:
    return StepRow(
        at_ms=step.at.wall_ms,
        visit=visit,
        what=step.what,
        sensor=step.sensor,
        text=step.text,
        member=step.member,
        sign=step.sign.value if step.sign is not None else None,
        llr=step.llr,
        posterior=step.posterior,
    )
