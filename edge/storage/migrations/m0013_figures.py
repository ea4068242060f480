"""Figures: cells of five minutes, and the hours and days that they are rolled up to."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

_TABLE = """
CREATE TABLE {} (
  from_ms INTEGER NOT NULL,
  measure TEXT NOT NULL,
  subject TEXT NOT NULL,
  value INTEGER NOT NULL,
  PRIMARY KEY (from_ms, measure, subject)
) WITHOUT ROWID
"""

# figure: one cell; figure_hour, figure_day: what cells come to, in hours and days of the shop.
# figure_due: cells that have changed since their hour or day was rolled up.
# figure_undated: what was counted before the clock was trusted, by the time since the boot; from_ms
# is what the wall clock said.
# figure_told: what was told upstream of the cells of a day that is not told yet; -1: withheld.
TABLES = (
    *(_TABLE.format(name) for name in ("figure", "figure_hour", "figure_day", "figure_told")),
    """
CREATE TABLE figure_due (
  period TEXT NOT NULL,
  from_ms INTEGER NOT NULL,
  PRIMARY KEY (period, from_ms)
) WITHOUT ROWID
""",
    """
CREATE TABLE figure_undated (
  boot TEXT NOT NULL,
  mono_ms INTEGER NOT NULL,
  measure TEXT NOT NULL,
  subject TEXT NOT NULL,
  from_ms INTEGER NOT NULL,
  value INTEGER NOT NULL,
  PRIMARY KEY (boot, mono_ms, measure, subject)
) WITHOUT ROWID
""",
)


def apply(db: "Database") -> None:
    """Create the tables."""
    for statement in TABLES:
        db.execute(statement)
