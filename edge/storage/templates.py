"""Rows of face templates: the enrolled vectors of a member, and their mean that is searched for.

Both are sealed with the member's own key, apart from each other, so that filling a gallery reads
the means alone. Called by `edge/consent.py` inside transactions and by the replica, which stages
rows. Vectors are kept as float16 of length one; whatever is no vector of its model is refused.
"""

from collections.abc import Iterator, Sequence, Set

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from edge.errors import BadTemplate, DatabaseUnreadable
from edge.face_models import dimensions_of
from edge.records import ConsentKind
from edge.storage.outbox import Executes
from edge.storage.vault import Vault, seal, unseal_into

LENGTH = (0.5, 2.0)
"""Models give vectors of about the length one; what is far from it describes no face."""
PHOTOS_MAX = 20
"""Enrolled vectors of one member: as many as a row of the platform's may bring."""
MEANS_AT_ONCE = 4096
"""Means opened in one piece: 2 MB."""
SOURCES = ("platform", "kiosk", "staff")
TO_CONVERT = "templates_of_0008"
"""Stands in `meta` while there are rows of the form before; their migration put it there."""

_KEPT, _GIVEN = np.dtype("<f2"), np.dtype("<f4")
_Rows = NDArray[np.float32]


class Template(Struct, frozen=True):
    """A member's enrolled face: `vectors` is n times the model's dimensions, little-endian float32.

    `source` is who enrolled it (SOURCES), `created_ms` when, and `extended` how often a vector was
    added later, while its owner showed a card.
    """

    member: str
    model: str
    vectors: bytes | bytearray
    created_ms: int = 0
    source: str = SOURCES[0]
    extended: int = 0

    def __repr__(self) -> str:
        """Without the vectors: a representation may end up in a log."""
        return f"Template(member={self.member!r}, model={self.model!r})"


class Means(Struct, frozen=True):
    """Some members' means: `rows` is one row of float16 for each, and is wiped by who used it."""

    members: list[str]
    photos: list[int]
    rows: bytearray

    def leave_out(self, all_but: Set[str]) -> None:
        """Overwrite the rows of everybody else; zeros match nobody."""
        size = len(self.rows) // len(self.members)
        for place, member in enumerate(self.members):
            if member not in all_but:
                self.rows[place * size : (place + 1) * size] = bytes(size)

    def __repr__(self) -> str:
        """Without the vectors: a representation may end up in a log."""
        return f"Means({len(self.members)} members)"


class Sealed(Struct, frozen=True):
    """A template as it is stored."""

    vectors: bytes
    mean: bytes
    photos: int


def sealed(template: Template, member_key: bytes) -> Sealed:
    """Seal it for its member. BadTemplate if it is none of its model's."""
    rows = unit_rows(template.model, template.vectors)
    mean = rows.mean(axis=0, keepdims=True)
    try:
        mean /= np.linalg.norm(mean)
        return Sealed(
            _sealed(rows, template, member_key, _vectors_field(template.model)),
            _sealed(mean, template, member_key, _mean_field(template.model)),
            len(rows),
        )
    finally:
        rows.fill(0)
        mean.fill(0)


def unit_rows(model: str, vectors: bytes | bytearray) -> _Rows:
    """The vectors (n x dimensions), each of length one. BadTemplate if they are not `model`'s."""
    dimensions = dimensions_of(model)
    if dimensions is None:
        raise BadTemplate(f"There is no face model '{model[:64]}' here.", "Enrol the member anew.")
    size = dimensions * _GIVEN.itemsize
    if not vectors or len(vectors) % size or len(vectors) > size * PHOTOS_MAX:
        raise BadTemplate(f"A template of {model} is not made of vectors of {dimensions} numbers.")
    rows = np.frombuffer(vectors, _GIVEN).reshape(-1, dimensions).astype(np.float32)
    with np.errstate(invalid="ignore", over="ignore"):
        lengths = np.linalg.norm(rows, axis=1)
        sound = (lengths > LENGTH[0]) & (lengths < LENGTH[1])
    if not sound.all():
        rows.fill(0)
        raise BadTemplate("A template has a vector that no face has.")
    rows /= lengths[:, None]
    return rows


def _sealed(rows: _Rows, template: Template, member_key: bytes, field: str) -> bytes:
    kept = bytearray(rows.size * _KEPT.itemsize)
    np.frombuffer(kept, _KEPT)[:] = rows.ravel()
    try:
        return seal(member_key, kept, member=template.member, field=field)
    finally:
        kept[:] = bytes(len(kept))


def _vectors_field(model: str) -> str:
    return f"vectors:{model}"


def _mean_field(model: str) -> str:
    return f"mean:{model}"


# --- writing


def put(connection: Executes, template: Template, member_key: bytes) -> None:
    """Seal and write it; the schema refuses it without consent (IntegrityError)."""
    made = sealed(template, member_key)
    connection.execute(
        "INSERT INTO template (member, kind, model, vectors_sealed, created_ms, source, extended)"
        " VALUES (?, 'face', ?, ?, ?, ?, ?) ON CONFLICT (member, model) DO UPDATE SET"
        " vectors_sealed = excluded.vectors_sealed, created_ms = excluded.created_ms,"
        " source = excluded.source, extended = excluded.extended",
        (
            template.member,
            template.model,
            made.vectors,
            template.created_ms,
            template.source,
            template.extended,
        ),
    )
    _put_mean(connection, template.member, template.model, made)


def _put_mean(connection: Executes, member: str, model: str, made: Sealed) -> None:
    connection.execute(
        "INSERT INTO face_mean (model, member, photos, wrapped, mean_sealed)"
        " SELECT ?, member, ?, wrapped, ? FROM member_key WHERE member = ?"
        " ON CONFLICT (model, member) DO UPDATE SET photos = excluded.photos,"
        " wrapped = excluded.wrapped, mean_sealed = excluded.mean_sealed",
        (model, made.photos, made.mean, member),
    )


def cells(template: Template, key: str, member_key: bytes) -> tuple[object, ...]:
    """A template as a row to be staged under `key`. BadTemplate if it is none of its model's."""
    made = sealed(template, member_key)
    return key, template.member, template.model, made.vectors, made.photos, made.mean


def drop(connection: Executes, member: str, model: str) -> None:
    """Remove a member's template of one model."""
    connection.execute("DELETE FROM template WHERE member = ? AND model = ?", (member, model))


def swap(connection: Executes, agreed: ConsentKind) -> list[str]:
    """Take over the staged templates of members who `agreed`; the keys of the others.

    How often a template was extended stays: the row may be this box's own one that comes back.
    """
    connection.execute(
        "INSERT INTO template (member, kind, model, vectors_sealed)"
        " SELECT s.member, 'face', s.model, s.vectors_sealed"
        " FROM stage_template AS s JOIN consent ON consent.member = s.member AND consent.kind = ?"
        " WHERE true ORDER BY s.member, s.model ON CONFLICT (member, model) DO UPDATE SET"
        " vectors_sealed = excluded.vectors_sealed, created_ms = 0, source = 'platform'",
        (agreed,),
    )
    connection.execute(
        "INSERT INTO face_mean (model, member, photos, wrapped, mean_sealed)"
        " SELECT s.model, s.member, s.photos, k.wrapped, s.mean_sealed FROM stage_template AS s"
        " JOIN template AS t ON t.member = s.member AND t.model = s.model"
        " AND t.vectors_sealed = s.vectors_sealed JOIN member_key AS k ON k.member = s.member"
        " WHERE true ORDER BY s.model, s.member ON CONFLICT (model, member) DO UPDATE SET"
        " photos = excluded.photos, wrapped = excluded.wrapped, mean_sealed = excluded.mean_sealed"
    )
    rows = connection.execute(
        "SELECT key FROM stage_row WHERE dataset = 'templates' AND op = 'put' AND key NOT IN"
        " (SELECT s.key FROM stage_template AS s JOIN template AS t ON t.member = s.member"
        " AND t.model = s.model AND t.vectors_sealed = s.vectors_sealed)"
    ).fetchall()
    return [key for (key,) in rows]


# --- reading


def one(connection: Executes, vault: Vault, member: str, model: str) -> Template | None:
    """A member's template of one model, opened. Its vectors are to be wiped by who asked."""
    row = connection.execute(
        "SELECT vectors_sealed, wrapped, created_ms, source, extended FROM template"
        " JOIN member_key USING (member) WHERE template.member = ? AND model = ?",
        (member, model),
    ).fetchone()
    if row is None:
        return None
    key = vault.member_key(member, row[1])
    opened = unseal_into(key, row[0], member=member, field=_vectors_field(model))
    vectors = bytearray(len(opened) * 2)
    np.frombuffer(vectors, _GIVEN)[:] = np.frombuffer(opened, _KEPT)
    opened[:] = bytes(len(opened))
    return Template(member, model, vectors, *row[2:])


def version(connection: Executes) -> int:
    """Rises whenever a mean comes, changes or goes."""
    row = connection.execute("SELECT value FROM meta WHERE name = 'faces'").fetchone()
    return int(row[0]) if row else 0


def count(connection: Executes, model: str) -> int:
    """How many members have a template of `model`."""
    row = connection.execute("SELECT count(*) FROM face_mean WHERE model = ?", (model,)).fetchone()
    return int(row[0])


def counts(connection: Executes) -> dict[str, int]:
    """How many members have a template, by model."""
    rows = connection.execute("SELECT model, count(*) FROM template GROUP BY model").fetchall()
    return {model: int(members) for model, members in rows}


def means(connection: Executes, vault: Vault, model: str, limit: int) -> Iterator[Means]:
    """The means of `model`, opened, by member; of `limit` members at most.

    One that does not open stands as zeros, which match nobody.
    """
    dimensions = dimensions_of(model)
    if dimensions is None:
        return
    rows = connection.execute(
        "SELECT member, photos, wrapped, mean_sealed FROM face_mean WHERE model = ?"
        " ORDER BY member LIMIT ?",
        (model, limit),
    )
    field, size = _mean_field(model), dimensions * _KEPT.itemsize
    while some := rows.fetchmany(MEANS_AT_ONCE):
        opened = bytearray(len(some) * size)
        vault.open_each([(m, w, s) for m, _, w, s in some], field, opened)
        yield Means([m for m, *_ in some], [p for _, p, *_ in some], opened)


def models_of(connection: Executes, member: str) -> dict[str, int]:
    """By which models there are templates of `member`, and how often each was extended."""
    rows = connection.execute("SELECT model, extended FROM template WHERE member = ?", (member,))
    return {model: int(times) for model, times in rows.fetchall()}


def owners(connection: Executes) -> frozenset[str]:
    """Who has a template on this box."""
    rows = connection.execute("SELECT DISTINCT member FROM template").fetchall()
    return frozenset(row[0] for row in rows)


# --- the form before


def convert(connection: Executes, vault: Vault) -> None:
    """Bring rows of the form before (float32, without a mean) into this one; called at start.

    What cannot be used any more goes: the platform, which the row came from, is asked again.
    """
    if connection.execute("SELECT 1 FROM meta WHERE name = ?", (TO_CONVERT,)).fetchone() is None:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for member, model, sealed_vectors, wrapped in _of_before(connection):
            try:
                key = vault.member_key(member, wrapped)
                vectors = unseal_into(key, sealed_vectors, member=member, field=model)
                try:
                    put(connection, Template(member, model, vectors), key)
                finally:
                    vectors[:] = bytes(len(vectors))
            except (BadTemplate, DatabaseUnreadable):
                drop(connection, member, model)
        connection.execute("DELETE FROM meta WHERE name = ?", (TO_CONVERT,))
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _of_before(connection: Executes) -> Sequence[tuple[str, str, bytes, bytes]]:
    """Member, model, vectors as they were sealed, and the member's wrapped key."""
    rows: Sequence[tuple[str, str, bytes, bytes]] = connection.execute(
        "SELECT member, model, vectors_sealed, wrapped FROM template JOIN member_key USING (member)"
        " WHERE (model, member) NOT IN (SELECT model, member FROM face_mean)"
    ).fetchall()
    return rows
