"""Everything that the document names is really said: a box and a platform go through all of it.

With the bus tap it is shown both ways: whatever is said is in the document, and whatever is in the
document is said. What the shop's own broker carries besides is in the tests of the satellites.
"""

import asyncio
import itertools

from edge.records import Stream
from sync.messages import Dataset
from sync.rows import bucket_of
from sync.spoken import Service
from tests.contract.document import contract
from tests.contract.tap import TappedBroker
from tests.system.obeying_box import ObeyingBox, command
from tests.system.sync_box import PlatformProcess, running, until

PLACE = "shop-1"


def neighbours() -> tuple[str, str]:
    """Two SKUs whose rows of stock are of one bucket."""
    seen: dict[int, str] = {}
    for number in itertools.count():
        sku = f"s{number}"
        bucket = bucket_of(f"{sku}/{PLACE}")
        if bucket in seen:
            return seen[bucket], sku
        seen[bucket] = sku
    raise AssertionError


ONE, OTHER = neighbours()


def stocked(one: int, other: int) -> list[object]:
    """Rows of stock."""
    rows = [{"sku": ONE, "quantity": one}, {"sku": OTHER, "quantity": other}]
    return [{"place": PLACE, "as_of_ms": 1} | row for row in rows]


def has(box: ObeyingBox, sku: str) -> int | None:
    """How many the box believes there are."""
    found = box.database.reading.execute("SELECT quantity FROM stock WHERE sku = ?", (sku,))
    row = found.fetchone()
    return row and row[0]


async def says(broker: TappedBroker, channel: str, message: str, *, more_than: int = 0) -> None:
    """Wait until this has been heard so often."""
    await until(
        lambda: broker.tap.heard().seen[channel, message] > more_than, f"{message} on {channel}"
    )


async def speaks(box: ObeyingBox, platform: PlatformProcess, broker: TappedBroker) -> None:
    """Events, a snapshot, a delta for all, a bucket, a command, a call."""
    for stream in Stream:
        await box.emit(stream)
    assert await box.link.drained(20)
    await until(lambda: has(box, ONE) == 1, "the snapshot")
    platform.put("stock", stocked(2, 1))
    await until(lambda: has(box, ONE) == 2, "the delta")
    spoil = "UPDATE replica_row SET hash = hash + 1 WHERE dataset = ? AND key = ?"
    key = f"{OTHER}/{PLACE}"
    await box.database.transact(lambda tx: tx.execute(spoil, (Dataset.STOCK.value, key)))
    platform.put("stock", stocked(3, 1))
    await says(broker, "datasets", "bucket")
    await command(platform, "box.report", {})
    await until(lambda: box.commands.last == 1, "the command")
    answer = await box.calls.ask(Service.STOCK, {"sku": ONE}, budget_s=20)
    assert (answer.ok, answer.fresh) == (True, True)
    assert await box.link.drained(20)


async def test_everything_in_the_document_is_said_and_nothing_else(mosquitto, tmp_path):
    platform = PlatformProcess(tmp_path, mosquitto.port)
    platform.put("stock", stocked(1, 1))
    with platform:
        await platform.connected()
        async with running(ObeyingBox(tmp_path, mosquitto.port, trusted=True)) as box:
            await speaks(box, platform, mosquitto)
        said = mosquitto.tap.heard().seen["sharedDatasets", "delta"]
        platform.put("stock", stocked(4, 1))  # while the box is away
        await says(mosquitto, "sharedDatasets", "delta", more_than=said)
        box = ObeyingBox(tmp_path, mosquitto.port, trusted=True)
        task = asyncio.create_task(box.link.run())
        await until(lambda: has(box, ONE) == 4, "what it had missed")
        offline = mosquitto.tap.heard().seen["presence", "presence"]
        task.cancel()
        await asyncio.wait({task})
        await says(mosquitto, "presence", "presence", more_than=offline)  # its last will
        box.database.close()
        platform.stop()
        platform.start()
        await says(mosquitto, "greetings", "greeting")
    heard = mosquitto.tap.heard()
    assert heard.breaches == []
    assert set(heard.seen) == contract().said("broker")
