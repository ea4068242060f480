"""The box's one database file: SQLCipher, WAL, synchronous=FULL, and one thread that writes.

Desks call `transact` with a function of one `Transaction`; functions that wait together are
committed together (one fsync), each in a savepoint of its own, so that one that fails takes
nothing else with it. `transact` returns only after the commit. Reading happens on the loop's own
read-only connection. Nothing else in the core opens SQLite.
"""

import asyncio
import logging
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from sqlcipher3 import dbapi2 as sqlcipher

from edge.errors import DatabaseUnreadable, StorageError, StorageFull
from edge.records import Moment, Stream
from edge.storage import migrations, outbox
from edge.storage.journal import Journal
from edge.storage.outbox import Emitted, Written
from edge.storage.vault import Vault

log = logging.getLogger(__name__)
T = TypeVar("T")

CHANGES_WAITING_MAX = 1000
"""Changes waiting for the writer; more callers than this wait before they are even queued."""
CHANGES_PER_COMMIT_MAX = 500
DATABASE_PAGES_MAX = 512 * 1024
"""2 GiB at 4 KiB a page: the file never fills the disk of a small box."""
WAL_BYTES_MAX = 4 << 20


class Transaction:
    """What a change may do: run SQL, draw numbers, and tell the platform."""

    def __init__(self, connection: Any, vault: Vault) -> None:
        self._connection = connection
        self.vault = vault
        self._emitted: list[Emitted] = []

    def execute(self, sql: str, parameters: Any = (), /) -> Any:
        """Run one statement; the cursor."""
        return self._connection.execute(sql, parameters)

    def in_part(self, change: Callable[[], None]) -> None:
        """Run `change` so that it alone is undone when it fails; its error, translated, rises."""
        emitted = len(self._emitted)
        self.execute("SAVEPOINT part")
        try:
            change()
        except BaseException as error:
            if self._connection.in_transaction:  # else SQLite gave up the whole transaction
                self.execute("ROLLBACK TO part")
                self.execute("RELEASE part")
            del self._emitted[emitted:]
            if isinstance(error, sqlcipher.Error | OverflowError):
                raise _translated(error) from error
            raise
        self.execute("RELEASE part")

    def executemany(self, sql: str, parameters: Any, /) -> Any:
        """Run one statement for each row of parameters; the cursor."""
        return self._connection.executemany(sql, parameters)

    def emit(self, stream: Stream, type_: str, body: Any, moment: Moment) -> None:
        """Put one event into the outbox, in this very transaction. `body` becomes JSON."""
        encoded = msgspec.json.encode(body)
        if len(encoded) > outbox.EVENT_BYTES_MAX:
            raise StorageError(
                f"An event {type_} of {len(encoded)} bytes is too large to be sent.",
                "Split what was entered into smaller pieces.",
            )
        self._emitted.append(Emitted(stream, type_, encoded, moment))

    def written(self) -> list[Written]:
        """The end of the change: its events are numbered and written now."""
        return outbox.append(self._connection, self._emitted) if self._emitted else []

    def next_number(self, name: str) -> int:
        """The next number of the sequence `name`, from 1; never given twice."""
        (last,) = self.execute(
            "INSERT INTO sequence VALUES (?, 1)"
            " ON CONFLICT (name) DO UPDATE SET last = last + 1 RETURNING last",
            (name,),
        ).fetchone()
        return int(last)


class _Change:
    """One waiting change and where its outcome goes."""

    __slots__ = ("apply", "error", "loop", "outcome", "result")

    def __init__(self, apply: Callable[[Transaction], Any]) -> None:
        self.apply = apply
        self.loop = asyncio.get_running_loop()
        self.outcome: asyncio.Future[Any] = self.loop.create_future()
        self.result: Any = None
        self.error: BaseException | None = None

    def settle(self) -> None:
        self.loop.call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        if self.outcome.cancelled():
            return
        if self.error is not None:
            self.outcome.set_exception(self.error)
        else:
            self.outcome.set_result(self.result)


class Database:
    """The open file. Make it with `Database.open`; `close` ends the writer."""

    def __init__(self, writer: Any, reader: Any, vault: Vault, journal: Journal | None) -> None:
        self._writer_connection = writer
        self.reading = Reading(reader)
        self.vault = vault
        self._journal = journal
        self.epoch: str = writer.execute("SELECT value FROM meta WHERE name='epoch'").fetchone()[0]
        self._follow_epoch()
        self._waiting: queue.SimpleQueue[_Change | None] = queue.SimpleQueue()
        self._room = asyncio.Semaphore(CHANGES_WAITING_MAX)
        self._listeners: list[Callable[[frozenset[Stream]], None]] = []
        self.commits = 0
        self._thread = threading.Thread(target=self._write, name="database-writer", daemon=True)
        self._thread.start()

    @classmethod
    def open(cls, directory: Path, journal: Path | None = None) -> "Database":
        """Open (or make) `storebox.db` and `master.key` in `directory`, migrated to this version.

        Raises DatabaseTooNew, DatabaseUnreadable, or StorageFull, each with what to do.
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
        writer = connect(path, vault)
        try:
            if migrations.missing(path, writer):
                migrations.apply(writer)
            reader = connect(path, vault)
            reader.execute("PRAGMA query_only = ON")
        except sqlcipher.Error as error:
            raise _translated(error) from error
        return cls(writer, reader, vault, Journal(journal) if journal else None)

    async def transact(self, change: Callable[[Transaction], T]) -> T:
        """Run `change` in the writer; its result once it is committed. Its exception otherwise."""
        async with self._room:
            waiting = _Change(change)
            self._waiting.put(waiting)
            result: T = await asyncio.shield(waiting.outcome)
            return result

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

    def on_commit(self, listener: Callable[[frozenset[Stream]], None]) -> None:
        """Call `listener` on the loop after commits that emitted, with the streams concerned."""
        self._listeners.append(listener)

    def close(self) -> None:
        """Finish what is queued, then close the file."""
        self._waiting.put(None)
        self._thread.join()
        self.reading.close()
        self._writer_connection.close()
        if self._journal:
            self._journal.close()

    # --- the writer's thread

    def _write(self) -> None:
        while True:
            change = self._waiting.get()
            if change is None:
                return
            batch, last = self._batch(change)
            self._commit(batch)
            if last:
                return

    def _batch(self, first: _Change) -> tuple[list[_Change], bool]:
        """Everything that waits by now, up to the limit; and whether the end came with it."""
        batch = [first]
        while len(batch) < CHANGES_PER_COMMIT_MAX:
            try:
                change = self._waiting.get_nowait()
            except queue.Empty:
                break
            if change is None:
                return batch, True
            batch.append(change)
        return batch, False

    def _commit(self, batch: list[_Change]) -> None:
        try:
            written = self._committed(batch)
        except Exception as error:  # the thread's border: whoever waits must be told
            if self._writer_connection.in_transaction:
                self._writer_connection.execute("ROLLBACK")
            for change in batch:
                change.error = _translated(error)
        else:
            self._follow_epoch()
            self._promise(written)
            if written and self._listeners:
                streams = frozenset(row.stream for row in written)
                batch[0].loop.call_soon_threadsafe(self._tell, streams)
        for change in batch:
            change.settle()

    def _committed(self, batch: list[_Change]) -> list[Written]:
        connection = self._writer_connection
        connection.execute("BEGIN IMMEDIATE")
        written = [row for change in batch for row in self._apply(connection, change)]
        connection.execute("COMMIT")
        self.commits += 1
        return written

    def _follow_epoch(self) -> None:
        """The epoch as committed. After a renewal what waits is promised again, even if the process
        was killed in between: the former epoch stands in meta until that is done.
        """
        connection = self._writer_connection
        try:
            meta = dict(connection.execute("SELECT name, value FROM meta").fetchall())
            self.epoch = meta["epoch"]
            if (former := meta.get("renewed_from")) is None:
                return
            if self._journal is not None:
                rows = connection.execute("SELECT stream || '-' || seq, body FROM outbox")
                self._journal.promise_again(
                    (f"{self.epoch}-{number}", bytes(body), f"{former}-{number}")
                    for number, body in rows
                )
            connection.execute("DELETE FROM meta WHERE name = 'renewed_from'")
        except (sqlcipher.Error, OSError) as error:
            log.error("What waits could not be promised again: %s; it will be later.", error)

    def _promise(self, written: list[Written]) -> None:
        """Note down what is safe now. A journal that fails takes nothing back: the proof ends."""
        if self._journal is None or not written:
            return
        try:
            self._journal.promise((self._event_id(row), row.body) for row in written)
        except OSError as error:
            log.error("The journal of promises cannot be written any more: %s.", error)
            self._journal.abandon()
            self._journal = None

    def _apply(self, connection: Any, change: _Change) -> list[Written]:
        """One change in its own savepoint. Its exception is its caller's, not the batch's."""
        transaction = Transaction(connection, self.vault)
        connection.execute("SAVEPOINT change")
        try:
            change.result = change.apply(transaction)
            written = transaction.written()
        except Exception as error:  # a border: the caller of transact gets it
            if not connection.in_transaction:
                raise  # SQLite gave up the whole transaction: the batch fails together
            connection.execute("ROLLBACK TO change")
            connection.execute("RELEASE change")
            ours = isinstance(error, sqlcipher.Error | OverflowError)
            change.error = _translated(error) if ours else error
            return []
        connection.execute("RELEASE change")
        return written

    def _event_id(self, row: Written) -> str:
        return f"{self.epoch}-{row.stream}-{row.seq}"

    def _tell(self, streams: frozenset[Stream]) -> None:
        for listener in self._listeners:
            listener(streams)


def connect(path: Path, vault: Vault) -> Any:
    """A connection with key and pragmas set. DatabaseUnreadable when the key does not fit."""
    try:
        connection = sqlcipher.connect(
            str(path), isolation_level=None, check_same_thread=False, timeout=5
        )
        connection.execute(f"PRAGMA key = \"x'{vault.database_key.hex()}'\"")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        for pragma in (
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            "secure_delete = ON",
            f"max_page_count = {DATABASE_PAGES_MAX}",
            f"journal_size_limit = {WAL_BYTES_MAX}",
        ):
            connection.execute(f"PRAGMA {pragma}")
    except sqlcipher.Error as error:
        raise DatabaseUnreadable(
            f"The database {path} cannot be read: {error}.",
            "Its key file must be the one it was made with; else restore the backup.",
        ) from error
    return connection


def open_reading(directory: Path) -> Any:
    """A read-only connection for the command line while the daemon is dead."""
    path = directory / "storebox.db"
    if not path.exists():
        raise DatabaseUnreadable(f"There is no database at {path}.", "Start the daemon once.")
    key = directory / "master.key"
    if not key.exists():  # looking must not make a key that fits nothing
        raise DatabaseUnreadable(
            f"The database {path} has lost its key file {key}.", "Restore it from the backup."
        )
    connection = connect(path, Vault.open(key))
    connection.execute("PRAGMA query_only = ON")
    return connection


def _translated(error: BaseException) -> StorageError:
    if isinstance(error, StorageError):
        return error
    text = str(error)
    if "full" in text or "No space" in text:
        return StorageFull(
            "There is no room left on the box.",
            "Free disk space; until then orders are refused. `storebox doctor` says more.",
        )
    return StorageError(f"The database refused a change: {text}.", "Run `storebox doctor`.")


class Reading:
    """The loop's read-only connection; its errors are those of the tree."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def execute(self, sql: str, parameters: Any = (), /) -> Any:
        """Run one statement; the cursor. StorageError if the file cannot be read."""
        try:
            return self._connection.execute(sql, parameters)
        except sqlcipher.Error as error:
            raise _translated(error) from error

    def executemany(self, sql: str, parameters: Any, /) -> Any:
        """Run one statement for each row of parameters; the cursor."""
        return self._connection.executemany(sql, parameters)

    def close(self) -> None:
        """Close it."""
        self._connection.close()
