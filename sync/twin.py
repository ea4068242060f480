"""Suspects another box of the same name by the way in which connections end.

A broker that gives one's place to the newcomer may say so (0x8E), or just close: mosquitto 2.0
does the latter. Then an end is counted that the broker itself made (end of file, no reason, soon)
of a connection on which it still knew this box's session. A line that is cut ends otherwise
(reset, or nothing at all), a broker that crashed knows no session, one that is down lets nobody
in: each of these begins the count anew. Pure; the link waits and says so.
"""

from edge.errors import BrokerRefused
from sync.retries import TAKEN_OVER

ENDS_MIN = 3
"""So many such ends in a row: one or two may be an administrator who closes a connection."""
SOON_S = 60.0
"""Two boxes come back within their first retries, which take half as long."""
GONE_TIMES = 2.0
"""A connection that outlasts the long pause so many times has no rival any more."""
REMEDY = (
    "Another box may connect with the same tenant, store and box names. Find it; if there is none,"
    " the broker's log says why it closes this box's connections."
)


class Twin:
    """Fed with each connection that was let in, and with each attempt that was not."""

    def __init__(self, taken_over_s: float) -> None:
        self._gone_s = GONE_TIMES * taken_over_s
        self._ends = 0
        self._suspected = False

    def ended(self, lasted_s: float, *, dismissed: bool) -> BrokerRefused | None:
        """A connection was over after `lasted_s`; what it means, if that is another box.

        `dismissed`: the broker closed it without a reason, and had known this box's session.
        """
        if lasted_s > self._gone_s:
            self._suspected = False
        if not dismissed or (lasted_s > SOON_S and not self._suspected):
            self._ends = 0
            return None
        self._ends += 1
        if self._ends < ENDS_MIN and not self._suspected:
            return None
        self._suspected = True
        what = "The broker lets this box in, and closes the connection again without a reason."
        return BrokerRefused(what, REMEDY, code=TAKEN_OVER)

    def told(self) -> None:
        """The broker has said that another box took the place."""
        self._suspected = True

    def suspected(self, connected_s: float) -> bool:
        """Whether to say so, on a connection that has lasted so long."""
        return self._suspected and connected_s <= self._gone_s
