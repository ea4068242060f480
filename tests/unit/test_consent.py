"""Consent: what may come onto the box, what is matched, and what a withdrawal leaves."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge import consent
from edge.errors import ConsentMissing, DatabaseUnreadable, StorageError
from edge.records import Consent, ConsentKind, Member, Moment, Stream
from edge.storage import members, outbox, templates
from edge.storage.database import Database, Transaction
from edge.storage.vault import seal, unseal
from tests import faces

NOW = Moment(1_000, 1_000, "boot", True)
MODEL = faces.MODEL


def agreed(*kinds: ConsentKind) -> tuple[Consent, ...]:
    return tuple(Consent(kind, 0, "v1", "desk") for kind in kinds)


ANNA = Member(
    "m1", "Анна", "2780010000017", consents=agreed(ConsentKind.FACE, ConsentKind.PROGRAMME)
)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(tmp_path)
    yield opened
    opened.close()


async def accept(database: Database, member: Member) -> None:
    await database.transact(lambda tx: consent.accept_member(tx, member))


async def accept_template(database: Database, member: str) -> None:
    template = faces.template(member, 1)
    await database.transact(lambda tx: consent.accept_template(tx, template))


def matchable(database: Database) -> list[str]:
    pieces = consent.matchable(database.reading, database.vault, MODEL, 10)
    return [member for piece in pieces for member in piece.members]


async def test_a_consenting_member_is_matched_and_reads_back(database: Database) -> None:
    await accept(database, ANNA)
    await accept_template(database, "m1")
    assert members.get(database.reading, database.vault, "m1") == ANNA
    assert members.by_card(database.reading, database.vault, ANNA.card) == ANNA
    assert matchable(database) == ["m1"]
    stored = templates.one(database.reading, database.vault, "m1", MODEL)
    assert stored is not None
    assert np.allclose(
        np.frombuffer(stored.vectors, "<f4"),
        np.frombuffer(faces.template("m1", 1).vectors, "<f4"),
        atol=1e-3,
    )


async def test_no_profile_without_the_programme(database: Database) -> None:
    stranger = Member("m2", "Борис", "2780010000024", consents=agreed(ConsentKind.MARKETING))
    with pytest.raises(ConsentMissing):
        await accept(database, stranger)
    assert members.count(database.reading) == 0


async def test_no_template_without_consent_to_faces(database: Database) -> None:
    boris = Member("m2", "Борис", "2780010000024", consents=agreed(ConsentKind.PROGRAMME))
    await accept(database, boris)
    with pytest.raises(ConsentMissing):
        await accept_template(database, "m2")
    assert templates.owners(database.reading) == frozenset()


async def test_the_schema_itself_refuses_it_too(database: Database) -> None:
    boris = Member("m2", "Борис", "2780010000024", consents=agreed(ConsentKind.PROGRAMME))
    await accept(database, boris)

    def around_the_rule(tx: Transaction) -> None:
        key = members.key(tx, tx.vault, "m2")
        assert key is not None
        templates.put(tx, faces.template("m2", 1), key)

    with pytest.raises(StorageError, match="FOREIGN KEY"):
        await database.transact(around_the_rule)


async def test_withdrawing_faces_takes_the_template(database: Database) -> None:
    await accept(database, ANNA)
    await accept_template(database, "m1")
    await accept(database, Member("m1", "Анна", ANNA.card, consents=agreed(ConsentKind.PROGRAMME)))
    assert templates.owners(database.reading) == frozenset()
    assert matchable(database) == []


async def test_withdrawing_everything_erases_and_says_so(database: Database) -> None:
    await accept(database, ANNA)
    await accept_template(database, "m1")
    assert await database.transact(lambda tx: consent.forget_member(tx, "m1", NOW))
    for table in ("member", "member_key", "consent", "template", "face_mean"):
        assert database.reading.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
    told = outbox.pending(database.reading, ("b", database.epoch), Stream.CRIT, after=0, limit=9)
    assert [event.type for event in told] == ["erasure.done.v1"]
    assert not await database.transact(lambda tx: consent.forget_member(tx, "m1", NOW))


def test_what_is_sealed_opens_only_for_its_person_and_field() -> None:
    key = bytes(32)
    sealed = seal(key, b"secret", member="m1", field="name")
    assert unseal(key, sealed, member="m1", field="name") == b"secret"
    for member, field in (("m2", "name"), ("m1", "card")):
        with pytest.raises(DatabaseUnreadable):
            unseal(key, sealed, member=member, field=field)
