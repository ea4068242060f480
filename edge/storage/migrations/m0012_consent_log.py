"""Who witnessed a consent, the log of consents given and ended, and an order's day by an index."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

TABLES = (
    "ALTER TABLE consent ADD COLUMN witness TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE stage_consent ADD COLUMN witness TEXT NOT NULL DEFAULT ''",
    # said_ms: when it was given or ended, as told; noted_ms: when the box wrote it down, by a clock
    # that was trusted or not. A row names the member as long as they are here. The schema does not
    # let it outlive them: then it bears a keyed mark in place of the name (`who`).
    """
CREATE TABLE consent_log (
  number INTEGER PRIMARY KEY,
  member TEXT REFERENCES member(id),
  who BLOB,
  kind TEXT NOT NULL,
  what TEXT NOT NULL,
  said_ms INTEGER NOT NULL,
  noted_ms INTEGER NOT NULL,
  trusted INTEGER NOT NULL,
  text_version TEXT NOT NULL,
  channel TEXT NOT NULL,
  witness TEXT NOT NULL,
  CHECK ((member IS NULL) <> (who IS NULL))
)
""",
    "CREATE INDEX consent_log_member ON consent_log(member, kind, said_ms)"
    " WHERE member IS NOT NULL",
    # Of who may not be here one row is enough, however often the platform sends theirs.
    "CREATE INDEX consent_log_refused ON consent_log(kind) WHERE what = 'refused'",
    "CREATE INDEX consent_log_who ON consent_log(who) WHERE who IS NOT NULL",
    "CREATE INDEX consent_log_noted ON consent_log(noted_ms)",
    "CREATE INDEX order_placed ON placed_order(json_extract(placed, '$[0]'))",
)


def apply(db: "Database") -> None:
    """Add the columns, create table and indexes."""
    for statement in TABLES:
        db.execute(statement)
