"""The box's copy of what the platform knows: members, templates, catalogue, stock.

The link hands every part here; when a snapshot is complete it replaces the dataset in one
transaction. Members and templates enter and leave only through `edge/consent.py`: what lacks
consent is refused row by row, and counted, whatever the platform sent.
"""

import array
import contextlib
import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

from msgspec import Struct

from edge import consent
from edge.clock import Clock
from edge.counters import Counters
from edge.errors import BadMessage, ConsentMissing, StorageError, StorageFull
from edge.records import VECTOR_BYTES, Member, Moment, Product, Stock
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

T = TypeVar("T")


class Replica:
    """Receives the parts of datasets and applies what is complete."""

    def __init__(self, database: Database, clock: Clock, counters: Counters) -> None:
        self._database = database
        self._clock = clock
        self._counters = counters
        self._listeners: list[Callable[[Dataset], None]] = []
        self.incomplete = False
        """Whether parts wait for others that have not come yet."""

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

        BadMessage if it is malformed; StorageError if the box cannot keep it.
        """
        part = decode(payload, DatasetPart)
        if part.dataset != dataset or part.part > part.parts:
            raise BadMessage(f"A part of {part.dataset} came as one of {dataset[:40]!r}.")
        now = self._clock.now()
        applied = await self._database.transact(lambda tx: self._take(tx, part, payload, now))
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
        self.incomplete = datasets.anything_staged(tx)
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
        self._count_malformed(tx, dataset)
        _REPLACE[dataset](self, tx, now)
        datasets.set_applied(tx, dataset, (part.generation, part.version), now.wall_ms)
        return True

    def _count_malformed(self, tx: Transaction, dataset: Dataset) -> None:
        parts = datasets.staged_parts(tx, dataset)
        bodies = (datasets.staged_body(tx, dataset, number) for number in parts)
        sent = sum(len(decode(body, DatasetPart).rows) for body in bodies)
        valid = sum(1 for _ in self._rows(tx, dataset, _ROWS[dataset]))
        if sent > valid:
            self._counters.add("replica.malformed", sent - valid)

    # --- one dataset each: what is gone leaves first, so that its card or code is free again.
    # A malformed row counts as gone: a consent withdrawn in it must not live on.

    def _replace_members(self, tx: Transaction, now: Moment) -> None:
        kept = {row.id for row in self._rows(tx, Dataset.MEMBERS, Member)}
        for gone in sorted(datasets.member_ids(tx) - kept):
            consent.forget_member(tx, gone, now)
        for row in self._rows(tx, Dataset.MEMBERS, Member):
            if not self._put(tx, partial(consent.accept_member, tx, row)):
                # Refused, so it must not stay as it was: the consent may have been withdrawn.
                consent.forget_member(tx, row.id, now)

    def _replace_templates(self, tx: Transaction, now: Moment) -> None:
        kept = {(r.member, r.model) for r in self._rows(tx, Dataset.TEMPLATES, TemplateRow)}
        for member, _model in sorted(datasets.template_keys(tx) - kept):
            members.drop_templates(tx, member)
        for row in self._rows(tx, Dataset.TEMPLATES, TemplateRow):
            self._put(tx, partial(_accept_template, tx, row))

    def _replace_catalogue(self, tx: Transaction, now: Moment) -> None:
        kept = {row.sku for row in self._rows(tx, Dataset.CATALOGUE, Product)}
        for gone in sorted(datasets.skus(tx) - kept):
            goods.drop_product(tx, gone)
        for row in self._rows(tx, Dataset.CATALOGUE, Product):
            self._put(tx, partial(goods.put_product, tx, row))

    def _replace_stock(self, tx: Transaction, now: Moment) -> None:
        kept = {(row.sku, row.place) for row in self._rows(tx, Dataset.STOCK, Stock)}
        for sku, place in sorted(datasets.stock_keys(tx) - kept):
            goods.drop_stock(tx, sku, place)
        for row in self._rows(tx, Dataset.STOCK, Stock):
            self._put(tx, partial(goods.put_stock, tx, row))

    def _rows(self, tx: Transaction, dataset: Dataset, kind: type[T]) -> Iterator[T]:
        """The valid rows of all parts, part by part."""
        for number in datasets.staged_parts(tx, dataset):
            part = decode(datasets.staged_body(tx, dataset, number), DatasetPart)
            for raw in part.rows:
                with contextlib.suppress(BadMessage):  # counted once, in _count_malformed
                    yield decode_json(raw, kind)

    def _put(self, tx: Transaction, change: Callable[[], None]) -> bool:
        """Write one row in a part of its own; False if it is refused, which is counted."""
        try:
            tx.in_part(change)
        except ConsentMissing:
            self._counters.add("replica.refused_without_consent")
        except BadMessage:
            self._counters.add("replica.malformed")
        except StorageFull:
            raise
        except StorageError:
            self._counters.add("replica.refused_by_schema")
        else:
            return True
        return False


def _accept_template(tx: Transaction, row: TemplateRow) -> None:
    vectors = b"".join(row.vectors)
    whole = all(len(vector) == VECTOR_BYTES for vector in row.vectors)
    if not whole or not all(map(math.isfinite, array.array("f", vectors))):
        raise BadMessage(f"A template of {row.member} is malformed.", "It was not stored.")
    consent.accept_template(tx, Template(row.member, row.model, vectors))


_ROWS: dict[Dataset, type[Struct]] = {
    Dataset.MEMBERS: Member,
    Dataset.TEMPLATES: TemplateRow,
    Dataset.CATALOGUE: Product,
    Dataset.STOCK: Stock,
}
_REPLACE = {
    Dataset.MEMBERS: Replica._replace_members,
    Dataset.TEMPLATES: Replica._replace_templates,
    Dataset.CATALOGUE: Replica._replace_catalogue,
    Dataset.STOCK: Replica._replace_stock,
}
