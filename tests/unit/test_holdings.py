"""What is held on a person can be shown to them: all of it, opened, and nobody else's."""

import base64
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from edge import consent
from edge.records import ConsentKind
from edge.storage import holdings
from edge.storage.database import Database
from edge.storage.transaction import Transaction
from tests import faces
from tests.lives import ADDRESS, NOW, live


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(tmp_path / "state")
    yield opened
    opened.close()


def told_on(tx: Transaction, name: str) -> None:
    """What only the log knows."""
    live(tx, name)
    consent.withdraw(tx, name, ConsentKind.MARKETING, NOW)
    consent.note_refused(tx, [name], ConsentKind.MARKETING, NOW)


async def test_of_each_kind_there_is_something_to_show_and_nothing_of_others(database):
    for name in ("anna", "boris"):
        await database.transact(lambda tx, name=name: told_on(tx, name))
    found = holdings.everything(database.reading, database.vault, "anna")
    assert found is not None
    assert [each.name for each in found.held if not each.rows] == []
    text = msgspec.json.encode(found).decode()
    assert "boris" not in text
    for thing in ("Name-anna", "card-anna", "witness-anna", "of-anna", "v-anna", "o-anna"):
        assert thing in text
    assert (ADDRESS + b"a").hex(":") in text


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
    assert (len(consents.rows), consents.left_out) == (1, 3)


def test_of_a_stranger_there_is_nothing(database):
    assert holdings.everything(database.reading, database.vault, "nobody") is None
