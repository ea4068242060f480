"""Datasets as the platform keeps them: what rows the box has, and where the next ones wait."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

LIVE = (
    "DROP TABLE staged",
    """
CREATE TABLE price (
  sku TEXT PRIMARY KEY,
  price_minor INTEGER NOT NULL CHECK (price_minor >= 0),
  member_price_minor INTEGER CHECK (member_price_minor >= 0)
) WITHOUT ROWID
""",
    """
CREATE TABLE document (
  dataset TEXT NOT NULL,
  key TEXT NOT NULL,
  member TEXT REFERENCES member(id) ON DELETE CASCADE,
  body BLOB NOT NULL,
  PRIMARY KEY (dataset, key)
) WITHOUT ROWID
""",
    # Without it the departure of each member would read the whole table.
    "CREATE INDEX document_member ON document(member) WHERE member IS NOT NULL",
    # Every row of the platform's, whether the box could use it or not: the state hashes are made
    # of these. taken: 1 it stands in its table, 0 it may when something else changes, -1 never.
    """
CREATE TABLE replica_row (
  dataset TEXT NOT NULL,
  key TEXT NOT NULL,
  bucket INTEGER NOT NULL,
  hash INTEGER NOT NULL,
  taken INTEGER NOT NULL,
  PRIMARY KEY (dataset, bucket, key)
) WITHOUT ROWID
""",
    "CREATE INDEX replica_missing ON replica_row(dataset, bucket) WHERE taken = 0",
    # What left its table otherwise than by its dataset: a withdrawal, an erasure.
    """
CREATE TABLE replica_lost (
  dataset TEXT NOT NULL,
  key TEXT NOT NULL,
  owner TEXT NOT NULL
)
""",
    # Buckets that are not as the platform has them, or hold rows that may be usable now.
    """
CREATE TABLE replica_broken (
  dataset TEXT NOT NULL,
  bucket INTEGER NOT NULL,
  PRIMARY KEY (dataset, bucket)
) WITHOUT ROWID
""",
)

# Written in the order in which rows come, by bucket, so that few pages change at a time: whatever
# is keyed otherwise has no key here.
STAGE = (
    # op: put, same (as it stands already), bad (unusable: it counts as gone), doubt, gone
    """
CREATE TABLE stage_row (
  dataset TEXT NOT NULL,
  key TEXT NOT NULL,
  bucket INTEGER NOT NULL,
  hash INTEGER NOT NULL,
  op TEXT NOT NULL,
  PRIMARY KEY (dataset, bucket, key)
) WITHOUT ROWID
""",
    """
CREATE TABLE stage_plan (
  dataset TEXT PRIMARY KEY,
  body BLOB NOT NULL
) WITHOUT ROWID
""",
    """
CREATE TABLE stage_piece (
  dataset TEXT NOT NULL,
  piece INTEGER NOT NULL,
  PRIMARY KEY (dataset, piece)
) WITHOUT ROWID
""",
    """
CREATE TABLE stage_member (
  id TEXT NOT NULL,
  card TEXT NOT NULL,
  name_sealed BLOB NOT NULL,
  tier TEXT NOT NULL,
  segment TEXT NOT NULL,
  wrapped BLOB
)
""",
    """
CREATE TABLE stage_consent (
  member TEXT NOT NULL,
  kind TEXT NOT NULL,
  given_ms INTEGER NOT NULL,
  text_version TEXT NOT NULL,
  channel TEXT NOT NULL
)
""",
    """
CREATE TABLE stage_template (
  key TEXT NOT NULL,
  member TEXT NOT NULL,
  model TEXT NOT NULL,
  vectors_sealed BLOB NOT NULL
)
""",
    """
CREATE TABLE stage_product (
  sku TEXT NOT NULL,
  gtin TEXT NOT NULL,
  model TEXT NOT NULL,
  titles TEXT NOT NULL,
  price_minor INTEGER NOT NULL,
  member_price_minor INTEGER,
  colour TEXT NOT NULL,
  size TEXT NOT NULL
)
""",
    """
CREATE TABLE stage_price (
  sku TEXT NOT NULL,
  price_minor INTEGER NOT NULL,
  member_price_minor INTEGER
)
""",
    """
CREATE TABLE stage_stock (
  sku TEXT NOT NULL,
  place TEXT NOT NULL,
  quantity INTEGER NOT NULL,
  as_of_ms INTEGER NOT NULL
)
""",
    """
CREATE TABLE stage_document (
  dataset TEXT NOT NULL,
  key TEXT NOT NULL,
  member TEXT,
  body BLOB NOT NULL
)
""",
)

_TEMPLATE_KEY = (
    "replace(replace(OLD.member, '%', '%25'), '/', '%2F') || '/' ||"
    " replace(replace(OLD.model, '%', '%25'), '/', '%2F')"
)
TRIGGERS = (
    """
CREATE TRIGGER member_left AFTER DELETE ON member BEGIN
  INSERT INTO replica_lost VALUES ('members', OLD.id, OLD.id);
END
""",
    f"""
CREATE TRIGGER template_left AFTER DELETE ON template BEGIN
  INSERT INTO replica_lost VALUES ('templates', {_TEMPLATE_KEY}, OLD.member);
END
""",  # noqa: S608
    """
CREATE TRIGGER document_left AFTER DELETE ON document WHEN OLD.member IS NOT NULL BEGIN
  INSERT INTO replica_lost VALUES (OLD.dataset, OLD.key, OLD.member);
END
""",
)


def apply(db: "Database") -> None:
    """Create tables and triggers."""
    for statement in (*LIVE, *STAGE, *TRIGGERS):
        db.execute(statement)
