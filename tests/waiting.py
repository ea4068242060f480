"""Waiting in tests: for a condition, with a deadline, and never for a time."""

import asyncio
import inspect
import time
from collections.abc import Callable

WAIT_S = 20.0


async def until(condition: Callable[[], object], what: str, timeout_s: float = WAIT_S) -> None:
    """Wait until `condition`, which may be awaited, holds; fail naming `what` if it takes long."""
    deadline_s = time.monotonic() + timeout_s
    while not await _held(condition()):
        assert time.monotonic() < deadline_s, f"still not: {what}"
        await asyncio.sleep(0.01)


async def _held(outcome: object) -> object:
    return await outcome if inspect.isawaitable(outcome) else outcome
