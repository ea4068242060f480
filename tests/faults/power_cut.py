"""What a disk may hold after the power went: replays a recording up to a random operation.

What was synced is there. Of what was not, each file keeps nothing, a part, or all, in order or
not; the last write, or any, may be torn at a sector. This is the model of a disk that keeps its
word on syncs, reorders what is between them, and writes sectors whole. Pure, seeded.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.faults.recorder import Delete, Mark, Operation, Recording, Sync, Truncate, Write

SECTOR_BYTES = 512
SYNCED_WITH_FOLDER = ("-wal", "-journal")
"""SQLite syncs the folder with the first sync of a new log, and by that all that was deleted."""
LOST_SHARE, KEPT_SHARE, ORDER_SHARE = 0.25, 0.15, 0.3
"""So often un-synced operations are all lost, all kept, or kept up to one of them; else at random,
each for itself."""


@dataclass(frozen=True, slots=True)
class Cut:
    """The files as they are after a cut in operation `at`, and everything marked before it."""

    at: int
    files: dict[str, bytes]
    marks: Sequence[Any]


@dataclass(slots=True)
class _File:
    """A file, as it is on the disk for certain, and what was done to it since."""

    durable: bytearray | None
    pending: list[Operation] = field(default_factory=list)


def cuts(recording: Recording, count: int, rng: random.Random) -> Iterator[Cut]:
    """`count` cuts at random operations, the earliest first."""
    operations = recording.operations
    moments = sorted(rng.randrange(1, len(operations) + 1) for _ in range(count))
    files = {name: _File(bytearray(content)) for name, content in recording.before.items()}
    marks: list[Any] = []
    at = 0
    for moment in moments:
        for operation in operations[at:moment]:
            _follow(files, marks, operation)
        at = moment
        after = {name: _after(file, rng) for name, file in files.items()}
        left = {name: bytes(content) for name, content in after.items() if content is not None}
        yield Cut(moment, left, marks[:])


def _follow(files: dict[str, _File], marks: list[Any], operation: Operation) -> None:
    if isinstance(operation, Mark):
        marks.append(operation.what)
        return
    file = files.setdefault(operation.file, _File(None))
    if not isinstance(operation, Sync):
        file.pending.append(operation)
        return
    if file.durable is None and operation.file.endswith(SYNCED_WITH_FOLDER):
        for other in files.values():
            if any(isinstance(pending, Delete) for pending in other.pending):
                _settle(other)
    _settle(file)


def _settle(file: _File) -> None:
    for pending in file.pending:
        file.durable = _applied(file.durable, pending)
    file.pending.clear()


def _after(file: _File, rng: random.Random) -> bytearray | None:
    """`file` with some of what was not synced."""
    pending, style = file.pending, rng.random()
    if not pending or style < LOST_SHARE:
        return file.durable
    content = None if file.durable is None else bytearray(file.durable)
    if style < LOST_SHARE + KEPT_SHARE:
        kept: list[Operation] = pending
    elif style < LOST_SHARE + KEPT_SHARE + ORDER_SHARE:
        last = rng.randrange(len(pending))
        kept = [*pending[:last], *_torn(pending[last], rng)]
    else:
        chance = rng.random()
        kept = [
            piece
            for operation in pending
            if rng.random() < chance
            for piece in (_torn(operation, rng) if rng.random() < 0.2 else (operation,))
        ]
    for operation in kept:
        content = _applied(content, operation)
    return content


def _torn(operation: Operation, rng: random.Random) -> list[Operation]:
    """Some sectors of a write; anything else happens whole or not at all."""
    if not isinstance(operation, Write):
        return [operation] if rng.random() < 0.5 else []
    offset, end = operation.offset, operation.offset + len(operation.data)
    borders = range(offset - offset % SECTOR_BYTES, end, SECTOR_BYTES)
    pieces = [(max(b, offset), min(b + SECTOR_BYTES, end)) for b in borders]
    return [
        Write(operation.file, a, operation.data[a - offset : b - offset])
        for a, b in pieces
        if rng.random() < 0.5
    ]


def _applied(content: bytearray | None, operation: Operation) -> bytearray | None:
    if isinstance(operation, Delete):
        return None
    content = bytearray() if content is None else content
    if isinstance(operation, Truncate):
        del content[operation.size :]
        content.extend(bytes(operation.size - len(content)))
    elif isinstance(operation, Write):
        if len(content) < operation.offset:
            content.extend(bytes(operation.offset - len(content)))
        content[operation.offset : operation.offset + len(operation.data)] = operation.data
    return content
