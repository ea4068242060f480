"""What members agreed to or took back on this box, and how often a template was extended."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

STATEMENTS = (
    # The last word that a member said here about one kind. given: it holds against rows of the
    # platform that do not know of it yet, until until_ms (null: no clock could be trusted so far).
    # withdrawn: it holds against every consent given_ms or earlier.
    """
CREATE TABLE consent_word (
  member TEXT NOT NULL REFERENCES member(id) ON DELETE CASCADE,
  kind TEXT NOT NULL,
  word TEXT NOT NULL CHECK (word IN ('given', 'withdrawn')),
  given_ms INTEGER NOT NULL,
  until_ms INTEGER,
  PRIMARY KEY (member, kind)
) WITHOUT ROWID
""",
    # The schema itself allows no third time.
    """
CREATE TABLE extension (
  member TEXT NOT NULL,
  model TEXT NOT NULL,
  times INTEGER NOT NULL CHECK (times BETWEEN 1 AND 2),
  PRIMARY KEY (member, model),
  FOREIGN KEY (member, model) REFERENCES template(member, model) ON DELETE CASCADE
) WITHOUT ROWID
""",
    # However it goes, no byte of it may be left in the file or its log (`erased.set_deleted`).
    """
CREATE TRIGGER template_gone AFTER DELETE ON template BEGIN
  INSERT OR REPLACE INTO meta VALUES ('erased', 'deleted');
END
""",
)


def apply(db: "Database") -> None:
    """Create tables and trigger."""
    for statement in STATEMENTS:
        db.execute(statement)
