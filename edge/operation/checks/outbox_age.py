"""Events reach the platform in good time."""

from contextlib import closing

from edge.operation.facts import StreamDepth, streams
from edge.operation.finding import Context, Finding, bad, good
from edge.storage.inspection import backlog, open_known

AGE_S_MAX = 3600
"""A line that was down for a minute is no fault; an hour is."""


def check(context: Context) -> Finding:
    """Whether the oldest waiting event is young; told by the daemon, else by the database."""
    if context.alive is not None:
        depths, now_ms = context.alive.outbox, context.alive.clock.wall_ms
    else:
        with closing(open_known(context.state)) as connection:
            depths = streams(backlog(connection, context.state))
            now_ms = context.now.wall_ms
    waiting = [depth for depth in depths if depth.waiting]
    if not waiting:
        return good(__name__, "No event waits for the platform.")
    count = sum(depth.waiting for depth in waiting)
    age_s = max(_age_s(depth, now_ms) for depth in waiting)
    if age_s > AGE_S_MAX:
        return bad(
            __name__,
            f"{count} events wait for the platform, the oldest for {age_s // 60} minutes.",
            "They are safe and go out when the line works and the platform answers: see the checks"
            " 'broker' and 'platform'; storebox sync status",
        )
    return good(__name__, f"{count} events are on their way, the oldest for {age_s} s.")


def _age_s(depth: StreamDepth, now_ms: int) -> int:
    return max(0, now_ms - (depth.oldest_wall_ms or now_ms)) // 1000
