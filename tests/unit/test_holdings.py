"""What is held on a person can be shown to them: all of it, opened, and nobody else's."""

import base64
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from edge import consent
from edge.records import Consent, ConsentKind, Member, Moment, Stream
from edge.sales import CartLine, Order
from edge.storage import (
    answered,
    bindings,
    consent_words,
    documents,
    holdings,
    members,
    orders,
    staging,
    visits,
)
from edge.storage.answered import Answered
from edge.storage.database import Database
from edge.storage.transaction import Transaction
from edge.visiting import Stage, Visit, VisitState
from tests import faces

NOW = Moment(1_700_000_000_000, 5_000, "boot", True)
LINE = CartLine("sku-1", "Ball", 1, 100)
ADDRESS = bytearray.fromhex("3c0630aabbcc")
KINDS = (ConsentKind.FACE, ConsentKind.PROGRAMME, ConsentKind.WIFI)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(tmp_path / "state")
    yield opened
    opened.close()


def live(tx: Transaction, name: str) -> None:
    """A member of whom there is something in every table; each thing names them."""
    agreed = tuple(Consent(kind, 1, "text-7", "till", f"witness-{name}") for kind in KINDS)
    logins = (f"+7900{name}",)
    member = Member(name, f"Name-{name}", f"card-{name}", "gold", "", agreed, logins)
    consent.accept_member(tx, member)
    consent.accept_template(tx, faces.template(name, len(name)))
    consent_words.set_given(tx, name, ConsentKind.FACE, given_ms=1, now=NOW)
    address = bytearray(ADDRESS[:5]) + name[0].encode()
    made = bindings.made(tx, tx.vault, name, address, until_ms=NOW.wall_ms + 1)
    assert made is not None
    bindings.put(tx, made)
    key = members.key(tx, tx.vault, name)
    assert key is not None
    text = f'{{"points": "of-{name}"}}'.encode()
    row = documents.cells("balances", name, text, (name, key))
    tx.execute("INSERT INTO document VALUES (?, ?, ?, ?)", row)
    answered.put(tx, Answered("balance", f'{{"member":"{name}"}}', name, b'{"a": 1}', NOW))
    tx.execute(
        "INSERT INTO cart_taken (member, as_of_ms, screen, lines) VALUES (?, 1, 'main', '[]')",
        (name,),
    )
    reasons = (f"the card of {name}",)
    visit = Visit(
        f"v-{name}", VisitState.IDENTIFIED, NOW, NOW, "door", name, 0.99, reasons, Stage.BROWSING
    )
    visits.put(tx, visit)
    seen = msgspec.json.encode(NOW).decode()
    tx.execute(
        "INSERT INTO visit_sign VALUES (?, 'door', ?, 'card', 7.0, 'explicit', 'card', ?)",
        (visit.id, name, seen),
    )
    tx.execute(
        "INSERT INTO visit_step VALUES (?, 1, ?, 'opened', 'door', 'came in', NULL, NULL, NULL)",
        (visit.id, seen),
    )
    orders.put_order(tx, Order(f"o-{name}", "main", (LINE,), 100, "RUB", NOW, name))
    tx.emit(Stream.CRIT, "order.placed.v1", {"member": name}, NOW, member=name)
    staging.put_cells(tx, "login", [(name, b"mark")])
    consent.withdraw(tx, name, ConsentKind.MARKETING, NOW)
    consent.note_refused(tx, [name], ConsentKind.MARKETING, NOW)


async def test_of_each_kind_there_is_something_to_show_and_nothing_of_others(database):
    for name in ("anna", "boris"):
        await database.transact(lambda tx, name=name: live(tx, name))
    found = holdings.everything(database.reading, database.vault, "anna")
    assert found is not None
    assert [each.name for each in found.held if not each.rows] == []
    text = msgspec.json.encode(found).decode()
    assert "boris" not in text
    for thing in ("Name-anna", "card-anna", "witness-anna", "of-anna", "v-anna", "o-anna"):
        assert thing in text
    assert (bytes(ADDRESS[:5]) + b"a").hex(":") in text


async def test_what_is_shown_has_no_face_in_it_and_the_copy_for_them_has(database):
    await database.transact(lambda tx: live(tx, "anna"))
    template = faces.template("anna", len("anna"))
    sizes = {}
    for whole in (False, True):
        found = holdings.everything(database.reading, database.vault, "anna", whole=whole)
        assert found is not None
        (row,) = next(each.rows for each in found.held if each.name == "face templates")
        sizes[whole] = row
    assert "vectors_float32" not in sizes[False]
    assert sizes[False]["photos"] > 0
    told = np.frombuffer(base64.b64decode(sizes[True]["vectors_float32"]), "<f4")
    assert np.allclose(told, np.frombuffer(template.vectors, "<f4"), atol=1e-3)


async def test_a_limit_says_how_much_it_leaves_out(database):
    await database.transact(lambda tx: live(tx, "anna"))
    found = holdings.everything(database.reading, database.vault, "anna", limit=1)
    assert found is not None
    consents = next(each for each in found.held if each.name == "consents")
    assert (len(consents.rows), consents.left_out) == (1, 2)


def test_of_a_stranger_there_is_nothing(database):
    assert holdings.everything(database.reading, database.vault, "nobody") is None
