"""Row 9 of the fault matrix: the wall clock jumps while the box produces and drains.

An hour back, a year ahead, and 1970 as a box without a battery has it. Pass: numbers, order and
promises are what they would be, and events made after the correction carry the right time. The
box is a process under libfaketime, so everything in it sees the jump, not only our own code.
"""

import asyncio
import glob
import time
from pathlib import Path

import pytest

from sync.ingest.log import read_log
from tests.faults.oracle import assert_kept, examine
from tests.faults.rig import Shop

LIBRARY = "/usr/lib/*/faketime/libfaketimeMT.so.1"
JUMPS = ("-3600", "+31536000", "@1970-01-02 00:00:05", "-1", "+0")
"""As libfaketime wants them; the last is the correction."""
JUMP_EVERY_S = {"short": 0.7, "long": 6.0}
LEFT_S_MAX = 2.0


@pytest.mark.parametrize("length", ["short", pytest.param("long", marks=pytest.mark.slow)])
@pytest.mark.timeout(120)
async def test_row_9_a_jumping_clock_changes_no_number_and_no_order(tmp_path, length):
    (library,) = glob.glob(LIBRARY) or pytest.fail("libfaketime is missing: run `make setup`")
    offset = tmp_path / "clock"
    set_clock(offset, "+0")
    with Shop(tmp_path, rate=1500.0) as shop:
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
            await asyncio.sleep(JUMP_EVERY_S[length])
        corrected_ms = time.time_ns() // 1_000_000
        await asyncio.sleep(JUMP_EVERY_S[length])
        ended_ms = time.time_ns() // 1_000_000
        assert await asyncio.to_thread(shop.box.finish) == 0
        shop.platform.kill()
    examined = examine(tmp_path, shop.platform.log)
    rows = read_log(shop.platform.log)
    years = {time.gmtime(row.event_ms / 1000).tm_year for row in rows}
    print(examined, sorted(years))
    assert_kept(examined)
    assert {1970, time.gmtime().tm_year, time.gmtime().tm_year + 1} <= years, "it did jump"
    late = [row for row in rows if row.received_ms > corrected_ms + LEFT_S_MAX * 1000]
    after = [row for row in late if row.received_ms <= ended_ms]
    for row in after or late:
        assert abs(row.received_ms - row.event_ms) <= LEFT_S_MAX * 1000 + BATCH_MS


BATCH_MS = 500


def set_clock(offset: Path, jump: str) -> None:
    """All at once: the process reads the file at each call, as a line."""
    draft = offset.with_suffix(".new")
    draft.write_text(jump + "\n")
    draft.rename(offset)
