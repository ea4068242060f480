"""The box's database: SQLCipher, WAL, synchronous=FULL, and one thread that writes.

Desks call `transact` with a function of one `Transaction`; functions that wait together are
committed together (one fsync), each in a savepoint of its own. `transact` returns only after the
commit. Reading happens on the loop's own read-only connections. Nothing else in the core opens
SQLite. State, crit and visit lie in `storebox.db`, bulk in `bulk.db`.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlcipher3 import dbapi2 as sqlcipher

from edge.errors import StorageError
from edge.records import Stream
from edge.storage import migrations, templates
from edge.storage.backlog import Backlog
from edge.storage.bulk import BULK_BYTES_MAX
from edge.storage.bulk_stream import BulkStream
from edge.storage.connections import Reading, Room, connect, open_reading, translated
from edge.storage.journal import Journal
from edge.storage.outbox import Depth
from edge.storage.segments import Sealing, Waiting
from edge.storage.transaction import Transaction
from edge.storage.vault import Vault
from edge.storage.writer import Change, Mend, Tell, Writer

__all__ = ["Database", "Transaction", "connect", "open_reading"]

T = TypeVar("T")

CHANGES_WAITING_MAX = 1000
"""Changes waiting for the writer; more callers than this wait before they are even queued."""
READING_CACHE_KIB = 2000
"""SQLite's own default. SQLCipher's is four times that, and a backlog of orders would fill it."""


class Database:
    """The open files. Make it with `Database.open`; `close` ends the writer."""

    def __init__(
        self,
        writer: Any,
        reader: Any,
        bulk: BulkStream,
        *,
        vault: Vault,
        journal: Journal | None = None,
    ) -> None:
        self.reading = Reading(reader)
        self.vault = vault
        self._room = asyncio.Semaphore(CHANGES_WAITING_MAX)
        self._listeners: list[Callable[[frozenset[Stream]], None]] = []
        self._mending = False
        self._backlog = Backlog(self.reading, lambda: bulk.reading, bulk.sealing, self._mend)
        self._deleted_listeners: list[Callable[[], None]] = []
        tell = Tell(self._tell, self._tell_deleted)
        self._writer = Writer(writer, bulk, vault=vault, journal=journal, tell=tell)
        self._writer.start()

    @classmethod
    def open(
        cls,
        directory: Path,
        journal: Path | None = None,
        *,
        sealing: Sealing | None = None,
        bulk_bytes_max: int = BULK_BYTES_MAX,
        room: Room | None = None,
    ) -> "Database":
        """Open (or make) the files and `master.key` in `directory`, migrated to this version.

        `sealing` is the codec of old bulk; without it bulk stays raw. `room` is that of the main
        file. Raises DatabaseTooNew, DatabaseUnreadable, or StorageFull, each with what to do.
        Damage to bulk raises nothing.
        """
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                f"The state directory {directory} cannot be made: {error.strerror}.",
                "Correct [state] directory, or the permissions above it.",
            ) from error
        path, key = directory / "storebox.db", directory / "master.key"
        vault = Vault.open(key) if path.exists() or key.exists() else Vault.create(key)
        writer = connect(path, vault, room)
        try:
            _migrate(path, writer, vault)
            reader = connect(path, vault)
            reader.execute("PRAGMA query_only = ON")
            reader.execute(f"PRAGMA cache_size = -{READING_CACHE_KIB}")
        except sqlcipher.Error as error:
            raise translated(error) from error
        return cls(
            writer,
            reader,
            BulkStream(writer, directory, vault, sealing, bulk_bytes_max),
            vault=vault,
            journal=Journal(journal) if journal else None,
        )

    @property
    def epoch(self) -> str:
        """The life of this outbox, as committed last."""
        return self._writer.epoch

    @property
    def commits(self) -> int:
        """How often the main file was committed since it was opened."""
        return self._writer.commits

    async def transact(
        self, change: Callable[[Transaction], T], *, reserve: bool = False, scrub: bool = False
    ) -> T:
        """Run `change` in the writer; its result once it is committed. Its exception otherwise.

        `change` is a function of its transaction alone and changes nothing else: it is run a
        second time when the commit failed that it was to share with others. With `reserve` it may
        use the room that is kept for orders and erasures. With `scrub` nothing of what it deleted
        is left in the file or its log when this returns, unless `scrubbed` says otherwise.
        """
        async with self._room:
            waiting = Change(change, reserve, scrub)
            self._writer.put(waiting)
            result: T = await asyncio.shield(waiting.outcome)
            return result

    @property
    def scrubbed(self) -> bool:
        """Whether the last scrub reached its end: a reader may be in the way for too long."""
        return self._writer.scrubbed

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Many reads in one read transaction: one state of the file, and one lock for all.

        Nothing may be awaited inside: the connection is everybody's.
        """
        self.reading.execute("BEGIN")
        try:
            yield
        finally:
            self.reading.execute("COMMIT")

    @contextmanager
    def apart(self) -> Iterator[Reading]:
        """A reading connection of its own in one read transaction, for long reads in a thread."""
        path = Path(self.reading.execute("PRAGMA database_list").fetchone()[2])
        connection = connect(path, self.vault)
        try:
            connection.execute("PRAGMA query_only = ON")
            connection.execute("BEGIN")
            yield Reading(connection)
        finally:
            connection.close()

    def on_commit(self, listener: Callable[[frozenset[Stream]], None]) -> None:
        """Call `listener` on the loop after commits that emitted, with the streams concerned."""
        self._listeners.append(listener)

    def on_deleted(self, listener: Callable[[], None]) -> None:
        """Call `listener` on the loop after a commit that left bytes to be scrubbed."""
        self._deleted_listeners.append(listener)

    def close(self) -> None:
        """Finish what is queued, then close the files."""
        self._writer.stop()
        self.reading.close()

    # --- the outbox

    def cursors(self) -> dict[Stream, tuple[int, int]]:
        """For each stream: the last number given, and up to where it was acknowledged."""
        return self._backlog.cursors()

    def waiting(self, stream: Stream, after: int, limit: int) -> Waiting:
        """What waits next above number `after`: at most `limit` events, or a sealed segment.

        Numbers that were given up are skipped. Bulk that cannot be read is declared by and by.
        """
        return self._backlog.waiting(stream, after, limit)

    @property
    def backlog(self) -> Backlog:
        """More about what waits."""
        return self._backlog

    def depth(self) -> list[Depth]:
        """How full each stream is, in order of priority."""
        return self._backlog.depth()

    def evicted(self) -> dict[Stream, int]:
        """For each stream: how many events were ever given up by quota."""
        return self._backlog.evicted()

    def mark(self, stream: Stream, seq: int) -> str | None:
        """What tells the event `seq` from any other with its number; None if it does not wait."""
        return self._backlog.mark(stream, seq)

    def _mend(self, error: Exception) -> None:
        """The bulk file cannot be read: the writer looks after it. Asked for once at a time."""
        if not self._mending:
            self._mending = True
            self._writer.put(Mend(error, self._mended))

    def _mended(self) -> None:
        self._mending = False

    def _tell(self, streams: frozenset[Stream]) -> None:
        for listener in self._listeners:
            listener(streams)

    def _tell_deleted(self) -> None:
        for listener in self._deleted_listeners:
            listener()


def _migrate(path: Path, writer: Any, vault: Vault) -> None:
    if migrations.missing(path, writer):
        migrations.apply(writer)
    templates.convert(writer, vault)
