"""Row 9 of the fault matrix: the wall clock jumps while the box produces and drains.

An hour back, a year ahead, and 1970 as a box without a battery has it. Pass: numbers, order and
promises are what they would be; events made after the correction carry the right time; and what
the platform keeps of the others (monotonic time and boot) dates each of them within two seconds.
The box is a process under libfaketime, so everything in it sees the jump, not only our own code.
"""

import asyncio
import glob
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from edge.records import Stream
from tests.faults.oracle import assert_kept, examine
from tests.faults.rig import Shop

LIBRARY = "/usr/lib/*/faketime/libfaketimeMT.so.1"
JUMPS = ("-3600", "+31536000", "@1970-01-02 00:00:05", "-1", "+0")
"""As libfaketime wants them; the last is the correction."""
JUMP_EVERY_S = {"short": 0.25, "long": 6.0}
WRONG_MS_MAX = 2000


@pytest.mark.parametrize("length", ["short", pytest.param("long", marks=pytest.mark.slow)])
@pytest.mark.timeout(120)
async def test_row_9_a_jumping_clock_changes_no_number_and_no_order(tmp_path, length):
    (library,) = glob.glob(LIBRARY) or pytest.fail("libfaketime is missing: run `make setup`")
    offset = tmp_path / "clock"
    set_clock(offset, "+0")
    with Shop(tmp_path, rate=300.0) as shop:
        shop.box.environment = {
            "LD_PRELOAD": library,
            "FAKETIME_TIMESTAMP_FILE": str(offset),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        await asyncio.to_thread(shop.box.start)
        await asyncio.sleep(JUMP_EVERY_S[length])  # a backlog, so that it drains while it jumps
        shop.platform.start()
        for jump in JUMPS:
            set_clock(offset, jump)
            for stream in Stream:
                assert await asyncio.to_thread(shop.box.emit, stream, 5) == 5
            await asyncio.sleep(JUMP_EVERY_S[length])
        corrected_ms = boottime_ms()
        assert await asyncio.to_thread(shop.box.emit, Stream.CRIT, 5) == 5
        await asyncio.sleep(JUMP_EVERY_S[length])
        assert await asyncio.to_thread(shop.box.finish) == 0
        shop.platform.kill()
    examined = examine(tmp_path, shop.platform.log)
    print(examined)
    assert_kept(examined)
    rows = stamps(shop.platform.log)
    years = {time.gmtime(wall_ms / 1000).tm_year for wall_ms, *_ in rows}
    assert {1970, time.gmtime().tm_year, time.gmtime().tm_year + 1} <= years, "it did jump"
    # The least that ever lay between the box's monotonic time and our wall clock is the line.
    offset_ms = min(received_ms - mono_ms for _, mono_ms, received_ms, _ in rows)
    boot_ms = time.time_ns() // 1_000_000 - boottime_ms()
    assert abs(offset_ms - boot_ms) <= WRONG_MS_MAX, "each event can be dated without its clock"
    after = [row for row in rows if row[1] >= corrected_ms]
    assert after
    assert all(abs(wall_ms - mono_ms - boot_ms) <= WRONG_MS_MAX for wall_ms, mono_ms, *_ in after)
    dated = [happened_ms - mono_ms - boot_ms for _, mono_ms, _, happened_ms in rows]
    assert max(map(abs, dated)) <= WRONG_MS_MAX, "the platform dates all of them"


def boottime_ms() -> int:
    """What the box's monotonic time is made of."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


def stamps(log: Path) -> list[tuple[int, int, int, int]]:
    """Of each event: the box's two clocks, when it came, and when it is said to have been."""
    with closing(sqlite3.connect(log)) as connection:
        return connection.execute(
            "SELECT event_ms, mono_ms, received_ms, happened_ms FROM received"
        ).fetchall()


def set_clock(offset: Path, jump: str) -> None:
    """All at once: the process reads the file at each call, as a line."""
    draft = offset.with_suffix(".new")
    draft.write_text(jump + "\n")
    draft.rename(offset)
