"""The box's copy of what the platform knows: members, templates, catalogue, stock.

The link hands every part here; when a snapshot is complete it replaces the dataset in one
transaction. Members and templates enter and leave only through `edge/consent.py`: what lacks
consent, or cannot be used, is refused row by row, and counted, whatever the platform sent. A
member whom the platform lists in a row that cannot be used stays, with no more than the programme.
"""

import array
import logging
import math
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import msgspec
from msgspec import Struct

from edge import consent
from edge.clock import Clock
from edge.counters import Counters
from edge.errors import BadMessage, ConsentMissing, StorageError, StorageFull
from edge.records import VECTOR_BYTES, Consent, ConsentKind, Member, Moment, Product, Stock
from edge.storage import datasets, goods, members
from edge.storage.database import Database, Transaction
from edge.storage.members import Template
from sync.messages import (
    Dataset,
    DatasetPart,
    DatasetVersion,
    TemplateRow,
    decode,
    decode_json,
)

log = logging.getLogger(__name__)
T = TypeVar("T")


class Replica:
    """Receives the parts of datasets and applies what is complete."""

    def __init__(self, database: Database, clock: Clock, counters: Counters) -> None:
        self._database = database
        self._clock = clock
        self._counters = counters
        self._listeners: list[Callable[[Dataset], None]] = []
        self._staged = False
        self._dropped: set[Dataset] = set()

    @property
    def incomplete(self) -> bool:
        """Whether parts wait for others that have not come yet, or were not kept: ask again."""
        return self._staged or bool(self._dropped)

    def add_listener(self, listener: Callable[[Dataset], None]) -> None:
        """Call `listener` on the loop with each dataset that has been replaced."""
        self._listeners.append(listener)

    def versions(self) -> dict[Dataset, DatasetVersion]:
        """What the box has, for the hello."""
        return {
            Dataset(name): DatasetVersion(*version)
            for name, version in datasets.applied(self._database.reading).items()
        }

    async def receive(self, dataset: str, payload: bytes) -> bool:
        """Take one part of `dataset`; whether it completed a snapshot, which is applied now.

        BadMessage if it is malformed. A part that the box has no room for is counted and asked for
        again later: what goes up must not wait until the disk has room.
        """
        part = decode(payload, DatasetPart)
        if part.dataset != dataset or part.part > part.parts:
            raise BadMessage(f"A part of {part.dataset} came as one of {dataset[:40]!r}.")
        now = self._clock.now()
        try:
            applied = await self._database.transact(lambda tx: self._take(tx, part, payload, now))
        except StorageError as error:
            self._dropped.add(part.dataset)
            self._counters.add("replica.not_kept")
            log.warning("a part of %s was not kept: %s", part.dataset, error)
            return False
        self._dropped.discard(part.dataset)
        for name in applied:
            for listener in self._listeners:
                listener(name)
        return bool(applied)

    def _take(
        self, tx: Transaction, part: DatasetPart, payload: bytes, now: Moment
    ) -> list[Dataset]:
        version = (part.generation, part.version)
        if datasets.applied(tx).get(part.dataset) == version:
            return []
        datasets.stage(tx, part.dataset, version, part=part.part, body=payload)
        # Templates may have come first and waited for their members.
        candidates = dict.fromkeys((part.dataset, Dataset.TEMPLATES))
        applied = [name for name in candidates if self._apply_if_complete(tx, name, now)]
        self._staged = datasets.anything_staged(tx)
        return applied

    def _apply_if_complete(self, tx: Transaction, dataset: Dataset, now: Moment) -> bool:
        arrived = datasets.staged_parts(tx, dataset)
        if not arrived:
            return False
        part = decode(datasets.staged_body(tx, dataset, arrived[-1]), DatasetPart)
        if arrived != list(range(1, part.parts + 1)):
            return False
        have = datasets.applied(tx)
        for needed, generation in (part.needs or {}).items():
            if have.get(needed, ("", 0))[0] != generation:
                return False
        _REPLACE[dataset](self, tx, now)
        datasets.set_applied(tx, dataset, (part.generation, part.version), now.wall_ms)
        return True

    # --- one dataset each: what is gone leaves first, so that its card or code is free again.
    # A row that cannot be used counts as gone: what was withdrawn in it must not live on. Rows
    # that have not changed are not written: orders wait for the end of this transaction.

    def _replace_members(self, tx: Transaction, now: Moment) -> None:
        rows, unusable = self._rows(tx, Dataset.MEMBERS, Member)
        listed = [identity for raw in unusable if (identity := _identity(raw)) is not None]
        kept = {row.id for row in rows} | {member for member, _ in listed}
        for gone in sorted(datasets.member_ids(tx) - kept):
            consent.forget_member(tx, gone, now)
        for row in _changed(tx, rows):
            if not row.agreed(ConsentKind.PROGRAMME):
                self._counters.add("replica.refused_without_consent")
                consent.forget_member(tx, row.id, now)
            elif not self._put(tx, partial(consent.accept_member, tx, row)):
                consent.doubt_member(tx, row.id)
        for member, agrees in listed:
            if agrees:
                consent.doubt_member(tx, member)
            else:
                consent.forget_member(tx, member, now)

    def _replace_templates(self, tx: Transaction, now: Moment) -> None:
        rows, _ = self._rows(tx, Dataset.TEMPLATES, TemplateRow)
        templates = [template for row in rows if (template := self._template(row)) is not None]
        kept = {(template.member, template.model) for template in templates}
        for member, model in sorted(datasets.template_keys(tx) - kept):
            members.drop_template(tx, member, model)
        for template in templates:
            key = (template.member, template.model)
            if members.template(tx, tx.vault, *key) == template:
                continue
            if not self._put(tx, partial(consent.accept_template, tx, template)):
                members.drop_template(tx, *key)

    def _replace_catalogue(self, tx: Transaction, now: Moment) -> None:
        rows, _ = self._rows(tx, Dataset.CATALOGUE, Product)
        for gone in sorted(datasets.skus(tx) - {row.sku for row in rows}):
            goods.drop_product(tx, gone)
        for row in rows:
            if goods.by_sku(tx, row.sku) == row:
                continue
            if not self._put(tx, partial(goods.put_product, tx, row)):
                goods.drop_product(tx, row.sku)

    def _replace_stock(self, tx: Transaction, now: Moment) -> None:
        rows, _ = self._rows(tx, Dataset.STOCK, Stock)
        for key in sorted(datasets.stock_keys(tx) - {(row.sku, row.place) for row in rows}):
            goods.drop_stock(tx, *key)
        for row in rows:
            if goods.stock_at(tx, row.sku, row.place) == row:
                continue
            if not self._put(tx, partial(goods.put_stock, tx, row)):
                goods.drop_stock(tx, row.sku, row.place)

    def _rows(
        self, tx: Transaction, dataset: Dataset, kind: type[T]
    ) -> tuple[list[T], list[msgspec.Raw]]:
        """The rows of all parts, and those that are malformed, which are counted here."""
        rows: list[T] = []
        unusable: list[msgspec.Raw] = []
        for number in datasets.staged_parts(tx, dataset):
            part = decode(datasets.staged_body(tx, dataset, number), DatasetPart)
            for raw in part.rows:
                try:
                    rows.append(decode_json(raw, kind))
                except BadMessage:
                    unusable.append(raw.copy())  # a view would keep the whole part in memory
        if unusable:
            self._counters.add("replica.malformed", len(unusable))
        return rows, unusable

    def _template(self, row: TemplateRow) -> Template | None:
        vectors = b"".join(row.vectors)
        whole = all(len(vector) == VECTOR_BYTES for vector in row.vectors)
        if whole and all(map(math.isfinite, array.array("f", vectors))):
            return Template(row.member, row.model, vectors)
        self._counters.add("replica.malformed")
        return None

    def _put(self, tx: Transaction, change: Callable[[], None]) -> bool:
        """Write one row in a part of its own; False if it is refused, which is counted."""
        try:
            tx.in_part(change)
        except ConsentMissing:
            self._counters.add("replica.refused_without_consent")
        except StorageFull:
            raise
        except (StorageError, ValueError, OverflowError):
            self._counters.add("replica.refused_by_schema")
        else:
            return True
        return False


def _changed(tx: Transaction, rows: list[Member]) -> list[Member]:
    """Members that are not on the box as they were sent; cards that change hands are free then."""
    changed = []
    for row in rows:
        known = members.get(tx, tx.vault, row.id)
        if known is not None and known.card != row.card:
            members.free_card(tx, row.id)
        if known is None or known != _ordered(row):
            changed.append(row)
    return changed


def _ordered(member: Member) -> Member:
    """With its consents in the order in which the box reads them."""
    consents = sorted(member.consents, key=lambda each: each.kind)
    return msgspec.structs.replace(member, consents=tuple(consents))


class _Id(Struct):
    id: str


class _Agreeing(Struct):
    consents: tuple[Consent, ...] = ()


def _identity(raw: msgspec.Raw) -> tuple[str, bool] | None:
    """Of whom a malformed row speaks, and whether it may stand for a member of the programme.

    None if it names nobody. Consents that cannot be read are no withdrawal from the programme.
    """
    try:
        member = decode_json(raw, _Id).id
    except BadMessage:
        return None
    try:
        consents = decode_json(raw, _Agreeing).consents
    except BadMessage:
        return member, True
    return member, any(each.kind is ConsentKind.PROGRAMME for each in consents)


_REPLACE = {
    Dataset.MEMBERS: Replica._replace_members,
    Dataset.TEMPLATES: Replica._replace_templates,
    Dataset.CATALOGUE: Replica._replace_catalogue,
    Dataset.STOCK: Replica._replace_stock,
}
