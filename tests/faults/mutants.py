"""Boxes and platforms with one thing wrong each: whoever proves that nothing is lost must see it.

Used by `test_mutants.py` and `test_power_cut.py`. Each is a small subclass that takes the place of
a part where there is a place for it: a constructor's argument, or `--ingest module:Class`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge.storage import migrations
from edge.storage.bulk import BULK_BYTES_MAX
from edge.storage.bulk_stream import BulkStream
from edge.storage.database import Database, connect
from edge.storage.journal import Journal
from edge.storage.outbox import Written
from edge.storage.segments import Sealing
from edge.storage.vault import Vault
from sync.batch import Batch
from sync.ingest import Ingest
from sync.lane import Lane
from sync.uplink import Uplink


class Hasty(Database):
    """synchronous=NORMAL: faster, and a power cut takes what was acknowledged."""

    def __init__(self, writer: Any, *rest: Any, **options: Any) -> None:
        writer.execute("PRAGMA synchronous = NORMAL")
        super().__init__(writer, *rest, **options)


class SilentBulk(BulkStream):
    """Gives events up and says nothing."""

    def _declare(self, *arguments: Any) -> Written:
        written = super()._declare(*arguments)
        self._main.execute(
            "DELETE FROM outbox WHERE stream = ? AND seq = ?", (written.stream, written.seq)
        )
        self._main.execute(
            "UPDATE stream SET last_seq = last_seq - 1 WHERE name = ?", (written.stream,)
        )
        return written

    def start(self) -> list[Written]:
        super().start()
        return []

    def prepare(self, rows: Sequence[Written]) -> list[Written]:
        super().prepare(rows)
        return []

    def store(self, rows: Sequence[Written], epoch: str) -> list[Written]:
        super().store(rows, epoch)
        return []


class Silent(Database):
    """A database with a `SilentBulk`."""

    @classmethod
    def open(
        cls,
        directory: Path,
        journal: Path | None = None,
        *,
        sealing: Sealing | None = None,
        bulk_bytes_max: int = BULK_BYTES_MAX,
    ) -> Database:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        vault = Vault.create(directory / "master.key")
        writer = connect(directory / "storebox.db", vault)
        migrations.apply(writer)
        reader = connect(directory / "storebox.db", vault)
        bulk = SilentBulk(writer, directory, vault, sealing, bulk_bytes_max)
        kept = Journal(journal) if journal else None
        return Database(writer, reader, bulk, vault=vault, journal=kept)


class Counting(Uplink):
    """As it should be; tells how many batches the broker has confirmed."""

    confirmed = 0

    async def _publish(self, lane: Lane, payload: bytes, last: int) -> None:
        await super()._publish(lane, payload, last)
        self.confirmed += 1


class Trusting(Counting):
    """Deletes what the broker has confirmed, as every other box does."""

    async def _publish(self, lane: Lane, payload: bytes, last: int) -> None:
        await super()._publish(lane, payload, last)
        await self._source.acknowledged({lane.stream: last})


class Early(Ingest):
    """Acknowledges batches before it has committed them: with the next ones, or never."""

    def __init__(self, where: Any) -> None:
        super().__init__(where)
        self._waiting: list[Batch] = []

    def apply_all(self, batches: Sequence[Batch]) -> list[int]:
        late, self._waiting = self._waiting, list(batches)
        if late:
            super().apply_all(late)
        return [batch.header.last for batch in batches]
