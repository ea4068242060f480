"""Waiting in tests: for a condition, with a deadline, and never for a time."""

import asyncio
import time
from collections.abc import Callable

WAIT_S = 20.0


async def until(condition: Callable[[], object], what: str, timeout_s: float = WAIT_S) -> None:
    """Wait until `condition` holds; fail naming `what` when it takes too long."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, f"still not: {what}"
        await asyncio.sleep(0.01)
