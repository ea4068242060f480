"""Numbered changes of the main file's schema, applied in order at start, each in a transaction.

One module a change, `m0001_...`; a published one is never edited. Called by `edge/storage/database`
when something in `NAMES` has not been applied yet; only then sqlite-utils is loaded.
"""

import importlib
from pathlib import Path
from typing import Any

from edge.errors import DatabaseTooNew

SET = "storebox"
"""Under this name sqlite-utils notes down what has been applied."""
NAMES = (
    "0001_main",
    "0002_outbox",
    "0003_datasets",
    "0004_commands",
    "0005_relay",
    "0006_wifi",
    "0007_opt_outs",
    "0008_radar_samples",
    "0009_faces",
    "0010_enrolment",
    "0011_visits",
    "0012_consent_log",
    "0013_figures",
    "0014_carts",
    "0015_proved_phones",
)
"""Every change this version knows; a file with others was written by a newer storebox."""


def missing(path: Path, connection: Any) -> set[str]:
    """What has not been applied yet. DatabaseTooNew if something was that we do not know."""
    applied = _applied(connection)
    foreign = applied - set(NAMES)
    if foreign:
        raise DatabaseTooNew(
            f"The database {path} was written by a newer storebox (it has {max(foreign)}).",
            "Install that version again, or restore the backup made before the update.",
        )
    return set(NAMES) - applied


def _applied(connection: Any) -> set[str]:
    """What sqlite-utils has noted down; read here, because loading it takes a third of a second."""
    known = connection.execute(
        "SELECT 1 FROM sqlite_master WHERE name = '_sqlite_migrations'"
    ).fetchone()
    if known is None:
        return set()
    rows = connection.execute(
        "SELECT name FROM _sqlite_migrations WHERE migration_set = ?", (SET,)
    ).fetchall()
    return {row[0] for row in rows}


def apply(connection: Any) -> None:
    """Apply what is missing."""
    from sqlite_utils import Database
    from sqlite_utils.migrations import Migrations

    schema = Migrations(SET)
    for name in NAMES:
        schema(name=name)(importlib.import_module(f"{__name__}.m{name}").apply)
    schema.apply(Database(connection))
