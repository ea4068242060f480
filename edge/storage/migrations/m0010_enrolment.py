"""What members agreed to or took back on this box itself."""

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
)


def apply(db: "Database") -> None:
    """Create the table."""
    for statement in STATEMENTS:
        db.execute(statement)
