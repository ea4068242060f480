"""The lease on what may only be done while the platform is heard: matching faces, because an
erasure could be waiting there. It runs out after `[platform] lease_h` of silence.

The daemon makes one; `edge/operation/renewal.py` says `heard`, and `expire` of a file that was
brought back; the presence desk and the intake are told when it runs out and when it is renewed.
Silence is measured by the monotonic clock within a boot and added up across boots; the wall clock
can only lengthen it, and only while it is trusted.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial

import msgspec

from edge.clock import Clock
from edge.counters import Counters
from edge.errors import StorageError
from edge.records import Moment
from edge.storage import stopwatches
from edge.storage.database import Database, Transaction
from edge.storage.stopwatches import Stopwatch

log = logging.getLogger(__name__)

NOTE_S = 60.0
"""So often the time passed is written down; a restart in another boot forgets at most so much."""
HEARD, TRUSTED, MET = "heard", "trusted", "met"
"""The stopwatches: since the platform was heard (or, before that, since the box was new), since the
wall clock was trusted, and since the platform was heard for the first time."""

OnChange = Callable[[bool], Awaitable[None]]


class Lease:
    """Whether the platform was heard recently enough. `run` must run for anybody to be told."""

    def __init__(
        self, database: Database, clock: Clock, *, lease_s: float, counters: Counters
    ) -> None:
        self._database = database
        self._clock = clock
        self._lease_ms = round(lease_s * 1000)
        self._counters = counters
        self._listeners: list[OnChange] = []
        self._changed = asyncio.Event()
        now = clock.now()
        # A new box knows nobody yet, so that its silence begins with it.
        self._heard = stopwatches.get(database.reading, HEARD) or started(now)
        self._trusted = stopwatches.get(database.reading, TRUSTED)
        self._met = stopwatches.get(database.reading, MET)
        self._told = True

    @property
    def holds(self) -> bool:
        """Whether the lease has not run out."""
        return elapsed_ms(self._heard, self._clock.now()) < self._lease_ms

    @property
    def met(self) -> bool:
        """Whether the platform was ever heard at all."""
        return self._met is not None

    @property
    def silent_s(self) -> float:
        """How long the platform has not been heard, as far as the box can know."""
        return elapsed_ms(self._heard, self._clock.now()) / 1000

    @property
    def lease_s(self) -> float:
        """How long it may be silent."""
        return self._lease_ms / 1000

    def wall_ms(self) -> int | None:
        """The wall time, by a trusted clock or one that was trusted within the lease, else None.

        In the latter case it is the earliest that it can be.
        """
        now = self._clock.now()
        if now.trusted:
            self._trusted = started(now)
            return now.wall_ms
        return wall_ms(self._trusted, now, self._lease_ms) if self._trusted else None

    def heard(self) -> None:
        """The platform has just said something."""
        self._heard = started(self._clock.now())
        self._met = self._met or self._heard
        if not self._told:
            self._changed.set()

    def expire(self) -> None:
        """What is here may be out of date: from now on it counts as run out, until `heard`."""
        self._heard = msgspec.structs.replace(started(self._clock.now()), passed_ms=self._lease_ms)
        self._changed.set()

    def on_change(self, listener: OnChange) -> None:
        """Await `listener` with False when the lease runs out, and with True when it is renewed."""
        self._listeners.append(listener)

    async def run(self) -> None:
        """Watch the lease and write down how much of it has passed, until cancelled."""
        while True:
            await self._tell()
            self.wall_ms()
            await self._note()
            await self._a_while()

    async def _tell(self) -> None:
        if self._told == (holds := self.holds):
            return
        self._told = holds
        if holds:
            log.info("the platform is heard again: faces may be matched")
        else:
            log.warning(
                "The platform has not been heard for %.0f h: no face is matched."
                " Restore the line to it.",
                self.silent_s / 3600,
            )
        for listener in self._listeners:
            await listener(holds)

    async def _note(self) -> None:
        now = self._clock.now()
        self._heard = advanced(self._heard, now)
        self._trusted = self._trusted and advanced(self._trusted, now)
        watches = {HEARD: self._heard, TRUSTED: self._trusted, MET: self._met}
        try:
            await self._database.transact(partial(_put, watches=watches))
        except StorageError:  # status and the log say it already; it is written a minute later
            self._counters.add("lease.not_noted")

    async def _a_while(self) -> None:
        """Until the time is to be written down again, or the lease is renewed or ended."""
        tasks = [
            asyncio.ensure_future(self._clock.wait(NOTE_S)),
            asyncio.ensure_future(self._changed.wait()),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
        self._changed.clear()


def started(now: Moment) -> Stopwatch:
    """A stopwatch of what happens now."""
    return Stopwatch(0, now.mono_ms, now.boot, now.wall_ms if now.trusted else None)


def elapsed_ms(watch: Stopwatch, now: Moment) -> int:
    """How much time has passed at least. It never gets less, whatever the wall clock says."""
    same_boot = watch.boot == now.boot and watch.mono_ms <= now.mono_ms
    # In another boot the box has run for as long as that has lasted; how long it was off is known
    # to a trusted wall clock alone.
    ran_ms = now.mono_ms - watch.mono_ms if same_boot else now.mono_ms
    passed_ms = watch.passed_ms + ran_ms
    if now.trusted and watch.wall_ms is not None:
        passed_ms = max(passed_ms, now.wall_ms - watch.wall_ms)
    return passed_ms


def advanced(watch: Stopwatch, now: Moment) -> Stopwatch:
    """The same stopwatch as it stands now; with the wall time of its start once that is known."""
    passed_ms = elapsed_ms(watch, now)
    wall = watch.wall_ms
    if wall is None and now.trusted:
        wall = now.wall_ms - passed_ms
    return msgspec.structs.replace(
        watch, passed_ms=passed_ms, mono_ms=now.mono_ms, boot=now.boot, wall_ms=wall
    )


def wall_ms(trusted: Stopwatch, now: Moment, lease_ms: int) -> int | None:
    """The wall time by what has passed since it was `trusted`; None beyond the lease."""
    passed_ms = elapsed_ms(trusted, now)
    if trusted.wall_ms is None or passed_ms > lease_ms:
        return None
    return trusted.wall_ms + passed_ms


def _put(tx: Transaction, watches: dict[str, Stopwatch | None]) -> None:
    for name, watch in watches.items():
        if watch is not None:
            stopwatches.put(tx, name, watch)
