"""The platform's database as one SQLite file: WAL, synchronous=FULL, an append-only log.

Made by `open_store`. Several processes may share the file: each transaction takes the writer's lock
at its beginning and waits for it, so none ever fails in the middle for want of it.
"""

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edge.errors import StorageError, StorageFull
from sync.ingest.schema import NEWEST_TABLE, TABLES
from sync.ingest.store import Opening, Row, no_platform

BUSY_S = 30.0
"""For another worker's commit: longer than any disk takes that is not broken."""

_MODES = {Opening.MAKE: "rwc", Opening.WRITE: "rw", Opening.READ: "ro"}
_IS_THERE = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
_WORDS = {
    "serial": "INTEGER PRIMARY KEY AUTOINCREMENT",
    "bytes": "BLOB",
    "compact": "WITHOUT ROWID",
}
_APPEND_ONLY = """
CREATE TRIGGER IF NOT EXISTS received_stays BEFORE DELETE ON received
  BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
CREATE TRIGGER IF NOT EXISTS received_stands BEFORE UPDATE ON received
  BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
"""


class SqliteStore:
    """One connection to the file. Satisfies `Store` and `Statements`."""

    locked = ""  # the whole file is locked

    def __init__(self, path: Path, opening: Opening = Opening.MAKE) -> None:
        self._lock = threading.Lock()
        self._begin = "BEGIN" if opening is Opening.READ else "BEGIN IMMEDIATE"
        if opening is Opening.WRITE and not path.is_file():
            raise no_platform(path.resolve())
        with _translated(path):
            self._connection = sqlite3.connect(
                f"{path.resolve().as_uri()}?mode={_MODES[opening]}",
                uri=True,
                timeout=BUSY_S,
                isolation_level=None,
                check_same_thread=False,
            )
            if opening is Opening.WRITE and not self.execute(_IS_THERE, (NEWEST_TABLE,)):
                self._connection.close()
                raise no_platform(path.resolve())
            if opening is not Opening.READ:
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._connection.execute("PRAGMA synchronous = FULL")
            if opening is Opening.MAKE:
                self._connection.executescript(TABLES.format(**_WORDS) + _APPEND_ONLY)
        self._path = path

    @contextmanager
    def transaction(self) -> Iterator["SqliteStore"]:
        """See `Store`."""
        with self._lock, _translated(self._path):
            self._connection.execute(self._begin)
            try:
                yield self
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """See `Statements`."""
        return self._connection.execute(sql, parameters).fetchall()

    def append(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """See `Statements`."""
        places = ", ".join("?" * len(columns))
        sql = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})"  # noqa: S608
        self._connection.executemany(sql, rows)

    def close(self) -> None:
        """See `Store`."""
        with self._lock:
            self._connection.close()


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.IntegrityError:
        raise  # a statement of ours was wrong: nothing that a person could mend
    except sqlite3.Error as error:
        full = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL
        kind = StorageFull if full else StorageError
        raise kind(
            f"The platform's database {path} cannot be used: {error}.",
            "Make room, or look at the disk; the boxes keep what was not committed.",
        ) from error
