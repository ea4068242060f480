"""What the platform told the box to do, what it answered, and how long ago it was heard."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

TABLES = (
    """
CREATE TABLE erased (
  who BLOB PRIMARY KEY,
  wall_ms INTEGER NOT NULL
) WITHOUT ROWID
""",
    """
CREATE TABLE commanded (
  counter INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  type TEXT NOT NULL,
  ok INTEGER NOT NULL,
  reason TEXT NOT NULL,
  wall_ms INTEGER NOT NULL
)
""",
    """
CREATE TABLE answered (
  kept INTEGER PRIMARY KEY,
  service TEXT NOT NULL,
  subject TEXT NOT NULL,
  member TEXT REFERENCES member(id) ON DELETE CASCADE,
  value BLOB NOT NULL,
  wall_ms INTEGER NOT NULL,
  mono_ms INTEGER NOT NULL,
  boot TEXT NOT NULL,
  trusted INTEGER NOT NULL,
  UNIQUE (service, subject)
)
""",
    # Without it the erasure of each member would read the whole table.
    "CREATE INDEX answered_member ON answered(member) WHERE member IS NOT NULL",
    """
CREATE TABLE stopwatch (
  name TEXT PRIMARY KEY,
  passed_ms INTEGER NOT NULL,
  mono_ms INTEGER NOT NULL,
  boot TEXT NOT NULL,
  wall_ms INTEGER
) WITHOUT ROWID
""",
    "CREATE INDEX visit_member ON visit(member) WHERE member IS NOT NULL",
    "CREATE INDEX order_member ON placed_order(member) WHERE member IS NOT NULL",
)


def apply(db: "Database") -> None:
    """Create the tables and indexes."""
    for statement in TABLES:
        db.execute(statement)
