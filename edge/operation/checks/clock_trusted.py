"""The wall clock has been synchronised, so that times of visits and orders can be believed."""

from edge.operation.finding import Context, Finding, bad, good
from edge.sections import ClockSource


def check(context: Context) -> Finding:
    """Whether the clock in use is trusted."""
    if context.config.clock.source is ClockSource.SCENARIO:
        return good(__name__, "The time is that of a scenario.")
    trusted = context.alive.clock.trusted if context.alive else context.now.trusted
    if not trusted:
        return bad(
            __name__,
            "The clock has not been synchronised since the start; nothing expires until it is.",
            "Run: timedatectl set-ntp true; then look: timedatectl timesync-status",
        )
    return good(__name__, "The clock is synchronised.")
