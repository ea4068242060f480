"""A database for the tests of the outbox: a small bulk file, the wire's codec, and accounting."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from edge.records import Event, Moment, Stream
from edge.storage import outbox
from edge.storage.connections import Room
from edge.storage.database import Database
from edge.storage.segments import Sealed
from sync.batch import BatchSealing
from sync.messages import Address

NOW = Moment(1_700_000_000_000, 1_000, "boot", True)
SEALING = BatchSealing(Address("chain", "shop", "box"))
QUOTA = 1 << 20


def opened(
    directory: Path, quota: int = QUOTA, *, journal: bool = False, room: Room | None = None
) -> Database:
    """Open it as the daemon does, with less room."""
    notes = directory / "journal" if journal else None
    return Database.open(directory, notes, sealing=SEALING, bulk_bytes_max=quota, room=room)


@contextmanager
def running(directory: Path, quota: int = QUOTA) -> Iterator[Database]:
    database = opened(directory, quota)
    try:
        yield database
    finally:
        database.close()


async def make(database: Database, count: int, stream: Stream = Stream.BULK, size: int = 20):
    """`count` events in one change; every one another."""
    noise = os.urandom(size * count // 2 + 1).hex()

    def change(tx):
        for number in range(count):
            tx.emit(stream, "made.v1", noise[number * size : (number + 1) * size], NOW)

    await database.transact(change)


def everything(database: Database, stream: Stream = Stream.BULK, after: int = 0) -> list[Event]:
    """What a link would send, unsealed."""
    found: list[Event] = []
    while True:
        waiting = database.waiting(stream, after, 500)
        if isinstance(waiting, Sealed):
            assert waiting.n == waiting.last - waiting.first + 1
            waiting = SEALING.unseal(waiting.body)
        if not waiting:
            return found
        found += waiting
        after = found[-1].seq


def gaps(database: Database) -> list[outbox.Gap]:
    """What the box has declared and not yet sent."""
    crit = everything(database, Stream.CRIT)
    return [
        msgspec.json.decode(event.body, type=outbox.Gap)
        for event in crit
        if event.type == outbox.GAP_TYPE
    ]


def account(database: Database, stream: Stream = Stream.BULK, after: int = 0) -> None:
    """Received + declared = produced: each number above `after` is there or declared, not both,
    and however many gap records it stands in, one of them counts it.
    """
    last, _ = database.cursors()[stream]
    there = [event.seq for event in everything(database, stream) if event.seq > after]
    mine = [gap for gap in gaps(database) if gap.stream is stream]
    declared = {seq for gap in mine for seq in range(gap.first, gap.last + 1)}
    assert sorted([*there, *(n for n in declared if n > after)]) == list(range(after + 1, last + 1))
    assert sum(gap.count for gap in mine) == len(declared)


def killed(directory: Path, script: str) -> None:
    """Run `script` in a process that ends itself with SIGKILL."""
    root = Path(__file__).resolve().parent.parent.parent
    ended = subprocess.run(
        [sys.executable, "-c", script, str(directory)], cwd=root, capture_output=True, text=True
    )
    assert ended.returncode == -9, ended.stderr
