"""The bulk file: quota, segments, damage, power cuts; nothing is ever given up unsaid."""

import os
import resource
import shutil
import signal

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from edge.records import Stream
from edge.storage import bulk, outbox
from edge.storage.database import Database, connect
from edge.storage.journal import read
from edge.storage.outbox import Gap, Reason
from edge.storage.segments import SEAL_ROWS, Sealed
from edge.storage.vault import Vault
from tests.system.sync_box import until
from tests.unit.outbox_box import (
    NOW,
    account,
    everything,
    gaps,
    killed,
    make,
    opened,
    running,
)


def declare(main, first, last, reason):
    outbox.declare(main, Stream.BULK, span=(first, last), reason=reason, moment=NOW)


def lose_numbers(directory, amount):
    """The main file was committed with so many more numbers, the bulk file was not."""
    main = connect(directory / "storebox.db", Vault.open(directory / "master.key"))
    main.execute("UPDATE stream SET last_seq = last_seq + ? WHERE name = 'bulk'", (amount,))
    main.close()


async def test_old_bulk_becomes_segments_that_read_as_the_events_they_were(tmp_path):
    with running(tmp_path) as database:
        await make(database, 300)
        before = everything(database)
        for _ in range(3):
            await make(database, 450)
        first = database.waiting(Stream.BULK, 0, 500)
        assert isinstance(first, Sealed)
        assert (first.first, first.last, first.n) == (1, 500, 500)
        assert everything(database)[:300] == before
        assert [event.seq for event in everything(database)] == list(range(1, 1651))
        middle = database.waiting(Stream.BULK, 499, 10)
        assert [event.seq for event in middle] == [500], "not a segment whose first was sent"
        assert database.waiting(Stream.BULK, 100, 7)[-1].seq == 107
        account(database)


async def test_a_segment_fits_into_a_batch_however_large_its_events(tmp_path):
    with running(tmp_path, quota=64 << 20) as database:
        await make(database, SEAL_ROWS + 1, size=4_000)
        sealed = database.waiting(Stream.BULK, 0, 500)
        assert isinstance(sealed, Sealed)
        assert len(sealed.body) < 96 * 1024
        account(database)


async def test_bulk_beyond_its_quota_is_given_up_oldest_first_and_declared(tmp_path):
    with running(tmp_path) as database:
        for _ in range(12):
            await make(database, 400, size=400)
        assert gaps(database)
        assert {gap.reason for gap in gaps(database)} == {"quota"}
        assert database.evicted()[Stream.BULK] == sum(gap.count for gap in gaps(database))
        assert everything(database)[-1].seq == 4800, "the newest stay"
        account(database)
        depth = {each.stream: each for each in database.depth()}[Stream.BULK]
        assert depth.waiting == len(everything(database))
    assert (tmp_path / bulk.NAME).stat().st_size <= 1 << 20


async def test_one_change_larger_than_the_quota_is_declared_as_a_whole(tmp_path):
    with running(tmp_path) as database:
        await make(database, 10)
        await make(database, 60, size=60_000)
        await make(database, 10)
        account(database)
        assert everything(database)[-1].seq == 80


async def test_what_is_acknowledged_is_deleted_and_numbers_go_on_after_a_restart(tmp_path):
    with running(tmp_path) as database:
        await make(database, 1600)
        assert await database.transact(lambda tx: tx.acknowledge(Stream.BULK, 750)) == 750
        assert everything(database)[0].seq == 751, "in the midst of a segment"
        assert await database.transact(lambda tx: tx.acknowledge(Stream.BULK, 700)) == 0
        assert await database.transact(lambda tx: tx.acknowledge(Stream.BULK, 9999)) == 0
        assert await database.transact(lambda tx: tx.acknowledge(Stream.BULK, 1600)) == 850
    with running(tmp_path) as database:
        assert everything(database) == []
        await make(database, 1)
        assert [event.seq for event in everything(database)] == [1601]
        assert gaps(database) == []


async def test_a_damaged_file_is_put_aside_and_declared_and_orders_are_untouched(tmp_path):
    with running(tmp_path) as database:
        await make(database, 3, Stream.CRIT)
        await make(database, 1600)
        await database.transact(lambda tx: tx.acknowledge(Stream.BULK, 100))
    path = tmp_path / bulk.NAME
    for attempt in range(4):
        size = path.stat().st_size if attempt else 0
        with path.open("r+b") as file:
            for page in range(size // 2 // 4096, size // 4096):
                file.seek(page * 4096 + 500)
                file.write(os.urandom(600))
        if attempt == 0:
            path.write_bytes(os.urandom(9000))
        with running(tmp_path) as database:
            everything(database)  # a damaged page may be noticed only when it is read
            await make(database, 1600)
            everything(database)
            await until(lambda n=attempt: len(gaps(database)) > n, "the damage is declared")
            assert {gap.reason for gap in gaps(database)} == {"damaged"}
            await make(database, 1)
            account(database, after=100)
            assert len(everything(database, Stream.CRIT)) == 3 + len(gaps(database))
    aside = sorted(each.name for each in tmp_path.glob("bulk.db.damaged-*"))
    assert len(aside) == 2, "of four damaged files the last two are kept"


async def test_damage_that_only_the_link_meets_is_declared_while_the_box_runs(tmp_path):
    with running(tmp_path, quota=64 << 20) as database:
        await make(database, 1600, size=2000)
    with (tmp_path / bulk.NAME).open("r+b") as file:
        file.seek(4096 * 200 + 500)  # in the body of a segment
        file.write(os.urandom(600))
    with running(tmp_path, quota=64 << 20) as database:
        assert gaps(database) == [], "a start does not read everything"
        assert 0 < database.depth()[2].waiting == 1600
        everything(database)
        await until(lambda: gaps(database), "the damage is declared")
        assert gaps(database) == [Gap(Stream.BULK, 1, 1600, 1600, "damaged")]
        await make(database, 5)
        account(database)


async def test_a_missing_file_is_declared(tmp_path):
    with running(tmp_path) as database:
        await make(database, 30)
    (tmp_path / bulk.NAME).unlink()
    with running(tmp_path) as database:
        assert gaps(database) == [Gap(Stream.BULK, 1, 30, 30, "damaged")]
        account(database)


async def test_a_tail_that_was_lost_does_not_wait_once_its_declaration_has_arrived(tmp_path):
    with running(tmp_path) as database:
        await make(database, 30)
    (tmp_path / bulk.NAME).unlink()
    with running(tmp_path) as database:
        assert database.cursors()[Stream.BULK] == (30, 0)
        await database.transact(lambda tx: tx.acknowledge(Stream.CRIT, 1))
        assert database.cursors()[Stream.BULK] == (30, 30)
        assert all(depth.waiting == 0 for depth in database.depth())


KILLED_BETWEEN = """
import asyncio, os, signal, sys
from pathlib import Path
from edge.records import Stream
from edge.storage.bulk import BulkFile
from tests.unit.outbox_box import make, opened

class Cut(BulkFile):
    def put(self, rows, epoch, *, seal=True):
        if rows[0].seq > 40:
            os.kill(os.getpid(), signal.SIGKILL)
        super().put(rows, epoch, seal=seal)

async def main():
    import edge.storage.bulk_stream as stream
    stream.BulkFile = Cut
    database = opened(Path(sys.argv[1]))
    await make(database, 40)
    await make(database, 7)

asyncio.run(main())
"""


async def test_a_kill_between_the_two_commits_is_declared_at_the_next_start(tmp_path):
    killed(tmp_path, KILLED_BETWEEN)
    with running(tmp_path) as database:
        assert database.cursors()[Stream.BULK] == (47, 0)
        assert gaps(database) == [Gap(Stream.BULK, 41, 47, 7, "power_cut")]
        await make(database, 3)
        account(database)
    with running(tmp_path) as database:
        assert len(gaps(database)) == 1, "once"


async def test_a_kill_between_the_declaration_and_the_deletion_doubles_nothing(tmp_path):
    with running(tmp_path) as database:
        await make(database, 1600)
    main = connect(tmp_path / "storebox.db", Vault.open(tmp_path / "master.key"))
    declare(main, 1, 500, Reason.QUOTA)  # and the power went
    main.close()
    for _ in range(2):
        with running(tmp_path) as database:
            account(database)
            assert everything(database)[0].seq == 501
            assert len(gaps(database)) == 1


async def test_a_file_that_cannot_be_written_is_declared_when_it_can(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    database = opened(tmp_path, quota=64 << 20)
    try:
        await make(database, 5)
        await make(database, 2000, size=600)
        size = max((tmp_path / name).stat().st_size for name in ("bulk.db", "bulk.db-wal"))
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 200_000, hard))
        for _ in range(3):
            await make(database, 1500, size=600)
        assert database.cursors()[Stream.BULK][0] == 6505, "everybody was served"
        assert gaps(database) == [], "not a gap record for each commit that fails"
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        while not gaps(database):
            await make(database, 5)
        assert {gap.reason for gap in gaps(database)} == {"unwritable"}
        account(database)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
        database.close()


async def test_a_new_epoch_takes_raw_rows_segments_and_gaps_along(tmp_path):
    directory = tmp_path / "state"
    database = opened(directory, journal=True)
    await make(database, 1600)
    former = database.epoch
    database.close()
    main = connect(directory / "storebox.db", Vault.open(directory / "master.key"))
    declare(main, 1601, 1610, Reason.POWER_CUT)
    main.execute("UPDATE stream SET last_seq = 1610 WHERE name = 'bulk'")
    main.close()
    database = opened(directory, journal=True)
    await make(database, 3)
    await database.transact(lambda tx: tx.acknowledge(Stream.CRIT, 1))
    await database.transact(lambda tx: tx.acknowledge(Stream.BULK, 20))
    await database.transact(outbox.renew_epoch)
    assert database.epoch != former
    events = everything(database)
    assert {event.epoch for event in events} == {database.epoch}
    assert [event.seq for event in events] == [*range(21, 1601), 1611, 1612, 1613]
    assert gaps(database) == [Gap(Stream.BULK, 1601, 1610, 10, "power_cut")], "declared anew"
    assert not isinstance(database.waiting(Stream.BULK, 0, 500), Sealed), "it has the old ids"
    await make(database, 2000)
    assert [event.epoch for event in everything(database)] == [database.epoch] * 3583
    again = [line for line in read(directory / "journal") if len(line) == 3]
    assert len(again) == 1583 + 1
    database.close()


async def test_a_main_file_older_than_bulk_gives_no_number_twice(tmp_path):
    with running(tmp_path / "state") as database:
        await make(database, 20)
    shutil.copy(tmp_path / "state" / "storebox.db", tmp_path / "backup")
    with running(tmp_path / "state") as database:
        await make(database, 20)
    shutil.copy(tmp_path / "backup", tmp_path / "state" / "storebox.db")
    with running(tmp_path / "state") as database:
        await make(database, 1)
        assert [event.seq for event in everything(database)] == list(range(1, 42))
        account(database)


async def test_an_event_is_told_from_another_of_its_number_wherever_it_lies(tmp_path):
    with running(tmp_path) as database:
        await make(database, 1600)
        await make(database, 1, Stream.CRIT)
        for seq in (1, 777, 1600):
            (event,) = [each for each in everything(database) if each.seq == seq]
            told = outbox.mark_of(bytes(event.body), "boot", NOW.mono_ms)
            assert database.mark(Stream.BULK, seq) == told
        assert database.mark(Stream.BULK, 1601) is None
        assert database.mark(Stream.CRIT, 1) is not None


class _Refusing:
    """A codec that fails."""

    origin = "chain/shop/box"

    def seal(self, events):
        raise ValueError("no")

    def unseal(self, body):
        raise ValueError("no")


async def test_a_codec_that_fails_costs_no_event(tmp_path):
    database = Database.open(tmp_path, sealing=_Refusing())
    await make(database, 1600)
    await make(database, 1)
    database.close()
    with running(tmp_path) as database:
        assert len(everything(database)) == 1601
        account(database)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("make"), st.integers(1, 700), st.sampled_from([20, 300])),
        st.tuples(st.just("crit"), st.integers(1, 3), st.just(20)),
        st.tuples(st.just("ack"), st.floats(0, 1), st.just(0)),
        st.tuples(st.just("restart"), st.just(0), st.just(0)),
        st.tuples(st.just("cut"), st.integers(1, 400), st.just(0)),
        st.tuples(st.just("lose"), st.just(0), st.just(0)),
    ),
    min_size=4,
    max_size=14,
)


HOLES_IN_THE_MIDST = [
    *[step for n in range(3) for step in (("make", 90, 300), ("cut", 5 + n, 0))],
    ("make", 90, 300),
    *[("make", 700, 300)] * 4,
]


@given(steps=STEPS)
@example(steps=HOLES_IN_THE_MIDST)
@example(steps=[*HOLES_IN_THE_MIDST[:6], ("ack", 0.4, 0), *HOLES_IN_THE_MIDST[6:]])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
async def test_received_and_declared_are_produced_whatever_happens(tmp_path_factory, steps):
    directory = tmp_path_factory.mktemp("law")
    database = opened(directory, bulk.BULK_BYTES_MIN)
    received: set[int] = set()
    for what, amount, size in steps:
        if what == "make":
            await make(database, amount, size=size)
        elif what == "crit":
            await make(database, amount, Stream.CRIT)
        elif what == "ack":
            last, upto = database.cursors()[Stream.BULK]
            goal = upto + round((last - upto) * amount)
            received |= {each.seq for each in everything(database) if each.seq <= goal}
            await database.transact(lambda tx, goal=goal: tx.acknowledge(Stream.BULK, goal))
        else:
            database.close()
            if what == "cut":  # the main file was committed, the bulk file was not
                lose_numbers(directory, amount)
            elif what == "lose":
                (directory / bulk.NAME).unlink()
            database = opened(directory, bulk.BULK_BYTES_MIN)
    database.close()
    database = opened(directory, bulk.BULK_BYTES_MIN)  # what could not be declared yet is now
    try:
        last = database.cursors()[Stream.BULK][0]
        there = {event.seq for event in everything(database)}
        mine = [gap for gap in gaps(database) if gap.stream is Stream.BULK]
        declared = {n for gap in mine for n in range(gap.first, gap.last + 1)}
        assert not there & declared
        assert received | there | declared == set(range(1, last + 1))
        assert not received & declared
        assert last == len(received | there) + sum(gap.count for gap in mine), "each counts once"
        waiting = {each.stream: each.waiting for each in database.depth()}
        assert waiting[Stream.BULK] == len(there - received)
    finally:
        database.close()
        shutil.rmtree(directory)
