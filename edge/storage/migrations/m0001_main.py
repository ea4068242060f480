"""The first schema: outbox, members with consents and sealed templates, goods, visits, orders."""

import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE sequence (name TEXT PRIMARY KEY, last INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE stream (
  name TEXT PRIMARY KEY,
  last_seq INTEGER NOT NULL DEFAULT 0,
  upto INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE outbox (
  stream TEXT NOT NULL REFERENCES stream(name),
  seq INTEGER NOT NULL,
  type TEXT NOT NULL,
  wall_ms INTEGER NOT NULL,
  mono_ms INTEGER NOT NULL,
  boot TEXT NOT NULL,
  trusted INTEGER NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (stream, seq)
) WITHOUT ROWID;

CREATE TABLE member (
  id TEXT PRIMARY KEY,
  card TEXT NOT NULL UNIQUE,
  name_sealed BLOB NOT NULL,
  tier TEXT NOT NULL,
  segment TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE member_key (
  member TEXT PRIMARY KEY REFERENCES member(id) ON DELETE CASCADE,
  wrapped BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE consent (
  member TEXT NOT NULL REFERENCES member(id) ON DELETE CASCADE,
  kind TEXT NOT NULL,
  given_ms INTEGER NOT NULL,
  text_version TEXT NOT NULL,
  channel TEXT NOT NULL,
  PRIMARY KEY (member, kind)
) WITHOUT ROWID;
CREATE TABLE template (
  member TEXT NOT NULL,
  kind TEXT NOT NULL DEFAULT 'face' CHECK (kind = 'face'),
  model TEXT NOT NULL,
  vectors_sealed BLOB NOT NULL,
  PRIMARY KEY (member, model),
  -- the database itself refuses a template without the member's consent to face recognition,
  -- and drops it with the consent
  FOREIGN KEY (member, kind) REFERENCES consent(member, kind) ON DELETE CASCADE
) WITHOUT ROWID;

CREATE TABLE product (
  sku TEXT PRIMARY KEY,
  gtin TEXT NOT NULL,
  model TEXT NOT NULL,
  titles TEXT NOT NULL,
  price_minor INTEGER NOT NULL CHECK (price_minor >= 0),
  member_price_minor INTEGER CHECK (member_price_minor >= 0),
  colour TEXT NOT NULL,
  size TEXT NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX product_gtin ON product(gtin);
CREATE INDEX product_model ON product(model);
CREATE TABLE stock (
  sku TEXT NOT NULL,
  place TEXT NOT NULL,
  quantity INTEGER NOT NULL,
  as_of_ms INTEGER NOT NULL,
  PRIMARY KEY (sku, place)
) WITHOUT ROWID;
CREATE TABLE dataset (
  name TEXT PRIMARY KEY,
  generation TEXT NOT NULL,
  version INTEGER NOT NULL,
  applied_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE staged (
  dataset TEXT NOT NULL,
  generation TEXT NOT NULL,
  version INTEGER NOT NULL,
  part INTEGER NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (dataset, generation, version, part)
) WITHOUT ROWID;

CREATE TABLE visit (
  id TEXT PRIMARY KEY,
  state TEXT NOT NULL,
  opened TEXT NOT NULL,
  last_seen TEXT NOT NULL,
  sensor TEXT NOT NULL,
  member TEXT,
  posterior REAL NOT NULL,
  reasons TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX visit_open ON visit(state) WHERE state <> 'left';

CREATE TABLE cart_line (
  screen TEXT NOT NULL,
  sku TEXT NOT NULL,
  title TEXT NOT NULL,
  quantity INTEGER NOT NULL CHECK (quantity > 0),
  unit_price_minor INTEGER NOT NULL CHECK (unit_price_minor >= 0),
  PRIMARY KEY (screen, sku)
) WITHOUT ROWID;
CREATE TABLE placed_order (
  number TEXT PRIMARY KEY,
  screen TEXT NOT NULL,
  lines TEXT NOT NULL,
  total_minor INTEGER NOT NULL,
  currency TEXT NOT NULL,
  placed TEXT NOT NULL,
  member TEXT
) WITHOUT ROWID;
"""


def apply(db: "Database") -> None:
    """Create all tables (statement by statement: a script would end the transaction)."""
    for statement in _statements(TABLES):
        db.execute(statement)
    for stream in ("crit", "visit", "bulk"):
        db.execute("INSERT INTO stream (name) VALUES (?)", [stream])
    # Event ids start with it: a new file can never reuse the numbers of an older one.
    db.execute("INSERT INTO meta VALUES ('epoch', ?)", [secrets.token_hex(4)])


def _statements(script: str) -> list[str]:
    """The schema's own text has no ';' inside a statement."""
    return [part for part in script.split(";\n") if part.strip()]
