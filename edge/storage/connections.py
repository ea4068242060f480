"""Connections to the box's encrypted files, and SQLite's errors in the words of our tree.

Used by `edge/storage` only. Main file and bulk file have the same key and the same pragmas but for
their sizes. Nothing here knows a table.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct
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


class Room(Struct, frozen=True):
    """How large the main file may grow, in pages; the `reserve` of them is for orders alone."""

    pages: int = DATABASE_PAGES_MAX
    reserve: int = RESERVE_PAGES


FULL = 13
IO_ERROR = 10
DAMAGED = frozenset({11, 26})
"""SQLITE_CORRUPT and SQLITE_NOTADB: a page that is not what was written there."""


class _Connection(sqlcipher.Connection):  # type: ignore[misc]
    """One that knows how much room its file has."""

    room = Room()


def connect(path: Path, vault: Vault, room: Room | None = None) -> Any:
    """A connection to the main file. DatabaseUnreadable when the key does not fit."""
    try:
        connection = unlocked(path, vault)
        connection.room = room or Room()
        for pragma in (
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            "secure_delete = ON",
            f"max_page_count = {connection.room.pages - connection.room.reserve}",
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
        str(path),
        isolation_level=None,
        check_same_thread=False,
        timeout=BUSY_MS / 1000,
        factory=_Connection,
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
    room = connection.room
    connection.execute(f"PRAGMA max_page_count = {room.pages}")
    try:
        yield
    finally:
        connection.execute(f"PRAGMA max_page_count = {room.pages - room.reserve}")


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


def unread(error: BaseException) -> StorageError:
    """The error of our tree for what SQLite raised while it was only reading."""
    if code(error) in DAMAGED:
        return DatabaseUnreadable(
            f"The database is damaged: {error}.", "Stop storebox and restore the backup."
        )
    return StorageError(f"The database cannot be read: {error}.", "Run `storebox doctor`.")


class Rows:
    """What a statement found. Pages are read while rows are fetched, so damage may show here."""

    __slots__ = ("_cursor",)

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    def fetchone(self) -> Any:
        """The next row, None behind the last. StorageError if the file cannot be read."""
        try:
            return self._cursor.fetchone()
        except sqlcipher.Error as error:
            raise unread(error) from error

    def fetchall(self) -> list[Any]:
        """All rows that are left. StorageError if the file cannot be read."""
        try:
            rows: list[Any] = self._cursor.fetchall()
        except sqlcipher.Error as error:
            raise unread(error) from error
        return rows

    def fetchmany(self, count: int) -> list[Any]:
        """At most so many rows. StorageError if the file cannot be read."""
        try:
            rows: list[Any] = self._cursor.fetchmany(count)
        except sqlcipher.Error as error:
            raise unread(error) from error
        return rows

    def __iter__(self) -> Iterator[Any]:
        """The rows, one by one. StorageError if the file cannot be read."""
        try:
            yield from self._cursor
        except sqlcipher.Error as error:
            raise unread(error) from error


class Reading:
    """The loop's read-only connection; its errors are those of the tree."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def execute(self, sql: str, parameters: Any = (), /) -> Rows:
        """Run one statement; what it finds. StorageError if the file cannot be read."""
        try:
            return Rows(self._connection.execute(sql, parameters))
        except sqlcipher.Error as error:
            raise unread(error) from error

    def executemany(self, sql: str, parameters: Any, /) -> Rows:
        """Run one statement for each row of parameters. StorageError: nothing is written here."""
        try:
            return Rows(self._connection.executemany(sql, parameters))
        except sqlcipher.Error as error:
            raise unread(error) from error

    def close(self) -> None:
        """Close it."""
        self._connection.close()
