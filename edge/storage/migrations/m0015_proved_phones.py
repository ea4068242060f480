"""Which bound phones were proved to be their member's, and which sign was from which phone."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

# binding.proved: the phone was on the Wi-Fi in a visit that was its member's by another sign, too.
# binding.doubted_until_ms: it went about with somebody else; until then it is proved by nothing.
# visit_sign.phone: the keyed hash that its binding is found by, of a sign by a phone.
COLUMNS = (
    "ALTER TABLE binding ADD COLUMN proved INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE binding ADD COLUMN doubted_until_ms INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE visit_sign ADD COLUMN phone BLOB",
)


def apply(db: "Database") -> None:
    """Add the columns."""
    for statement in COLUMNS:
        db.execute(statement)
