"""Rows of datasets on the wire: their keys, hashes and buckets, and a message's header and body.

Used by the box (`replica`) and by the platform (`reference`), so that both mean the same. A row is
hashed as the JSON text that was sent: nobody has to agree on how JSON is written. Pure: no clock,
no I/O. Whatever arrives is checked here against the limits of `sync/datasets.py`.
"""

import hashlib
import io
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import zstandard
from msgspec import Struct

from edge import documents
from edge.errors import BadMessage
from edge.records import Member
from edge.sales import (
    Price,
    Product,
    Stock,
)
from edge.storage.staging import bucket_of as bucket_of
from sync.datasets import (
    BUCKETS,
    CHUNK_PLAIN_BYTES_MAX,
    CHUNK_ROWS_MAX,
    Bucket,
    Delta,
    Encoding,
    Header,
    Manifest,
    RowKey,
)
from sync.messages import MESSAGE_BYTES_MAX, Dataset, TemplateRow, decode_json

HEADER_BYTES_MAX = 96 * 1024
"""A manifest of 1024 chunks and 256 buckets takes 77 KB."""
ZSTD_WINDOW_BYTES_MAX = 8 << 20
ZSTD_LEVEL = 3
EMPTY = "0" * 16
"""The hash of a bucket without rows."""

KINDS: dict[Dataset, Any] = {
    Dataset.MEMBERS: Member,
    Dataset.TEMPLATES: TemplateRow,
    Dataset.CATALOGUE: Product,
    Dataset.PRICES: Price,
    Dataset.STOCK: Stock,
    Dataset.RULES: documents.Rule,
    Dataset.COUPONS: documents.Coupon,
    Dataset.STAFF: documents.Colleague,
    Dataset.CONFIGURATION: documents.Setting,
    Dataset.COLLECT: documents.Collect,
    Dataset.ORDER_STATUS: documents.OrderStatus,
    Dataset.SALES: documents.Sale,
    Dataset.BALANCES: documents.Balance,
    Dataset.HISTORY: documents.Purchase,
    Dataset.CARTS: documents.Cart,
    Dataset.WISHES: documents.Wish,
    Dataset.TOGETHER: documents.Together,
    Dataset.MEDIA: documents.Picture,
}
"""What a row of each dataset is."""

KEY_FIELDS: dict[Dataset, tuple[str, ...]] = {
    Dataset.MEMBERS: ("id",),
    Dataset.TEMPLATES: ("member", "model"),
    Dataset.CATALOGUE: ("sku",),
    Dataset.PRICES: ("sku",),
    Dataset.STOCK: ("sku", "place"),
    Dataset.RULES: ("id",),
    Dataset.COUPONS: ("id",),
    Dataset.STAFF: ("id",),
    Dataset.CONFIGURATION: ("name",),
    Dataset.COLLECT: ("number",),
    Dataset.ORDER_STATUS: ("number",),
    Dataset.SALES: ("receipt",),
    Dataset.BALANCES: ("member",),
    Dataset.HISTORY: ("member", "receipt", "sku"),
    Dataset.CARTS: ("member",),
    Dataset.WISHES: ("member", "sku"),
    Dataset.TOGETHER: ("sku",),
    Dataset.MEDIA: ("id",),
}
"""Which fields of a row its key is made of."""

OF_MEMBERS = frozenset(
    dataset
    for dataset, kind in KINDS.items()
    if dataset is not Dataset.MEMBERS and "member" in kind.__struct_fields__
)
"""Datasets whose rows may hang on a member, and so need the members first."""


class Row(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """`[key, row]`, or `[key]` in a delta for a row that is gone; then `text` is empty."""

    key: RowKey
    text: msgspec.Raw = msgspec.Raw()


_HEADERS: msgspec.json.Decoder[Header] = msgspec.json.Decoder(Header)

# --- keys, hashes, buckets


def row_key(dataset: Dataset, row: Any) -> str:
    """The key of a decoded row: its key fields, with "/" between several of them."""
    fields = KEY_FIELDS[dataset]
    if len(fields) == 1:
        return str(getattr(row, fields[0]))
    return "/".join(_escaped(getattr(row, field)) for field in fields)


def key_parts(dataset: Dataset, key: str) -> tuple[str, ...]:
    """The fields that a key was made of. BadMessage if it is no key of this dataset."""
    fields = KEY_FIELDS[dataset]
    if len(fields) == 1:
        return (key,)
    parts = tuple(part.replace("%2F", "/").replace("%25", "%") for part in key.split("/"))
    if len(parts) != len(fields):
        raise BadMessage(f"{key[:80]!r} is no key of a row of {dataset}.")
    return parts


def _escaped(part: str) -> str:
    return part.replace("%", "%25").replace("/", "%2F")


def row_hash(key: str, text: bytes | msgspec.Raw) -> int:
    """The first 64 bits of SHA-256 over the key, a line feed, and the row's text as sent."""
    digest = hashlib.sha256(key.encode() + b"\n")
    digest.update(text)
    return int.from_bytes(digest.digest()[:8])


def bucket_hash(hashes: Iterable[int]) -> str:
    """The state hash of a bucket with rows of these hashes."""
    return f"{sum(hashes) % 2**64:016x}"


def differing(ours: dict[int, str], theirs: dict[str, str]) -> set[int]:
    """The buckets whose hashes are not the same; one that is left out is empty."""
    theirs_by_number = {int(number): value for number, value in theirs.items()}
    return {
        number
        for number in ours.keys() | theirs_by_number.keys()
        if ours.get(number, EMPTY) != theirs_by_number.get(number, EMPTY)
    }


# --- messages


def body_of(rows: Sequence[Row]) -> bytes:
    """Rows as the body of a message (`enc` is zstd)."""
    plain = msgspec.json.encode(
        [(row.key, row.text) if bytes(row.text) else (row.key,) for row in rows]
    )
    return bytes(zstandard.ZstdCompressor(level=ZSTD_LEVEL).compress(plain))


def rows_of(body: bytes | memoryview, enc: Encoding) -> list[Row]:
    """The rows of a body. BadMessage if it is damaged, too large, or something else."""
    rows = decode_json(_plain(body, enc), list[Row])
    if len(rows) > CHUNK_ROWS_MAX:
        raise BadMessage(f"{len(rows)} rows in one message are too many.", "It was not taken over.")
    return rows


def message(header: Header, body: bytes = b"") -> bytes:
    """A message of a dataset: the header's line, and the body behind it unless it is a manifest."""
    line = msgspec.json.encode(header)
    return line if isinstance(header, Manifest) else line + b"\n" + body


def parse(payload: bytes) -> tuple[Header, bytes, bytes]:
    """Header, body as sent, and the header's line. BadMessage for whatever does not fit."""
    if len(payload) > MESSAGE_BYTES_MAX:
        raise BadMessage(f"A message of {len(payload)} bytes is too large.", "It was not read.")
    line, _, body = payload.partition(b"\n")
    if len(line) > HEADER_BYTES_MAX:
        raise BadMessage("A dataset's message has no header line.", "Check who publishes there.")
    header = _header(line)
    if isinstance(header, Delta | Bucket) and header.sha256 != digest_of(body):
        raise BadMessage("A dataset's message was damaged on its way.", "It is asked for again.")
    return header, body, line


def _header(line: bytes) -> Header:
    try:
        header = _HEADERS.decode(line)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        what = f"A dataset's message has no valid header: {error}."
        raise BadMessage(what, "Compare its sender's version with ours.") from error
    if isinstance(header, Manifest | Delta):
        for number in header.buckets:
            if not (number.isascii() and number.isdigit() and int(number[:4]) < BUCKETS):
                raise BadMessage(f"There is no bucket {number[:20]!r}.", "It was not taken over.")
    if isinstance(header, Manifest) and len(header.spans) != len(header.chunks):
        raise BadMessage("A manifest tells not of each chunk what is in it.")
    return header


def digest_of(body: bytes) -> str:
    """SHA-256 of a body as sent, in hex."""
    return hashlib.sha256(body).hexdigest()


def _plain(body: bytes | memoryview, enc: Encoding) -> bytes:
    if enc == "identity":
        plain = bytes(body)
    else:
        decompressor = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_BYTES_MAX)
        try:
            plain = decompressor.stream_reader(io.BytesIO(body)).read(CHUNK_PLAIN_BYTES_MAX + 1)
        except zstandard.ZstdError as error:
            raise BadMessage(f"Rows cannot be unpacked: {error}.", "They are damaged.") from error
    if len(plain) > CHUNK_PLAIN_BYTES_MAX:
        raise BadMessage("Rows unpack to more than 4 MiB.", "It is a bomb or a mistake.")
    return plain
