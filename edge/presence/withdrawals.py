"""The withdrawal desk: a member takes back one consent of any kind, or the whole profile, here.

Called by whoever hears them say so: the command line through `edge/operation/people.py`, and pages.
One transaction holds the withdrawal, what goes with it, and the event for the platform; when it is
done no byte of it is left in the files, on line or off line.
"""

from collections.abc import Callable

from edge import consent
from edge.clock import Clock
from edge.consent import Said
from edge.records import ConsentKind
from edge.storage import belongings
from edge.storage.database import Database
from edge.storage.transaction import Transaction


class Withdrawals:
    """Takes consents back. `changed` is called after each: whoever keeps anything of members in
    memory forgets what is gone.
    """

    def __init__(self, database: Database, clock: Clock, changed: Callable[[], None]) -> None:
        self._database = database
        self._clock = clock
        self._changed = changed

    async def withdraw(self, member: str, kind: ConsentKind, said: Said) -> dict[str, int] | None:
        """Take it back; how many rows of each kind went. None if there was no such consent."""
        now = self._clock.now()

        def change(tx: Transaction) -> dict[str, int] | None:
            before = belongings.counted(tx, member)
            if not consent.withdraw_here(tx, member, kind, said, now):
                return None
            after = belongings.counted(tx, member)
            return {name: n - after[name] for name, n in before.items() if n > after[name]}

        gone = await self._database.transact(change, reserve=True, scrub=True)
        self._changed()
        return gone
