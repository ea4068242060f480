"""A clock that a test sets, for whatever asks for the time through `edge/clock.py`."""

import asyncio

from edge.records import Moment

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


class Time:
    """A clock that a test sets. `wait` ends when `pass_` has gone so far."""

    def __init__(self, *, trusted: bool = True) -> None:
        self.wall_ms, self.mono_ms, self.boot, self.trusted = 1_000 * DAY_MS, 5_000, "a", trusted
        self._passed = asyncio.Condition()

    def now(self) -> Moment:
        return Moment(self.wall_ms, self.mono_ms, self.boot, self.trusted)

    async def wait(self, seconds: float) -> None:
        due = (self.boot, self.mono_ms + seconds * 1000)
        async with self._passed:
            await self._passed.wait_for(lambda: (self.boot, self.mono_ms) >= due)

    async def pass_(self, ms: int) -> None:
        self.wall_ms += ms
        self.mono_ms += ms
        async with self._passed:
            self._passed.notify_all()

    def reboot(self, off_ms: int) -> None:
        self.boot += "'"
        self.mono_ms = 0
        self.wall_ms += off_ms
