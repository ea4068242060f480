"""One dataset as it goes to boxes: its versions, a snapshot in chunks, and the deltas behind it.

Used by `serving.py`. A series lives as long as the process: a new one begins a new generation, and
boxes that have its very state find that out by the state hashes, without fetching a row. It is told
what the rows are now; it reads no file and sends nothing.
"""

import secrets
from collections import deque
from collections.abc import Iterable, Iterator, Sequence

import msgspec
from msgspec import Struct

from edge.errors import SyncError
from sync.datasets import (
    CHUNK_BYTES_MAX,
    CHUNKS_MAX,
    Bucket,
    Chunk,
    Delta,
    Header,
    Manifest,
)
from sync.messages import Dataset
from sync.reference.shelf import Rows
from sync.rows import Row, body_of, bucket_hash, digest_of, message
from sync.signing import SigningKey

CHUNK_ROWS = 1500
"""A box judges and stages so many in about 50 ms."""
DELTA_ROWS_MAX = 2000
"""Beyond it a snapshot is no dearer: boxes fetch only the chunks that differ."""
DELTAS_MIN = 32
DELTAS_BYTES_MAX = 1 << 20
"""Deltas are kept for boxes that come late: 32, and more as long as they are small together."""
BASES_KEPT = 2
"""Snapshots: the present one, and the one that slow boxes may still be fetching."""
GENERATION_BYTES = 6


class Base(Struct, frozen=True):
    """A snapshot of one version, with its signed manifest."""

    version: int
    manifest: bytes
    chunks: tuple[bytes, ...]


class Series:
    """The versions of one dataset, for everybody or for one box. Make it with the first rows."""

    def __init__(
        self,
        dataset: Dataset,
        rows: Rows,
        needs: dict[Dataset, str],
        *,
        key: SigningKey | None,
        prefix: str = "",
    ) -> None:
        self._dataset = dataset
        self._needs = needs
        self._key = key
        self._rows = rows
        self.generation = prefix + secrets.token_hex(GENERATION_BYTES)
        self.version = 1
        self._deltas: deque[tuple[int, bytes]] = deque()
        self._bases: deque[Base] = deque(maxlen=BASES_KEPT)

    def change(self, rows: Rows) -> bytes | None:
        """These are the rows now: the delta to them, or None if it would be too large."""
        before, self._rows = self._rows, rows
        self.version += 1
        gone = [Row(key) for key in before if key not in rows]
        new = [
            Row(key, msgspec.Raw(row.text)) for key, row in rows.items() if before.get(key) != row
        ]
        delta = self._delta([*gone, *new], {k: before[k].bucket for k in before if k not in rows})
        if delta is None:
            self._deltas.clear()
            return None
        self._deltas.append((self.version - 1, delta))
        size = sum(len(each) for _, each in self._deltas)
        while len(self._deltas) > DELTAS_MIN and size > DELTAS_BYTES_MAX:
            size -= len(self._deltas.popleft()[1])
        return delta

    def since(self, generation: str, version: int) -> list[bytes] | None:
        """The deltas that lead from there to now; None if there is no such way."""
        if generation != self.generation or version > self.version:
            return None
        deltas = [delta for begins, delta in self._deltas if begins >= version]
        return deltas if len(deltas) == self.version - version else None

    def base(self) -> Base:
        """A snapshot from which the deltas lead to now; it is made if there is none."""
        if self._bases and self.since(self.generation, self._bases[-1].version) is not None:
            return self._bases[-1]
        base = self._snapshot()
        self._bases.append(base)
        return base

    def present(self) -> Base:
        """The snapshot of the present version."""
        if not self._bases or self._bases[-1].version != self.version:
            self._bases.append(self._snapshot())
        return self._bases[-1]

    def chunks(self, version: int, numbers: Iterable[int]) -> list[bytes] | None:
        """Chunks of a version; None if it is not kept."""
        for base in self._bases:
            if base.version == version:
                return [base.chunks[number] for number in numbers if number < len(base.chunks)]
        return None

    def bucket(self, number: int) -> Iterator[bytes]:
        """All rows of one bucket, as they are now."""
        found = [(key, row.text) for key, row in self._rows.items() if row.bucket == number]
        rows = [Row(key, msgspec.Raw(text)) for key, text in sorted(found)]
        bodies = list(_bodies(rows)) or [body_of([])]
        for part, body in enumerate(bodies, start=1):
            header = Bucket(
                v=1,
                dataset=self._dataset,
                generation=self.generation,
                version=self.version,
                bucket=number,
                part=part,
                parts=len(bodies),
                enc="zstd",
                sha256=digest_of(body),
            )
            yield self._signed(header) + b"\n" + body

    def state(self) -> dict[str, str]:
        """The state hash of each bucket that is not empty."""
        return self._hashes(set(range(256)))

    def _hashes(self, wanted: set[int]) -> dict[str, str]:
        hashes: dict[int, list[int]] = {}
        for row in self._rows.values():
            if row.bucket in wanted:
                hashes.setdefault(row.bucket, []).append(row.hash)
        return {str(number): bucket_hash(some) for number, some in sorted(hashes.items())}

    def _delta(self, rows: list[Row], gone: dict[str, int]) -> bytes | None:
        if len(rows) > DELTA_ROWS_MAX:
            return None
        body = body_of(rows)
        if len(body) > CHUNK_BYTES_MAX:
            return None
        touched = {gone[row.key] if row.key in gone else self._rows[row.key].bucket for row in rows}
        empty = dict.fromkeys(map(str, sorted(touched)), bucket_hash(()))
        header = Delta(
            v=1,
            dataset=self._dataset,
            generation=self.generation,
            from_=self.version - 1,
            to=self.version,
            enc="zstd",
            sha256=digest_of(body),
            buckets=empty | self._hashes(touched),
            needs=self._needs,
        )
        return self._signed(header) + b"\n" + body

    def _snapshot(self) -> Base:
        ordered = sorted(self._rows, key=lambda key: (self._rows[key].bucket, key))
        rows = [Row(key, msgspec.Raw(self._rows[key].text)) for key in ordered]
        chunks, digests, spans = [], [], []
        place = 0
        for number, (body, count) in enumerate(_counted(rows)):
            header = Chunk(1, self._dataset, self.generation, self.version, number, "zstd")
            chunks.append(message(header, body))
            digests.append(digest_of(body))
            first, last = ordered[place], ordered[place + count - 1]
            spans.append((self._rows[first].bucket, self._rows[last].bucket))
            place += count
        if len(chunks) > CHUNKS_MAX:
            raise SyncError(
                f"The dataset {self._dataset} takes {len(chunks)} chunks, which is too many.",
                f"Make it smaller; {CHUNKS_MAX} chunks of 90 KiB can be sent.",
            )
        manifest = Manifest(
            v=1,
            dataset=self._dataset,
            generation=self.generation,
            version=self.version,
            rows=len(rows),
            chunks=tuple(digests),
            spans=tuple(spans),
            buckets=self.state(),
            needs=self._needs,
        )
        return Base(self.version, self._signed(manifest), tuple(chunks))

    def _signed(self, header: Header) -> bytes:
        """The header's line."""
        plain = msgspec.to_builtins(header)
        return msgspec.json.encode(plain if self._key is None else self._key.signed(plain))


def _counted(rows: Sequence[Row]) -> Iterator[tuple[bytes, int]]:
    """Bodies that each fit into a message, with how many rows are in them."""
    place, step = 0, CHUNK_ROWS
    while place < len(rows):
        some = rows[place : place + step]
        body = body_of(some)
        if len(body) > CHUNK_BYTES_MAX and len(some) > 1:
            step = max(1, min(len(some) - 1, len(some) * CHUNK_BYTES_MAX * 9 // (len(body) * 10)))
            continue
        yield body, len(some)
        place += len(some)
        step = min(CHUNK_ROWS, step * 2)


def _bodies(rows: Sequence[Row]) -> Iterator[bytes]:
    return (body for body, _ in _counted(rows))
