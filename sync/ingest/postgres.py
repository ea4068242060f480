"""The platform's database in PostgreSQL: what several workers on several machines share.

Made by `open_store` for an address like `postgresql://user@host/name`. A lost connection is an
error once, and made anew by the next transaction. Its driver, psycopg, belongs to the extra
`platform`; without it this says so.
"""

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from edge.errors import StorageError, StorageFull
from sync.ingest.schema import NEWEST_TABLE, TABLES
from sync.ingest.store import Opening, Row, no_platform

try:
    import psycopg
except ImportError as missing:
    raise StorageError(
        "The driver of PostgreSQL is not installed.", "Install storebox[platform]."
    ) from missing

CONNECT_S = 10
SCHEMA_LOCK = 0x5B0B
"""Of workers that make the tables at the same time; any number that is always the same."""

_WORDS = {
    "serial": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    "bytes": "BYTEA",
    "compact": "",
}
_APPEND_ONLY = """
CREATE OR REPLACE FUNCTION received_stays() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN RAISE EXCEPTION 'the log is append-only'; END $$;
CREATE OR REPLACE TRIGGER received_stays BEFORE DELETE OR UPDATE ON received
  FOR EACH ROW EXECUTE FUNCTION received_stays();
"""


class PostgresStore:
    """One connection to the server. Satisfies `Store` and `Statements`."""

    locked = " FOR UPDATE"

    def __init__(self, address: str, opening: Opening = Opening.MAKE) -> None:
        self._address = address
        self._opening = opening
        self._lock = threading.Lock()
        self._cursor: psycopg.Cursor[Row] | None = None
        with self._lock, _translated():
            self._connection = self._connected()

    @contextmanager
    def transaction(self) -> Iterator["PostgresStore"]:
        """See `Store`."""
        with self._lock, _translated():
            if self._connection.closed:
                self._connection = self._connected()
            with self._connection.transaction(), self._connection.cursor() as cursor:
                self._cursor = cursor
                yield self

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """See `Statements`."""
        assert self._cursor is not None, "statements stand in a transaction"
        self._cursor.execute(sql.replace("?", "%s").encode(), parameters)
        return self._cursor.fetchall() if self._cursor.description else []

    def append(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """See `Statements`."""
        assert self._cursor is not None, "statements stand in a transaction"
        sql = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
        with self._cursor.copy(sql.encode()) as copy:
            for row in rows:
                copy.write_row(row)

    def close(self) -> None:
        """See `Store`."""
        with self._lock:
            self._connection.close()

    def _connected(self) -> "psycopg.Connection[Row]":
        connection = psycopg.connect(self._address, autocommit=True, connect_timeout=CONNECT_S)
        if self._opening is Opening.READ:
            connection.read_only = True
            return connection
        if self._opening is Opening.WRITE:
            found = connection.execute("SELECT to_regclass(%s)", (NEWEST_TABLE,)).fetchone()
            if found == (None,):
                connection.close()
                raise no_platform("this PostgreSQL address")
            return connection
        with connection.transaction(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", (SCHEMA_LOCK,))
            cursor.execute((TABLES.format(**_WORDS) + _APPEND_ONLY).encode())
        return connection


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        kind = StorageFull if isinstance(error, psycopg.errors.DiskFull) else StorageError
        raise kind(
            f"The platform's PostgreSQL cannot be used: {_clause(error)}.",
            "Look at the server; the boxes keep what was not committed.",
        ) from error


def _clause(error: psycopg.Error) -> str:
    """What the driver says, as part of one sentence: it says several, one a line, and asks back."""
    lines = [" ".join(line.split()) for line in str(error).splitlines()]
    told = [line.rstrip(" .:;!") for line in lines if line and not line.endswith("?")]
    return "; ".join(told) or type(error).__name__
