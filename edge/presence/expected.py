"""Who is expected in this shop: the prior, read from the recent visits and kept for minutes.

Called by the presence desk before it decides. It reads at most every REFRESH_S, and again when the
members have changed: whoever was erased is in no visit any more, and so in no prior.
"""

from edge.presence import prior
from edge.presence.prior import Prior
from edge.records import Moment
from edge.storage import members, recent_visits
from edge.storage.database import Database

REFRESH_S = 600.0
"""A prior changes by the day; reading it takes some tens of milliseconds."""


class Expected:
    """The prior of one shop, as it is now."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._prior: Prior | None = None
        self._read: Moment | None = None

    def changed(self) -> None:
        """Members came or went: forget it, and read it when it is next needed."""
        self._prior = None

    def prior(self, now: Moment) -> Prior:
        """The prior, at most REFRESH_S old."""
        if self._prior is None or self._read is None or _age_s(self._read, now) >= REFRESH_S:
            reading = self._database.reading
            visits = recent_visits.recent(reading, max(0, now.wall_ms - prior.WINDOW_MS))
            self._prior = prior.from_visits(visits, members.count(reading), now.wall_ms)
            self._read = now
        return self._prior


def _age_s(since: Moment, now: Moment) -> float:
    return (now.mono_ms - since.mono_ms) / 1000 if since.boot == now.boot else float("inf")
