"""A database for the platform: SQLite in a file, or PostgreSQL at an address, by one setting.

`open_store` is called by everything in this room. Statements are written once, with `?`, and mean
the same in both; what differs (locks, bulk inserts, the log's protection) is in the two stores.
Nothing else of the project knows which one it is.
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from edge.errors import StorageError

POSTGRES = ("postgresql://", "postgres://")

Row = tuple[Any, ...]
Where = Path | str
"""The file, or `postgresql://...`."""


class Statements(Protocol):
    """An open transaction."""

    locked: str
    """What a SELECT ends with whose rows nobody else may change until the commit."""

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Run one statement; its rows, if it has any."""
        ...

    def append(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Add many rows, as fast as the database can."""
        ...


class Store(Protocol):
    """One connection, used by one thread at a time (it has a lock)."""

    def transaction(self) -> AbstractContextManager[Statements]:
        """Commits at the end, or nothing. StorageFull or StorageError when it cannot."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


def no_platform(where: object) -> StorageError:
    """What to say of a place where no platform has made its tables."""
    return StorageError(
        f"There is no platform's database at {where}.",
        "Name it with --database; `storebox platform run` makes a new one.",
    )


def is_postgres(where: Where) -> bool:
    """Whether `where` names a PostgreSQL database."""
    return str(where).startswith(POSTGRES)


class Opening(StrEnum):
    """What opening a database may do to it."""

    MAKE = "make"
    """Make what is not there: file and tables."""
    WRITE = "write"
    """Write into what is there; StorageError if it is no platform's database."""
    READ = "read"


def open_store(where: Where, opening: Opening = Opening.MAKE) -> Store:
    """The database at `where`, made if it is not there unless `opening` says otherwise."""
    if is_postgres(where):
        from sync.ingest.postgres import PostgresStore  # its driver is an extra

        return PostgresStore(str(where), opening)
    from sync.ingest.embedded import SqliteStore

    return SqliteStore(Path(where), opening)
