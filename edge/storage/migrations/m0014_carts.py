"""Which web carts were continued at a screen, and which lines of a cart are an offer."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

# cart_taken: the cart of as_of_ms is not offered again, unless it is given back; screen has its
# lines still, NULL once they were ordered.
# cart_line.offer: the line has a price for members alone.
TABLES = """
CREATE TABLE cart_taken (
  member TEXT NOT NULL PRIMARY KEY REFERENCES member(id) ON DELETE CASCADE,
  as_of_ms INTEGER NOT NULL,
  screen TEXT,
  lines TEXT NOT NULL
) WITHOUT ROWID;
ALTER TABLE cart_line ADD COLUMN offer INTEGER NOT NULL DEFAULT 0;
CREATE INDEX cart_taken_screen ON cart_taken(screen) WHERE screen IS NOT NULL;
"""


def apply(db: "Database") -> None:
    """Create the table."""
    for statement in TABLES.split(";\n"):
        if statement.strip():
            db.execute(statement)
