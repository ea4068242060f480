"""What the box forgets while it runs: bytes of what was deleted, phones whose time is over, what is
older than `[retention]` allows.

Put together by the daemon. Each task runs until it is cancelled.
"""

from collections.abc import Coroutine
from typing import Any

from edge import erasure
from edge.clock import Clock
from edge.counters import Counters
from edge.operation import retention
from edge.operation.retention import Limits
from edge.presence import associations
from edge.storage.database import Database


def tasks(
    database: Database, clock: Clock, counters: Counters, limits: Limits
) -> dict[str, Coroutine[Any, Any, None]]:
    """What goes on as long as the box runs, by name."""
    return {
        "scrub": erasure.scrub(database, clock, counters),
        "bindings": associations.expire(database, clock, counters),
        "retention": retention.keep(database, clock, counters, limits),
    }
