"""The proof that an owner prints: numbers and dates of consents and erasures, and nobody's name."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge import consent
from edge.config import load
from edge.consent import Said
from edge.operation.papers.paper import markdown, page
from edge.operation.papers.proof import DAY_MS, proof, proved
from edge.records import ConsentKind, Moment, Stream
from edge.storage.database import Database
from edge.storage.transaction import Transaction
from tests.lives import NOW, live

CONFIG = """
[box]
tenant = "t"
store = "s"
box = "b"
[kiosk]
store_name = "Shop"
"""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    (tmp_path / "box.toml").write_text(CONFIG)
    opened = Database.open(tmp_path / "state")
    yield opened
    opened.close()


def at(days: float) -> Moment:
    return Moment(NOW.wall_ms + round(days * DAY_MS), NOW.mono_ms, "boot", days < 15)


async def test_what_happened_is_told_in_numbers(database, tmp_path):
    def happens(tx: Transaction) -> None:
        for name in ("anna", "boris", "clara"):
            live(tx, name)
        consent.withdraw_here(tx, "anna", ConsentKind.FACE, Said("kiosk"), at(1))
        consent.withdraw_here(tx, "boris", ConsentKind.PROGRAMME, Said("staff", "seller-3"), at(2))
        consent.note_refused(tx, ["zoya"], ConsentKind.PROGRAMME, at(3))

    await database.transact(happens)
    last = database.cursors()[Stream.CRIT][0]
    await database.transact(lambda tx: tx.acknowledge(Stream.CRIT, last))
    await database.transact(
        lambda tx: consent.withdraw_here(tx, "anna", ConsentKind.PROGRAMME, Said("kiosk"), at(20))
    )
    found = proved(database.reading, load(tmp_path / "box.toml"), at(21).wall_ms, 30)
    assert found.held == dict.fromkeys(ConsentKind, 1)
    counts = {(each.kind.value, each.what.value): each.count for each in found.totals}
    assert counts["face", "given"] == 2
    assert counts["face", "withdrawn"] == 1
    assert counts["face", "erased"] == 1
    assert counts["programme", "erased"] == 2
    assert counts["programme", "refused"] == 1
    newest, oldest = found.erasures
    assert (newest.confirmed, newest.trusted, newest.channel) == (False, False, "kiosk")
    assert (oldest.confirmed, oldest.trusted, oldest.by) == (True, True, "seller-3")
    assert found.erased == 2
    for language in ("ru", "en"):
        paper = proof(found, "Shop", language)
        for text in (markdown([paper]), page([paper])):
            assert not [name for name in ("anna", "boris", "clara", "zoya") if name in text]
    assert "| face | 1 | 2 | 1 | 1 | 0 |" in markdown([proof(found, "Shop", "en")])


async def test_what_was_before_is_left_out(database, tmp_path):
    await database.transact(lambda tx: live(tx, "anna"))
    await database.transact(
        lambda tx: consent.withdraw_here(tx, "anna", ConsentKind.FACE, Said("kiosk"), at(0))
    )
    found = proved(database.reading, load(tmp_path / "box.toml"), at(31).wall_ms, 30)
    assert found.totals == ()
