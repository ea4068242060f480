"""How fast a box takes over a large catalogue with all members, and how long orders wait meanwhile.

100,000 variants and 100,000 members, three consents each, from files in the platform's folder into
the box's encrypted tables, over mosquitto on this machine. The platform's reading and packing
counts. All the while something small is committed every 20 ms, as orders are; how long the longest
of these waits is how long the swap holds the writer.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from edge.records import Stream
from edge.storage import goods, members
from sync.messages import Dataset
from tests.bench import rig
from tests.broker import Broker
from tests.system.sync_box import CONSENT, Box, PlatformProcess, running, until

ROWS = 100_000
GOAL_S = 30.0
ORDER_GOAL_MS = 1000
"""What an order may wait in the worst case."""
FEW, MANY = 100, 10_000
PAUSE_S = 0.02
SEED = 3
KINDS = ("programme", "marketing", "face")
WORDS = ("Куртка", "Брюки", "Платье", "Рубашка", "Пальто", "Jacket", "Boot", "Scarf", "Coat")


def run() -> list[dict[str, Any]]:
    """The figures."""
    return asyncio.run(_measured())


async def _measured() -> list[dict[str, Any]]:
    seeded = random.Random(SEED)
    catalogue = [_product(number, seeded) for number in range(ROWS)]
    people = [_member(number, seeded) for number in range(ROWS)]
    with rig.folder() as directory:
        broker = Broker(directory)
        broker.start()
        try:
            platform = PlatformProcess(directory, broker.port)
            platform.put("catalogue", catalogue)
            platform.put("members", people)
            return await _taken_over(directory, broker.port, platform, catalogue=catalogue)
        finally:
            broker.stop()


async def _taken_over(
    directory: Path, port: int, platform: PlatformProcess, *, catalogue: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    began_s = time.perf_counter()
    box = Box(directory, port)
    reading = box.database.reading
    with platform:
        async with running(box), _ordering(box) as waits_ms:
            await until(lambda: _has(box, Dataset.CATALOGUE, Dataset.MEMBERS), "all of it", 300)
            whole_s = time.perf_counter() - began_s
            assert members.count(reading) == ROWS
            entries = [
                rig.entry(f"{ROWS} variants and {ROWS} members, all new", whole_s, "s", GOAL_S),
                *_orders("while they come", waits_ms),
            ]
            for count in (FEW, MANY):
                await _put_changed(platform, catalogue, count)
                waits_ms.clear()  # this program has just written a large file itself
                changed_s = await _changed(box, catalogue)
                entries.append(rig.entry(f"{count} prices of {ROWS} changed", changed_s, "s"))
                entries += _orders(f"while {count} change", waits_ms)
            return entries


async def _put_changed(
    platform: PlatformProcess, catalogue: list[dict[str, Any]], count: int
) -> None:
    for row in catalogue[:count]:
        row["price_minor"] += count
    await asyncio.to_thread(platform.put, "catalogue", catalogue)


async def _changed(box: Box, catalogue: list[dict[str, Any]]) -> float:
    wanted, began_s = catalogue[0]["price_minor"], time.perf_counter()
    await until(lambda: _price(box) == wanted, "the new price", 120)
    return time.perf_counter() - began_s


def _price(box: Box) -> int:
    product = goods.by_sku(box.database.reading, "sku-0")
    assert product is not None
    return product.price_minor


def _has(box: Box, *names: Dataset) -> bool:
    versions = box.replica.versions()
    return all(name in versions for name in names)


@asynccontextmanager
async def _ordering(box: Box) -> AsyncIterator[list[float]]:
    """Commit something small all the time; how many ms each of them waited."""
    waits_ms: list[float] = []
    task = asyncio.create_task(_order(box, waits_ms.append))
    try:
        yield waits_ms
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _order(box: Box, waited: Callable[[float], None]) -> None:
    while True:
        moment, began_s = box.clock.now(), time.perf_counter()
        await box.database.transact(
            lambda tx, moment=moment: tx.emit(Stream.CRIT, "test.made.v1", {"n": 1}, moment)
        )
        waited((time.perf_counter() - began_s) * 1000)
        await asyncio.sleep(PAUSE_S)


def _orders(when: str, waits_ms: list[float]) -> list[dict[str, Any]]:
    return [
        rig.entry(f"an order's commit {when}, p99", rig.quantile(waits_ms, 0.99), "ms"),
        rig.entry(f"an order's commit {when}, longest", max(waits_ms), "ms", ORDER_GOAL_MS),
    ]


def _product(number: int, seeded: random.Random) -> dict[str, Any]:
    word = seeded.choice(WORDS)
    return {
        "sku": f"sku-{number}",
        "gtin": f"46{number:011d}",
        "model": f"model-{number // 12}",
        "titles": {"ru": f"{word} {number // 12}", "en": f"{word} {number // 12}"},
        "price_minor": seeded.randrange(100_000, 2_000_000),
        "colour": seeded.choice(("black", "white", "red", "navy")),
        "size": seeded.choice(("S", "M", "L", "XL")),
    }


def _member(number: int, seeded: random.Random) -> dict[str, Any]:
    given_ms = seeded.randrange(1_600_000_000_000, 1_700_000_000_000)
    return {
        "id": f"m-{number}",
        "name": f"Name {seeded.randrange(10**9)}",
        "card": f"29{seeded.randrange(10**5):05d}{number:06d}",
        "tier": seeded.choice(("gold", "silver", "")),
        "consents": [{"kind": kind, **CONSENT, "given_ms": given_ms} for kind in KINDS],
    }
