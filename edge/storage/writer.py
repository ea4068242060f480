"""The one thread that writes: changes that wait together become one commit of the main file.

Made by `Database`. Each change has a savepoint of its own, and if the commit fails each is tried
alone, so that one that fails takes nothing else with it. After the commit come bulk's own file, the
journal of promises, a scrub if a change wants one, and then those who wait are told. Nobody else
writes to these files, and nobody waits for ever: whatever goes wrong here is an answer.
"""

import asyncio
import contextlib
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from sqlcipher3 import dbapi2 as sqlcipher

from edge.errors import StorageError
from edge.records import Stream
from edge.storage import erased
from edge.storage.backlog import Backlog
from edge.storage.bulk_stream import BulkStream
from edge.storage.connections import BUSY_MS, reserve, translated
from edge.storage.journal import Journal
from edge.storage.outbox import Rewritten, Written
from edge.storage.transaction import Transaction
from edge.storage.vault import Vault

log = logging.getLogger(__name__)

CHANGES_PER_COMMIT_MAX = 500
SCRUB_TRIES_MAX = 100
SCRUB_WAIT_MS = 50
"""A reader in the way of a scrub is gone after milliseconds; so long each try waits for it."""


class Change:
    """One waiting change, what it wants, and where its outcome goes."""

    __slots__ = ("apply", "error", "loop", "outcome", "reserve", "result", "scrub", "settled")

    def __init__(self, apply: Callable[[Transaction], Any], reserve: bool, scrub: bool) -> None:
        self.apply = apply
        self.reserve = reserve
        self.scrub = scrub
        self.loop = asyncio.get_running_loop()
        self.outcome: asyncio.Future[Any] = self.loop.create_future()
        self.result: Any = None
        self.error: BaseException | None = None
        self.settled = False

    def settle(self) -> None:
        """Tell whoever waits; from the writer's thread."""
        self.settled = True
        _call(self.loop, self._settle)

    def _settle(self) -> None:
        if self.outcome.cancelled():
            return
        if self.error is not None:
            self.outcome.set_exception(self.error)
        else:
            self.outcome.set_result(self.result)


class Mend:
    """The loop could not read the bulk file; it is told by `done` when that was looked after."""

    __slots__ = ("done", "error", "loop")

    def __init__(self, error: Exception, done: Callable[[], None] = lambda: None) -> None:
        self.error = error
        self.done = done
        self.loop = asyncio.get_running_loop()


class Applied:
    """What the changes of one commit have left to do."""

    __slots__ = ("acknowledged", "changed", "written")

    def __init__(self) -> None:
        self.written: list[Written] = []
        self.changed: list[Rewritten] = []
        self.acknowledged = False

    def bulk(self) -> list[Written]:
        """What belongs into the bulk file."""
        return [row for row in self.written if row.stream is Stream.BULK]


class Tell(NamedTuple):
    """Called on the loop after a commit: which streams it emitted into; that bytes are left of
    something that was deleted.
    """

    written: Callable[[frozenset[Stream]], None]
    deleted: Callable[[], None]


class Writer:
    """Owns the writing connections. `start` begins the thread, `stop` ends it."""

    def __init__(
        self,
        connection: Any,
        bulk: BulkStream,
        *,
        vault: Vault,
        journal: Journal | None,
        tell: Tell,
    ) -> None:
        self._connection = connection
        self._bulk = bulk
        self._vault = vault
        self._journal = journal
        self._tell = tell
        self._left = ""
        """What `erased.left` said after the commit before."""
        self._backlog = Backlog(connection, lambda: bulk.writing, bulk.sealing)
        self._waiting: queue.SimpleQueue[Change | Mend | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="database-writer", daemon=True)
        self._ended = ""
        """Why nothing is written any more: the answer to every change from then on."""
        self.commits = 0
        self.scrubbed = True
        """Whether the last scrub reached its end."""
        self.epoch: str = connection.execute(
            "SELECT value FROM meta WHERE name = 'epoch'"
        ).fetchone()[0]

    def start(self) -> None:
        """Account for what the last end left open, then begin."""
        self._promise(self._bulk.start())
        self._follow_epoch()
        self._thread.start()

    def put(self, change: Change | Mend) -> None:
        """Let it wait for its turn."""
        self._waiting.put(change)

    def stop(self) -> None:
        """Finish what waits and close everything."""
        self._waiting.put(None)
        self._thread.join()
        self._guarded(self._finish)
        self._bulk.close()
        self._connection.close()
        if self._journal:
            self._journal.close()

    def _finish(self) -> None:
        self._promise(self._bulk.finish())

    # --- the thread

    def _run(self) -> None:
        ended = False
        while not ended:
            batch, mends, ended = self._batch()
            if batch:
                failed = self._guarded(partial(self._commit, batch))
                left = [change for change in batch if not change.settled]
                self._refuse(left, failed)
            if mends:
                self._guarded(partial(self._mend, mends[0]))
                _call(mends[0].loop, mends[0].done)

    def _guarded(self, work: Callable[[], None]) -> Exception | None:
        """The thread's border: it goes on whatever `work` raises, or says that it has ended."""
        failed = None
        try:
            if not self._ended:
                work()
        except Exception as error:  # whoever waits is told by the caller
            log.error("The database's writer failed: %r", error)
            failed = error
        self._roll_back(failed or RuntimeError("a transaction was left open"))
        return failed

    def _roll_back(self, cause: Exception) -> None:
        """Leave no transaction open; one that cannot be ended is the writer's end."""
        if self._ended or not self._connection.in_transaction:
            return
        try:
            self._connection.execute("ROLLBACK")
        except sqlcipher.Error as error:
            if not self._connection.in_transaction:
                return
            self._ended = (
                f"The database's writer has ended: {cause}; and that cannot be undone: {error}."
            )
            log.critical("%s Nothing is stored until storebox is restarted.", self._ended)

    def _refuse(self, batch: Sequence[Change], error: Exception | None) -> None:
        """Tell those who wait that their changes were not made, because of `error`, or ever."""
        for change in batch:
            if self._ended:  # one for each: a raised error carries its caller's stack
                change.error = StorageError(self._ended, "Restart storebox.")
            else:
                change.error = translated(error or RuntimeError("it was passed over"))
            change.settle()

    def _batch(self) -> tuple[list[Change], list[Mend], bool]:
        """Everything that waits by now, up to the limit; and whether the end came with it."""
        batch: list[Change] = []
        mends: list[Mend] = []
        each = self._waiting.get()
        while each is not None:
            if isinstance(each, Mend):
                mends.append(each)
            else:
                batch.append(each)
            if len(batch) + len(mends) >= CHANGES_PER_COMMIT_MAX:
                return batch, mends, False
            try:
                each = self._waiting.get_nowait()
            except queue.Empty:
                return batch, mends, False
        return batch, mends, True

    def _commit(self, batch: Sequence[Change]) -> None:
        """Make the changes and tell those who wait. If that fails together, each is made alone, so
        that an order is not refused for what happens to share its commit.
        """
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlcipher.Error as error:  # no change is at fault
            self._refuse(batch, error)
            return
        try:
            applied = self._committed(batch)
        except Exception as error:  # the thread's border: whoever waits must be told
            self._roll_back(error)
            if self._ended or len(batch) == 1:
                self._refuse(batch, error)
                return
            for change in sorted(batch, key=lambda each: not each.reserve):
                self._commit([change])
            return
        self._settled(applied)
        if any(change.scrub and change.error is None for change in batch):
            self._scrub()
        self._notify(batch[0].loop, applied.written)
        self._notify_deleted(batch[0].loop, acknowledged=applied.acknowledged)
        for change in batch:
            change.settle()

    def _committed(self, batch: Sequence[Change]) -> Applied:
        applied = Applied()
        for change in batch:
            if change.reserve:
                with reserve(self._connection):
                    self._apply(change, applied)
            else:
                self._apply(change, applied)
        if rows := applied.bulk():
            applied.written += self._bulk.prepare(rows)
        self._connection.execute("COMMIT")
        self.commits += 1
        return applied

    def _apply(self, change: Change, applied: Applied) -> None:
        """One change in its own savepoint. Its exception is its caller's, not the batch's."""
        connection = self._connection
        transaction = Transaction(connection, self._vault)
        change.error = None  # it may be tried again
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
            change.error = translated(error) if ours else error
            return
        connection.execute("RELEASE change")
        applied.written += written
        applied.changed += transaction.changed
        applied.acknowledged |= transaction.acknowledged

    def _settled(self, applied: Applied) -> None:
        try:
            self._follow(applied)
        except Exception as error:  # the thread's border: the commit stands, and those who wait
            log.error("What follows a commit failed: %r", error)

    def _follow(self, applied: Applied) -> None:
        """What comes after the main file's commit; nothing of it can take that back."""
        rows = applied.bulk()
        self._follow_epoch()
        self._promise([row for row in applied.written if row.stream is not Stream.BULK])
        self._note(lambda journal: journal.promise_instead(self._changes(applied.changed)))
        if rows:
            declared = self._bulk.store(rows, self.epoch)
            self._promise([*rows, *declared])
            applied.written += declared
        elif applied.acknowledged:
            self._bulk.acknowledged()

    def _mend(self, mend: Mend) -> None:
        declared = self._bulk.mend(mend.error)
        self._promise(declared)
        self._notify(mend.loop, declared)

    def _notify(self, loop: asyncio.AbstractEventLoop, written: Sequence[Written]) -> None:
        if written:
            streams = frozenset(row.stream for row in written)
            _call(loop, lambda: self._tell.written(streams))

    def _notify_deleted(self, loop: asyncio.AbstractEventLoop, *, acknowledged: bool) -> None:
        """Say so when bytes of something deleted are left, or a receipt that names somebody may
        have gone: nobody has to look for it by the clock.
        """
        try:
            left = erased.left(self._connection)
        except sqlcipher.Error:  # the commit stands; the clock's turn comes
            return
        new = left == erased.DELETED and self._left != left
        if new or (acknowledged and left == erased.RECEIPT):
            _call(loop, self._tell.deleted)
        self._left = left

    def _scrub(self) -> None:
        """Nothing of what was deleted stays in the file's log. Readers are waited for."""
        self.scrubbed = False
        try:
            self._connection.execute(f"PRAGMA busy_timeout = {SCRUB_WAIT_MS}")
            try:
                self.scrubbed = self._truncated()
            finally:
                self._connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
            if not self.scrubbed:
                log.error("A reader kept erased rows in the database's log for too long.")
        except Exception as error:  # the thread's border: the commit stands
            log.error("Erased rows may still stand in the database's log: %s.", error)

    def _truncated(self) -> bool:
        for _ in range(SCRUB_TRIES_MAX):
            checkpoint = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if not checkpoint[0]:
                self._connection.execute("PRAGMA shrink_memory")
                return True
        return False

    # --- promises

    def _follow_epoch(self) -> None:
        """The epoch as committed. After a renewal what waits is promised again, even if the process
        was killed in between: the former epoch stands in meta until that is done.
        """
        connection = self._connection
        try:
            meta = dict(connection.execute("SELECT name, value FROM meta").fetchall())
            self.epoch = meta["epoch"]
            if (former := meta.get("renewed_from")) is None:
                return
            if self._journal is not None:
                self._journal.promise_again(
                    (event.id, bytes(event.body), f"{former}-{event.stream}-{event.seq}")
                    for event in self._backlog.everything()
                )
            connection.execute("DELETE FROM meta WHERE name = 'renewed_from'")
        except (sqlcipher.Error, OSError) as error:
            log.error("What waits could not be promised again: %s; it will be later.", error)

    def _promise(self, written: Sequence[Written]) -> None:
        if written:
            self._note(
                lambda journal: journal.promise(
                    (f"{self.epoch}-{row.stream}-{row.seq}", row.body) for row in written
                )
            )

    def _changes(self, changed: Sequence[Rewritten]) -> list[tuple[str, bytes, bytes]]:
        return [(f"{self.epoch}-{row.stream}-{row.seq}", row.after, row.before) for row in changed]

    def _note(self, write: Callable[[Journal], None]) -> None:
        """Note down what is safe now. A journal that fails takes nothing back: the proof ends."""
        if self._journal is None:
            return
        try:
            write(self._journal)
        except OSError as error:
            log.error("The journal of promises cannot be written any more: %s.", error)
            self._journal.abandon()
            self._journal = None


def _call(loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
    """Let `loop` call it; one that has ended has nobody left who waits."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(callback)
