"""A member of whom there is something in every table that may speak of one; which bytes go when.

Called by tests of what is shown of a person, what goes with a withdrawal and what stays.
"""

from edge import consent
from edge.records import Consent, ConsentKind, Member, Moment, Stream
from edge.sales import CartLine, Order
from edge.storage import (
    answered,
    bindings,
    consent_words,
    documents,
    members,
    mistaken,
    orders,
    staging,
    visits,
)
from edge.storage.answered import Answered
from edge.storage.outbox import Executes
from edge.storage.transaction import Transaction
from edge.visiting import Evidence, SignKind, Stage, Step, Strength, Visit, VisitState
from tests import faces

NOW = Moment(1_700_000_000_000, 5_000, "boot", True)
LINE = CartLine("sku-1", "Ball", 1, 100)
ADDRESS = bytes.fromhex("3c0630aabb")
"""Of each member's phone, but for the last byte: the first letter of their name."""
KINDS = tuple(ConsentKind)


def live(tx: Transaction, name: str, now: Moment = NOW) -> None:
    """A member of whom there is something in every table; each thing names them."""
    agreed = tuple(Consent(kind, 1, "text-7", "till", f"witness-{name}") for kind in KINDS)
    logins = (f"+7900{name}",)
    member = Member(name, f"Name-{name}", f"card-{name}", "gold", "", agreed, logins)
    consent.accept_member(tx, member)
    consent.accept_template(tx, faces.template(name, len(name)))
    consent_words.set_given(tx, name, ConsentKind.FACE, given_ms=1, now=now)
    address = bytearray(ADDRESS + name[:1].encode())
    made = bindings.made(tx, tx.vault, name, address, until_ms=now.wall_ms + 1)
    assert made is not None
    bindings.put(tx, made)
    key = members.key(tx, tx.vault, name)
    assert key is not None
    text = f'{{"points": "of-{name}"}}'.encode()
    row = documents.cells("balances", name, text, (name, key))
    tx.execute("INSERT INTO document VALUES (?, ?, ?, ?)", row)
    answered.put(tx, Answered("balance", f'{{"member":"{name}"}}', name, b'{"a": 1}', now))
    tx.execute(
        "INSERT INTO cart_taken (member, as_of_ms, screen, lines) VALUES (?, 1, 'main', '[]')",
        (name,),
    )
    reasons = (f"the card of {name}",)
    visit = Visit(
        f"v-{name}", VisitState.IDENTIFIED, now, now, "door", name, 0.99, reasons, Stage.BROWSING
    )
    visits.put(tx, visit)
    card = Evidence(name, SignKind.CARD, 7.0, Strength.EXPLICIT, "card", now)
    visits.put_sign(tx, visit.id, "door", card)
    visits.put_steps(tx, visit.id, {1: Step(now, "opened", "door", "came in")})
    orders.put_order(tx, Order(f"o-{name}", "main", (LINE,), 100, "RUB", now, name))
    mistaken.put(tx, name, ConsentKind.FACE, now.wall_ms)
    tx.emit(Stream.CRIT, "order.placed.v1", {"member": name}, now, member=name)
    staging.put_cells(tx, "login", [(name, b"mark")])


SEALED = {
    ConsentKind.FACE: (
        "SELECT vectors_sealed FROM template WHERE member = ?",
        "SELECT mean_sealed FROM face_mean WHERE member = ?",
    ),
    ConsentKind.WIFI: (
        "SELECT mark FROM login WHERE member = ?",
        "SELECT mark FROM binding WHERE member = ?",
        "SELECT address_sealed FROM binding WHERE member = ?",
    ),
    ConsentKind.MARKETING: (),
    ConsentKind.PROGRAMME: (
        "SELECT name_sealed FROM member WHERE id = ?",
        "SELECT wrapped FROM member_key WHERE member = ?",
        "SELECT body FROM document WHERE member = ?",
        "SELECT card FROM member WHERE id = ?",
    ),
}
"""Where the bytes lie that go with each consent; with the programme all do."""
ENDS_BYTES = 40
"""What is long goes over several pages; its ends stand in one each."""


def bytes_of(connection: Executes, name: str, kind: ConsentKind) -> list[bytes]:
    """The bytes that must be nowhere once `name` has taken this consent back."""
    kinds = tuple(ConsentKind) if kind is ConsentKind.PROGRAMME else (kind,)
    found: list[bytes] = []
    for each in kinds:
        for sql in SEALED[each]:
            for (value,) in connection.execute(sql, (name,)).fetchall():
                raw = value.encode() if isinstance(value, str) else bytes(value)
                found += {raw[:ENDS_BYTES], raw[-ENDS_BYTES:]}
    return found
