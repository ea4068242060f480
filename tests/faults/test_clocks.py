"""Row 9 of the fault matrix: the wall clock jumps while the box produces and drains.

An hour back, a year ahead, and 1970 as a box without a battery has it. Pass: numbers, order and
promises are what they would be; events made after the correction carry the right time; and what
the platform keeps of the others (monotonic time and boot) dates each of them within two seconds.
The date that it gives at once is late by as long as the batch was under way; a tap on the broker
tells how long that was, so that a slow machine is not taken for a wrong date.
The box is a process under libfaketime, so everything in it sees the jump, not only our own code.
"""

import asyncio
import glob
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from edge.records import Stream
from sync.batch import read_header
from tests.contract.tap import Tap
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
    with Shop(tmp_path, rate=300.0) as shop, listening(shop.broker.port) as tap:
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
    years = {time.gmtime(row.wall_ms / 1000).tm_year for row in rows}
    assert {1970, time.gmtime().tm_year, time.gmtime().tm_year + 1} <= years, "it did jump"
    # The least that ever lay between the box's monotonic time and our wall clock is the line.
    offset_ms = min(row.received_ms - row.mono_ms for row in rows)
    boot_ms = time.time_ns() // 1_000_000 - boottime_ms()
    assert abs(offset_ms - boot_ms) <= WRONG_MS_MAX, "each event can be dated without its clock"
    after = [row for row in rows if row.mono_ms >= corrected_ms]
    assert after
    assert all(abs(row.wall_ms - row.mono_ms - boot_ms) <= WRONG_MS_MAX for row in after)
    sent_ms = packed_ms(tap)
    for row in rows:
        late_ms = row.received_ms - boot_ms - sent_ms[row.stream, row.seq]
        wrong_ms = row.happened_ms - boot_ms - row.mono_ms
        assert -WRONG_MS_MAX <= wrong_ms <= late_ms + WRONG_MS_MAX, "the platform dates all of them"


def boottime_ms() -> int:
    """What the box's monotonic time is made of."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


class Stamps(NamedTuple):
    """Of one event: the box's two clocks, when it came, and when it is said to have been."""

    stream: Stream
    seq: int
    wall_ms: int
    mono_ms: int
    received_ms: int
    happened_ms: int


def stamps(log: Path) -> list[Stamps]:
    """Of each event that the platform has."""
    with closing(sqlite3.connect(log)) as connection:
        rows = connection.execute(
            "SELECT stream, seq, event_ms, mono_ms, received_ms, happened_ms FROM received"
        )
        return [Stamps(Stream(stream), *numbers) for stream, *numbers in rows]


@contextmanager
def listening(port: int) -> Iterator[Tap]:
    """Hear all that is said at the broker."""
    tap = Tap()
    tap.connect(port)
    try:
        yield tap
    finally:
        tap.disconnect()


def packed_ms(tap: Tap) -> dict[tuple[Stream, int], int]:
    """By the box's monotonic time, when each event was first packed to be sent."""
    headers = [read_header(m.payload)[0] for m in tap.messages if is_batch(m.topic)]
    first_ms: dict[tuple[Stream, int], int] = {}
    for header in headers:
        for seq in range(header.first, header.last + 1):
            at = (header.stream, seq)
            first_ms[at] = min(header.mono, first_ms.get(at, header.mono))
    return first_ms


def is_batch(topic: str) -> bool:
    """Whether a message is events; a hello goes up the same way."""
    way, _, what = topic.rpartition("/")
    return way.endswith("/up") and what in set(Stream)


def set_clock(offset: Path, jump: str) -> None:
    """All at once: the process reads the file at each call, as a line."""
    draft = offset.with_suffix(".new")
    draft.write_text(jump + "\n")
    draft.rename(offset)
