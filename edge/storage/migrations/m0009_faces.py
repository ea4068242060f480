"""Means of face templates, which alone are read for matching, and strangers' scores as numbers."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

TABLES = (
    # Narrow, in order and with the member's key as wrapped as ever, so that a gallery of 100 000 is
    # read in one go. It hangs on the template, and with it on the consent to face recognition.
    """
CREATE TABLE face_mean (
  model TEXT NOT NULL,
  member TEXT NOT NULL,
  photos INTEGER NOT NULL CHECK (photos > 0),
  wrapped BLOB NOT NULL,
  mean_sealed BLOB NOT NULL,
  PRIMARY KEY (model, member),
  FOREIGN KEY (member, model) REFERENCES template(member, model) ON DELETE CASCADE
) WITHOUT ROWID
""",
    # How many tracks of strangers scored how high: whole numbers, of one table.
    """
CREATE TABLE stranger (
  measured_by TEXT PRIMARY KEY,
  counts TEXT NOT NULL,
  since_ms INTEGER NOT NULL
) WITHOUT ROWID
""",
    # Who may be matched, read in one go.
    "CREATE INDEX consent_face ON consent(member) WHERE kind = 'face'",
    "ALTER TABLE template ADD COLUMN created_ms INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE template ADD COLUMN source TEXT NOT NULL DEFAULT 'platform'",
    "ALTER TABLE template ADD COLUMN extended INTEGER NOT NULL DEFAULT 0",
    # What was staged in the form before is asked for again.
    "DELETE FROM stage_template",
    "DELETE FROM stage_row WHERE dataset = 'templates'",
    "DELETE FROM stage_piece WHERE dataset = 'templates'",
    "ALTER TABLE stage_template ADD COLUMN photos INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE stage_template ADD COLUMN mean_sealed BLOB NOT NULL DEFAULT x''",
    # Sealing needs the keys, which no migration has: `templates.convert` does it, and ends this.
    "INSERT INTO meta SELECT 'templates_of_0008', '1' WHERE EXISTS (SELECT 1 FROM template)",
    "INSERT INTO meta VALUES ('faces', '0')",
)
CHANGED = "UPDATE meta SET value = value + 1 WHERE name = 'faces'"
TRIGGERS = (
    f"CREATE TRIGGER face_mean_came AFTER INSERT ON face_mean BEGIN {CHANGED}; END",
    f"CREATE TRIGGER face_mean_changed AFTER UPDATE ON face_mean BEGIN {CHANGED}; END",
    # However it goes, no byte of it may be left in the file or its log (`erased.set_deleted`).
    f"""
CREATE TRIGGER face_mean_left AFTER DELETE ON face_mean BEGIN
  {CHANGED};
  INSERT OR REPLACE INTO meta VALUES ('erased', 'deleted');
END
""",  # noqa: S608 - constants
)


def apply(db: "Database") -> None:
    """Create tables and triggers."""
    for statement in (*TABLES, *TRIGGERS):
        db.execute(statement)
