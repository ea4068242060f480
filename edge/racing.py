"""Several ways of which the first to end decides. Called wherever a session has two directions.

It leaves no task behind, and swallows no error of the one that ended.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any


async def rung(event: asyncio.Event) -> None:
    """One way: until `event` is set."""
    await event.wait()


async def first_of(*ways: Coroutine[Any, Any, None]) -> None:
    """Run all ways until one ends, then cancel the others; its error rises."""
    tasks = [asyncio.ensure_future(way) for way in ways]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
