"""Row 4 of the fault matrix: the power goes in the middle of any write of the box's own files.

A session of the real `Database` (SQLCipher, both files, creation and migrations included) is
recorded below the cipher, and replayed up to random operations with un-synced writes lost, torn
or reordered. Pass: the box opens what is left, everything that a producer was told is there or
was evicted and says so, each number is there or declared, and all pages are as they were written.
Repeat a failure with `STOREBOX_FAULT_SEED=...`.
"""

import asyncio
import os
import random
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from edge.clock import SystemClock
from edge.records import Stream
from edge.storage import journal
from edge.storage.connections import unlocked
from edge.storage.database import Database
from edge.storage.journal import digest
from edge.storage.outbox import GAP_TYPE, Gap, Reason
from edge.storage.vault import Vault
from sync.batch import BatchSealing
from sync.messages import Address
from tests.faults.mutants import Hasty
from tests.faults.power_cut import cuts
from tests.faults.recorder import recording

SEALING = BatchSealing(Address("chain", "shop-1", "box-1"))
BULK_BYTES_MAX = 320 << 10
"""So small that a session evicts."""
CHANGES = 180
BURST_MAX = 60
STREAMS = (Stream.BULK, Stream.BULK, Stream.BULK, Stream.CRIT, Stream.VISIT)
PRODUCERS = 3
WORDS_MAX = 5
FAST = Path("/dev/shm")
"""Memory: what is tested is the order of operations, not this machine's disk."""


@dataclass
class Session:
    """A recorded session, and what the journal says of its events by digest of their body."""

    recording: object
    evicted: int
    ids: dict[str, tuple[str, int]] = field(default_factory=dict)


@dataclass
class Toll:
    """What the cuts did, over all of them; the first few are told in words."""

    cuts: int = 0
    evicted: int = 0
    lost: int = 0
    unaccounted: int = 0
    unreadable: int = 0
    words: list[str] = field(default_factory=list)

    def note(self, kind: str, what: str) -> None:
        setattr(self, kind, getattr(self, kind) + 1)
        if len(self.words) < WORDS_MAX:
            self.words.append(f"{kind}: {what}")


@pytest.mark.parametrize(
    ("sessions", "count"),
    [(2, 100), pytest.param(25, 400, marks=pytest.mark.slow)],
    ids=["200", "10000"],
)
@pytest.mark.timeout(900)
async def test_row_4_no_power_cut_loses_what_was_acknowledged(sessions, count):
    toll = await cut_sessions(Database, sessions, count)
    assert toll.cuts == sessions * count
    assert toll.evicted, "evictions were among what was cut"
    assert (toll.lost, toll.unaccounted, toll.unreadable) == (0, 0, 0), toll.words[:3]


async def test_a_box_with_synchronous_normal_is_caught():
    toll = await cut_sessions(Hasty, 1, 40)
    assert toll.lost > 0
    assert toll.unreadable == 0, "NORMAL loses, it does not damage"


async def cut_sessions(kind, sessions, count):
    seed = int(os.environ.get("STOREBOX_FAULT_SEED") or random.randrange(2**32))
    print(f"STOREBOX_FAULT_SEED={seed}")
    rng = random.Random(seed)
    toll = Toll()
    with tempfile.TemporaryDirectory(dir=FAST if os.access(FAST, os.W_OK) else None) as name:
        for number in range(sessions):
            session = await recorded(kind, Path(name) / f"session-{number}", rng)
            toll.evicted += session.evicted
            for cut in cuts(session.recording, count, rng):
                image = Path(name) / "image"
                restore(image, cut)
                examine(image, cut, session, toll)
                toll.cuts += 1
    print(toll)
    return toll


async def recorded(kind, directory, rng):
    """A session from the first start to an orderly stop, with what a box does to its files."""
    state = directory / "state"
    Vault.create(state / "master.key")
    with recording(state) as made:
        database = kind.open(
            state, directory / "journal", sealing=SEALING, bulk_bytes_max=BULK_BYTES_MAX
        )
        try:
            await asyncio.gather(
                *(produce(database, made, random.Random(rng.random())) for _ in range(PRODUCERS))
            )
            evicted = database.evicted()[Stream.BULK]
        finally:
            database.close()
    session = Session(made, evicted)
    for event, body, *_ in journal.read(directory / "journal"):
        _, stream, seq = event.split("-")
        session.ids[body] = (stream, int(seq))
    return session


async def produce(database, made, rng):
    clock = SystemClock()
    for _ in range(CHANGES // PRODUCERS):
        if rng.random() < 0.02:
            await acknowledge(database, made, rng)
        stream, moment = rng.choice(STREAMS), clock.now()
        count = rng.randint(1, BURST_MAX)
        texts = [rng.randbytes(rng.randrange(120)).hex() for _ in range(count)]
        bodies = []

        def change(tx, stream=stream, moment=moment, texts=texts, bodies=bodies):
            for text in texts:
                body = {"number": tx.next_number("chaos"), "t": text}
                tx.emit(stream, "chaos.v1", body, moment)
                bodies.append(msgspec.json.encode(body))

        await database.transact(change)
        made.mark([digest(body) for body in bodies])


async def acknowledge(database, made, rng):
    """As the platform would, up to a random number; from then on these may be gone."""
    uptos = {
        s: rng.randint(upto, (upto + last) // 2) for s, (last, upto) in database.cursors().items()
    }
    made.mark(uptos)
    await database.transact(lambda tx: [tx.acknowledge(*each) for each in uptos.items()])


def restore(image, cut):
    shutil.rmtree(image, ignore_errors=True)
    image.mkdir()
    for name, content in cut.files.items():
        (image / name).write_bytes(content)
    (image / "master.key").chmod(0o600)


def examine(image, cut, session, toll):
    """Open what is left with the box's own code, and account for everything."""
    where = f"cut at operation {cut.at}"
    try:
        database = Database.open(image, sealing=SEALING, bulk_bytes_max=BULK_BYTES_MAX)
    except Exception as error:
        toll.note("unreadable", f"{where}: {error!r}")
        return
    try:
        account(database, cut, session, toll)
    finally:
        database.close()
    for path in image.glob("*.db"):
        if faults := damage(path, database.vault):
            toll.note("unreadable", f"{where}: {path.name} {faults[:2]}")
    for path in image.glob("*.damaged-*"):
        toll.note("unreadable", f"{where}: {path.name}")


def damage(path, vault):
    """Pages that are not as they were written, and what SQLite finds wrong among them."""
    connection = unlocked(path, vault)
    try:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        faults = connection.execute("PRAGMA cipher_integrity_check").fetchall()
        checked = connection.execute("PRAGMA integrity_check").fetchall()
    finally:
        connection.close()
    return faults + [row for row in checked if row != ("ok",)]


def account(database, cut, session, toll):
    acknowledged = dict.fromkeys((stream.value for stream in Stream), 0)
    told = []
    for mark in cut.marks:
        if isinstance(mark, dict):
            acknowledged |= {s: max(upto, acknowledged[s]) for s, upto in mark.items()}
        else:
            told += mark
    there, gaps = {}, []
    for event in database.backlog.everything():
        there[event.stream.value, event.seq] = digest(bytes(event.body))
        if event.type == GAP_TYPE:
            gaps.append(msgspec.json.decode(bytes(event.body), type=Gap))
    for body in told:
        stream, seq = session.ids[body]
        kept = there.get((stream, seq)) == body or seq <= acknowledged[stream]
        if not kept and not covered(stream, seq, gaps, Reason.QUOTA):
            toll.note("lost", f"cut at operation {cut.at}: {stream}-{seq}")
    for stream, (last, upto) in database.cursors().items():
        for seq in range(max(upto, acknowledged[stream]) + 1, last + 1):
            if (stream.value, seq) not in there and not covered(stream, seq, gaps, None):
                toll.note("unaccounted", f"cut at operation {cut.at}: {stream}-{seq}")


def covered(stream, seq, gaps, reason):
    return any(
        gap.stream == stream and gap.first <= seq <= gap.last and reason in (None, gap.reason)
        for gap in gaps
    )
