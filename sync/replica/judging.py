"""Rows as they came become rows as they will stand: validated, refused or sealed, before anything
waits for them.

Called by `sync/replica`, in two steps: `judge` is pure and may take its time in a thread; `sealed`
needs the members' keys. Members' rows are judged by consent: without the programme there is no
profile, and what cannot be read withdraws whatever it might have withdrawn.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct, field

from edge.errors import BadMessage, BadTemplate, DatabaseUnreadable
from edge.face_models import dimensions_of
from edge.records import Consent, ConsentKind, Member
from edge.storage import documents, goods, members, templates
from edge.storage.staging import Cells, Op, StagedRow, forgotten_key
from edge.storage.templates import Template
from edge.storage.vault import Vault
from sync.messages import Dataset, TemplateRow, decode_json
from sync.rows import KINDS, OF_MEMBERS, Row, bucket_of, key_parts, row_hash, row_key

GOODS: dict[Dataset, tuple[str, Callable[[Any], Cells]]] = {
    Dataset.CATALOGUE: ("product", goods.product_cells),
    Dataset.PRICES: ("price", goods.price_cells),
    Dataset.STOCK: ("stock", goods.stock_cells),
}
FLOAT_BYTES = 4
_OWNER = {"member": 0, "consent": 0, "login": 0, "template": 1, "document": 2}
"""In which column of a stage table the member stands."""


class Judged(Struct):
    """Rows on their way to the stage. `values` are those to be written, decoded."""

    dataset: Dataset
    rows: list[StagedRow] = []
    values: list[tuple[str, Any, msgspec.Raw]] = []
    owners: dict[str, str] = {}
    """Of which member the row with this key speaks."""
    cells: dict[str, list[Cells]] = {}
    face_model: str = ""
    refused: Counter[str] = field(default_factory=Counter)
    """How many were refused, by the name of the counter."""

    def without(self, erased: frozenset[str]) -> "Judged":
        """The same, without whoever has been erased. Of their rows only the hashes stay."""
        rows = [
            StagedRow(forgotten_key(), row.bucket, row.hash, Op.BAD)
            if self.owners.get(row.key) in erased
            else row
            for row in self.rows
        ]
        cells = {
            table: [row for row in some if row[_OWNER[table]] not in erased]
            for table, some in self.cells.items()
        }
        return Judged(self.dataset, rows, cells=cells)


def judge(
    dataset: Dataset,
    rows: Sequence[Row],
    known: Mapping[str, tuple[int, int]],
    face_model: str = "",
) -> Judged:
    """What is to happen to each row. `known` has hash and standing of those the box has.

    Templates are taken of `face_model` alone, or of any model that is known if it is empty.
    """
    judged = Judged(dataset, face_model=face_model)
    for row in rows:
        text = bytes(row.text)
        bucket = bucket_of(row.key)
        if not text:
            judged.rows.append(StagedRow(row.key, bucket, 0, Op.GONE))
            continue
        hashed = row_hash(row.key, text)
        has, taken = known.get(row.key, (None, 0))
        # What could not be taken then may be now.
        op = Op.SAME if has == hashed and taken != 0 else _judge_one(judged, row)
        judged.rows.append(StagedRow(row.key, bucket, hashed, op))
        if dataset is Dataset.MEMBERS:
            judged.owners[row.key] = row.key
    return judged


def sealed(judged: Judged, vault: Vault, keys: Mapping[str, bytes]) -> None:
    """Make the cells of all rows that are to be written. `keys` are the members' wrapped keys."""
    tables: dict[str, list[Cells]] = {}
    for key, value, text in judged.values:
        try:
            for table, cells in _cells(judged.dataset, key, (value, text), vault=vault, keys=keys):
                tables.setdefault(table, []).append(cells)
        except DatabaseUnreadable:
            judged.refused["replica.unsealed"] += 1  # it stays missing, and is asked for again
    judged.values = []
    judged.cells = tables


def _judge_one(judged: Judged, row: Row) -> Op:
    try:
        value = decode_json(row.text, KINDS[judged.dataset])
        if row_key(judged.dataset, value) != row.key:
            raise BadMessage("A row stands under the key of another one.")
        if isinstance(value, TemplateRow) and not _is_ours(judged, value):
            judged.owners[row.key] = value.member
            judged.refused["replica.refused_model"] += 1
            return Op.BAD
    except BadMessage:
        judged.refused["replica.malformed"] += 1
        if judged.dataset in OF_MEMBERS and len(parts := _parts(judged.dataset, row.key)) > 1:
            judged.owners[row.key] = parts[0]
        doubtful = judged.dataset is Dataset.MEMBERS and _may_agree(row.text)
        return Op.DOUBT if doubtful else Op.BAD
    if isinstance(value, Member) and not value.agreed(ConsentKind.PROGRAMME):
        judged.refused["replica.refused_without_consent"] += 1
        return Op.BAD
    owner = getattr(value, "member", None)
    if owner is not None:
        judged.owners[row.key] = owner
    judged.values.append((row.key, value, row.text))
    return Op.PUT


def _cells(
    dataset: Dataset,
    key: str,
    row: tuple[Any, msgspec.Raw],
    *,
    vault: Vault,
    keys: Mapping[str, bytes],
) -> list[tuple[str, Cells]]:
    value, text = row
    if dataset in GOODS:
        table, cells = GOODS[dataset]
        return [(table, cells(value))]
    if isinstance(value, Member):
        of_member = members.cells(vault, value, keys.get(value.id))
        consents = members.consent_cells(value)
        logins = members.login_cells(vault, value)
        return [
            ("member", of_member),
            *(("consent", consent) for consent in consents),
            *(("login", login) for login in logins),
        ]
    owner = value.member if dataset in OF_MEMBERS else None
    if owner is not None and owner not in keys:
        return []  # the swap finds that it is not there
    own_key = vault.member_key(owner, keys[owner]) if owner is not None else b""
    if isinstance(value, TemplateRow):
        vectors = bytearray().join(value.vectors)
        template = Template(value.member, value.model, vectors)
        try:
            return [("template", templates.cells(template, key, own_key))]
        finally:
            vectors[:] = bytes(len(vectors))
    of = (owner, own_key) if owner is not None else None
    return [("document", documents.cells(dataset, key, bytes(text), of))]


def _is_ours(judged: Judged, row: TemplateRow) -> bool:
    """Whether the template is of the model in use. BadMessage if its vectors are none."""
    dimensions = dimensions_of(row.model)
    if dimensions is None or judged.face_model not in ("", row.model):
        return False
    if any(len(vector) != dimensions * FLOAT_BYTES for vector in row.vectors):
        raise BadMessage("A template has vectors of another size than its model's.")
    vectors = bytearray().join(row.vectors)
    try:
        templates.unit_rows(row.model, vectors).fill(0)
    except BadTemplate as error:
        raise BadMessage(error.what) from error
    finally:
        vectors[:] = bytes(len(vectors))
    return True


def _parts(dataset: Dataset, key: str) -> tuple[str, ...]:
    try:
        return key_parts(dataset, key)
    except BadMessage:
        return ()


class _Agreeing(Struct):
    consents: tuple[Consent, ...] = ()


def _may_agree(text: msgspec.Raw) -> bool:
    """Whether a malformed row may stand for a member of the programme.

    Consents that cannot be read are no withdrawal from the programme.
    """
    try:
        consents = decode_json(text, _Agreeing).consents
    except BadMessage:
        return True
    return any(each.kind is ConsentKind.PROGRAMME for each in consents)
