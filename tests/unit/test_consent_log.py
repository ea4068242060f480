"""The log of consents: each thing once, whichever way it came, and nobody is named who has left."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge import consent, erasure
from edge.consent import Agreement, Said
from edge.records import Consent, ConsentKind, Member, Moment
from edge.storage import consent_log, members, staging
from edge.storage.consent_log import What
from edge.storage.database import Database
from edge.storage.staging import Op, StagedRow
from edge.storage.transaction import Transaction

FACE, WIFI = ConsentKind.FACE, ConsentKind.WIFI
MARKETING, PROGRAMME = ConsentKind.MARKETING, ConsentKind.PROGRAMME


def at(wall_ms: int, *, trusted: bool = True) -> Moment:
    return Moment(wall_ms, wall_ms, "boot", trusted)


def person(*kinds: ConsentKind, given_ms: int = 5, name: str = "anna") -> Member:
    agreed = tuple(Consent(kind, given_ms, "text-7", "till", "seller-3") for kind in kinds)
    return Member(name, "Anna", f"card-{name}", consents=agreed)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(tmp_path / "state")
    yield opened
    opened.close()


def noted(database: Database, name: str = "anna") -> list[tuple[str, str, int, str, str]]:
    return [
        (each.kind.value, each.what.value, each.said_ms, each.channel, each.witness)
        for each in consent_log.of(database.reading, database.vault, name)
    ]


def swap(tx: Transaction, row: Member, now: Moment, op: Op = Op.PUT) -> None:
    """The platform's row comes in as the replica lets it in."""
    staging.put_rows(tx, "members", [StagedRow(row.id, 0, 1, op)])
    if op is Op.PUT:
        wrapped = tx.execute(
            "SELECT wrapped FROM member_key WHERE member = ?", (row.id,)
        ).fetchone()
        cells = members.cells(tx.vault, row, wrapped[0] if wrapped else None)
        staging.put_cells(tx, "member", [cells])
        staging.put_cells(tx, "consent", members.consent_cells(row))
    gone = staging.keys(tx, "members", Op.BAD, Op.GONE)
    consent.swap_members(tx, gone, now)
    for table in ("stage_row", "stage_member", "stage_consent"):
        tx.execute(f"DELETE FROM {table}")


GIVEN = ("face", "given", 5, "till", "seller-3")


async def test_a_row_without_what_the_one_before_had(database: Database) -> None:
    await database.transact(lambda tx: swap(tx, person(PROGRAMME, FACE), at(10)))
    assert noted(database) == [], "what holds stands in the consents themselves"
    await database.transact(lambda tx: swap(tx, person(PROGRAMME), at(20)))
    assert noted(database) == [GIVEN, ("face", "withdrawn", 20, "platform", "")]


async def test_a_row_with_a_newer_consent(database: Database) -> None:
    await database.transact(lambda tx: swap(tx, person(PROGRAMME, FACE), at(10)))
    await database.transact(lambda tx: swap(tx, person(PROGRAMME, FACE, given_ms=15), at(20)))
    assert sorted(noted(database)) == [GIVEN, ("programme", "given", 5, "till", "seller-3")]
    await database.transact(lambda tx: swap(tx, person(PROGRAMME, given_ms=15), at(30)))
    assert noted(database)[2:] == [
        ("face", "given", 15, "till", "seller-3"),
        ("face", "withdrawn", 30, "platform", ""),
    ]


async def test_a_row_that_cannot_be_read(database: Database) -> None:
    await database.transact(lambda tx: swap(tx, person(PROGRAMME, FACE), at(10)))
    await database.transact(lambda tx: swap(tx, person(), at(20), Op.DOUBT))
    assert noted(database) == [GIVEN, ("face", "withdrawn", 20, "platform", "")]


async def test_what_is_said_here_and_taken_back_here(database: Database) -> None:
    agreement = Agreement(MARKETING, "text-8", adult=True)
    said = Said("kiosk", "seller-9")

    def give(tx: Transaction) -> None:
        swap(tx, person(PROGRAMME), at(10))
        consent.give(tx, "anna", agreement, said, at(20))

    await database.transact(give)
    given = ("marketing", "given", 20, "kiosk", "seller-9")
    assert noted(database) == [given]
    (_, programme) = members.consents(database.reading, "anna")
    assert programme.witness == "seller-3"
    assert members.consents(database.reading, "anna")[0].witness == "seller-9"
    await database.transact(
        lambda tx: consent.withdraw_here(tx, "anna", MARKETING, Said("staff", "seller-2"), at(30))
    )
    assert noted(database) == [given, ("marketing", "withdrawn", 30, "staff", "seller-2")]


@pytest.mark.parametrize("trusted", [True, False])
async def test_a_command_and_whether_the_clock_was_trusted(
    database: Database, trusted: bool
) -> None:
    await database.transact(lambda tx: swap(tx, person(PROGRAMME, WIFI), at(10)))
    await database.transact(lambda tx: consent.withdraw(tx, "anna", WIFI, at(20, trusted=trusted)))
    entries = consent_log.of(database.reading, database.vault, "anna")
    assert [each.what for each in entries] == [What.GIVEN, What.WITHDRAWN]
    assert {each.trusted for each in entries} == {trusted}
    assert {each.noted_ms for each in entries} == {20}


async def test_who_leaves_leaves_a_mark_and_no_name(database: Database) -> None:
    await database.transact(lambda tx: swap(tx, person(PROGRAMME, FACE), at(10)))
    counts = await database.transact(lambda tx: erasure.erase(tx, "anna", at(20)))
    assert counts["consent_log"] == 4
    rows = database.reading.execute("SELECT member, who FROM consent_log").fetchall()
    assert rows == [(None, database.vault.pseudonym("anna"))] * 4
    erased = [each for each in noted(database) if each[1] == "erased"]
    assert erased == [
        ("face", "erased", 20, "platform", ""),
        ("programme", "erased", 20, "platform", ""),
    ]
    assert len(consent_log.erasures(database.reading, 0, 10)) == 1


async def test_the_schema_lets_no_name_outlive_its_member(database: Database) -> None:
    await database.transact(lambda tx: swap(tx, person(PROGRAMME, FACE), at(10)))
    await database.transact(lambda tx: swap(tx, person(PROGRAMME), at(20)))
    with pytest.raises(Exception, match="FOREIGN KEY"):
        await database.transact(lambda tx: members.erase(tx, "anna"))


async def test_an_order_to_erase_somebody_unknown_is_noted_too(database: Database) -> None:
    await database.transact(lambda tx: erasure.erase(tx, "nobody", at(20)))
    assert noted(database, "nobody") == [("programme", "erased", 20, "platform", "")]


async def test_a_refused_row_is_noted_once_and_without_a_name(database: Database) -> None:
    for now_ms in (10, 20):
        row = person(MARKETING, name="boris")
        await database.transact(lambda tx, n=now_ms, row=row: swap(tx, row, at(n), Op.BAD))
    assert noted(database, "boris") == [("programme", "refused", 10, "platform", "")]
    assert database.reading.execute("SELECT member FROM consent_log").fetchall() == [(None,)]
    # Once they join and leave, what was noted before stands in no way of it.
    await database.transact(lambda tx: swap(tx, person(PROGRAMME, name="boris"), at(30)))
    await database.transact(lambda tx: consent.forget_member(tx, "boris", at(40)))


async def test_refusals_have_a_limit(database: Database) -> None:
    def almost_full(tx: Transaction) -> None:
        tx.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
            " INSERT INTO consent_log (who, kind, what, said_ms, noted_ms, trusted, text_version,"
            " channel, witness)"
            " SELECT randomblob(32), 'face', 'refused', 1, 1, 1, '', '', '' FROM n",
            (consent_log.REFUSED_MAX - 1,),
        )
        consent.note_refused(tx, ["n1", "n2"], PROGRAMME, at(1))

    await database.transact(almost_full)
    assert [len(noted(database, name)) for name in ("n1", "n2")] == [1, 0]


async def test_nothing_is_noted_of_a_change_that_failed(database: Database) -> None:
    await database.transact(lambda tx: swap(tx, person(PROGRAMME, FACE), at(10)))

    def fails(tx: Transaction) -> None:
        consent.withdraw(tx, "anna", FACE, at(20))
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await database.transact(fails)
    assert noted(database) == []
