"""Plays what a route recorded: each record when it is due, then the last window, then the end.

Used by the routes' `replay:` and `simulated:` devices. It never looks at a record.
"""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from sensors.core_link import CoreLink
from sensors.radar.options import Pace
from sensors.radar.radar import STEP_MS_MAX, Radar

RECORDS_PER_POLL = 256
"""Records handled before the core is heard again: some milliseconds of work."""

Record = TypeVar("Record")


def played(
    core: CoreLink,
    radar: Radar,
    timed: Iterable[tuple[int | None, Record]],
    pace: Pace,
) -> Iterator[tuple[int, Record]]:
    """Each (milliseconds on a steady line, record) of `timed`, whose clock may be anything.

    A step of that clock back, or of more than a day, did not pass: the next record counts on from
    there. A record without a clock comes as soon as the one before it.
    """
    at_ms = 0
    before_ms: int | None = None
    for number, (clock_ms, record) in enumerate(timed):
        if number == 0:
            core.healthy("replaying")
        if clock_ms is not None:
            step_ms = 0 if before_ms is None else clock_ms - before_ms
            at_ms += step_ms if 0 < step_ms <= STEP_MS_MAX else 0
            before_ms = clock_ms
        seen = core.moment(at_ms) if pace is Pace.FAST else core.reach(at_ms)
        yield at_ms, record
        core.passed(seen)
        if number % RECORDS_PER_POLL == 0:
            core.poll()
    radar.finish(at_ms)
    core.finish()
