"""Facts on their way into the database: one transaction a batch, and what it refuses waits.

Part of the presence desk, which hands it what follows from each batch. A fact that the database
will never take is counted out, so that the others need not wait for it.
"""

import asyncio
import logging
from collections.abc import Callable

from edge.counters import Counters
from edge.errors import StorageError, StorageFull
from edge.presence.facts import Fact, put, put_singly
from edge.storage.database import Database

log = logging.getLogger(__name__)

UNWRITTEN_MAX = 10_000
"""Facts kept for the next try when the database refuses; beyond it the newest are counted out."""


class Writing:
    """What is still to be written. `written` is called when visits have changed on disk."""

    def __init__(self, database: Database, counters: Counters, written: Callable[[], None]) -> None:
        self._database = database
        self._counters = counters
        self._tell = written
        self._unwritten: list[Fact] = []
        self._writing = asyncio.Lock()
        self._storage_trouble = ""

    async def write(self, facts: list[Fact]) -> None:
        """Write them with what still waits; they wait for the next time if that is refused."""
        self.keep(facts)
        # Shielded: whoever is cancelled here must not leave facts that are committed already
        # among those that still wait.
        await asyncio.shield(asyncio.ensure_future(self._write_kept()))

    def keep(self, facts: list[Fact]) -> None:
        """Write them with the next ones."""
        room = UNWRITTEN_MAX - len(self._unwritten)
        if len(facts) > room:
            self._counters.add("facts_dropped_storage", len(facts) - room)
        self._unwritten += facts[:room]

    async def _write_kept(self) -> None:
        async with self._writing:
            facts = list(self._unwritten)
            if not facts:
                return
            try:
                await self._database.transact(lambda tx: put(tx, facts))
            except StorageFull as error:
                self._refused(error)
                return
            except StorageError as error:
                self._refused(error)
                await self._write_singly(facts)
                return
            self._written(facts)

    async def _write_singly(self, facts: list[Fact]) -> None:
        """One of them is what the database will never take; the others must not wait for it."""
        try:
            refused = await self._database.transact(lambda tx: put_singly(tx, facts))
        except StorageError:
            return  # it takes nothing at all now: they wait
        if refused == len(facts):
            return  # not one of them is at fault: they wait
        self._counters.add("facts_refused", refused)
        self._written(facts)

    def _written(self, facts: list[Fact]) -> None:
        del self._unwritten[: len(facts)]
        if self._storage_trouble:
            log.info("the database takes what happens in the shop again")
            self._storage_trouble = ""
        if any(fact.visit is not None for fact in facts):
            self._tell()

    def _refused(self, error: StorageError) -> None:
        """Say it once; what waits is counted for status."""
        self._counters.add("writes_refused")
        if self._storage_trouble != str(error):
            self._storage_trouble = str(error)
            log.error("%s", error)
