"""How many people the cameras saw while a radar counted phones: numbers of nobody."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

TABLE = """
CREATE TABLE radar_sample (
  sensor TEXT NOT NULL,
  wall_ms INTEGER NOT NULL,
  phones REAL NOT NULL,
  addresses REAL NOT NULL,
  people REAL NOT NULL,
  PRIMARY KEY (sensor, wall_ms)
) WITHOUT ROWID
"""


def apply(db: "Database") -> None:
    """Create the table."""
    db.execute(TABLE)
