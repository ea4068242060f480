"""Connections to the box's encrypted files, and SQLite's errors in the words of our tree.

Used by `edge/storage` only. Main file and bulk file have the same key and the same pragmas but for
their sizes. Nothing here knows a table.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlcipher3 import dbapi2 as sqlcipher

from edge.errors import DatabaseUnreadable, StorageError, StorageFull
from edge.storage.vault import Vault

PAGE_BYTES = 4096
BUSY_MS = 5000
"""Another process reads for milliseconds; so long we wait for it."""
DATABASE_PAGES_MAX = 512 * 1024
"""2 GiB at 4 KiB a page: the file never fills the disk of a small box."""
RESERVE_PAGES = 4096
"""16 MiB of it are for orders and erasures: some 10 000 orders while everything else is refused."""
WAL_BYTES_MAX = 4 << 20
CACHE_KIB = 4000
"""Half of SQLCipher's default: taking over 100 000 members is no slower with it (measured)."""

FULL = 13
IO_ERROR = 10
DAMAGED = frozenset({11, 26})
"""SQLITE_CORRUPT and SQLITE_NOTADB: a page that is not what was written there."""


def connect(path: Path, vault: Vault) -> Any:
    """A connection to the main file. DatabaseUnreadable when the key does not fit."""
    try:
        connection = unlocked(path, vault)
        for pragma in (
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            "secure_delete = ON",
            f"max_page_count = {DATABASE_PAGES_MAX - RESERVE_PAGES}",
            f"journal_size_limit = {WAL_BYTES_MAX}",
            f"cache_size = -{CACHE_KIB}",
        ):
            connection.execute(f"PRAGMA {pragma}")
    except sqlcipher.Error as error:
        raise DatabaseUnreadable(
            f"The database {path} cannot be read: {error}.",
            "Its key file must be the one it was made with; else restore the backup.",
        ) from error
    return connection


def unlocked(path: Path, vault: Vault) -> Any:
    """A connection with the key set and tried. sqlcipher.Error when it does not fit."""
    connection = sqlcipher.connect(
        str(path), isolation_level=None, check_same_thread=False, timeout=BUSY_MS / 1000
    )
    try:
        connection.execute(f"PRAGMA key = \"x'{vault.database_key.hex()}'\"")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlcipher.Error:
        connection.close()
        raise
    return connection


@contextmanager
def reserve(connection: Any) -> Iterator[None]:
    """While it lasts the file may also grow into what is kept for orders."""
    connection.execute(f"PRAGMA max_page_count = {DATABASE_PAGES_MAX}")
    try:
        yield
    finally:
        connection.execute(f"PRAGMA max_page_count = {DATABASE_PAGES_MAX - RESERVE_PAGES}")


def open_reading(directory: Path) -> Any:
    """A read-only connection to the main file, for the command line while the daemon is dead."""
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


def code(error: BaseException) -> int:
    """SQLite's primary result code, 0 if it has none."""
    return int(getattr(error, "sqlite_errorcode", None) or 0) & 0xFF


def translated(error: BaseException) -> StorageError:
    """The error of our tree for whatever SQLite or its driver raised."""
    if isinstance(error, StorageError):
        return error
    if code(error) == FULL:
        return StorageFull(
            "There is no room left on the box.",
            "Free disk space; until then orders are refused. `storebox doctor` says more.",
        )
    return StorageError(f"The database refused a change: {error}.", "Run `storebox doctor`.")


class Reading:
    """The loop's read-only connection; its errors are those of the tree."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def execute(self, sql: str, parameters: Any = (), /) -> Any:
        """Run one statement; the cursor. StorageError if the file cannot be read."""
        try:
            return self._connection.execute(sql, parameters)
        except sqlcipher.Error as error:
            raise translated(error) from error

    def executemany(self, sql: str, parameters: Any, /) -> Any:
        """Run one statement for each row of parameters; the cursor."""
        return self._connection.executemany(sql, parameters)

    def close(self) -> None:
        """Close it."""
        self._connection.close()
