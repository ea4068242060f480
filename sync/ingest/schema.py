"""The tables of the platform's database, for SQLite and PostgreSQL alike.

Read by the two stores beside it when they open a database. `{serial}`, `{bytes}` and `{compact}`
are filled in by each in its own words; everything else is SQL that both understand.
"""

NEWEST_TABLE = "enrolment"
"""Where it stands, this version of the platform has made its tables."""

TABLES = """
CREATE TABLE IF NOT EXISTS received (
  position {serial},
  address TEXT NOT NULL,
  epoch TEXT NOT NULL,
  stream TEXT NOT NULL,
  seq BIGINT NOT NULL,
  type TEXT NOT NULL,
  digest TEXT NOT NULL,
  body {bytes} NOT NULL,
  event_ms BIGINT NOT NULL,
  mono_ms BIGINT NOT NULL,
  boot TEXT NOT NULL,
  clock_trusted INTEGER NOT NULL,
  happened_ms BIGINT NOT NULL,
  received_ms BIGINT NOT NULL
);
-- event_ms is the box's wall clock, however wrong; happened_ms the best that is known.
-- Not UNIQUE: the log must be able to show that something was stored twice.
CREATE INDEX IF NOT EXISTS received_event ON received(address, epoch, stream, seq);
-- Up to where each stream is complete; event_ms and sent_ms of the last batch, by the box's clock.
CREATE TABLE IF NOT EXISTS cursor (
  address TEXT NOT NULL,
  epoch TEXT NOT NULL,
  stream TEXT NOT NULL,
  upto BIGINT NOT NULL,
  event_ms BIGINT NOT NULL DEFAULT 0,
  sent_ms BIGINT NOT NULL DEFAULT 0,
  received_ms BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (address, epoch, stream)
) {compact};
-- Numbers that will never come: declared by the box, refused for good, or lost by a platform
-- that was restored from a backup.
CREATE TABLE IF NOT EXISTS gap (
  address TEXT NOT NULL,
  epoch TEXT NOT NULL,
  stream TEXT NOT NULL,
  first BIGINT NOT NULL,
  last BIGINT NOT NULL,
  reason TEXT NOT NULL,
  PRIMARY KEY (address, epoch, stream, first, last)
) {compact};
CREATE TABLE IF NOT EXISTS quarantine (
  position {serial},
  topic TEXT NOT NULL,
  reason TEXT NOT NULL,
  payload {bytes} NOT NULL,
  received_ms BIGINT NOT NULL
);
-- What each box said last; `hello` is its own JSON.
CREATE TABLE IF NOT EXISTS box (
  address TEXT PRIMARY KEY,
  online INTEGER NOT NULL,
  conn BIGINT NOT NULL,
  epoch TEXT NOT NULL,
  hello {bytes} NOT NULL,
  commands BIGINT NOT NULL,
  seen_ms BIGINT NOT NULL
);
-- Signed commands. A counter is never given twice to a box; `done` holds the box's own answer.
CREATE TABLE IF NOT EXISTS command (
  address TEXT NOT NULL,
  counter BIGINT NOT NULL,
  id TEXT NOT NULL UNIQUE,
  type TEXT NOT NULL,
  exp BIGINT NOT NULL,
  payload {bytes} NOT NULL,
  made_ms BIGINT NOT NULL,
  sent_ms BIGINT NOT NULL DEFAULT 0,
  done {bytes},
  PRIMARY KEY (address, counter)
);
-- Whose a coupon is. The primary key makes a claim atomic whatever worker is asked.
CREATE TABLE IF NOT EXISTS coupon (
  coupon TEXT PRIMARY KEY,
  holder TEXT NOT NULL,
  confirmed INTEGER NOT NULL,
  claimed_ms BIGINT NOT NULL
);
-- Codes that a box may be enrolled with, once; only their hash is kept.
CREATE TABLE IF NOT EXISTS enrolment (
  code_hash TEXT PRIMARY KEY,
  address TEXT NOT NULL,
  expires_ms BIGINT NOT NULL,
  used_ms BIGINT NOT NULL DEFAULT 0,
  key_hash TEXT NOT NULL DEFAULT ''
);
"""
