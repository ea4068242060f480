"""The outbox: whom a waiting event speaks of, and what was given up; bulk moves to its own file."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

STATEMENTS = (
    # '' stands for somebody who was erased since the event was made
    "ALTER TABLE outbox ADD COLUMN member TEXT",
    "CREATE INDEX outbox_member ON outbox(member) WHERE member IS NOT NULL",
    "ALTER TABLE stream ADD COLUMN evicted INTEGER NOT NULL DEFAULT 0",
    # Numbers that will never arrive, declared by the event `declared` of crit
    """
CREATE TABLE hole (
  stream TEXT NOT NULL REFERENCES stream(name),
  first INTEGER NOT NULL,
  last INTEGER NOT NULL,
  reason TEXT NOT NULL,
  declared INTEGER NOT NULL,
  PRIMARY KEY (stream, first)
) WITHOUT ROWID
""",
    "DELETE FROM outbox WHERE stream = 'bulk'",
)


def apply(db: "Database") -> None:
    """Alter and create. Bulk that waited here is found missing at the start, and declared."""
    for statement in STATEMENTS:
        db.execute(statement)
