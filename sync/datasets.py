"""What crosses the wire of a dataset: manifests, chunks, deltas, and the box's wish for them.

A dataset is a set of rows, each with a key. Its state is named by (generation, version): a new
generation shares nothing with the one before; a delta leads from one version to the next.
Each message on `dn/d/{dataset}` is one line of JSON (the header, tagged by `kind`), and for chunks
and deltas a line feed and a body: a JSON array, compressed as `enc` says. Used by the box
(`replica`) and the platform (`reference/serving`). Nothing here opens a connection or a file.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from sync.messages import Count, Cursor, Dataset, Short

BUCKETS = 256
"""A row's bucket is the first byte of SHA-256 of its key."""
CHUNKS_MAX = 1024
"""Chunks of one snapshot: 96 MiB compressed, many times the largest catalogue we know of."""
CHUNK_ROWS_MAX = 5000
CHUNK_BYTES_MAX = 90 * 1024
"""A chunk's body as sent; with its header it fits into one message."""
CHUNK_PLAIN_BYTES_MAX = 4 << 20
WANTED_MAX = 64
"""Chunks or buckets asked for in one message."""

OWN = "own-"
BucketNumber = Annotated[int, Meta(ge=0, lt=BUCKETS)]
Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
RowKey = Annotated[str, Meta(min_length=1, max_length=200)]
BucketHash = Annotated[str, Meta(pattern="^[0-9a-f]{16}$")]
"""Sum modulo 2^64 of the row hashes of one bucket, in hex; an empty bucket is left out."""
Encoding = Literal["zstd", "identity"]


class Manifest(Struct, frozen=True, tag="manifest", tag_field="kind"):
    """One snapshot: which chunks it consists of, and what its state hashes are. Retained, signed.

    `spans` tells of each chunk the first and last bucket of its rows, so that a box asks only for
    those whose buckets are not as it has them. `needs` names datasets (by generation) that must
    have been applied first. What is meant for one box alone has a generation that begins with
    `OWN`: such a box no longer listens to what all boxes are told of that dataset.
    """

    v: Literal[1]
    dataset: Dataset
    generation: Short
    version: Cursor
    rows: Count
    chunks: Annotated[tuple[Digest, ...], Meta(max_length=CHUNKS_MAX)]
    spans: Annotated[tuple[tuple[BucketNumber, BucketNumber], ...], Meta(max_length=CHUNKS_MAX)]
    buckets: dict[str, BucketHash]
    needs: dict[Dataset, Short] = {}
    kid: str = ""
    sig: str = ""


class Chunk(Struct, frozen=True, tag="chunk", tag_field="kind"):
    """Rows of a snapshot; the body is an array of `[key, row]`. Number `chunk` counts from 0."""

    v: Literal[1]
    dataset: Dataset
    generation: Short
    version: Cursor
    chunk: Annotated[int, Meta(ge=0, lt=CHUNKS_MAX)]
    enc: Encoding


class Bucket(Struct, frozen=True, tag="bucket", tag_field="kind"):
    """All rows of one bucket as they are at `version`: what a box asks for whose hash differs.

    The body is an array of `[key, row]`, `part` of `parts` (from 1).
    """

    v: Literal[1]
    dataset: Dataset
    generation: Short
    version: Cursor
    bucket: BucketNumber
    part: Annotated[int, Meta(ge=1, le=CHUNKS_MAX)]
    parts: Annotated[int, Meta(ge=1, le=CHUNKS_MAX)]
    enc: Encoding
    sha256: Digest
    kid: str = ""
    sig: str = ""


class Delta(Struct, frozen=True, tag="delta", tag_field="kind"):
    """What leads from one version to the next: an array of `[key, row]`, or `[key]` for a row gone.

    `buckets` has the state hashes afterwards of the buckets that it touches ("0"*16 for empty).
    Signed: `sha256` is that of the body as sent.
    """

    v: Literal[1]
    dataset: Dataset
    generation: Short
    from_: Cursor = msgspec.field(name="from")
    to: Cursor
    enc: Encoding
    sha256: Digest
    buckets: dict[str, BucketHash]
    needs: dict[Dataset, Short] = {}
    kid: str = ""
    sig: str = ""


Header = Manifest | Chunk | Bucket | Delta


class Want(Struct, frozen=True):
    """The box asks (on `rq/dataset`) for chunks `first..last`, for buckets, or for all anew.

    With nothing of these it tells what it has, and wants whatever has followed since.
    """

    v: Literal[1]
    dataset: Dataset
    generation: Short
    version: Cursor
    first: Annotated[int, Meta(ge=0, lt=CHUNKS_MAX)] = 0
    last: Annotated[int, Meta(ge=-1, lt=CHUNKS_MAX)] = -1
    buckets: Annotated[tuple[BucketNumber, ...], Meta(max_length=WANTED_MAX)] = ()
    manifest: bool = False
    """The present manifest is wanted, whatever it is: what came cannot be used."""
