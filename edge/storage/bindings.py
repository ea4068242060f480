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
    """One address, as it is kept: `mark` finds it, until the wall time `until_ms`. `proved`: the
    phone was seen to be the member's own.
    """

    mark: bytes
    member: str
    address_sealed: bytes
    until_ms: int
    proved: bool = False


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
    """Write or renew it; whoever was bound to the address before is so no longer. What was proved
    of it, or doubted, holds as long as it is the same member's.
    """
    connection.execute(
        "INSERT INTO binding (mark, member, address_sealed, until_ms) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (mark) DO UPDATE SET proved = proved * (member = excluded.member),"
        " doubted_until_ms = doubted_until_ms * (member = excluded.member),"
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
        "SELECT mark, member, address_sealed, until_ms, proved FROM binding WHERE mark = ?",
        (vault.address_mark(address),),
    ).fetchone()
    if row is None:
        return None
    mark, member, sealed, until_ms, proved = row
    return Binding(mark, member, sealed, until_ms, bool(proved))


def prove(connection: Executes, mark: bytes, member: str, wall_ms: int) -> None:
    """The phone with this mark is the member's own, if it is bound to them and not in doubt now."""
    connection.execute(
        "UPDATE binding SET proved = 1 WHERE mark = ? AND member = ? AND doubted_until_ms <= ?",
        (mark, member, wall_ms),
    )


def doubt(connection: Executes, mark: bytes, member: str, until_ms: int) -> None:
    """The phone with this mark is not proved to be the member's own, and by nothing until then."""
    connection.execute(
        "UPDATE binding SET proved = 0, doubted_until_ms = ? WHERE mark = ? AND member = ?",
        (until_ms, mark, member),
    )


def drop_over(connection: Executes, mark: bytes, wall_ms: int) -> None:
    """Delete the binding with this mark if it is over, with what was proved of it."""
    connection.execute("DELETE FROM binding WHERE mark = ? AND until_ms <= ?", (mark, wall_ms))


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
