"""The acknowledging receiver: what it commits, what it passes over, what it can never forget."""

import random
import sqlite3
import threading
from contextlib import closing

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import BadMessage, StorageError, StorageFull
from edge.records import Event, Moment, Stream
from edge.storage.journal import digest
from edge.storage.outbox import GAP_TYPE, Gap, mark_of
from sync.batch import pack, read_header, unpack
from sync.ingest import Ingest
from sync.ingest.log import counts_by_type, follow_log, latest, quarantined, read_log
from sync.ingest.store import Opening, open_store
from sync.messages import Address
from tests.postgres import Postgres, installed

ADDRESS = Address("chain", "shop", "box")
EPOCH = "0badcafe"
RECEIVERS = 4
NOW = Moment(1_800_000_000_000, 5_000, "b00tb00t", True)


@pytest.fixture(scope="module")
def postgres():
    if not installed():
        pytest.skip("PostgreSQL is not installed")
    server = Postgres()
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "postgres"])
def path(request, tmp_path):
    """Where the platform's database is: every test holds for both kinds."""
    if request.param == "sqlite":
        return tmp_path / "platform.db"
    return request.getfixturevalue("postgres").new_database()


@pytest.fixture
def ingest(path):
    opened = Ingest(path)
    yield opened
    opened.close()


def batch(*seqs, stream=Stream.BULK, type_="made.v1", body=b'{"a" :1}', address=ADDRESS):
    raw = msgspec.Raw(body)
    events = [Event(address.box, EPOCH, stream, seq, type_, NOW, raw) for seq in seqs]
    return unpack(address, *read_header(pack(address, events, NOW)[0]))


def gap(seq, first, last):
    body = msgspec.json.encode(Gap(Stream.BULK, first, last, last - first + 1, "quota"))
    return batch(seq, stream=Stream.CRIT, type_=GAP_TYPE, body=body)


def test_a_batch_is_taken_once_and_byte_for_byte(ingest, path):
    assert ingest.apply(batch(1, 2, 3)) == 3
    assert ingest.apply(batch(1, 2, 3)) == 3
    assert ingest.apply(batch(2, 3, 4, 5)) == 5
    log = read_log(path)
    assert [row.seq for row in log] == [1, 2, 3, 4, 5]
    assert {(row.body, row.digest) for row in log} == {(b'{"a" :1}', digest(b'{"a" :1}'))}
    assert log[0].id == f"{EPOCH}-bulk-1"
    assert log[0].event_ms == NOW.wall_ms


@pytest.mark.parametrize(
    ("trusted", "boot", "expected"),
    [(True, "b", "its wall clock"), (False, "b", "how long ago"), (False, "a", "its wall clock")],
)
def test_an_event_under_a_wrong_clock_is_dated_by_how_long_ago_it_was(
    tmp_path, trusted, boot, expected
):
    path = tmp_path / "platform.db"
    ingest = Ingest(path)
    now = Moment(1_000_000, 600_000, "b", False)
    moment = Moment(86_400_000, 590_000, boot, trusted)
    address = Address("chain", "shop", "box")
    event = Event("box", EPOCH, Stream.BULK, 1, "t.v1", moment, msgspec.Raw(b"1"))
    ingest.apply(unpack(address, *read_header(pack(address, [event], now)[0])))
    with closing(sqlite3.connect(path)) as connection:
        row = connection.execute("SELECT happened_ms, received_ms FROM received").fetchone()
    happened_ms, received_ms = row
    dated = {"its wall clock": 86_400_000, "how long ago": received_ms - 10_000}
    assert happened_ms == dated[expected]
    ingest.close()


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(1, 10)), max_size=40))
def test_in_any_order_and_repetition_the_log_stays_whole(tmp_path_factory, spans):
    path = tmp_path_factory.mktemp("log") / "platform.db"
    ingest = Ingest(path)
    upto = 0
    for first, count in spans:
        answer = ingest.apply(batch(*range(first, first + count)))
        assert answer >= upto
        assert (answer == upto) == (first > upto + 1 or first + count - 1 <= upto)
        upto = answer
    ingest.close()
    assert [row.seq for row in read_log(path)] == list(range(1, upto + 1))


def test_a_hole_is_passed_only_when_declared(ingest, path):
    assert ingest.apply(batch(1)) == 1
    assert ingest.apply(batch(11, 12)) == 1
    ingest.apply(gap(1, 2, 5))
    assert ingest.apply(batch(11, 12)) == 5  # 6 to 10 are still owed
    ingest.apply(gap(2, 4, 10))
    assert ingest.apply(batch(11, 12)) == 12
    assert [row.seq for row in read_log(path) if row.stream is Stream.BULK] == [1, 11, 12]


@pytest.mark.parametrize("span", [(0, 5), (5, 4), (1, 2**40)])
def test_an_impossible_gap_is_refused_whole(ingest, path, span):
    with pytest.raises(BadMessage):
        ingest.apply(gap(1, *span))
    assert read_log(path) == []
    assert ingest.cursors(ADDRESS, EPOCH)[Stream.CRIT] == 0


def test_streams_boxes_and_epochs_do_not_mix(ingest):
    other = Address("chain", "shop", "other")
    assert ingest.apply(batch(1, 2)) == 2
    assert ingest.apply(batch(1, stream=Stream.CRIT)) == 1
    assert ingest.apply(batch(1, address=other)) == 1
    assert ingest.cursors(ADDRESS, EPOCH) == {Stream.CRIT: 1, Stream.VISIT: 0, Stream.BULK: 2}
    assert ingest.cursors(ADDRESS, "ffffffff")[Stream.BULK] == 0
    assert ingest.known() == [ADDRESS, other]


def test_what_is_put_away_counts_as_done_once_its_turn_comes(ingest, path):
    bad = batch(3, 4)
    ingest.quarantine("some/topic", b"payload", "a reason", of=(ADDRESS, bad.header))
    assert ingest.cursors(ADDRESS, EPOCH)[Stream.BULK] == 0  # 1 and 2 are still owed
    assert ingest.apply(batch(1, 2)) == 2
    assert ingest.apply(batch(5)) == 5
    ingest.quarantine("other/topic", b"noise", "no header", of=None)
    assert quarantined(path) == [("some/topic", "a reason"), ("other/topic", "no header")]
    assert ingest.cursors(ADDRESS, EPOCH)[Stream.BULK] == 5


def test_a_restored_platform_goes_on_where_the_box_is(ingest):
    ingest.apply(batch(1, 2))
    acked = {Stream.BULK: 7, Stream.CRIT: 0}
    assert ingest.resume(ADDRESS, EPOCH, acked)[Stream.BULK] == 7
    assert ingest.apply(batch(8)) == 8
    assert ingest.resume(ADDRESS, EPOCH, {Stream.BULK: 3})[Stream.BULK] == 8


def test_the_log_cannot_be_changed(ingest, path):
    ingest.apply(batch(1))
    for change in ("DELETE FROM received", "UPDATE received SET seq = 2"):
        with (
            pytest.raises((sqlite3.IntegrityError, StorageError), match="append-only"),
            ingest.database.transaction() as statements,
        ):
            statements.execute(change)
    assert [row.seq for row in read_log(path)] == [1]


def test_the_log_can_be_read_in_parts_and_after_the_end(path):
    ingest = Ingest(path)
    ingest.apply(batch(1, 2, 3))
    ingest.apply(batch(1, stream=Stream.CRIT, type_="order.v1"))
    ingest.close()
    first = next(follow_log(path, limit=1))
    assert [row.seq for row in follow_log(path, after=first.position)] == [2, 3, 1]
    assert [row.type for row in latest(path, 2)] == ["order.v1", "made.v1"]
    assert counts_by_type(path) == {"made.v1": 3, "order.v1": 1}


def test_a_receiver_that_fails_in_the_middle_commits_nothing(path):
    class Failing(Ingest):
        def store(self, batch, events):
            super().store(batch, events)
            raise OSError("no space")

    failing = Failing(path)
    with pytest.raises(OSError, match="no space"):
        failing.apply(batch(1))
    assert failing.cursors(ADDRESS, EPOCH)[Stream.BULK] == 0
    failing.close()
    assert read_log(path) == []


def test_marks_tell_the_last_event_from_another_with_its_number(ingest):
    assert ingest.marks(ADDRESS, EPOCH) == {}
    ingest.apply(batch(1, 2, body=b'{"a":1}'))
    told = ingest.marks(ADDRESS, EPOCH)
    assert told == {Stream.BULK: mark_of(b'{"a":1}', NOW.boot, NOW.mono_ms)}
    assert told[Stream.BULK] != mark_of(b'{"a":1}', NOW.boot, NOW.mono_ms + 1)
    ingest.apply(batch(3, body=b'{"a":2}'))
    assert ingest.marks(ADDRESS, EPOCH) != told
    assert ingest.marks(ADDRESS, "11111111") == {}


def test_several_batches_are_one_commit_and_each_has_its_answer(ingest, path):
    crit = batch(1, stream=Stream.CRIT)
    together = [batch(1, 2), crit, batch(3, 4), batch(9), batch(1, 2)]
    assert ingest.apply_all(together) == [2, 1, 4, 4, 4]
    assert [(r.stream, r.seq) for r in read_log(path) if r.stream is Stream.BULK] == [
        (Stream.BULK, seq) for seq in (1, 2, 3, 4)
    ]
    with pytest.raises(BadMessage):
        ingest.apply_all([batch(5), gap(2, 5, 4)])
    assert ingest.cursors(ADDRESS, EPOCH)[Stream.BULK] == 4, "all or none"


def test_receivers_side_by_side_store_each_event_once(path):
    """Each offers every batch, in an order of its own, until all are committed."""
    batches = [batch(*range(first, first + 10)) for first in range(1, 301, 10)]
    ends = []

    def receive(seed):
        rng, ingest = random.Random(seed), Ingest(path)
        while ingest.cursors(ADDRESS, EPOCH)[Stream.BULK] < 300:
            ingest.apply_all(rng.choices(batches, k=5))
        ends.append(ingest.close())

    threads = [threading.Thread(target=receive, args=(seed,)) for seed in range(RECEIVERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ends) == RECEIVERS
    assert [row.seq for row in read_log(path)] == list(range(1, 301))


def test_a_full_database_says_so_and_keeps_what_it_has(tmp_path):
    ingest = Ingest(tmp_path / "platform.db")
    ingest.apply(batch(1))
    with ingest.database.transaction() as statements:
        ((pages,),) = statements.execute("PRAGMA page_count")
    limit = "PRAGMA max_page_count = "
    ingest.database._connection.execute(f"{limit}{pages}")
    with pytest.raises(StorageFull, match="platform"):
        ingest.apply(batch(*range(2, 502), body=b'"' + b"x" * 500 + b'"'))
    assert ingest.cursors(ADDRESS, EPOCH)[Stream.BULK] == 1
    ingest.database._connection.execute(f"{limit}{pages + 1000}")
    assert ingest.apply(batch(2)) == 2
    ingest.close()


def test_what_postgres_cannot_hold_in_text_is_stored_nevertheless(ingest, path):
    odd = "a\0b"
    assert ingest.apply(batch(1, type_=odd, body=b'{"a":"\\u0000"}')) == 1
    ingest.quarantine(odd, b"\0", odd, of=None)
    (row,) = read_log(path)
    assert row.body == b'{"a":"\\u0000"}'
    assert "\0" not in row.type


def test_a_database_is_made_only_by_who_may_make_it(path):
    with pytest.raises(StorageError, match="no platform's database"):
        open_store(path, Opening.WRITE)
    Ingest(path).close()
    with closing(open_store(path, Opening.WRITE)) as store, store.transaction() as statements:
        statements.execute("DELETE FROM gap")


def test_a_postgres_that_is_not_there_is_said_in_a_sentence(tmp_path):
    pytest.importorskip("psycopg")
    with pytest.raises(StorageError, match="PostgreSQL") as raised:
        Ingest(f"postgresql://nobody@/none?host={tmp_path}")
    what = raised.value.what
    assert what.endswith("No such file or directory.")
    assert "\n" not in what
    assert "?" not in what.replace("?host", "")
