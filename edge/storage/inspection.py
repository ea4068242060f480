"""Looking at the database from outside: whether it opens, is whole, and of this version.

Used by `storebox doctor` and by commands that read while the daemon is dead. It opens read-only,
repairs nothing and migrates nothing.
"""

from pathlib import Path
from typing import Any

from sqlcipher3 import dbapi2 as sqlcipher

from edge.errors import DatabaseTooNew, DatabaseUnreadable
from edge.storage import bulk, migrations
from edge.storage.backlog import Backlog
from edge.storage.database import open_reading
from edge.storage.segments import Sealing
from edge.storage.vault import Vault

_RESTORE = "Stop storebox and restore the backup."


def open_known(directory: Path) -> Any:
    """A read-only connection to a file of exactly this version's schema.

    DatabaseTooNew, or DatabaseUnreadable when the file is damaged, without its key, or was never
    brought to this version.
    """
    connection = open_reading(directory)
    try:
        _check_schema(directory / "storebox.db", connection)
    except sqlcipher.Error as error:
        connection.close()
        raise DatabaseUnreadable(
            f"The database in {directory} is damaged: {error}.", _RESTORE
        ) from error
    except (DatabaseTooNew, DatabaseUnreadable):
        connection.close()
        raise
    return connection


def backlog(connection: Any, directory: Path, sealing: Sealing | None = None) -> Backlog:
    """What waits in the main file of `connection` and in the bulk file beside it.

    Sealed events are told with their codec only. A damaged bulk file reads as nothing.
    """
    reading = _bulk(directory)
    return Backlog(connection, lambda: reading, sealing)


def _bulk(directory: Path) -> Any:
    """A connection to the bulk file; None if there is none, or none that can be read."""
    try:
        return bulk.open_reading(directory, Vault.open(directory / "master.key"))
    except sqlcipher.Error:
        return None


def verify(directory: Path) -> str:
    """Open the files and let SQLite go through them (`quick_check`); the newest change in them.

    Raises what `open_known` raises, and DatabaseUnreadable with the first damage found.
    """
    if (verdict := _checked(open_known(directory))) != "ok":
        raise DatabaseUnreadable(f"The database in {directory} is damaged: {verdict}.", _RESTORE)
    if (directory / bulk.NAME).exists() and (verdict := _checked(_bulk(directory))) != "ok":
        raise DatabaseUnreadable(
            f"The bulk file {directory / bulk.NAME} is damaged: {verdict}.",
            "Restart storebox: it puts the file aside and declares what waited in it.",
        )
    return migrations.NAMES[-1]


def _checked(connection: Any) -> str:
    """What SQLite says of the file; it is closed then."""
    if connection is None:
        return "it cannot be read"
    try:
        return str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlcipher.Error as error:
        return str(error)
    finally:
        connection.close()


def _check_schema(path: Path, connection: Any) -> None:
    if migrations.missing(path, connection):
        raise DatabaseUnreadable(
            f"The database {path} has not been brought to this version.", "Start the daemon once."
        )
