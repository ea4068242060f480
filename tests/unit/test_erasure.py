"""Erasure: nothing of the person is left on the box, and they never come back."""

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from edge import consent, erasure
from edge.counters import Counters
from edge.errors import Refused
from edge.ordering.desk import OrderingDesk
from edge.records import Consent, ConsentKind, Member, Stream
from edge.sales import (
    CartLine,
    Order,
)
from edge.sections import BoxSection
from edge.storage import (
    answered,
    belongings,
    carts,
    consent_words,
    documents,
    erased,
    holdings,
    members,
    orders,
    visits,
)
from edge.storage.answered import Answered
from edge.storage.database import Database
from edge.storage.transaction import Transaction
from edge.visiting import Stage, Visit, VisitState
from tests import faces
from tests.clocks import Time
from tests.pages import everything
from tests.waiting import until

KINDS = (ConsentKind.FACE, ConsentKind.MARKETING, ConsentKind.PROGRAMME)
LINE = CartLine("sku-1", "Ball", 1, 100)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(tmp_path / "state", tmp_path / "journal")
    yield opened
    opened.close()


def person(name: str) -> Member:
    consents = tuple(Consent(kind, 0, "text-7", "till", "seller-3") for kind in KINDS)
    return Member(name, f"Name of {name}", f"card-{name}", consents=consents)


def live(tx: Transaction, name: str, time: Time) -> None:
    """A member who has done everything that leaves a trace."""
    now = time.now()
    consent.accept_member(tx, person(name))
    consent.accept_template(tx, faces.template(name, len(name)))
    consent_words.set_given(tx, name, ConsentKind.FACE, given_ms=0, now=now)
    wrapped = tx.execute("SELECT wrapped FROM member_key WHERE member = ?", (name,)).fetchone()[0]
    owner = (name, tx.vault.member_key(name, wrapped))
    for dataset in ("balances", "history"):
        row = documents.cells(dataset, f"{name}/1", b'{"of": "%s"}' % name.encode(), owner)
        tx.execute("INSERT INTO document VALUES (?, ?, ?, ?)", row)
    carts.take(tx, carts.Taken(name, 1, "main", (carts.Piece("sku-1", 1),)))
    answered.put(tx, Answered("balance", f'{{"member":"{name}"}}', name, b"{}", now))
    for stage in (Stage.ARRIVED, Stage.LEFT):
        reasons, number = (f"the card of {name}",), tx.next_number("visit")
        sure = VisitState.IDENTIFIED
        visits.put(tx, Visit(f"v-{number}", sure, now, now, "cam", name, 0.99, reasons, stage))
    orders.put_order(
        tx, Order(f"o-{tx.next_number('order')}", "main", (LINE,), 100, "RUB", now, name)
    )
    told = {"visit": "v-1", "member": name, "reasons": [f"the card of {name}"]}
    tx.emit(Stream.VISIT, "visit.identified.v1", told, now, member=name)
    tx.emit(Stream.CRIT, "order.placed.v1", {"number": "1", "member": name}, now, member=name)


def events(database: Database) -> list[tuple[str, str, object]]:
    return [
        (str(event.stream), event.type, json.loads(bytes(event.body)))
        for stream in Stream
        for event in database.waiting(stream, 0, 500)
    ]


async def test_everything_of_the_person_goes_and_nothing_of_anybody_else(database, tmp_path):
    time = Time()
    for name in ("anna-k", "boris"):
        await database.transact(lambda tx, name=name: live(tx, name, time))
    sealed = [
        bytes(row[0])
        for column, table in (
            ("name_sealed", "member"),
            ("wrapped", "member_key"),
            ("vectors_sealed", "template"),
            ("mean_sealed", "face_mean"),
            ("body", "document"),
        )
        for row in database.reading.execute(
            f"SELECT {column} FROM {table} WHERE {'id' if table == 'member' else 'member'} = ?",
            ("anna-k",),
        ).fetchall()
    ]
    assert len(sealed) == 6
    traces = [b"card-anna-k", b"the card of anna-k", *sealed]
    before = everything(tmp_path / "state")
    assert all(trace in before for trace in traces), "else the scan below would prove nothing"
    now = time.now()
    counts = await database.transact(lambda tx: erasure.erase(tx, "anna-k", now), scrub=True)
    assert counts == {
        "profile": 1,
        "consents": 3,
        "consent_words": 1,
        "templates": 1,
        "logins": 0,
        "bindings": 0,
        "documents": 2,
        "answers": 1,
        "signs": 0,
        "steps": 0,
        "mistaken": 0,
        "carts_taken": 1,
        "visits": 2,
        "orders": 1,
        "consent_log": 6,
        "events_kept": 1,
        "events_emptied": 1,
    }
    after = everything(tmp_path / "state")
    assert [trace for trace in traces if trace in after] == []
    # the receipt alone names them, and it is still here
    assert {m.group() for m in re.finditer(rb".{10}anna-k", after)} == {b'{"member":"anna-k'[-16:]}
    assert members.exists(database.reading, "boris")
    assert after.count(b"card-boris") > 0
    assert [visit.member for visit in visits.latest(database.reading)] == ["boris", "boris"] + [
        None
    ] * 2


async def test_what_waits_keeps_its_number_and_loses_the_person(database):
    time = Time()
    await database.transact(lambda tx: live(tx, "anna", time))
    await database.transact(lambda tx: erasure.erase(tx, "anna", time.now()))
    order, receipt, tombstone = events(database)
    assert order == ("crit", "order.placed.v1", {"number": "1", "member": None})
    assert receipt[:2] == ("crit", "erasure.done.v1")
    assert tombstone == ("visit", "outbox.tombstone.v1", {})


async def test_the_receipt_leaves_no_bytes_either_once_the_platform_has_it(database, tmp_path):
    time = Time()
    await database.transact(lambda tx: live(tx, "anna-k", time))
    await database.transact(lambda tx: erasure.erase(tx, "anna-k", time.now()), scrub=True)
    scrubbing = asyncio.create_task(erasure.scrub(database, time, Counters()))
    try:
        await until(
            lambda: not erased.to_be_scrubbed(database.reading, erasure.RECEIPT), "scrubbed"
        )
        assert b"anna-k" in everything(tmp_path / "state")
        for stream in Stream:
            last = database.cursors()[stream][0]
            await database.transact(lambda tx, s=stream, n=last: tx.acknowledge(s, n))
        await time.pass_(round(erasure.SCRUB_S * 1000))
        await until(lambda: b"anna-k" not in everything(tmp_path / "state"), "no byte is left")
        await until(
            lambda: not erased.to_be_scrubbed(database.reading, erasure.RECEIPT), "nothing is due"
        )
    finally:
        scrubbing.cancel()
        with suppress(asyncio.CancelledError):
            await scrubbing
    assert b"anna-k" not in (tmp_path / "journal").read_bytes()


async def test_who_was_forgotten_with_a_snapshot_is_wiped_soon_too(database, tmp_path):
    time = Time()
    await database.transact(lambda tx: live(tx, "anna-k", time))
    await database.transact(lambda tx: consent.forget_member(tx, "anna-k", time.now()))
    assert await erasure.scrub_once(database)
    assert b"card-anna-k" not in everything(tmp_path / "state")
    assert not erased.contains(database.reading, database.vault, "anna-k")


async def test_who_was_erased_is_known_without_being_named(database, tmp_path):
    now = Time().now()
    for name in ("anna", "unknown", "anna"):
        await database.transact(lambda tx, name=name: erasure.erase(tx, name, now))
    reading, vault = database.reading, database.vault
    assert erased.count(reading) == 2
    assert erased.contains(reading, vault, "anna")
    assert not erased.contains(reading, vault, "boris")
    assert erased.all_of(reading, vault, ["anna", "boris"]) == {"anna"}
    rows = reading.execute("SELECT who FROM erased").fetchall()
    assert all(len(who) == 32 and b"anna" not in who for (who,) in rows)
    other = Database.open(tmp_path / "other")
    assert other.vault.pseudonym("anna") != vault.pseudonym("anna")
    other.close()


async def test_each_order_is_answered_by_a_receipt_even_for_somebody_unknown(database):
    now = Time().now()
    for _ in range(2):
        await database.transact(lambda tx: erasure.erase(tx, "nobody", now))
    bodies = [body for _, type_, body in events(database) if type_ == erasure.RECEIPT]
    assert [body["member"] for body in bodies] == ["nobody", "nobody"]
    assert set(bodies[0]["counts"].values()) == {0}


async def test_an_order_placed_while_they_were_erased_is_anybodys(database):
    time = Time()
    desk = OrderingDesk(database, time, BoxSection("t", "s", "b"))
    anna = person("anna")

    def stocked(tx: Transaction) -> None:
        live(tx, "anna", time)
        orders.put_line(tx, "main", LINE)

    await database.transact(stocked)
    erasing = database.transact(lambda tx: erasure.erase(tx, "anna", time.now()), scrub=True)
    _, order = await asyncio.gather(erasing, desk.place("main", member=anna))
    assert order.member is None
    assert desk.order(order.number).member is None
    placed = [body for _, type_, body in events(database) if type_ == "order.placed.v1"]
    assert [body["member"] for body in placed] == [None, None]


async def test_a_failed_erasure_changes_nothing(database):
    time = Time()
    await database.transact(lambda tx: live(tx, "anna", time))
    before = events(database)

    def fails(tx: Transaction) -> None:
        erasure.erase(tx, "anna", time.now())
        raise Refused("No.", "")

    with pytest.raises(Refused):
        await database.transact(fails, scrub=True)
    assert events(database) == before
    assert members.exists(database.reading, "anna")
    assert not erased.contains(database.reading, database.vault, "anna")


def tables_with_members(database: Database) -> set[str]:
    return {
        table
        for (table,) in database.reading.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table'"
        ).fetchall()
        for column in database.reading.execute(f"PRAGMA table_info({table})").fetchall()
        if column[1] == "member"
    }


def test_every_table_with_a_member_in_it_is_known_to_the_erasure(database):
    """A new table that speaks of people must be thought of here."""
    counted = {table for table, _ in belongings.DELETED.values()} - {"member"}
    unlinked = {"visit", "placed_order", "consent_log"}
    elsewhere = {
        "member_key",  # hangs on the member
        "face_mean",  # hangs on the template
        "outbox",  # outbox.forget
        "stage_consent",  # staging.forget
        "stage_document",
        "stage_login",
        "stage_template",
    }
    assert tables_with_members(database) == counted | unlinked | elsewhere


def test_every_table_with_a_member_in_it_can_be_shown_to_them(database):
    """A new table that speaks of people is not known to `members show --everything` by itself."""
    shown = {table for holding in holdings.HOLDINGS for table in holding.tables}
    assert tables_with_members(database) | {"member", "stage_member"} == shown
