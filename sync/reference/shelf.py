"""The datasets the reference platform sends down, read from a folder of JSON files.

`members.json`, `catalogue.json` and `stock.json` hold rows as `edge/records.py` has them,
`templates.json` rows of {"member", "model", "vectors": [base64, ...]}. What a member has not agreed
to never leaves this file: no profile without the programme, no template without face recognition.
"""

import hashlib
import logging
from pathlib import Path
from typing import Any

import msgspec

from edge.records import ConsentKind, Member, Product, Stock
from sync.messages import (
    PAYLOAD_BYTES_MAX,
    ROWS_PER_PART_MAX,
    Dataset,
    DatasetPart,
    TemplateRow,
    encode,
)

log = logging.getLogger(__name__)

FILE_BYTES_MAX = 64 << 20
ROWS_BYTES_PER_PART_MAX = PAYLOAD_BYTES_MAX - 1024
"""What remains of a payload for rows beside the part's own fields."""

_KINDS: dict[Dataset, Any] = {
    Dataset.MEMBERS: list[Member],
    Dataset.TEMPLATES: list[TemplateRow],
    Dataset.CATALOGUE: list[Product],
    Dataset.STOCK: list[Stock],
}


class Snapshot(msgspec.Struct, frozen=True):
    """One dataset, packed: `generation` is a hash of what is sent."""

    dataset: Dataset
    generation: str
    parts: tuple[bytes, ...]


class Shelf:
    """The folder's datasets as they may be sent."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stamps: dict[Dataset, tuple[int, int]] = {}
        self._rows: dict[Dataset, list[Any]] = {}
        self.snapshots: dict[Dataset, Snapshot] = {}
        """In the order in which a box needs them."""

    def refresh(self) -> bool:
        """Read what has changed since the last time; whether anything to send is new.

        A file that cannot be read is reported and its last good content stays.
        """
        changed = [dataset for dataset in Dataset if self._read(dataset)]
        if not changed:
            return False
        before = self.snapshots
        self.snapshots = self._packed()
        return self.snapshots != before

    def _read(self, dataset: Dataset) -> bool:
        path = self._folder / f"{dataset}.json"
        try:
            found = path.stat()
            stamp = (found.st_mtime_ns, found.st_size)
            if self._stamps.get(dataset) == stamp or found.st_size > FILE_BYTES_MAX:
                return False
            self._stamps[dataset] = stamp
            text = path.read_bytes()
            self._rows[dataset] = msgspec.json.decode(text, type=_KINDS[dataset])
        except FileNotFoundError:
            return False
        except (OSError, msgspec.MsgspecError) as error:
            log.warning("%s was not taken over: %s", path, error)
            return False
        return True

    def _packed(self) -> dict[Dataset, Snapshot]:
        members = [row for row in self._rows.get(Dataset.MEMBERS, []) if _in_programme(row)]
        faces = {member.id for member in members if member.agreed(ConsentKind.FACE)}
        templates = [row for row in self._rows.get(Dataset.TEMPLATES, []) if row.member in faces]
        rows = {**self._rows, Dataset.MEMBERS: members, Dataset.TEMPLATES: templates}
        snapshots: dict[Dataset, Snapshot] = {}
        for dataset in Dataset:
            if dataset not in self._rows:
                continue
            needs = None
            if dataset is Dataset.TEMPLATES and Dataset.MEMBERS in snapshots:
                needs = snapshots[Dataset.MEMBERS].generation
            snapshots[dataset] = _pack(dataset, rows[dataset], needs)
        return snapshots


def _in_programme(member: Member) -> bool:
    return member.agreed(ConsentKind.PROGRAMME)


def _pack(dataset: Dataset, rows: list[Any], needs: str | None) -> Snapshot:
    encoded = [msgspec.json.encode(row) for row in rows]
    groups: list[list[msgspec.Raw]] = [[]]
    size = 0
    for row in encoded:
        if len(row) > ROWS_BYTES_PER_PART_MAX:
            log.warning("a row of %s is too large to be sent and was left out", dataset)
            continue
        if size + len(row) + 1 > ROWS_BYTES_PER_PART_MAX or len(groups[-1]) >= ROWS_PER_PART_MAX:
            groups.append([])
            size = 0
        groups[-1].append(msgspec.Raw(row))
        size += len(row) + 1
    # Of the needed members, too: templates that were cut away by a withdrawal must come again
    # when the consent does.
    content = b"\n".join([*encoded, (needs or "").encode()])
    generation = hashlib.sha256(content).hexdigest()[:16]
    parts = tuple(
        encode(
            DatasetPart(
                v=1,
                dataset=dataset,
                generation=generation,
                version=1,
                part=number,
                parts=len(groups),
                rows=group,
                needs={Dataset.MEMBERS: needs} if needs else msgspec.UNSET,
            )
        )
        for number, group in enumerate(groups, start=1)
    )
    return Snapshot(dataset, generation, parts)
