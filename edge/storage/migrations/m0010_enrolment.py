"""What members agreed to or took back on this box itself."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

# given_ms: of the consent that was given here last, and holds against rows of the platform that do
# not know of it yet, until until_ms (null: no clock could be trusted so far). Null if none does.
# withdrawn_ms: every consent that was given then or earlier was taken back. Null if none was.
TABLE = """
CREATE TABLE consent_word (
  member TEXT NOT NULL REFERENCES member(id) ON DELETE CASCADE,
  kind TEXT NOT NULL,
  given_ms INTEGER,
  until_ms INTEGER,
  withdrawn_ms INTEGER,
  PRIMARY KEY (member, kind),
  CHECK (given_ms IS NULL OR withdrawn_ms IS NULL OR given_ms > withdrawn_ms)
) WITHOUT ROWID
"""


def apply(db: "Database") -> None:
    """Create the table."""
    db.execute(TABLE)
