"""Which phone is whose: private addresses from which members logged in to the shop's Wi-Fi lately.

Called by `edge/consent.py`, which decides what may be written and read. A binding is found by the
keyed hash of the address; the address itself is sealed with the member's own key and goes with it.
The schema ties each binding to the consent to Wi-Fi recognition.
"""

from msgspec import Struct

from edge.storage.outbox import Executes
from edge.storage.vault import Vault, seal

PER_MEMBER_MAX = 8
"""Phones of one person, with the addresses they used before; the one bound longest ago goes."""
FIELD = "address"


class Binding(Struct, frozen=True):
    """One address, as it is kept: `mark` finds it, until the wall time `until_ms`."""

    mark: bytes
    member: str
    address_sealed: bytes
    until_ms: int


def made(
    connection: Executes, vault: Vault, member: str, address: bytearray, *, until_ms: int
) -> Binding | None:
    """The binding of `address` to `member`, sealed; None if the box does not know them."""
    row = connection.execute(
        "SELECT wrapped FROM member_key WHERE member = ?", (member,)
    ).fetchone()
    if row is None:
        return None
    key = vault.member_key(member, row[0])
    sealed = seal(key, address, member=member, field=FIELD)
    return Binding(vault.address_mark(address), member, sealed, until_ms)


def put(connection: Executes, binding: Binding) -> None:
    """Write or renew it; whoever was bound to the address before is so no longer."""
    connection.execute(
        "INSERT INTO binding VALUES (?, ?, 'wifi', ?, ?) ON CONFLICT (mark) DO UPDATE SET"
        " member = excluded.member, address_sealed = excluded.address_sealed,"
        " until_ms = excluded.until_ms",
        (binding.mark, binding.member, binding.address_sealed, binding.until_ms),
    )
    connection.execute(
        "DELETE FROM binding WHERE member = ?1 AND mark NOT IN (SELECT mark FROM binding"
        " WHERE member = ?1 ORDER BY until_ms DESC, mark = ?2 DESC LIMIT ?3)",
        (binding.member, binding.mark, PER_MEMBER_MAX),
    )


def find(connection: Executes, vault: Vault, address: bytearray) -> Binding | None:
    """The binding of this address, also one whose time is over."""
    row = connection.execute(
        "SELECT mark, member, address_sealed, until_ms FROM binding WHERE mark = ?",
        (vault.address_mark(address),),
    ).fetchone()
    return Binding(*row) if row else None


def bound_until_ms(connection: Executes, mark: bytes) -> int | None:
    """Until when the address with this mark is bound to somebody; None if to nobody."""
    row = connection.execute("SELECT until_ms FROM binding WHERE mark = ?", (mark,)).fetchone()
    return int(row[0]) if row else None


def expire(connection: Executes, wall_ms: int, longest_ms: int) -> int:
    """Delete those that are over, and those that last longer than any may; how many."""
    return int(
        connection.execute(
            "DELETE FROM binding WHERE until_ms <= ?1 OR until_ms > ?1 + ?2", (wall_ms, longest_ms)
        ).rowcount
    )


def until_ms(connection: Executes, member: str) -> int | None:
    """Until when the member is bound to some address; None if to none."""
    row = connection.execute(
        "SELECT max(until_ms) FROM binding WHERE member = ?", (member,)
    ).fetchone()
    return int(row[0]) if row[0] is not None else None
