"""The database file: one writer, one transaction for state and event, errors with a remedy."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.errors import (
    DatabaseTooNew,
    DatabaseUnreadable,
    Refused,
    StorageError,
    StorageFull,
)
from edge.records import Moment, Stream
from edge.storage import journal
from edge.storage.database import Database, Transaction, connect, open_reading
from edge.storage.vault import Vault

NOW = Moment(1_000, 1_000, "boot", True)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(tmp_path, tmp_path / "journal")
    yield opened
    opened.close()


def waiting(database: Database, stream: Stream = Stream.CRIT) -> list[int]:
    return [event.seq for event in database.backlog.events(stream, 0, 100)]


async def test_state_and_event_are_one(database: Database) -> None:
    def refuses(tx: Transaction) -> None:
        tx.execute("INSERT INTO stock VALUES ('sku', 'here', 1, 0)")
        tx.emit(Stream.CRIT, "told.v1", {}, NOW)
        raise Refused("No.", "Never mind.")

    with pytest.raises(Refused):
        await database.transact(refuses)
    assert waiting(database) == []
    assert database.reading.execute("SELECT count(*) FROM stock").fetchone() == (0,)


async def test_one_that_fails_takes_nothing_else_with_it(database: Database) -> None:
    def good(tx: Transaction) -> None:
        tx.emit(Stream.CRIT, "told.v1", {}, NOW)

    def bad(tx: Transaction) -> None:
        tx.emit(Stream.CRIT, "told.v1", {}, NOW)
        raise Refused("No.", "")

    outcomes = await asyncio.gather(
        *(database.transact(change) for change in (good, bad, good)), return_exceptions=True
    )
    assert [isinstance(outcome, Refused) for outcome in outcomes] == [False, True, False]
    assert waiting(database) == [1, 2], "the number of the one that failed is given again"


async def test_what_waits_together_is_committed_together(database: Database) -> None:
    def one(tx: Transaction) -> None:
        tx.emit(Stream.CRIT, "told.v1", {}, NOW)

    await asyncio.gather(*(database.transact(one) for _ in range(200)))
    assert waiting(database) == list(range(1, 101))
    assert database.commits < 200


async def test_a_commit_is_told_to_the_link(database: Database) -> None:
    told: list[frozenset[Stream]] = []
    database.on_commit(told.append)
    await database.transact(lambda tx: tx.emit(Stream.VISIT, "told.v1", {}, NOW))
    await asyncio.sleep(0)
    assert told == [frozenset({Stream.VISIT})]


async def test_a_refused_neighbour_does_not_hide_a_commit_from_the_link(
    database: Database,
) -> None:
    told: list[frozenset[Stream]] = []
    database.on_commit(told.append)

    def refuses(tx: Transaction) -> None:
        raise Refused("No.", "")

    def orders(tx: Transaction) -> None:
        tx.emit(Stream.CRIT, "told.v1", {}, NOW)

    await asyncio.gather(
        database.transact(refuses), database.transact(orders), return_exceptions=True
    )
    await asyncio.sleep(0)
    assert told == [frozenset({Stream.CRIT})]


async def test_a_journal_that_fails_takes_nothing_back(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "state", tmp_path / "journal")
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, descriptor_of(tmp_path / "journal"))  # the disk below it fills up
    os.close(full)
    await database.transact(lambda tx: tx.emit(Stream.CRIT, "told.v1", {}, NOW))
    assert waiting(database) == [1]
    database.close()


def descriptor_of(path: Path) -> int:
    opened = Path("/proc/self/fd").iterdir()
    return next(int(entry.name) for entry in opened if entry.resolve() == path.resolve())


async def test_what_sqlite_cannot_hold_is_an_error_of_its_caller_only(database: Database) -> None:
    with pytest.raises(StorageError):
        await database.transact(
            lambda tx: tx.execute("INSERT INTO stock VALUES ('a', 'b', ?, 0)", (2**70,))
        )
    await database.transact(lambda tx: tx.emit(Stream.CRIT, "told.v1", {}, NOW))
    assert waiting(database) == [1]


async def test_a_full_disk_is_told_to_everybody_who_waits(database: Database) -> None:
    pages = database.reading.execute("PRAGMA page_count").fetchone()[0]

    def limit(tx: Transaction) -> None:
        tx.execute(f"PRAGMA max_page_count = {pages}").fetchone()

    def flood(tx: Transaction) -> None:
        tx.emit(Stream.CRIT, "told.v1", "x" * 60_000, NOW)

    await database.transact(limit)
    outcomes = await asyncio.gather(
        *(database.transact(flood) for _ in range(20)), return_exceptions=True
    )
    assert any(isinstance(outcome, StorageFull) for outcome in outcomes)
    with pytest.raises(StorageFull):
        await database.transact(flood)


async def test_promises_are_written_down(database: Database, tmp_path: Path) -> None:
    await database.transact(lambda tx: tx.emit(Stream.CRIT, "told.v1", {"a": 1}, NOW))
    assert journal.read(tmp_path / "journal") == [
        (f"{database.epoch}-crit-1", journal.digest(b'{"a":1}'))
    ]


async def test_numbers_are_never_given_twice(database: Database, tmp_path: Path) -> None:
    await database.transact(lambda tx: tx.emit(Stream.CRIT, "told.v1", {}, NOW))
    await database.transact(lambda tx: tx.acknowledge(Stream.CRIT, 1))
    await database.transact(lambda tx: tx.emit(Stream.CRIT, "told.v1", {}, NOW))
    assert waiting(database) == [2]


async def test_an_acknowledgement_of_what_was_never_sent_changes_nothing(
    database: Database,
) -> None:
    await database.transact(lambda tx: tx.emit(Stream.CRIT, "told.v1", {}, NOW))
    assert await database.transact(lambda tx: tx.acknowledge(Stream.CRIT, 9)) == 0
    assert waiting(database) == [1]


async def test_it_survives_a_restart_with_its_epoch(tmp_path: Path) -> None:
    first = Database.open(tmp_path)
    await first.transact(lambda tx: tx.emit(Stream.CRIT, "told.v1", {}, NOW))
    first.close()
    second = Database.open(tmp_path)
    assert second.epoch == first.epoch
    assert waiting(second) == [1]
    second.close()


def test_nothing_can_be_read_without_the_key(database: Database, tmp_path: Path) -> None:
    assert b"SQLite format" not in (tmp_path / "storebox.db").read_bytes()
    with pytest.raises(DatabaseUnreadable, match="key"):
        connect(tmp_path / "storebox.db", Vault(bytes(32)))


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    Database.open(tmp_path).close()
    (tmp_path / "master.key").chmod(0o644)
    with pytest.raises(DatabaseUnreadable, match="chmod 600"):
        Database.open(tmp_path)


def test_a_newer_database_is_left_alone(tmp_path: Path) -> None:
    Database.open(tmp_path).close()
    vault = Vault.open(tmp_path / "master.key")
    connection = connect(tmp_path / "storebox.db", vault)
    connection.execute(
        "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
        " VALUES ('storebox', '9999_future', '2030-01-01')"
    )
    connection.close()
    with pytest.raises(DatabaseTooNew, match="9999_future"):
        Database.open(tmp_path)


def test_reading_beside_a_dead_daemon_cannot_write(database: Database, tmp_path: Path) -> None:
    reading = open_reading(tmp_path)
    assert reading.execute("SELECT count(*) FROM member").fetchone() == (0,)
    with pytest.raises(Exception, match="readonly"):
        reading.execute("DELETE FROM member")
    reading.close()
