"""Erasure reaches what waits: rows are emptied, and their bytes are gone from file and log."""

import asyncio
import json
import struct
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from edge import erasure
from edge.errors import StorageError
from edge.records import Stream
from edge.storage import erased, journal, outbox, writer
from edge.storage.database import open_reading
from edge.storage.vault import Vault
from sync.reference.judge import judge
from tests.unit.outbox_box import NOW, everything, opened

PAGE, RESERVED, SALT = 4096, 80, 16
SECRET = "anna-who-was-here-17"


def pages(directory: Path) -> list[bytes]:
    """Every page of the main file and of its log, decrypted (SQLCipher 4: AES-256-CBC, the

    initialisation vector at the beginning of the 80 bytes that each page reserves).
    """
    key = Vault.open(directory / "master.key").database_key
    encrypted = _pages_of(directory / "storebox.db")
    log = directory / "storebox.db-wal"
    frames = log.read_bytes() if log.exists() else b""
    for at in range(32, len(frames) - PAGE, 24 + PAGE):
        (number,) = struct.unpack(">I", frames[at : at + 4])
        encrypted.append((number, frames[at + 24 : at + 24 + PAGE]))
    return [_decrypted(key, number, page) for number, page in encrypted]


def _pages_of(path: Path) -> list[tuple[int, bytes]]:
    content = path.read_bytes()
    return [(at // PAGE + 1, content[at : at + PAGE]) for at in range(0, len(content), PAGE)]


def _decrypted(key: bytes, number: int, page: bytes) -> bytes:
    vector = page[PAGE - RESERVED : PAGE - RESERVED + 16]
    decryptor = Cipher(algorithms.AES(key), modes.CBC(vector)).decryptor()
    return decryptor.update(page[SALT if number == 1 else 0 : PAGE - RESERVED])


def occurrences(directory: Path) -> int:
    return sum(page.count(SECRET.encode()) for page in pages(directory))


def speak_of_her(tx) -> None:
    order = {"number": "01-1", "lines": [1, 2], "member": SECRET, "total_minor": 5}
    tx.emit(Stream.CRIT, "order.placed.v1", order, NOW, member=SECRET)
    tx.emit(Stream.CRIT, "consent.given.v1", {"member": SECRET}, NOW, member=SECRET)
    tx.emit(Stream.VISIT, "visit.identified.v1", {"member": SECRET}, NOW, member=SECRET)
    tx.emit(Stream.VISIT, "visit.identified.v1", {"member": "boris"}, NOW, member="boris")
    for number in range(50):  # pages that are freed as a whole
        tx.emit(Stream.VISIT, "big.v1", {"n": number, "x": SECRET * 100}, NOW, member=SECRET)


async def test_money_stays_without_the_person_and_the_rest_is_emptied(tmp_path):
    database = opened(tmp_path)
    await database.transact(speak_of_her)
    assert await database.transact(lambda tx: outbox.forget(tx, SECRET)) == (1, 52)
    assert await database.transact(lambda tx: outbox.forget(tx, SECRET)) == (0, 0)
    order, consent = everything(database, Stream.CRIT)
    assert (order.seq, order.type) == (1, "order.placed.v1")
    assert json.loads(bytes(order.body)) == {
        "number": "01-1",
        "lines": [1, 2],
        "member": None,
        "total_minor": 5,
    }
    assert (consent.seq, consent.type, bytes(consent.body)) == (2, outbox.TOMBSTONE_TYPE, b"{}")
    visits = everything(database, Stream.VISIT)
    assert [event.seq for event in visits] == list(range(1, 53))
    assert [event.type for event in visits].count(outbox.TOMBSTONE_TYPE) == 51
    assert bytes(visits[1].body) == b'{"member":"boris"}'
    database.close()


async def test_a_changed_event_is_not_taken_for_another_one(tmp_path):
    database = opened(tmp_path)
    await database.transact(speak_of_her)
    assert database.mark(Stream.CRIT, 1) is not None
    await database.transact(lambda tx: outbox.forget(tx, SECRET))
    assert database.mark(Stream.CRIT, 1) is None, "the platform may have it as it was"
    assert database.mark(Stream.VISIT, 2) is not None
    database.close()


async def test_the_journal_says_what_was_changed(tmp_path):
    database = opened(tmp_path, journal=True)
    await database.transact(speak_of_her)
    await database.transact(lambda tx: outbox.forget(tx, SECRET))
    lines = journal.read(tmp_path / "journal")
    changed = [line for line in lines if len(line) == 4]
    assert len(changed) == 53
    assert changed[1][:3] == (f"{database.epoch}-crit-2", journal.digest(b"{}"), "~")
    assert judge(lines, []).created == 54
    database.close()


async def test_an_erasure_that_is_undone_changes_no_promise(tmp_path):
    database = opened(tmp_path, journal=True)
    await database.transact(speak_of_her)

    def forgets_in_vain(tx) -> None:
        outbox.forget(tx, SECRET)
        raise StorageError("No.")

    with pytest.raises(StorageError):
        await database.transact(forgets_in_vain)
    assert not [line for line in journal.read(tmp_path / "journal") if len(line) == 4]
    assert await database.transact(lambda tx: outbox.forget(tx, SECRET)) == (1, 52)
    database.close()


async def test_bulk_speaks_of_nobody(tmp_path):
    database = opened(tmp_path)
    with pytest.raises(StorageError, match="bulk"):
        await database.transact(lambda tx: tx.emit(Stream.BULK, "a.v1", {}, NOW, member="anna"))
    database.close()


async def test_after_a_scrub_no_byte_of_the_person_is_left_in_any_page(tmp_path):
    database = opened(tmp_path)
    await database.transact(speak_of_her)
    await database.transact(lambda tx: None, scrub=True)  # into the file, not only the log
    await database.transact(lambda tx: tx.emit(Stream.VISIT, "x.v1", SECRET, NOW, member=SECRET))
    assert occurrences(tmp_path) > 5000, "what we look for can be found"
    await database.transact(lambda tx: outbox.forget(tx, SECRET), scrub=True)
    assert occurrences(tmp_path) == 0
    assert len(pages(tmp_path)) > 10
    database.close()


async def test_without_a_scrub_the_log_would_still_tell(tmp_path):
    database = opened(tmp_path)
    await database.transact(speak_of_her)
    await database.transact(lambda tx: outbox.forget(tx, SECRET))
    assert occurrences(tmp_path) > 0
    database.close()


async def test_a_scrub_waits_for_a_reader_in_its_way(tmp_path):
    database = opened(tmp_path)
    await database.transact(speak_of_her)
    reading = open_reading(tmp_path)
    reading.execute("BEGIN")
    reading.execute("SELECT count(*) FROM outbox").fetchone()
    scrub = asyncio.ensure_future(
        database.transact(lambda tx: outbox.forget(tx, SECRET), scrub=True)
    )
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await asyncio.shield(scrub)
    reading.execute("COMMIT")
    assert await scrub == (1, 52)
    assert occurrences(tmp_path) == 0
    reading.close()
    database.close()


async def test_a_scrub_that_a_reader_was_in_the_way_of_is_done_later(tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "SCRUB_TRIES_MAX", 2)
    database = opened(tmp_path)
    await database.transact(speak_of_her)

    def forget(tx) -> None:
        outbox.forget(tx, SECRET)
        erased.set_deleted(tx)

    reading = open_reading(tmp_path)
    reading.execute("BEGIN")
    reading.execute("SELECT count(*) FROM outbox").fetchone()
    await database.transact(forget, scrub=True)
    assert not database.scrubbed
    assert await erasure.scrub_once(database)
    assert occurrences(tmp_path) > 0, "else the reader was in nobody's way"
    assert await erasure.scrub_once(database), "it is still due"
    reading.close()
    assert await erasure.scrub_once(database)
    assert occurrences(tmp_path) == 0
    assert not await erasure.scrub_once(database)
    database.close()
