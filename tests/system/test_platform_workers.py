"""Several workers side by side on one database, sharing the boxes' messages: nothing is lost.

While a backlog drains, workers are killed at random and others take over. Repeat a failure with the
seed that it prints: `STOREBOX_WORKERS_SEED=... pytest tests/system/test_platform_workers.py`.
"""

import asyncio
import json
import os
import random

import pytest

from edge.records import Stream
from sync.ingest.log import read_log
from tests.postgres import Postgres, installed
from tests.system.sync_box import Box, PlatformProcess, running

WORKERS = 3
SHARE = ("--workers-share", "ingest")
BETWEEN_S = (0.3, 1.0)


@pytest.fixture(params=["sqlite", "postgres"])
def database(request, tmp_path):
    """Where the workers keep what they receive; options for them."""
    if request.param == "sqlite":
        yield tmp_path / "platform.db", ()
        return
    if not installed():
        pytest.skip("PostgreSQL is not installed")
    server = Postgres()
    address = server.new_database()
    yield address, ("--database", address, "--state", str(tmp_path))
    server.stop()


@pytest.mark.parametrize(
    ("backlog", "kills_max"),
    [(15_000, 4), pytest.param(150_000, 40, marks=pytest.mark.slow)],
    ids=["short", "long"],
)
async def test_workers_killed_in_mid_drain_lose_and_double_nothing(
    mosquitto, tmp_path, database, backlog, kills_max
):
    seed = int(os.environ.get("STOREBOX_WORKERS_SEED") or random.randrange(2**32))
    print(f"STOREBOX_WORKERS_SEED={seed}")
    rng = random.Random(seed)
    where, options = database
    workers = [PlatformProcess(tmp_path, mosquitto.port, *SHARE, *options) for _ in range(WORKERS)]
    kills = 0
    box = Box(tmp_path, mosquitto.port)
    await fill(box, backlog)
    try:
        for worker in workers:
            worker.start()
        async with running(box):
            drained = asyncio.create_task(box.link.drained(120))
            while not drained.done() and kills < kills_max:
                await asyncio.sleep(rng.uniform(*BETWEEN_S))
                victim = rng.choice(workers)
                victim.kill()
                await box.emit(Stream.CRIT, 3)
                await asyncio.to_thread(victim.start)
                kills += 1
            assert await drained
            verdict = box.verdict(where)
    finally:
        for worker in workers:
            worker.kill()
    print(kills, verdict)
    assert kills, "nobody was killed while it drained"
    assert verdict.flawless, verdict
    assert verdict.acknowledged == verdict.created == backlog + 3 * kills


async def fill(box, count):
    """A backlog of bulk, some in each change."""
    moment = box.clock.now()

    def some(first):
        def change(tx):
            for number in range(first, first + 500):
                tx.emit(Stream.BULK, "test.made.v1", {"number": number}, moment)

        return change

    for first in range(0, count, 500):
        await box.database.transact(some(first))


async def test_each_worker_takes_a_part(mosquitto, tmp_path):
    workers = [PlatformProcess(tmp_path, mosquitto.port, *SHARE) for _ in range(2)]
    try:
        for worker in workers:
            worker.start()
            await worker.connected()
        async with running(Box(tmp_path, mosquitto.port)) as box:
            await fill(box, 10_000)
            assert await box.link.drained(30)
            assert box.verdict(workers[0].log).flawless
            # Out of order between two workers is no reason to send anything again.
            assert box.counters.get("link.sent_again") == 0
        assert len(read_log(workers[0].log)) == 10_000
        shares = [json.loads(worker.fetch("/api/platform"))["batches"] for worker in workers]
        assert all(shares), shares
    finally:
        for worker in workers:
            worker.kill()
