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
  mark TEXT,
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
    """
CREATE TABLE relay_kept (
  stream TEXT PRIMARY KEY,
  bytes INTEGER NOT NULL
) WITHOUT ROWID
""",
    # Counted here, because adding up thousands of batches for each one that comes takes too long.
    """
CREATE TRIGGER relay_keep AFTER INSERT ON relayed BEGIN
  INSERT INTO relay_kept VALUES (NEW.stream, length(NEW.payload) + 256)
    ON CONFLICT (stream) DO UPDATE SET bytes = bytes + excluded.bytes;
END
""",
    """
CREATE TRIGGER relay_drop AFTER DELETE ON relayed BEGIN
  UPDATE relay_kept SET bytes = bytes - length(OLD.payload) - 256 WHERE stream = OLD.stream;
END
""",
)


def apply(db: "Database") -> None:
    """Create the tables."""
    for statement in TABLES:
        db.execute(statement)
