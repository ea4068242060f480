"""Rows of datasets on the wire: keys, hashes, buckets, bodies and headers."""

import hashlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import BadMessage
from edge.sales import Stock
from sync.datasets import CHUNK_PLAIN_BYTES_MAX, CHUNK_ROWS_MAX, Bucket, Chunk, Delta, Manifest
from sync.messages import Dataset, TemplateRow
from sync.rows import (
    EMPTY,
    KEY_FIELDS,
    KINDS,
    OF_MEMBERS,
    Row,
    body_of,
    bucket_hash,
    bucket_of,
    differing,
    digest_of,
    key_parts,
    message,
    parse,
    row_hash,
    row_key,
    rows_of,
)

PARTS = st.text(min_size=1, max_size=20)
KEYS = st.text(min_size=1, max_size=40)
VALUES = st.dictionaries(st.text(max_size=5), st.integers(-(2**53), 2**53), max_size=4)
DIGEST = "0" * 64


@given(PARTS, PARTS)
def test_a_key_is_made_of_its_fields_and_of_no_others(sku, place):
    key = row_key(Dataset.STOCK, Stock(sku, place, 1, 1))
    assert key_parts(Dataset.STOCK, key) == (sku, place)


@given(st.lists(st.tuples(PARTS, PARTS), unique=True, max_size=20))
def test_two_rows_have_two_keys(pairs):
    keys = {row_key(Dataset.TEMPLATES, TemplateRow(*pair, [b"x"])) for pair in pairs}
    assert len(keys) == len(pairs)


def test_what_is_no_key_of_the_dataset_is_refused():
    with pytest.raises(BadMessage):
        key_parts(Dataset.STOCK, "no place in it")


def test_every_dataset_has_a_type_and_its_key_fields_are_in_it():
    assert set(KINDS) == set(KEY_FIELDS) == set(Dataset)
    for dataset, fields in KEY_FIELDS.items():
        assert set(fields) <= set(KINDS[dataset].__struct_fields__)
    assert Dataset.MEMBERS not in OF_MEMBERS
    assert {Dataset.TEMPLATES, Dataset.HISTORY, Dataset.SALES} <= OF_MEMBERS


def test_hashes_are_what_the_document_says():
    digest = hashlib.sha256("ключ".encode() + b'\n{"a":1}').digest()
    assert row_hash("ключ", b'{"a":1}') == int.from_bytes(digest[:8])
    assert bucket_of("ключ") == hashlib.sha256("ключ".encode()).digest()[0]


@given(st.lists(st.integers(0, 2**64 - 1)), st.randoms())
def test_a_bucket_is_the_same_in_any_order_and_empty_as_if_left_out(hashes, seeded):
    turned = list(hashes)
    seeded.shuffle(turned)
    assert bucket_hash(turned) == bucket_hash(hashes)
    assert bucket_hash(()) == EMPTY
    assert differing({1: bucket_hash(hashes), 2: EMPTY}, {"1": bucket_hash(turned)}) == set()


@given(st.dictionaries(KEYS, st.one_of(st.none(), VALUES), max_size=30))
def test_rows_come_out_of_a_body_as_they_went_in(found):
    rows = [
        Row(key) if value is None else Row(key, msgspec.Raw(msgspec.json.encode(value)))
        for key, value in found.items()
    ]
    body = body_of(rows)
    out = rows_of(body, "zstd")
    assert [(row.key, bytes(row.text)) for row in out] == [(r.key, bytes(r.text)) for r in rows]
    plain = msgspec.json.encode([(r.key, r.text) if bytes(r.text) else (r.key,) for r in rows])
    assert [row.key for row in rows_of(plain, "identity")] == list(found)


@given(st.binary(max_size=200))
def test_garbage_is_no_body_and_no_header(garbage):
    for enc in ("zstd", "identity"):
        with pytest.raises(BadMessage):
            rows_of(garbage, enc)
    with pytest.raises(BadMessage):
        parse(garbage)


def test_bombs_and_hordes_are_refused():
    import zstandard

    bomb = zstandard.ZstdCompressor().compress(b" " * (CHUNK_PLAIN_BYTES_MAX + 1))
    with pytest.raises(BadMessage, match="4 MiB"):
        rows_of(bomb, "zstd")
    horde = msgspec.json.encode([["k", 1]] * (CHUNK_ROWS_MAX + 1))
    with pytest.raises(BadMessage, match="too many"):
        rows_of(horde, "identity")
    with pytest.raises(BadMessage):
        rows_of(b'[["k", 1, 2]]', "identity")
    with pytest.raises(BadMessage):
        rows_of(b'[["k",' + b"[" * 50_000, "identity")
    with pytest.raises(BadMessage):
        parse(b" " * (129 * 1024))


def manifest(**changes):
    plain = Manifest(1, Dataset.STOCK, "g", 1, 0, (), (), {})
    return msgspec.structs.replace(plain, **changes)


@pytest.mark.parametrize(
    "header",
    [
        manifest(buckets={"256": EMPTY}),
        manifest(buckets={"-1": EMPTY}),
        manifest(buckets={"1" * 5000: EMPTY}),
        manifest(buckets={"١": EMPTY}),
        manifest(chunks=(DIGEST,)),
        Delta(1, Dataset.STOCK, "g", 1, 2, "zstd", DIGEST, {}),
        Bucket(1, Dataset.STOCK, "g", 1, 1, 1, 1, "zstd", DIGEST),
    ],
)
def test_a_header_that_contradicts_itself_or_its_body_is_refused(header):
    with pytest.raises(BadMessage):
        parse(message(header, b"body"))


def test_messages_are_read_as_they_were_written():
    body = body_of([Row("k", msgspec.Raw(b"1"))])
    said = digest_of(body)
    for header in (
        manifest(),
        Chunk(1, Dataset.STOCK, "g", 1, 0, "zstd"),
        Delta(1, Dataset.STOCK, "g", 1, 2, "zstd", said, {"0": EMPTY}),
        Bucket(1, Dataset.STOCK, "g", 1, 1, 1, 1, "zstd", said),
    ):
        read, rest, line = parse(message(header, body))
        assert read == header
        assert rest == (b"" if isinstance(header, Manifest) else body)
        assert msgspec.json.decode(line)["kind"] == header.__struct_config__.tag
