"""A database for the platform: SQLite in a file, or PostgreSQL at an address, by one setting.

`open_store` is called by everything in this room. Statements are written once, with `?`, and mean
the same in both; what differs (locks, bulk inserts, the log's protection) is in the two stores.
Nothing else of the project knows which one it is.
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

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


def is_postgres(where: Where) -> bool:
    """Whether `where` names a PostgreSQL database."""
    return str(where).startswith(POSTGRES)


def open_store(where: Where, *, to_read: bool = False) -> Store:
    """The database at `where`, made if it is not there; `to_read` writes and makes nothing."""
    if is_postgres(where):
        from sync.ingest.postgres import PostgresStore  # its driver is an extra

        return PostgresStore(str(where), to_read=to_read)
    from sync.ingest.embedded import SqliteStore

    return SqliteStore(Path(where), to_read=to_read)
