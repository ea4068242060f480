"""Snapshots from the platform: parts waiting to be complete, and which version was applied last.

Called by the replica inside its transactions; it looks into no part. What a dataset's rows become
is written by `members` and `goods`.
"""

from edge.storage.outbox import Executes


def applied(connection: Executes) -> dict[str, tuple[str, int]]:
    """The (generation, version) of each dataset that has been applied."""
    rows = connection.execute("SELECT name, generation, version FROM dataset").fetchall()
    return {name: (generation, version) for name, generation, version in rows}


def set_applied(connection: Executes, name: str, version: tuple[str, int], wall_ms: int) -> None:
    """Remember that this version stands in the tables now; its parts are dropped."""
    connection.execute(
        "INSERT OR REPLACE INTO dataset VALUES (?, ?, ?, ?)", (name, *version, wall_ms)
    )
    connection.execute("DELETE FROM staged WHERE dataset = ?", (name,))


def stage(
    connection: Executes, name: str, version: tuple[str, int], *, part: int, body: bytes
) -> None:
    """Keep one part. Parts of any other version of this dataset are dropped: it supersedes them."""
    connection.execute(
        "DELETE FROM staged WHERE dataset = ? AND (generation, version) <> (?, ?)",
        (name, *version),
    )
    connection.execute(
        "INSERT OR REPLACE INTO staged VALUES (?, ?, ?, ?, ?)", (name, *version, part, body)
    )


def staged_parts(connection: Executes, name: str) -> list[int]:
    """The numbers of the parts that have arrived, in order."""
    rows = connection.execute(
        "SELECT part FROM staged WHERE dataset = ? ORDER BY part", (name,)
    ).fetchall()
    return [part for (part,) in rows]


def anything_staged(connection: Executes) -> bool:
    """Whether parts of any dataset wait for others."""
    return bool(connection.execute("SELECT EXISTS (SELECT 1 FROM staged)").fetchone()[0])


def staged_body(connection: Executes, name: str, part: int) -> bytes:
    """One part as it came."""
    (body,) = connection.execute(
        "SELECT body FROM staged WHERE dataset = ? AND part = ?", (name, part)
    ).fetchone()
    return bytes(body)


def member_ids(connection: Executes) -> set[str]:
    """Every member on the box."""
    return {row[0] for row in connection.execute("SELECT id FROM member").fetchall()}


def template_keys(connection: Executes) -> set[tuple[str, str]]:
    """Every template on the box, as (member, model)."""
    return set(connection.execute("SELECT member, model FROM template").fetchall())


def skus(connection: Executes) -> set[str]:
    """Every product on the box."""
    return {row[0] for row in connection.execute("SELECT sku FROM product").fetchall()}


def stock_keys(connection: Executes) -> set[tuple[str, str]]:
    """Every stock figure on the box, as (SKU, place)."""
    return set(connection.execute("SELECT sku, place FROM stock").fetchall())
