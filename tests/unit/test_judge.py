"""The judge of promises: every way to break one is seen, and nothing else."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.records import Stream
from edge.storage.journal import digest
from edge.storage.outbox import GAP_TYPE, Gap
from sync.ingest.log import Received
from sync.reference.judge import Verdict, judge

EPOCH = "0badcafe"
BODY = b'{"a":1}'


def row(seq, stream=Stream.CRIT, *, body=BODY, epoch=EPOCH, type_="made.v1"):
    return Received(0, "a/b/c", epoch, stream, seq, type_, digest(body), body, 0, 0)


def promise(seq, stream=Stream.CRIT, *, body=BODY):
    return f"{EPOCH}-{stream}-{seq}", digest(body)


def promises(*seqs):
    return [promise(seq) for seq in seqs]


@given(
    st.dictionaries(st.sampled_from(Stream), st.integers(1, 20), min_size=1),
    st.randoms(use_true_random=False),
)
def test_kept_promises_are_flawless_however_the_streams_interleave(counts, random):
    turns = [stream for stream, count in counts.items() for _ in range(count)]
    random.shuffle(turns)
    given_out = dict.fromkeys(counts, 0)
    log = []
    for stream in turns:
        given_out[stream] += 1
        log.append(row(given_out[stream], stream))
    made = [promise(r.seq, r.stream) for r in log]
    total = len(made)
    assert judge(made, log) == Verdict(total, total, 0, 0, 0, 0, 0)
    assert judge(made, log).flawless


@pytest.mark.parametrize(
    ("log", "fault"),
    [
        ([row(1), row(3)], "lost"),
        ([row(1), row(2)], "lost"),
        ([row(1), row(2), row(3), row(3)], "duplicated"),
        ([row(1), row(2), row(3), row(1)], "duplicated"),
        ([row(2), row(1), row(3)], "disordered"),
        ([row(1), row(2, body=b"{}"), row(3)], "altered"),
        ([row(1), row(2, body=BODY + b" "), row(3)], "altered"),
    ],
)
def test_each_fault_is_seen_as_what_it_is(log, fault):
    verdict = judge(promises(1, 2, 3), log)
    faults = ("lost", "duplicated", "altered", "disordered")
    assert {name: getattr(verdict, name) for name in faults} == {
        name: int(name == fault) for name in faults
    }
    assert not verdict.flawless


def test_an_altered_duplicate_is_both():
    verdict = judge(promises(1), [row(1), row(1, body=b"{}")])
    assert (verdict.duplicated, verdict.altered) == (1, 1)


def test_what_was_given_up_and_declared_is_not_lost():
    gap = msgspec.json.encode(Gap(Stream.BULK, 1, 2, 2, "quota"))
    log = [row(1, body=gap, type_=GAP_TYPE), row(3, Stream.BULK)]
    made = [promise(n, Stream.BULK) for n in (1, 2, 3, 4)] + [promise(1, body=gap)]
    assert judge(made, log) == Verdict(5, 2, 2, 1, 0, 0, 0)


def declared(*gaps, epoch=EPOCH):
    return [
        row(
            seq,
            body=msgspec.json.encode(Gap(Stream.BULK, *gap, "quota")),
            type_=GAP_TYPE,
            epoch=epoch,
        )
        for seq, gap in enumerate(gaps, start=1)
    ]


@pytest.mark.parametrize(
    ("gaps", "off"),
    [
        ([(3, 4, 2), (1, 6, 4)], 0),
        ([(3, 4, 2), (1, 6, 6)], 2),
        ([(3, 4, 2), (1, 6, 3)], 1),
        ([(1, 2, 2), (3, 4, 2)], 0),
        ([(1, 2, 3)], 1),
    ],
)
def test_a_number_that_is_declared_twice_is_counted_once(gaps, off):
    log = declared(*gaps)
    made = [(each.id, each.digest) for each in log]
    verdict = judge(made, [*log, log[0]])  # a second copy is another fault
    assert (verdict.miscounted, verdict.duplicated) == (off, 1)
    assert judge(made, log).flawless is (off == 0)


@pytest.mark.parametrize(("count", "off"), [(4, 0), (6, 0), (3, 1), (7, 1)])
def test_a_renewed_epoch_may_count_what_the_one_before_has_declared(count, off):
    before, after = declared((3, 4, 2)), declared((1, 6, count), epoch="1badcafe")
    made = [(each.id, each.digest) for each in (*before, *after)]
    renewed = ("1badcafe-crit-9", digest(BODY), f"{EPOCH}-crit-9")
    assert judge([*made, renewed], [*before, *after]).miscounted == off


def test_a_gap_of_another_stream_excuses_nothing():
    gap = msgspec.json.encode(Gap(Stream.BULK, 1, 9, 9, "quota"))
    log = [row(1, body=gap, type_=GAP_TYPE)]
    assert judge([promise(1, body=gap), promise(2)], log).lost == 1


def test_other_boxes_in_the_log_are_left_aside():
    assert judge(promises(1), [row(1), row(7, epoch="11111111"), row(7, epoch="11111111")]).flawless


def test_what_nobody_was_promised_is_a_fault():
    verdict = judge(promises(1), [row(1), row(2), row(1, Stream.BULK)])
    assert verdict == Verdict(1, 1, 0, 0, 0, 0, 0, 2)
    assert not verdict.flawless


def test_two_promises_of_one_number_cannot_both_be_kept():
    other = promise(1, body=b"{}")
    assert judge([promise(1), other], [row(1)]).lost == 1
    assert judge([promise(1), promise(1)], [row(1)]).flawless  # the same one, noted down twice


def test_what_was_promised_again_must_arrive_under_its_new_id_only():
    again = ("11111111-crit-2", digest(b"{}"), f"{EPOCH}-crit-2")
    # Number 2 was given to one event before the backup was restored, and to another one after it.
    made = [*promises(1, 2), promise(2, body=b"{}"), again]
    renewed = row(2, body=b"{}", epoch="11111111")
    assert judge(made, [row(1), row(2), renewed]) == Verdict(3, 3, 0, 0, 0, 0, 0)
    assert judge(made, [row(1), row(2)]).lost == 1
    assert judge(made, [row(1), renewed]).lost == 1
    # What had arrived before the backup was restored arrives a second time: no fault of the line.
    twice = ("11111111-crit-1", digest(BODY), f"{EPOCH}-crit-1")
    assert judge([*made, twice], [row(1), row(2), row(1, epoch="11111111"), renewed]).flawless


def test_what_somebody_was_erased_from_may_arrive_either_way():
    changed = (f"{EPOCH}-crit-1", digest(b"{}"), "~", digest(BODY))
    made = [*promises(1, 2), changed]
    assert judge(made, [row(1), row(2)]).flawless
    assert judge(made, [row(1, body=b"{}"), row(2)]).flawless
    assert judge(made, [row(1, body=b"[]"), row(2)]).altered == 1
    assert judge(made, [row(2)]).lost == 1
    again = ("11111111-crit-1", digest(b"{}"), f"{EPOCH}-crit-1")
    assert judge([*made, again], [row(1, body=b"{}", epoch="11111111"), row(2)]).flawless
    assert judge([*made, again], [row(2)]).lost == 1


def test_a_new_epoch_may_declare_what_the_one_before_gave_up():
    gap = msgspec.json.encode(Gap(Stream.BULK, 1, 2, 2, "quota"))
    made = [promise(n, Stream.BULK) for n in (1, 2)] + [promise(1, body=gap)]
    again = ("11111111-crit-1", digest(gap), f"{EPOCH}-crit-1")
    log = [row(1, body=gap, type_=GAP_TYPE, epoch="11111111")]
    assert judge([*made, again], log) == Verdict(3, 1, 2, 0, 0, 0, 0)
    assert judge([*made, ("11111111-crit-1", digest(gap))], log).lost == 3


def test_an_empty_journal_promises_nothing():
    assert judge([], [row(1)]) == Verdict(0, 0, 0, 0, 0, 0, 0)
