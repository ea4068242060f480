"""The acknowledging receiver: what makes an event the platform's, and the box free to delete it.

Used by the reference platform. One SQLite file with an append-only log and a cursor for each
stream of each box; a batch and its cursor are one transaction, and only after its commit is
anything acknowledged. It speaks no MQTT.
"""

import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from edge.errors import BadMessage
from edge.records import Stream
from edge.storage.journal import digest
from edge.storage.outbox import GAP_TYPE, Gap, mark_of
from sync.batch import Batch, moment_of
from sync.messages import SEQ_MAX, Address, BatchHeader, CloudEvent, decode_json

QUARANTINE_MAX = 10_000
"""Refused messages kept for a person to look at; beyond it the oldest go."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS received (
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  address TEXT NOT NULL,
  epoch TEXT NOT NULL,
  stream TEXT NOT NULL,
  seq INTEGER NOT NULL,
  type TEXT NOT NULL,
  digest TEXT NOT NULL,
  body BLOB NOT NULL,
  event_ms INTEGER NOT NULL,
  mono_ms INTEGER NOT NULL,
  boot TEXT NOT NULL,
  clock_trusted INTEGER NOT NULL,
  received_ms INTEGER NOT NULL
);
-- Not UNIQUE: the log must be able to show that something was stored twice.
CREATE INDEX IF NOT EXISTS received_event ON received(address, epoch, stream, seq);
CREATE TRIGGER IF NOT EXISTS received_stays BEFORE DELETE ON received
  BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
CREATE TRIGGER IF NOT EXISTS received_stands BEFORE UPDATE ON received
  BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
CREATE TABLE IF NOT EXISTS cursor (
  address TEXT NOT NULL,
  epoch TEXT NOT NULL,
  stream TEXT NOT NULL,
  upto INTEGER NOT NULL,
  PRIMARY KEY (address, epoch, stream)
) WITHOUT ROWID;
-- Numbers that will never come: declared by the box, refused for good, or lost by a platform
-- that was restored from a backup.
CREATE TABLE IF NOT EXISTS gap (
  address TEXT NOT NULL,
  epoch TEXT NOT NULL,
  stream TEXT NOT NULL,
  first INTEGER NOT NULL,
  last INTEGER NOT NULL,
  reason TEXT NOT NULL,
  PRIMARY KEY (address, epoch, stream, first, last)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS quarantine (
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  topic TEXT NOT NULL,
  reason TEXT NOT NULL,
  payload BLOB NOT NULL,
  received_ms INTEGER NOT NULL
);
"""


class Ingest:
    """The open log. Calls block on the disk; they may come from any thread, one at a time.

    `apply` decides what is new and in order, `store` writes it: a test that wants a platform which
    loses or doubles rows overrides `store`.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.executescript(_SCHEMA)

    def apply(self, batch: Batch) -> int:
        """Commit what is new in `batch`; the number up to which its stream is complete now.

        A batch behind a hole changes nothing: the answer is the old number. BadMessage, and
        nothing changed, if an event in it can never be accepted.
        """
        header = batch.header
        with self._transaction():
            upto = self._passed_gaps(batch.address, header, header.first)
            if header.first <= upto + 1 and header.last > upto:
                new = [event for event in batch.events if event.seq > upto]
                self.store(batch, new)
                self._remember_gaps(batch, new)
                upto = header.last
            self._set_cursor(batch.address, header, upto)
        return upto

    def store(self, batch: Batch, events: Sequence[CloudEvent]) -> None:
        """Append `events` of `batch` to the log, inside the transaction of `apply`."""
        header = batch.header
        origin = (str(batch.address), header.epoch, header.stream.value)
        now_ms = _wall_ms()
        self._connection.executemany(
            "INSERT INTO received (address, epoch, stream, seq, type, digest, body, event_ms,"
            " mono_ms, boot, clock_trusted, received_ms)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            ((*origin, *_columns(event), now_ms) for event in events),
        )

    def quarantine(
        self, topic: str, payload: bytes, reason: str, *, of: tuple[Address, BatchHeader] | None
    ) -> None:
        """Put away what can never be accepted. With a legible header its numbers count as done:

        sending them again would not make them better, and the stream must go on.
        """
        with self._transaction():
            self._connection.execute(
                "INSERT INTO quarantine (topic, reason, payload, received_ms) VALUES (?, ?, ?, ?)",
                (topic, reason, payload, _wall_ms()),
            )
            self._connection.execute(
                "DELETE FROM quarantine WHERE position <="
                " (SELECT max(position) FROM quarantine) - ?",
                (QUARANTINE_MAX,),
            )
            if of is not None:
                self._put_gap(*of, (of[1].first, of[1].last), "quarantined")
                upto = self._passed_gaps(*of, of[1].last + 1)
                self._set_cursor(*of, upto)

    def resume(self, address: Address, epoch: str, acked: dict[Stream, int]) -> dict[Stream, int]:
        """The cursors of a box that says hello, which has deleted everything up to `acked`.

        If that is more than we have, we were restored from a backup: the rest will never come.
        """
        with self._transaction():
            for stream, number in acked.items():
                key = (str(address), epoch, stream.value)
                upto = self._cursor(key)
                if number > upto:
                    self._insert_gap(key, (upto + 1, number), "missing here, deleted at the box")
                    self._write_cursor(key, number)
        return self.cursors(address, epoch)

    def cursors(self, address: Address, epoch: str) -> dict[Stream, int]:
        """Up to where each stream of this epoch has been committed."""
        return {stream: self._cursor((str(address), epoch, stream.value)) for stream in Stream}

    def marks(self, address: Address, epoch: str) -> dict[Stream, str]:
        """What tells the last committed event of each stream from any other with its number."""
        found: dict[Stream, str] = {}
        for stream, upto in self.cursors(address, epoch).items():
            row = self._connection.execute(
                "SELECT body, boot, mono_ms FROM received"
                " WHERE (address, epoch, stream, seq) = (?, ?, ?, ?) ORDER BY position LIMIT 1",
                (str(address), epoch, stream.value, upto),
            ).fetchone()
            if row is not None:
                found[stream] = mark_of(*row)
        return found

    def known(self) -> list[Address]:
        """Every box that has sent something."""
        rows = self._connection.execute("SELECT DISTINCT address FROM cursor").fetchall()
        return [Address(*address.split("/")) for (address,) in rows]

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    # --- inside a transaction

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise

    def _passed_gaps(self, address: Address, header: BatchHeader, before: int) -> int:
        """The cursor, moved over the gaps that lead up to number `before`."""
        key = (str(address), header.epoch, header.stream.value)
        upto = self._cursor(key)
        while upto + 1 < before:
            (last,) = self._connection.execute(
                "SELECT max(last) FROM gap WHERE (address, epoch, stream) = (?, ?, ?)"
                " AND first <= ? AND last > ?",
                (*key, upto + 1, upto),
            ).fetchone()
            if last is None:
                break
            upto = last
        return upto

    def _remember_gaps(self, batch: Batch, events: Sequence[CloudEvent]) -> None:
        for event in events:
            if event.type == GAP_TYPE and batch.header.stream is Stream.CRIT:
                gap = decode_json(event.data, Gap)
                if not 1 <= gap.first <= gap.last <= SEQ_MAX:
                    raise BadMessage(f"Event {event.id} declares an impossible gap.")
                key = (str(batch.address), batch.header.epoch, gap.stream.value)
                self._insert_gap(key, (gap.first, gap.last), gap.reason)

    def _put_gap(
        self, address: Address, header: BatchHeader, span: tuple[int, int], reason: str
    ) -> None:
        self._insert_gap((str(address), header.epoch, header.stream.value), span, reason)

    def _insert_gap(self, key: tuple[str, str, str], span: tuple[int, int], reason: str) -> None:
        self._connection.execute(
            "INSERT OR IGNORE INTO gap VALUES (?, ?, ?, ?, ?, ?)", (*key, *span, reason)
        )

    def _cursor(self, key: tuple[str, str, str]) -> int:
        row = self._connection.execute(
            "SELECT upto FROM cursor WHERE (address, epoch, stream) = (?, ?, ?)", key
        ).fetchone()
        return int(row[0]) if row else 0

    def _set_cursor(self, address: Address, header: BatchHeader, upto: int) -> None:
        self._write_cursor((str(address), header.epoch, header.stream.value), upto)

    def _write_cursor(self, key: tuple[str, str, str], upto: int) -> None:
        self._connection.execute("INSERT OR REPLACE INTO cursor VALUES (?, ?, ?, ?)", (*key, upto))


def _columns(event: CloudEvent) -> tuple[int, str, str, bytes, int, int, str, bool]:
    body = bytes(event.data)
    moment = moment_of(event)
    stamps = (moment.wall_ms, moment.mono_ms, moment.boot, moment.trusted)
    return (event.seq, event.type, digest(body), body, *stamps)


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000
