"""What hearing the platform does to the lease, and what it does when this file was brought back.

The link calls `heard` after each message and `restored` when it finds out. While the lease holds
each word renews it. Once it has run out the first word does not: a withdrawal may be on its way,
so the platform is asked what it says of people, and its answer must be applied first. It changes
no state of its own.
"""

from edge.lease import Lease
from edge.operation.news import PEOPLE
from edge.presence.desk import PresenceDesk
from sync.commands import Commands
from sync.messages import Dataset, DatasetVersion
from sync.replica import Replica


class Renewal:
    """Of one box's lease."""

    def __init__(
        self, lease: Lease, presence: PresenceDesk, replica: Replica, commands: Commands
    ) -> None:
        self._lease = lease
        self._presence = presence
        self._replica = replica
        self._commands = commands
        self._asked: dict[Dataset, DatasetVersion] | None = None
        """What the box had when it asked what followed."""

    def heard(self) -> None:
        """The platform has just said something, and it was taken."""
        if not self._lease.holds and self._is_behind():
            return
        self._asked = None
        self._lease.heard()

    def restored(self) -> None:
        """This file is an older one: nothing of it is believed before the platform has answered."""
        self._asked = None
        self._lease.expire()
        self._presence.reload()

    def _is_behind(self) -> bool:
        """Whether something of what the platform says of people is not here, as far as is known:
        it is asked what followed until nothing did.
        """
        if self._replica.lacks(PEOPLE) or self._commands.incomplete:
            return True
        has = {
            name: version for name, version in self._replica.versions().items() if name in PEOPLE
        }
        if not has or has == self._asked:
            return False
        self._asked = has
        self._replica.refresh(has)
        return True
