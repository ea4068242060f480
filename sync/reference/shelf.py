"""The datasets the reference platform sends down, read from a folder of JSON files.

`X.json` in the folder serves every box, `boxes/{store}/{box}/X.json` one box instead; each holds an
array of rows (`sync/rows.py` says of which type). What a member has not agreed to never leaves this
room: no profile without the programme, no template without face recognition, and nothing else of
somebody who is no member. Used by `serving.py`, in one thread.
"""

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import GenericAlias
from typing import Any

import msgspec
from msgspec import Struct

from edge.mistakes import suggestion
from edge.records import ConsentKind, Member
from sync.datasets import CHUNK_BYTES_MAX
from sync.messages import Address, Dataset
from sync.rows import KINDS, OF_MEMBERS, bucket_of, row_hash, row_key

log = logging.getLogger(__name__)

FILE_BYTES_MAX = 256 << 20
KEY_CHARACTERS_MAX = 200
ROW_BYTES_MAX = CHUNK_BYTES_MAX - 512
"""A row must fit into a chunk of its own, though it may be incompressible."""
BOXES_MAX = 10_000
"""Boxes with files of their own that are looked at."""

DRAFTS = frozenset({".draft", ".part", ".tmp"})
"""Files that somebody is writing, to be renamed when they are whole."""

_NAMES = {f"{dataset}.json" for dataset in Dataset}
_FILES: dict[Dataset, Any] = {name: GenericAlias(list, (kind,)) for name, kind in KINDS.items()}


class Stored(Struct, frozen=True):
    """One row as it is sent, with its hash and bucket."""

    text: bytes
    hash: int
    bucket: int


Rows = dict[str, Stored]
"""The rows of a dataset by key."""
Box = tuple[str, str]
"""Store and box."""
EVERYBODY: Box = ("", "")


class Shelf:
    """The folder's datasets as they may be sent."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stamps: dict[Path, tuple[int, int]] = {}
        self._read: dict[tuple[Box, Dataset], list[Any]] = {}
        self._rows: dict[tuple[Box, Dataset], Rows] = {}
        self._strangers: set[Path] = set()

    def owner(self, address: Address, dataset: Dataset) -> Box:
        """Whose files this box gets of a dataset: its own, or everybody's."""
        box = (address.store, address.box)
        return box if (box, dataset) in self._rows else EVERYBODY

    def rows(self, owner: Box, dataset: Dataset) -> Rows | None:
        """The rows to be sent; None if there is no such file."""
        return self._rows.get((owner, dataset))

    def refresh(self) -> list[tuple[Box, Dataset]]:
        """Read what has changed since the last time; what is to be sent anew, in order of need.

        A file that cannot be read is reported and its last good content stays.
        """
        for _, folder in self._folders():
            self._look_for_strangers(folder)
        changed = {
            (owner, dataset)
            for owner, folder in self._folders()
            for dataset in Dataset
            if self._look(owner, dataset, folder)
        }
        if not changed:
            return []
        again = set(_depending(changed, {owner for owner, _ in self._read}))
        order = {dataset: number for number, dataset in enumerate(Dataset)}
        renewed = []
        for owner, dataset in sorted(again, key=lambda each: (order[each[1]], each[0])):
            rows = self._packed(owner, dataset)
            if rows is not None and rows != self._rows.get((owner, dataset)):
                self._rows[owner, dataset] = rows
                renewed.append((owner, dataset))
        return renewed

    def _folders(self) -> Iterator[tuple[Box, Path]]:
        yield EVERYBODY, self._folder
        own = sorted((self._folder / "boxes").glob("*/*/"))
        for folder in own[:BOXES_MAX]:
            yield (folder.parent.name, folder.name), folder

    def _look_for_strangers(self, folder: Path) -> None:
        """Say once of each file that it is not served: its name is no dataset's."""
        for path in sorted(folder.glob("*")):
            if path.name.startswith(".") or path.suffix in DRAFTS or path in self._strangers:
                continue
            if path.is_file() and path.name not in _NAMES:
                self._strangers.add(path)
                log.warning("%s is not served. %s", path, suggestion(path.name, _NAMES))

    def _look(self, owner: Box, dataset: Dataset, folder: Path) -> bool:
        path = folder / f"{dataset}.json"
        try:
            found = path.stat()
            stamp = (found.st_mtime_ns, found.st_size)
            if self._stamps.get(path) == stamp:
                return False
            self._stamps[path] = stamp
            if found.st_size > FILE_BYTES_MAX:
                log.warning("%s was not taken over: it is larger than 256 MiB", path)
                return False
            rows = msgspec.json.decode(path.read_bytes(), type=_FILES[dataset])
            self._read[owner, dataset] = rows
        except FileNotFoundError:
            return False
        except (OSError, msgspec.MsgspecError) as error:
            log.warning("%s was not taken over: %s", path, error)
            return False
        return True

    def _packed(self, owner: Box, dataset: Dataset) -> Rows | None:
        """What may be sent. A box with members of its own has its own of all that hangs on them."""
        found = self._read.get((owner, dataset))
        if found is None and owner != EVERYBODY:
            own_members = (owner, Dataset.MEMBERS) in self._read
            if dataset in OF_MEMBERS and own_members:
                found = self._read.get((EVERYBODY, dataset))
        if found is None:
            return None
        rows = Rows()
        for row in self._allowed(owner, dataset, found):
            key, text = row_key(dataset, row), msgspec.json.encode(row)
            if not 0 < len(key) <= KEY_CHARACTERS_MAX or len(text) > ROW_BYTES_MAX:
                log.warning("the row %.80s of %s was left out: too large", key, dataset)
                continue
            rows[key] = Stored(text, row_hash(key, text), bucket_of(key))
        return rows

    def _allowed(self, owner: Box, dataset: Dataset, rows: list[Any]) -> Iterable[Any]:
        if dataset is Dataset.MEMBERS:
            return [row for row in rows if row.agreed(ConsentKind.PROGRAMME)]
        if dataset not in OF_MEMBERS:
            return rows
        kind = ConsentKind.FACE if dataset is Dataset.TEMPLATES else ConsentKind.PROGRAMME
        agreed = {
            member.id
            for member in self._members(owner)
            if member.agreed(kind) and member.agreed(ConsentKind.PROGRAMME)
        }
        return [row for row in rows if row.member is None or row.member in agreed]

    def _members(self, owner: Box) -> list[Member]:
        own = self._read.get((owner, Dataset.MEMBERS))
        return own if own is not None else self._read.get((EVERYBODY, Dataset.MEMBERS), [])


def _depending(
    changed: Iterable[tuple[Box, Dataset]], owners: set[Box]
) -> Iterator[tuple[Box, Dataset]]:
    """What may look different now: what hangs on members, and what boxes take from everybody."""
    for owner, dataset in changed:
        names = (dataset, *OF_MEMBERS) if dataset is Dataset.MEMBERS else (dataset,)
        for name in names:
            yield owner, name
            if owner == EVERYBODY and name in OF_MEMBERS:
                yield from ((other, name) for other in owners)
