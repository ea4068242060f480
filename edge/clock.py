"""Where time comes from: the machine, or a scenario that runs as fast as it can be computed.

The daemon makes one clock and hands it to whoever needs time; sensors use `SystemClock` for their
stamps. No module asks `time.time()` itself, and nothing asks which clock it has.
"""

import asyncio
import heapq
import os
import time
import zoneinfo
from functools import cache
from itertools import count
from pathlib import Path
from typing import Protocol

from edge.records import Moment

SYNCHRONISED_MARK = Path("/run/systemd/timesync/synchronized")
BOOT_ID_VARIABLE = "STOREBOX_BOOT_ID"
BOOT_ID_CHARACTERS = 8
END_OF_TIME_MS = 2**53
"""A watermark of a source that will never report again."""


class Clock(Protocol):
    """What the core needs of time."""

    def now(self) -> Moment:
        """The present moment."""
        ...

    async def wait(self, seconds: float) -> None:
        """Return when `seconds` have passed on this clock."""
        ...


@cache
def boot_id() -> str:
    """The first block of the kernel's boot id: enough to tell boots apart, short on the wire.

    Units with `ProcSubset=pid` cannot read it, so they pass it (`%b` of systemd.unit(5)). Where
    neither is, the time of the boot stands in, by the wall clock: processes and runs may differ
    in it, which only makes a boot look like two.
    """
    passed = os.environ.get(BOOT_ID_VARIABLE, "")
    if len(passed) >= BOOT_ID_CHARACTERS:
        return passed[:BOOT_ID_CHARACTERS]
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text()[:BOOT_ID_CHARACTERS]
    except OSError:
        return f"{time.time_ns() - time.monotonic_ns():x}"[:BOOT_ID_CHARACTERS]


def is_timezone(name: str) -> bool:
    """Whether this machine knows a time zone of that name."""
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


class SystemClock:
    """The machine's clocks. Trusted once time synchronisation has succeeded since boot.

    A sensor names the `boot` that the core told it, so that both always mean the same.
    """

    def __init__(self, boot: str = "") -> None:
        self._boot = boot or boot_id()

    def now(self) -> Moment:
        """Wall and boot time of this machine."""
        mono_ms = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
        return Moment(time.time_ns() // 1_000_000, mono_ms, self._boot, SYNCHRONISED_MARK.exists())

    async def wait(self, seconds: float) -> None:
        """Sleep on the loop."""
        await asyncio.sleep(seconds)


class ScenarioClock:
    """Time that moves only when every source has passed it.

    A source is a simulated or recorded sensor, or a named hold of whoever plays the shopper.
    `now` is the latest time that all of them have reported (their watermarks) *and* that
    `move` has been told to show; the intake moves it as it hands observations on in order.
    """

    def __init__(self, start_ms: int, sources: frozenset[str], boot: str = "scenario") -> None:
        self._now_ms = self._start_ms = start_ms
        self._marks = dict.fromkeys(sources, start_ms)
        self._boot = boot
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._tie = count()

    def now(self) -> Moment:
        """The scenario's present; always trusted, its monotonic time starts at the scenario."""
        return self.moment(self._now_ms)

    def moment(self, wall_ms: int) -> Moment:
        """A moment of this scenario."""
        return Moment(wall_ms, wall_ms - self._start_ms, self._boot, True)

    def report(self, source: str, wall_ms: int) -> None:
        """`source` will report nothing before `wall_ms` any more. Unknown sources are ignored."""
        if source in self._marks:
            self._marks[source] = max(self._marks[source], wall_ms)

    def watermark(self, source: str) -> int:
        """How far `source` has come; its start for a source that never reported."""
        return self._marks.get(source, self._start_ms)

    @property
    def safe_ms(self) -> int:
        """Up to here nothing can be observed any more that is not known already."""
        return min(self._marks.values(), default=self._now_ms)

    def move(self, wall_ms: int) -> None:
        """Show `wall_ms` as the present (never backwards) and wake who waited for it."""
        self._now_ms = max(self._now_ms, min(wall_ms, END_OF_TIME_MS))
        while self._waiting and self._waiting[0][0] <= self._now_ms:
            future = heapq.heappop(self._waiting)[2]
            if not future.done():
                future.set_result(None)

    async def wait(self, seconds: float) -> None:
        """Return once the scenario is `seconds` further."""
        future = asyncio.get_running_loop().create_future()
        due_ms = self._now_ms + round(seconds * 1000)
        heapq.heappush(self._waiting, (due_ms, next(self._tie), future))
        await future
