"""Everything on the box that speaks of one person, in one place: what is deleted when they are
erased, and what only loses its link to them.

Called by `edge/erasure.py` inside its transaction. What hangs on the member's row by foreign key
goes with it; a test requires that each table with a member in it is known here.
"""

from edge.storage import members
from edge.storage.outbox import Executes
from edge.storage.vault import Vault

DELETED = {
    "profile": ("member", "id"),
    "consents": ("consent", "member"),
    "consent_words": ("consent_word", "member"),
    "templates": ("template", "member"),
    "logins": ("login", "member"),
    "bindings": ("binding", "member"),
    "documents": ("document", "member"),
    "answers": ("answered", "member"),
    "signs": ("visit_sign", "member"),
    "steps": ("visit_step", "member"),
    "mistaken": ("mistaken", "member"),
    "carts_taken": ("cart_taken", "member"),
}
"""What the receipt calls it, the table, and its column with the member's id."""
LINKED = {
    "visits": (
        "UPDATE visit SET member = NULL, posterior = 0, reasons = '[]', state = 'anonymous'"
        " WHERE member = :member"
    ),
    "orders": "UPDATE placed_order SET member = NULL WHERE member = :member",
    "consent_log": "UPDATE consent_log SET member = NULL, who = :who WHERE member = :member",
}
"""What happened without saying to whom. The log of consents stays as a proof, by a keyed mark."""


def remove(connection: Executes, vault: Vault, member: str) -> dict[str, int]:
    """Delete or unlink everything of `member`; how many rows of each kind."""
    unlinked = {"member": member, "who": vault.pseudonym(member)}
    linked = {
        name: int(connection.execute(unlink, unlinked).rowcount) for name, unlink in LINKED.items()
    }
    counts = counted(connection, member)
    members.erase(connection, member)
    return counts | linked


def counted(connection: Executes, member: str) -> dict[str, int]:
    """How many rows of each kind there are of `member` that an erasure deletes."""
    return {
        name: int(
            connection.execute(
                f"SELECT count(*) FROM {table} WHERE {column} = ?",  # noqa: S608 - constants
                (member,),
            ).fetchone()[0]
        )
        for name, (table, column) in DELETED.items()
    }
