"""What a platform says of carts, wishes and orders to collect, kept as the replica keeps it."""

import msgspec

from edge.documents import Cart, Collect, Purchase, Wish
from edge.storage import documents, members
from edge.storage.database import Database, Transaction


async def platform_says(database: Database, *rows: Cart | Wish | Collect | Purchase) -> None:
    """Each row as its dataset has it, sealed with the key of the member it names."""

    def change(tx: Transaction) -> None:
        for row in rows:
            dataset, key = _place(row)
            assert row.member is not None
            own = members.key(tx, tx.vault, row.member)
            assert own is not None, "the box does not know that member"
            cells = documents.cells(dataset, key, msgspec.json.encode(row), (row.member, own))
            tx.execute("INSERT OR REPLACE INTO document VALUES (?, ?, ?, ?)", cells)

    await database.transact(change)


def _place(row: Cart | Wish | Collect | Purchase) -> tuple[str, str]:
    if isinstance(row, Cart):
        return "carts", row.member
    if isinstance(row, Wish):
        return "wishes", f"{row.member}/{row.sku}"
    if isinstance(row, Purchase):
        return "history", f"{row.receipt}/{row.sku}"
    return "collect", row.number
