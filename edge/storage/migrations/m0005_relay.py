"""What a primary box keeps of its satellites' events until the platform has them."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

TABLES = (
    """
CREATE TABLE relayed (
  origin TEXT NOT NULL,
  epoch TEXT NOT NULL,
  stream TEXT NOT NULL,
  first INTEGER NOT NULL,
  last INTEGER NOT NULL,
  payload BLOB NOT NULL,
  PRIMARY KEY (origin, epoch, stream, first)
) WITHOUT ROWID
""",
    """
CREATE TABLE relay_cursor (
  origin TEXT NOT NULL,
  epoch TEXT NOT NULL,
  stream TEXT NOT NULL,
  received INTEGER NOT NULL DEFAULT 0,
  delivered INTEGER NOT NULL DEFAULT 0,
  met INTEGER NOT NULL,
  PRIMARY KEY (origin, epoch, stream)
) WITHOUT ROWID
""",
    """
CREATE TABLE relay_gap (
  origin TEXT NOT NULL,
  epoch TEXT NOT NULL,
  stream TEXT NOT NULL,
  first INTEGER NOT NULL,
  last INTEGER NOT NULL,
  PRIMARY KEY (origin, epoch, stream, first, last)
) WITHOUT ROWID
""",
)


def apply(db: "Database") -> None:
    """Create the tables."""
    for statement in TABLES:
        db.execute(statement)
