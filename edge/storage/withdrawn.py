"""What the history says of a member by signs of one kind, and how it is forgotten when the consent
to that kind is taken back.

Called by `edge/consent.py` inside the transaction in which the consent goes, however it goes. A
visit that rested on such signs alone becomes anybody's; one that rests on more keeps the others as
its reasons. What waits and spoke of the member because of them becomes a tombstone, as with an
erasure: its number must arrive all the same. Bodies of bulk speak of nobody.
"""

import msgspec

from edge.records import Stream
from edge.storage import erased
from edge.storage.outbox import TOMBSTONE_TYPE, Rewrites, Rewritten
from edge.visiting import REASON_BEGINS, SignKind

SEALED_TYPE = "template.sealed.v1"
"""An event that carries a template to the platform, sealed for it."""
ANYBODYS = (
    "UPDATE visit SET member = NULL, posterior = 0, reasons = '[]', state = 'anonymous'"
    " WHERE id = ?"
)


class _Told(msgspec.Struct):
    """Of an event's body: which visit it is about, and the reasons that it gives."""

    visit: str = ""
    reasons: tuple[str, ...] = ()


def forget_signs(tx: Rewrites, member: str, kind: SignKind) -> None:
    """Forget the signs of this kind, those that open visits rest on and those of long ago."""
    begins = REASON_BEGINS[kind]
    touched, alone = _forget_in_visits(tx, member, begins)
    touched += _forget_in_history(tx, member, kind)
    emptied = _forget_in_outbox(tx, member, begins, alone)
    if touched or emptied:
        erased.set_deleted(tx)


def _forget_in_history(tx: Rewrites, member: str, kind: SignKind) -> int:
    """Delete signs and steps of this kind; how many."""
    signs = tx.execute("DELETE FROM visit_sign WHERE member = ? AND kind = ?", (member, kind))
    steps = tx.execute("DELETE FROM visit_step WHERE member = ? AND sign = ?", (member, kind))
    return int(signs.rowcount) + int(steps.rowcount)


def forget_templates(tx: Rewrites, member: str) -> None:
    """Empty the events that carry a template of `member`, sealed, and still wait."""
    sql = "SELECT stream, seq, body FROM outbox WHERE member = ? AND type = ?"
    for stream, seq, body in tx.execute(sql, (member, SEALED_TYPE)).fetchall():
        _empty(tx, Stream(stream), seq, bytes(body))
        erased.set_deleted(tx)


def _forget_in_visits(tx: Rewrites, member: str, begins: str) -> tuple[int, set[str]]:
    """How many visits named such a sign, and those of them that rested on nothing else."""
    touched, alone = 0, set()
    rows = tx.execute("SELECT id, reasons FROM visit WHERE member = ?", (member,)).fetchall()
    for id_, told in rows:
        reasons = msgspec.json.decode(told, type=list[str])
        others = [reason for reason in reasons if not reason.startswith(begins)]
        if len(others) == len(reasons):
            continue
        touched += 1
        if others:
            kept = msgspec.json.encode(others).decode()
            tx.execute("UPDATE visit SET reasons = ? WHERE id = ?", (kept, id_))
        else:
            tx.execute(ANYBODYS, (id_,))
            alone.add(id_)
    return touched, alone


def _forget_in_outbox(tx: Rewrites, member: str, begins: str, visits: set[str]) -> int:
    """Empty the events that give such a reason, or are about one of `visits`; how many."""
    emptied = 0
    sql = "SELECT stream, seq, body FROM outbox WHERE member = ? AND type LIKE 'visit.%'"
    for stream, seq, body in tx.execute(sql, (member,)).fetchall():
        told = msgspec.json.decode(body, type=_Told)
        if told.visit in visits or any(reason.startswith(begins) for reason in told.reasons):
            _empty(tx, Stream(stream), seq, bytes(body))
            emptied += 1
    return emptied


def _empty(tx: Rewrites, stream: Stream, seq: int, body: bytes) -> None:
    """Nothing of the event stays but its number."""
    tx.execute(
        "UPDATE outbox SET type = ?, body = ?, member = '' WHERE stream = ? AND seq = ?",
        (TOMBSTONE_TYPE, b"{}", stream, seq),
    )
    tx.rewritten(Rewritten(stream, seq, body, b"{}"))
