"""What the box forgets while it runs: bytes of what was deleted, phones whose time is over, what is
older than `[retention]` allows; and what members' changes mean for what is in memory.

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
from edge.presence.desk import PresenceDesk
from edge.storage.database import Database
from sync.commands import Action, EraseMember, Refresh, WithdrawConsent
from sync.messages import Dataset
from sync.replica import Replica


def tasks(
    database: Database, clock: Clock, counters: Counters, limits: Limits
) -> dict[str, Coroutine[Any, Any, None]]:
    """What goes on as long as the box runs, by name."""
    return {
        "scrub": erasure.scrub(database, clock, counters),
        "bindings": associations.expire(database, clock, counters),
        "retention": retention.keep(database, clock, counters, limits),
    }


def obeyed(presence: PresenceDesk, replica: Replica, action: Action) -> None:
    """What a command changes in memory."""
    if isinstance(action, EraseMember | WithdrawConsent):
        presence.reload()
    elif isinstance(action, Refresh):
        replica.refresh(action.datasets or Dataset)


def people_changed(presence: PresenceDesk, dataset: Dataset) -> None:
    """What the platform's rows change in memory."""
    if dataset in (Dataset.MEMBERS, Dataset.TEMPLATES):
        presence.reload()
