"""The oracle sees what it is there for: holes, gaps that cover them, and renewed epochs."""

import msgspec

from edge.records import Stream
from edge.storage.journal import digest
from edge.storage.outbox import GAP_TYPE, Gap
from sync.ingest.log import Received
from tests.faults.oracle import accounts


def row(stream, seq, *, epoch="a", body=b"{}", type_="t.v1"):
    stamps = (0, 0)
    return Received(seq, "c/s/b", epoch, stream, seq, type_, digest(body), body, *stamps)


def gap(seq, first, last, stream=Stream.BULK):
    body = msgspec.json.encode(Gap(stream, first, last, last - first + 1, "quota"))
    return row(Stream.CRIT, seq, body=body, type_=GAP_TYPE)


def test_a_number_that_is_neither_received_nor_declared_is_a_hole():
    received = [row(Stream.BULK, 1), row(Stream.BULK, 4), gap(1, 2, 2)]
    found = accounts(received, {("a", "bulk"): 6, ("a", "crit"): 1})
    bulk = found["a", "bulk"]
    assert (bulk.received, bulk.declared, bulk.holes, bulk.produced) == (2, 1, 3, 6)
    assert found["a", "crit"].holes == 0


def test_what_was_sent_before_it_was_given_up_counts_once():
    received = [row(Stream.BULK, 1), row(Stream.BULK, 2), gap(1, 1, 3)]
    bulk = accounts(received, {("a", "bulk"): 3})["a", "bulk"]
    assert (bulk.received, bulk.declared, bulk.holes) == (2, 1, 0)


def test_a_renewed_epoch_goes_on_where_the_former_one_was():
    received = [row(Stream.CRIT, 1), row(Stream.CRIT, 2), row(Stream.CRIT, 2, epoch="b")]
    found = accounts(received, {("b", "crit"): 3, ("b", "bulk"): 7})
    assert found["a", "crit"].holes == 0
    assert found["b", "crit"].holes == 1, "number 3 was given and has not arrived"
    assert found["b", "bulk"].holes == 0, "all of it was of the former life"
