"""When files or the writer fail: what fails alone is refused alone, and nobody waits for ever."""

import asyncio
import os
import threading
from pathlib import Path

import pytest
from sqlcipher3 import dbapi2 as sqlcipher

from edge.errors import DatabaseUnreadable, StorageError, StorageFull
from edge.records import Stream
from edge.storage import bulk, migrations
from edge.storage.bulk_stream import BulkStream
from edge.storage.connections import Room
from edge.storage.database import Database, connect
from edge.storage.vault import Vault
from tests.system.sync_box import until
from tests.unit.outbox_box import (
    NOW,
    QUOTA,
    SEALING,
    account,
    everything,
    gaps,
    make,
    opened,
    running,
)

PAGE = 4096


class Faulty:
    """The driver's connection, which fails at statements that begin so, as often as told."""

    def __init__(self, connection) -> None:
        self._connection = connection
        self.failing: dict[str, int] = {}

    def execute(self, sql, parameters=()):
        self._fail(sql)
        return self._connection.execute(sql, parameters)

    def executemany(self, sql, parameters):
        self._fail(sql)
        return self._connection.executemany(sql, parameters)

    def _fail(self, sql):
        for begins, times in self.failing.items():
            if sql.startswith(begins) and times:
                self.failing[begins] = times - 1
                raise sqlcipher.OperationalError("disk I/O error")

    def __getattr__(self, name):
        return getattr(self._connection, name)


def faulty(directory: Path) -> tuple[Database, Faulty, BulkStream]:
    key = directory / "master.key"
    vault = Vault.open(key) if key.exists() else Vault.create(key)
    writer = connect(directory / "storebox.db", vault)
    if migrations.missing(directory / "storebox.db", writer):
        migrations.apply(writer)
    driver = Faulty(writer)
    stream = BulkStream(driver, directory, vault, SEALING, QUOTA)
    reader = connect(directory / "storebox.db", vault)
    return Database(driver, reader, stream, vault=vault), driver, stream


async def together(database: Database, *changes) -> list:
    """The outcomes of (change, reserve) that wait together; all that is under way is over then."""
    held, gate = threading.Event(), threading.Event()

    def hold(_tx):
        held.set()
        assert gate.wait(10)

    first = asyncio.create_task(database.transact(hold))
    await until(held.is_set, "the writer is held")
    waiting = [
        asyncio.create_task(database.transact(change, reserve=reserve))
        for change, reserve in changes
    ]
    await asyncio.sleep(0)  # each puts its change into the queue
    gate.set()
    await first
    return await asyncio.gather(*waiting, return_exceptions=True)


def telling(stream: Stream, size: int = 20, count: int = 1):
    def change(tx):
        for _ in range(count):
            tx.emit(stream, "made.v1", "x" * size, NOW)

    return change


async def test_a_damaged_page_of_the_main_file_is_an_error_of_the_tree_however_it_is_read(tmp_path):
    with running(tmp_path) as database:
        await make(database, 600, Stream.VISIT, size=800)
    path = tmp_path / "storebox.db"
    with path.open("r+b") as file:
        file.seek(path.stat().st_size - 60 * PAGE + 100)
        file.write(os.urandom(64))
    sql = "SELECT seq, body FROM outbox WHERE stream = 'visit' ORDER BY seq"
    with running(tmp_path) as database:
        with pytest.raises(DatabaseUnreadable, match="damaged"):
            everything(database, Stream.VISIT)
        with pytest.raises(DatabaseUnreadable):
            database.reading.execute(sql).fetchall()
        with pytest.raises(DatabaseUnreadable):
            list(database.reading.execute(sql))
        with pytest.raises(DatabaseUnreadable):
            list(iter(database.reading.execute(sql).fetchone, None))
        await make(database, 1, Stream.CRIT)


async def test_an_order_is_not_refused_for_what_shares_its_commit(tmp_path):
    database = opened(tmp_path, room=Room(pages=256, reserve=64))
    large = telling(Stream.VISIT, size=1000, count=2000)
    outcomes = await together(
        database,
        (telling(Stream.VISIT), False),
        (large, False),
        (telling(Stream.CRIT), True),
        (telling(Stream.VISIT), False),
    )
    assert isinstance(outcomes[1], StorageFull)
    assert [outcomes[0], *outcomes[2:]] == [None] * 3
    assert (len(everything(database, Stream.CRIT)), len(everything(database, Stream.VISIT))) == (
        1,
        2,
    )
    database.close()


async def test_a_commit_that_fails_is_tried_again_change_by_change_orders_first(tmp_path):
    database, driver, _ = faulty(tmp_path)
    done = []

    def noting(name):
        def change(tx):
            if not done:
                driver.failing["COMMIT"] = 2  # that of all, and then that of one alone
            done.append(name)
            telling(Stream.CRIT)(tx)

        return change

    outcomes = await together(
        database, (noting("a"), False), (noting("b"), False), (noting("order"), True)
    )
    assert done == ["a", "b", "order", "order", "a", "b"]
    assert outcomes[:2] == [None, None]
    assert isinstance(outcomes[2], StorageError), "alone it is at fault"
    assert [event.seq for event in everything(database, Stream.CRIT)] == [1, 2]
    database.close()


async def test_a_loss_of_bulk_that_cannot_be_declared_now_costs_nobody_the_commit(tmp_path):
    database, driver, _ = faulty(tmp_path)
    while database.evicted()[Stream.BULK] == 0:
        await make(database, 100, size=800)
    driver.failing["INSERT INTO hole"] = 1
    commits = database.commits
    while driver.failing["INSERT INTO hole"]:
        commits += 2
        bulky = telling(Stream.BULK, size=60_000)
        outcomes = await together(database, (bulky, False), (telling(Stream.CRIT), True))
        assert outcomes == [None, None]
    assert database.commits == commits, "nothing was tried again"
    await make(database, 5)
    account(database)
    database.close()


async def test_who_waits_when_the_writer_cannot_even_undo_is_told_and_so_is_everybody_after(
    tmp_path,
):
    database, driver, _ = faulty(tmp_path)
    driver.failing |= {"COMMIT": 1, "ROLLBACK": 1}
    with pytest.raises(StorageError, match="writer has ended"):
        await make(database, 1, Stream.CRIT)
    for outcome in await together_refused(database):
        assert isinstance(outcome, StorageError)
        assert "writer has ended" in outcome.what
    database.close()
    with running(tmp_path) as database:
        await make(database, 1, Stream.CRIT)
        assert [event.seq for event in everything(database, Stream.CRIT)] == [1]


async def together_refused(database: Database) -> list:
    async with asyncio.timeout(5):
        return await asyncio.gather(
            *(make(database, 1, stream) for stream in Stream), return_exceptions=True
        )


async def test_a_read_that_fails_is_no_damage_and_costs_nothing(tmp_path):
    database, _, stream = faulty(tmp_path)
    await make(database, 1600)
    stream.reading.set_progress_handler(lambda: 1, 1)  # whatever is read there is interrupted
    assert everything(database) == []
    await until(lambda: len(everything(database)) == 1600, "it is read again")
    assert gaps(database) == []
    stream.reading.set_progress_handler(lambda: 1, 1)
    await until(lambda: len(everything(database)) == 1600, "as often as it happens")
    assert list(tmp_path.glob(f"{bulk.NAME}.damaged-*")) == []
    database.close()


def tried(database: Database, driver: Faulty) -> bool:
    everything(database)  # whoever reads it reports the damage again
    return not any(driver.failing.values())


async def test_trouble_while_a_damaged_file_is_put_aside_does_not_end_the_writer(tmp_path):
    database, driver, _ = faulty(tmp_path)
    await make(database, 1600, size=800)
    database.close()
    with (tmp_path / bulk.NAME).open("r+b") as file:
        file.seek(80 * PAGE + 500)  # in the body of a segment: a start does not read it
        file.write(os.urandom(600))
    (tmp_path / f"{bulk.NAME}.damaged-old").write_bytes(b"somebody's own copy")
    database, driver, _ = faulty(tmp_path)
    # once it fails before the file is put aside, once after
    driver.failing = {"SELECT wall_ms, mono_ms, boot": 1, "INSERT INTO hole": 1, "ROLLBACK": 1}
    await until(lambda: tried(database, driver), "it was tried")
    async with asyncio.timeout(5):
        await make(database, 1, Stream.CRIT)
    await make(database, 1)
    await until(lambda: gaps(database), "it is declared")
    assert gaps(database)[0].reason == "damaged"
    account(database)
    database.close()
    assert {each.name for each in tmp_path.glob("*.damaged-*")} == {
        f"{bulk.NAME}.damaged-old",
        f"{bulk.NAME}.damaged-1",
    }
