"""Rows 1 to 3 of the fault matrix: killed, and frozen, whatever it is and whenever it happens.

Pass: nothing promised is lost or doubled, the order of each stream is kept, every number is
accounted for, the box has caught up soon after the last fault, and no two of it fight.
"""

import asyncio
import time
from dataclasses import dataclass

import pytest

from edge.records import Stream
from tests.faults.oracle import assert_kept, examine
from tests.faults.rig import Shop
from tests.system.chaos_box import BURST_MAX

pytestmark = pytest.mark.alone

RATE = 2000.0
CATCH_UP_S_MAX = 5.0
SMALL_BULK, KILLS = 512 << 10, 12


@dataclass(frozen=True)
class Row:
    """Who is struck and how; times in seconds, each uniform between its two."""

    name: str
    victims: tuple[tuple[str, ...], ...]
    between_s: tuple[float, float]
    down_s: tuple[float, float]
    frozen: bool = False
    catch_up_s: float = CATCH_UP_S_MAX


ROWS = (
    Row("1-edge-killed", (("box",),), (0.5, 2.5), (0.0, 0.3)),
    Row(
        "2-platform-broker-all-killed",
        (("platform",), ("broker",), ("box", "broker", "platform")),
        (0.3, 1.5),
        (0.0, 0.8),
    ),
    Row(
        "3-anything-frozen",
        (("box",), ("broker",), ("platform",)),
        (0.3, 1.5),
        (0.0, 30.0),
        frozen=True,
        catch_up_s=15.0,
    ),
)
SHORT_S, LONG_S = 3.0, 60.0
KEEPALIVE_S, SHORT_DOWN_S = 2, 3.5
"""Some are frozen for longer than one and a half keepalives, and the broker gives the box up."""


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
@pytest.mark.parametrize(
    "duration_s", [SHORT_S, pytest.param(LONG_S, marks=pytest.mark.slow)], ids=["short", "long"]
)
@pytest.mark.timeout(300)
async def test_each_promise_is_kept(tmp_path, row, duration_s):
    with Shop(tmp_path, rate=RATE, keepalive_s=KEEPALIVE_S) as shop:
        shop.platform.start()
        shop.box.start()
        struck = await strike(shop, row, duration_s)
        began_s = time.monotonic()
        assert await asyncio.to_thread(shop.box.finish) == 0, "not everything is acknowledged"
        catch_up_s = time.monotonic() - began_s
        shop.platform.kill()
    examined = examine(tmp_path, shop.platform.log)
    print(row.name, struck, f"caught up in {catch_up_s:.1f} s", examined)
    assert examined.verdict.created > RATE * duration_s / 10
    killed = 0 if row.frozen else sum(count for name, count in struck.items() if "box" in name)
    # Killed between commit and promise: what the writer had in hand, one burst at a time.
    assert_kept(examined, unpromised_max=killed * BURST_MAX)
    assert catch_up_s <= row.catch_up_s
    assert "taken over" not in shop.box.errors.read_text()


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_killed_while_it_gives_up_old_bulk_every_number_is_accounted_for(tmp_path):
    streams = (Stream.BULK, Stream.BULK, Stream.BULK, Stream.CRIT)
    with Shop(tmp_path, rate=3 * RATE, bulk_bytes_max=SMALL_BULK, streams=streams) as shop:
        shop.box.start()
        for number in range(KILLS):
            await asyncio.sleep(shop.rng.uniform(0.3, 1.2))
            shop.box.kill()
            shop.box.start()
            if number == KILLS // 2:
                shop.platform.start()
        assert await asyncio.to_thread(shop.box.finish) == 0
        shop.platform.kill()
    examined = examine(tmp_path, shop.platform.log)
    print(examined)
    assert_kept(examined, unpromised_max=KILLS * BURST_MAX)
    assert examined.declared > BURST_MAX * KILLS, "it did give up"


async def strike(shop, row, duration_s):
    """Faults until the time is over and each kind has happened; how often each did."""
    rng = shop.rng
    down_s = row.down_s
    if row.frozen and duration_s < LONG_S:
        down_s = (0.0, SHORT_DOWN_S)
    kinds = ["+".join(names) for names in row.victims]
    count = dict.fromkeys(kinds, 0)
    deadline_s = time.monotonic() + duration_s
    while time.monotonic() < deadline_s or not all(count.values()):
        await asyncio.sleep(rng.uniform(*row.between_s))
        fewest = min(count.values())
        names = rng.choice([n for n in row.victims if count["+".join(n)] <= fewest + 1])
        count["+".join(names)] += 1
        parts = [shop.parts[name] for name in names]
        for part in parts:
            part.freeze() if row.frozen else part.kill()
        await asyncio.sleep(rng.uniform(*down_s))
        for part in reversed(parts):
            await asyncio.to_thread(part.thaw if row.frozen else part.start)
    return count
