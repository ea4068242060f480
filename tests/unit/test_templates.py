"""Rows of templates: sealed apart, of length one, converted from the form before, no others."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import consent
from edge.errors import BadTemplate
from edge.face_models import REID0095
from edge.presence.gallery import Gallery
from edge.records import Consent, ConsentKind, Member
from edge.storage import staging, templates
from edge.storage.database import Database, Transaction
from edge.storage.staging import Op
from edge.storage.templates import PHOTOS_MAX, Template
from edge.storage.vault import seal
from sync.messages import Dataset, TemplateRow
from sync.replica import applying
from sync.replica.judging import judge, sealed
from sync.rows import Row, row_key
from tests import faces

KINDS = (ConsentKind.FACE, ConsentKind.PROGRAMME)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(tmp_path)
    yield opened
    opened.close()


def person(name: str) -> Member:
    return Member(
        name, name, f"card-{name}", consents=tuple(Consent(k, 0, "v", "desk") for k in KINDS)
    )


async def enrol(database: Database, *names: str) -> None:
    def change(tx: Transaction) -> None:
        for number, name in enumerate(names):
            consent.accept_member(tx, person(name))
            consent.accept_template(tx, faces.template(name, number))

    await database.transact(change)


def gallery(database: Database, model: str = faces.MODEL) -> Gallery:
    with database.apart() as reading:
        room = templates.count(reading, model)
        means = consent.matchable(reading, database.vault, model, room)
        return Gallery(means, room, None, model)


async def test_a_gallery_is_filled_from_the_means(database: Database) -> None:
    await enrol(database, "anna", "boris")
    filled = gallery(database)
    assert (len(filled), filled.refused) == (2, 0)
    for number, name in enumerate(("anna", "boris")):
        look = filled.nearest(faces.seen(number))
        assert look is not None
        assert (look.member, look.photos) == (name, faces.PHOTOS)
        assert look.score > 0.98
    assert len(gallery(database, REID0095)) == 0


async def test_what_does_not_open_matches_nobody(database: Database) -> None:
    await enrol(database, "anna", "boris")
    sql = "UPDATE face_mean SET mean_sealed = zeroblob(length(mean_sealed)) WHERE member = 'anna'"
    await database.transact(lambda tx: tx.execute(sql))
    filled = gallery(database)
    assert filled.refused == 1
    look = filled.nearest(faces.seen(0))
    assert look is not None
    assert look.member == "boris"


async def test_two_members_cannot_be_exchanged_in_the_file(database: Database) -> None:
    await enrol(database, "anna", "boris")

    def exchange(tx: Transaction) -> None:
        rows = tx.execute("SELECT member, wrapped, mean_sealed FROM face_mean").fetchall()
        for (name, *_), (_, *others) in zip(rows, reversed(rows), strict=True):
            tx.execute(
                "UPDATE face_mean SET wrapped = ?, mean_sealed = ? WHERE member = ?",
                (*others, name),
            )

    await database.transact(exchange)
    assert gallery(database).refused == 2


async def test_a_withdrawn_consent_takes_the_mean_and_raises_the_version(
    database: Database,
) -> None:
    await enrol(database, "anna", "boris")
    before = templates.version(database.reading)
    sql = "DELETE FROM consent WHERE member = 'anna' AND kind = 'face'"
    await database.transact(lambda tx: tx.execute(sql))
    assert templates.version(database.reading) > before
    assert templates.counts(database.reading) == {faces.MODEL: 1}
    assert len(gallery(database)) == 1
    erased = database.reading.execute("SELECT value FROM meta WHERE name = 'erased'").fetchone()
    assert erased == ("deleted",), "its bytes are to be wiped from the log, too"


async def test_templates_of_the_form_before_are_converted(tmp_path: Path) -> None:
    database = Database.open(tmp_path)
    await enrol(database, "anna", "boris", "vera")
    raw = bytes(faces.template("anna", 0).vectors)

    def as_before(tx: Transaction) -> None:
        for name, model in (("anna", faces.MODEL), ("boris", "gone")):
            wrapped = tx.execute("SELECT wrapped FROM member_key WHERE member = ?", (name,))
            key = tx.vault.member_key(name, wrapped.fetchone()[0])
            tx.execute(
                "UPDATE template SET model = ?, vectors_sealed = ? WHERE member = ?",
                (model, seal(key, raw, member=name, field=model), name),
            )
        tx.execute(f"INSERT INTO meta VALUES ('{templates.TO_CONVERT}', '1')")

        damaged = b"not sealed by anybody, and long enough to be so"
        tx.execute("UPDATE template SET vectors_sealed = ? WHERE member = 'vera'", (damaged,))

    await database.transact(lambda tx: tx.execute("DELETE FROM face_mean"))
    await database.transact(as_before)
    assert len(gallery(database)) == 0
    database.close()
    again = Database.open(tmp_path)
    assert templates.owners(again.reading) == {"anna"}, (
        "an unknown model's is of no use, nor a damaged one"
    )
    look = gallery(again).nearest(faces.seen(0))
    assert look is not None
    assert look.score > 0.98
    again.close()


@pytest.mark.parametrize(
    ("model", "vectors"),
    [
        ("unknown", faces.face(1).tobytes()),
        (REID0095, faces.face(1).tobytes()),
        (faces.MODEL, b""),
        (faces.MODEL, faces.face(1).tobytes()[:-4]),
        (faces.MODEL, faces.face(1).tobytes() * (PHOTOS_MAX + 1)),
        (faces.MODEL, bytes(512)),
        (faces.MODEL, (faces.face(1) * 9).tobytes()),
        (faces.MODEL, np.full(128, np.nan, "<f4").tobytes()),
        (faces.MODEL, np.full(128, np.inf, "<f4").tobytes()),
    ],
)
def test_what_is_no_template_of_its_model_is_refused(model: str, vectors: bytes) -> None:
    with pytest.raises(BadTemplate):
        templates.sealed(Template("m", model, vectors), bytes(32))


@given(st.binary(min_size=512, max_size=512))
def test_whatever_is_kept_has_length_one(raw: bytes) -> None:
    try:
        rows = templates.unit_rows(faces.MODEL, raw)
    except BadTemplate:
        return
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


def test_no_representation_shows_a_vector() -> None:
    raw = bytes(faces.face(1).tobytes())
    assert repr(raw[8:16])[2:-1] not in repr(Template("m", faces.MODEL, raw))
    assert "rows" not in repr(templates.Means(["m"], [3], bytearray(raw)))


def judged(model: str, vectors: list[bytes], in_use: str):
    value = TemplateRow("anna", model, vectors)
    key = row_key(Dataset.TEMPLATES, value)
    row = Row(key, msgspec.Raw(msgspec.json.encode(value)))
    return judge(Dataset.TEMPLATES, [row], {}, in_use)


@pytest.mark.parametrize(
    ("model", "vectors", "counter"),
    [
        (REID0095, [faces.face(1).tobytes() * 2], "replica.refused_model"),
        ("dlib-2", [faces.face(1).tobytes()], "replica.refused_model"),
        (faces.MODEL, [np.full(128, np.nan, "<f4").tobytes()], "replica.malformed"),
        (faces.MODEL, [faces.face(1).tobytes()[:256]] * 2, "replica.malformed"),
    ],
)
def test_rows_of_another_model_or_none_are_refused(
    model: str, vectors: list[bytes], counter: str
) -> None:
    result = judged(model, vectors, faces.MODEL)
    assert [row.op for row in result.rows] == [Op.BAD]
    assert result.refused == {counter: 1}


async def test_after_a_change_of_the_model_its_templates_are_asked_for(
    database: Database,
) -> None:
    await database.transact(lambda tx: applying.follow_model(tx, REID0095))
    result = judged(faces.MODEL, [faces.face(1).tobytes()], REID0095)

    def refuse(tx: Transaction) -> None:
        applying.stage(tx, result)
        staging.enter(tx, Dataset.TEMPLATES, [])

    await database.transact(refuse)
    assert not await database.transact(lambda tx: applying.follow_model(tx, REID0095))
    assert await database.transact(lambda tx: applying.follow_model(tx, faces.MODEL))
    assert staging.broken(database.reading, Dataset.TEMPLATES, 9)


async def test_a_row_of_the_model_in_use_is_sealed(database: Database) -> None:
    await enrol(database, "anna")
    result = judged(faces.MODEL, [faces.face(1).tobytes()] * 3, faces.MODEL)
    keys = staging.member_keys(database.reading, ["anna"])
    sealed(result, database.vault, keys)
    (cells,) = result.cells["template"]
    assert faces.face(1).tobytes() not in b"".join(c for c in cells if isinstance(c, bytes))
    assert cells[4] == 3
