"""When room runs out: orders have a reserve, visits a quota, and a refusal is told."""

import contextlib

import msgspec
import pytest

from edge.errors import StorageFull
from edge.records import Stream
from edge.storage import outbox
from edge.storage.connections import Room
from edge.storage.outbox import Emitted
from tests.unit.outbox_box import NOW, account, everything, gaps, make, opened


def order(tx) -> None:
    tx.emit(Stream.CRIT, "order.placed.v1", {"lines": ["x" * 900]}, NOW)


async def fill(database) -> None:
    """Make visits until one is refused."""
    with contextlib.suppress(StorageFull):
        while True:
            await make(database, 10, Stream.VISIT, size=900)


SMALL = Room(pages=256, reserve=64)
"""A main file of 1 MiB, 256 KiB of it for orders."""


async def test_orders_are_placed_when_everything_else_is_refused(tmp_path):
    database = opened(tmp_path, room=SMALL)
    await fill(database)
    with pytest.raises(StorageFull):
        await make(database, 10, Stream.VISIT, size=900)
    placed = 0
    with contextlib.suppress(StorageFull):
        while True:
            await database.transact(order, reserve=True)
            placed += 1
    assert placed > 100, "256 KiB of orders"
    assert len(everything(database, Stream.CRIT)) == placed, "each is stored or refused"
    last = everything(database, Stream.VISIT)[-1].seq
    await database.transact(lambda tx: tx.acknowledge(Stream.VISIT, last))
    await make(database, 10, Stream.VISIT, size=900)
    await database.transact(order, reserve=True)
    database.close()


async def test_a_loss_is_declared_from_the_reserve(tmp_path):
    database = opened(tmp_path, room=SMALL)
    await fill(database)
    for _ in range(12):
        await make(database, 400, size=400)
    assert gaps(database)
    account(database)
    database.close()


async def test_old_visits_are_given_up_and_declared(tmp_path):
    database = opened(tmp_path)
    body = msgspec.json.encode({"visit": "1"})

    def flood(tx) -> None:
        many = [Emitted(Stream.VISIT, "visit.opened.v1", body, NOW)] * 10_000
        for _ in range(16):
            outbox.append(tx, many)

    await database.transact(flood)
    assert [gap.reason for gap in gaps(database)] == ["quota"]
    assert database.evicted()[Stream.VISIT] == outbox.EVICTED_ROWS
    account(database, Stream.VISIT)
    depth = {each.stream: each for each in database.depth()}[Stream.VISIT]
    assert depth.waiting == 160_000 - outbox.EVICTED_ROWS
    database.close()
