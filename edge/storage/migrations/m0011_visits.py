"""Visits have a stage beside their state, the signs they rest on, and a history."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

# visit: how far it has come stands in stage, how sure it is whose it is in state; last_ms is the
# wall time of last_seen, by which visits are found and deleted.
# reached is the furthest stage before the end, zones what the dwell in each zone was (JSON, ms).
# visit_sign: what an open visit rests on, so that it does after a restart, too.
# visit_step: what happened in it, in order; what names a member goes with them, or with the consent
# that the kind of sign rests on.
# mistaken: whom staff corrected a face or a phone of; the mark hangs on the consent to such signs.
TABLES = """
ALTER TABLE visit ADD COLUMN stage TEXT NOT NULL DEFAULT 'arrived';
ALTER TABLE visit ADD COLUMN counted INTEGER NOT NULL DEFAULT 1;
ALTER TABLE visit ADD COLUMN last_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE visit ADD COLUMN reached TEXT NOT NULL DEFAULT 'arrived';
ALTER TABLE visit ADD COLUMN zones TEXT NOT NULL DEFAULT '{}';
DROP INDEX visit_open;
DROP INDEX visit_member;
UPDATE visit SET
  stage = CASE state WHEN 'left' THEN 'left' ELSE 'arrived' END,
  state = CASE WHEN member IS NULL THEN 'anonymous' WHEN state <> 'left' THEN state
               WHEN posterior >= 0.99 THEN 'identified' ELSE 'suggested' END,
  last_ms = json_extract(last_seen, '$[0]');
CREATE INDEX visit_open ON visit(stage) WHERE stage <> 'left';
CREATE INDEX visit_member ON visit(member, last_ms) WHERE member IS NOT NULL;
CREATE INDEX visit_last ON visit(last_ms);
CREATE TABLE visit_sign (
  visit TEXT NOT NULL REFERENCES visit(id) ON DELETE CASCADE,
  source TEXT NOT NULL,
  member TEXT NOT NULL REFERENCES member(id) ON DELETE CASCADE,
  kind TEXT NOT NULL,
  llr REAL NOT NULL,
  strength TEXT NOT NULL,
  reason TEXT NOT NULL,
  seen TEXT NOT NULL,
  PRIMARY KEY (visit, source)
) WITHOUT ROWID;
CREATE INDEX visit_sign_member ON visit_sign(member);
CREATE TABLE visit_step (
  visit TEXT NOT NULL REFERENCES visit(id) ON DELETE CASCADE,
  number INTEGER NOT NULL,
  at TEXT NOT NULL,
  what TEXT NOT NULL,
  sensor TEXT NOT NULL,
  text TEXT NOT NULL,
  member TEXT REFERENCES member(id) ON DELETE CASCADE,
  sign TEXT,
  llr REAL,
  posterior REAL,
  PRIMARY KEY (visit, number)
) WITHOUT ROWID;
CREATE INDEX visit_step_member ON visit_step(member) WHERE member IS NOT NULL;
CREATE TABLE mistaken (
  member TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('face', 'wifi')),
  until_ms INTEGER NOT NULL,
  PRIMARY KEY (member, kind),
  FOREIGN KEY (member, kind) REFERENCES consent(member, kind) ON DELETE CASCADE
) WITHOUT ROWID;
"""


def apply(db: "Database") -> None:
    """Add the columns, split the state, create the tables."""
    for statement in TABLES.split(";\n"):
        if statement.strip():
            db.execute(statement)
