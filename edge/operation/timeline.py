"""Questions by which whoever plays a scenario moves its time and sees how far it has come.

Offered on the control socket only when the clock is a scenario's; used by the demo and tests.
"""

from msgspec import Struct

from edge.clock import Clock, ScenarioClock
from edge.control import Nothing, Question, question
from edge.intake import Intake


class TimelineState(Struct, frozen=True):
    """The scenario's present, and whether all that may be handed on until then has been."""

    now_ms: int
    settled: bool


class _Move(Struct, frozen=True, forbid_unknown_fields=True):
    hold: str
    to_ms: int


def timeline_questions(clock: Clock, intake: Intake) -> dict[str, Question]:
    """`timeline` and `timeline.move`; none if time is real."""
    if not isinstance(clock, ScenarioClock):
        return {}

    def state() -> TimelineState:
        now_ms = clock.now().wall_ms
        return TimelineState(now_ms, intake.idle and now_ms >= clock.safe_ms)

    def move(asked: _Move) -> TimelineState:
        clock.report(asked.hold, asked.to_ms)
        intake.moved()
        return state()

    return {
        "timeline": question(Nothing, lambda _: state()),
        "timeline.move": question(_Move, move),
    }
