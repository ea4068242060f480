"""Whose a login to the shop's Wi-Fi is, and which phone logged in with it lately."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

TABLES = (
    # Both as templates: the database itself refuses them without the member's consent to Wi-Fi
    # recognition, and drops them with it. Neither names a login or an address.
    """
CREATE TABLE login (
  mark BLOB NOT NULL,
  member TEXT NOT NULL,
  kind TEXT NOT NULL DEFAULT 'wifi' CHECK (kind = 'wifi'),
  PRIMARY KEY (mark, member),
  FOREIGN KEY (member, kind) REFERENCES consent(member, kind) ON DELETE CASCADE
) WITHOUT ROWID
""",
    "CREATE INDEX login_member ON login(member)",
    """
CREATE TABLE binding (
  mark BLOB PRIMARY KEY,
  member TEXT NOT NULL,
  kind TEXT NOT NULL DEFAULT 'wifi' CHECK (kind = 'wifi'),
  address_sealed BLOB NOT NULL,
  until_ms INTEGER NOT NULL,
  FOREIGN KEY (member, kind) REFERENCES consent(member, kind) ON DELETE CASCADE
) WITHOUT ROWID
""",
    "CREATE INDEX binding_member ON binding(member)",
    "CREATE TABLE stage_login (member TEXT NOT NULL, mark BLOB NOT NULL)",
    # However they go, no byte of them may be left in the file or its log (`erased.set_deleted`).
    """
CREATE TRIGGER login_left AFTER DELETE ON login BEGIN
  INSERT OR REPLACE INTO meta VALUES ('erased', 'deleted');
END
""",
    """
CREATE TRIGGER binding_left AFTER DELETE ON binding BEGIN
  INSERT OR REPLACE INTO meta VALUES ('erased', 'deleted');
END
""",
)


def apply(db: "Database") -> None:
    """Create tables, indexes and triggers."""
    for statement in TABLES:
        db.execute(statement)
