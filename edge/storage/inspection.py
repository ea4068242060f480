"""Looking at the database from outside: whether it opens, is whole, and of this version.

Used by `storebox doctor` and by commands that read while the daemon is dead. It opens read-only,
repairs nothing and migrates nothing.
"""

from pathlib import Path
from typing import Any

from sqlcipher3 import dbapi2 as sqlcipher

from edge.errors import DatabaseTooNew, DatabaseUnreadable
from edge.storage import migrations
from edge.storage.database import open_reading

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


def verify(directory: Path) -> str:
    """Open the file and let SQLite go through it (`quick_check`); the newest change in it.

    Raises what `open_known` raises, and DatabaseUnreadable with the first damage found.
    """
    connection = open_known(directory)
    try:
        verdict = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlcipher.Error as error:
        verdict = str(error)
    finally:
        connection.close()
    if verdict != "ok":
        raise DatabaseUnreadable(f"The database in {directory} is damaged: {verdict}.", _RESTORE)
    return migrations.NAMES[-1]


def _check_schema(path: Path, connection: Any) -> None:
    if migrations.missing(path, connection):
        raise DatabaseUnreadable(
            f"The database {path} has not been brought to this version.", "Start the daemon once."
        )
