"""Who asked not to be counted by the radars: a keyed hash of an address, and since when."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

TABLE = """
CREATE TABLE opted_out (
  mark BLOB PRIMARY KEY,
  since_ms INTEGER NOT NULL
) WITHOUT ROWID
"""


def apply(db: "Database") -> None:
    """Create the table."""
    db.execute(TABLE)
