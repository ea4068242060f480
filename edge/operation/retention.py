"""What is kept long enough goes: ended visits, orders, the consent log and figures, once an hour.

Run by the daemon. Nothing goes without a trusted clock, and none is trusted blindly: the time that
ages are reckoned from (`believed_ms`) never runs faster than twice the time that the box was
running. So a clock that jumps ten years ahead wipes nothing in an hour, and who sees it has as
many days to put it right as visits are kept; a box that was off for a month catches up in a month.
"""

from collections.abc import Callable
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from edge.clock import Clock
from edge.counters import Counters
from edge.errors import StorageError
from edge.records import Moment
from edge.storage import figures, retained, stopwatches
from edge.storage.database import Database
from edge.storage.stopwatches import Stopwatch
from edge.storage.transaction import Transaction

EVERY_S = 3600.0
PACE = 2
"""Believed time gains at most so many seconds in one second that the box runs."""
WATCH = "retention"
DAY_MS = 24 * 3600 * 1000


class Limits(Struct, frozen=True):
    """How many days each thing is kept."""

    visits_days: int = 30
    orders_days: int = 400
    consent_log_days: int = 1100


async def keep(database: Database, clock: Clock, counters: Counters, limits: Limits) -> None:
    """Look once an hour, until cancelled."""
    while True:
        try:
            await keep_once(database, clock.now(), counters, limits)
        except StorageError:  # status and the log say it already; it is tried again
            counters.add("retention.failed")
        await clock.wait(EVERY_S)


async def keep_once(database: Database, now: Moment, counters: Counters, limits: Limits) -> None:
    """Delete what is too old by now, in small transactions; what went is counted."""
    if not now.trusted:
        counters.add("retention.clock_not_trusted")
        return
    upto_ms = await database.transact(partial(_believe, now=now))
    if upto_ms < now.wall_ms - DAY_MS:
        counters.add("retention.clock_far_ahead")
    for name, drop in _drops(limits, upto_ms).items():
        count = retained.ROWS_AT_ONCE
        while count >= retained.ROWS_AT_ONCE:
            count = await database.transact(drop)
            if count:
                counters.add(f"retention.{name}", count)
    believed = replace(now, wall_ms=upto_ms)
    await database.transact(lambda tx: figures.expire(tx, believed))


def believed_ms(last: Stopwatch | None, newest_ms: int | None, now: Moment) -> int:
    """The wall time that ages are reckoned from. `last` is where it stood when it was asked last;
    the first time it begins where the newest visit is.
    """
    if last is None or last.wall_ms is None:
        return now.wall_ms if newest_ms is None else min(now.wall_ms, newest_ms)
    same_boot = last.boot == now.boot and last.mono_ms <= now.mono_ms
    ran_ms = now.mono_ms - last.mono_ms if same_boot else now.mono_ms
    return min(now.wall_ms, last.wall_ms + PACE * ran_ms)


def _believe(tx: Transaction, now: Moment) -> int:
    upto_ms = believed_ms(stopwatches.get(tx, WATCH), retained.newest_ms(tx), now)
    stopwatches.put(tx, WATCH, Stopwatch(0, now.mono_ms, now.boot, upto_ms))
    return upto_ms


def _drops(limits: Limits, upto_ms: int) -> dict[str, Callable[[Transaction], int]]:
    def before_ms(days: int) -> int:
        return upto_ms - days * DAY_MS

    return {
        "visits": partial(
            retained.drop_visits, before_ms=before_ms(limits.visits_days), now_ms=upto_ms
        ),
        "orders": partial(retained.drop_orders, before_ms=before_ms(limits.orders_days)),
        "consent_log": partial(
            retained.drop_consent_log, before_ms=before_ms(limits.consent_log_days)
        ),
    }
