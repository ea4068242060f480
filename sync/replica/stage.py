"""The way of rows onto the stage: judged and sealed in threads, written in small transactions.

Used by `sync/replica` alone. Orders wait for the one writer of the database's file, so nothing here
holds it for longer than one chunk takes, and whatever is dear is done before.
"""

import asyncio
from collections.abc import Sequence

from edge.counters import Counters
from edge.storage import staging
from edge.storage.database import Database, Transaction
from sync.messages import Dataset
from sync.replica import applying
from sync.replica.judging import Judged, judge, sealed
from sync.rows import Row


class Stage:
    """Where rows wait for the others of their snapshot."""

    def __init__(self, database: Database, counters: Counters, face_model: str) -> None:
        self._database = database
        self._counters = counters
        self._face_model = face_model
        self._dirty = set(Dataset)

    async def judged(self, name: Dataset, rows: Sequence[Row]) -> Judged:
        """Rows validated and sealed, ready to be staged."""
        reading = self._database.reading
        known = staging.known(reading, name, [row.key for row in rows])
        judged = await asyncio.to_thread(judge, name, rows, known, self._face_model)
        if judged.values:
            owners = set(judged.owners.values())
            keys = staging.member_keys(reading, owners) if owners else {}
            await asyncio.to_thread(sealed, judged, self._database.vault, keys)
        return judged

    async def follow_model(self) -> bool:
        """After a change of the face model: whether templates of it are to be asked for."""
        model = self._face_model
        return await self._database.transact(lambda tx: applying.follow_model(tx, model))

    async def put(self, judged: Judged, chunk: int) -> None:
        """Stage one chunk, in one transaction: some 50 ms, which an order may have to wait."""
        self._dirty.add(judged.dataset)

        def put(tx: Transaction) -> int:
            staging.add_piece(tx, judged.dataset, chunk)
            return applying.stage(tx, judged)

        if gone := await self._database.transact(put):
            self._counters.add("replica.refused_erased", gone)
        self.count(judged)

    def count(self, judged: Judged) -> None:
        """Add what was refused to the counters."""
        for counter, count in judged.refused.items():
            self._counters.add(counter, count)

    async def clean(self, name: Dataset) -> None:
        """Wipe what is staged of `name` and belongs to nothing, a little at a time."""
        while name in self._dirty:
            if not await self._database.transact(lambda tx: staging.clean(tx, name)):
                self._dirty.discard(name)
