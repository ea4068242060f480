"""What the box tells of itself: what it dropped or refused, and how its sensors are.

Called by the daemon, which has it sent every quarter of an hour, and with the answer to the
platform's command `box.report`. Numbers only.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from edge.clock import Clock
from edge.counters import Counters
from edge.errors import StorageError
from edge.records import Moment, SensorStatus, Stream
from edge.storage.database import Database, Transaction

EVERY_S = 900


def diagnosis(counters: Counters, sensors: Iterable[SensorStatus]) -> dict[str, Any]:
    """The body of `box.diagnosed.v1`."""
    return {"counters": counters.snapshot(), "sensors": [_brief(each) for each in sensors]}


async def diagnose(
    database: Database, clock: Clock, counters: Counters, found: Callable[[], dict[str, Any]]
) -> None:
    """Tell the platform what is `found`, again and again."""
    while True:
        await clock.wait(EVERY_S)
        try:
            await database.transact(partial(_tell, body=found(), moment=clock.now()))
        except StorageError:  # status and the log say it already; the next one may fit
            counters.add("diagnoses_refused")


def _tell(tx: Transaction, body: dict[str, Any], moment: Moment) -> None:
    tx.emit(Stream.BULK, "box.diagnosed.v1", body, moment)


def _brief(status: SensorStatus) -> dict[str, Any]:
    return {
        "name": status.name,
        "ok": status.ok,
        "observations": status.observations,
        "dropped": status.dropped,
        "restarts": status.restarts,
    }
