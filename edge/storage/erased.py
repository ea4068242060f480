"""Who has been erased on the platform's order, for ever: no snapshot or backup brings them back.

Written by `edge/erasure.py`; asked by whatever takes members, or rows that hang on members, onto
the box. A person stands here as an HMAC of their id under the box's own key, so that the table
names nobody. It is never shortened: 100,000 erasures take 5 MB, and each that were dropped could
come back. A person who joins again gets another id.
"""

from collections.abc import Iterable

from edge.storage.outbox import Executes
from edge.storage.vault import Vault


def add(connection: Executes, vault: Vault, member: str, wall_ms: int) -> bool:
    """Remember that `member` is erased; False if that was known."""
    added = connection.execute(
        "INSERT OR IGNORE INTO erased VALUES (?, ?)", (vault.pseudonym(member), wall_ms)
    )
    return bool(added.rowcount)


def contains(connection: Executes, vault: Vault, member: str) -> bool:
    """Whether `member` is erased."""
    row = connection.execute(
        "SELECT 1 FROM erased WHERE who = ?", (vault.pseudonym(member),)
    ).fetchone()
    return row is not None


def all_of(connection: Executes, vault: Vault, members: Iterable[str]) -> frozenset[str]:
    """Those of `members` who are erased. For many at once: the table is read once."""
    known = {bytes(row[0]) for row in connection.execute("SELECT who FROM erased").fetchall()}
    if not known:
        return frozenset()
    return frozenset(member for member in members if vault.pseudonym(member) in known)


def count(connection: Executes) -> int:
    """How many have been erased on this box."""
    return int(connection.execute("SELECT count(*) FROM erased").fetchone()[0])


# --- what an erasure leaves in the file. `meta` says whether bytes may be left: "deleted" if some
# are, "receipt" if none but those of receipts that name somebody and have not left yet. While a
# scrub is under way it says what will be true after it, so that neither a power cut nor a reader
# in the way ends in a file that is believed to be clean.

_SCRUBBING = "scrubbing: "
DELETED, RECEIPT = "deleted", "receipt"


def set_deleted(connection: Executes) -> None:
    """Something was deleted whose bytes may be left in the file or its log."""
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('erased', ?)", (DELETED,))


def left(connection: Executes) -> str:
    """What may be left: `DELETED`, `RECEIPT`, what a scrub under way leaves, or nothing."""
    row = connection.execute("SELECT value FROM meta WHERE name = 'erased'").fetchone()
    return str(row[0]) if row else ""


def to_be_scrubbed(connection: Executes, receipt: str) -> bool:
    """Whether bytes are left that need not wait. `receipt` is the type of the receipts."""
    some = left(connection)
    return bool(some) and (some != RECEIPT or not _waits(connection, receipt))


def set_scrubbing(connection: Executes, receipt: str) -> None:
    """What is deleted by now is about to be scrubbed."""
    after = RECEIPT if _waits(connection, receipt) else "clean"
    connection.execute("UPDATE meta SET value = ? WHERE name = 'erased'", (_SCRUBBING + after,))


def set_scrubbed(connection: Executes) -> None:
    """That scrub is done; if something was deleted meanwhile, there is another one to come."""
    connection.execute(
        "UPDATE meta SET value = 'receipt' WHERE name = 'erased' AND value = ?",
        (_SCRUBBING + "receipt",),
    )
    connection.execute(
        "DELETE FROM meta WHERE name = 'erased' AND value = ?", (_SCRUBBING + "clean",)
    )


def receipts_waiting_ms(connection: Executes, receipt: str) -> list[int]:
    """Of which moments receipts have not been acknowledged yet."""
    rows = connection.execute(
        "SELECT wall_ms FROM outbox WHERE stream = 'crit' AND type = ?", (receipt,)
    ).fetchall()
    return [int(wall_ms) for (wall_ms,) in rows]


def _waits(connection: Executes, receipt: str) -> bool:
    row = connection.execute(
        "SELECT 1 FROM outbox WHERE stream = 'crit' AND type = ? LIMIT 1", (receipt,)
    ).fetchone()
    return row is not None
