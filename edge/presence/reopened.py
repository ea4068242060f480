"""The visits that were open when the box stopped, with the signs they rested on.

Called by the presence desk when it begins. Visits of before a reboot come back, too, so that they
can be closed.
"""

from edge.presence.correcting import CORRECTED
from edge.presence.open_visit import OpenVisit, restored
from edge.storage import visits
from edge.storage.outbox import Executes


def still_open(reading: Executes) -> list[OpenVisit]:
    """All of them, the oldest first."""
    found = visits.still_open(reading)
    signs, barred = visits.signs(reading), visits.barred(reading, CORRECTED)
    last = visits.last_steps(reading, (visit.id for visit in found))
    return [
        restored(visit, signs.get(visit.id, {}), barred.get(visit.id, set()), last.get(visit.id, 0))
        for visit in found
    ]
