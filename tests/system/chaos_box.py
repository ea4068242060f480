"""A box as a program that may be killed at any moment: it produces, and its link sends.

`python -m tests.system.chaos_box DIRECTORY PORT SEED`. Prints READY, then produces events of
random sizes on all streams until SIGTERM; then it waits until the platform has everything, and
ends with 0.
"""

import asyncio
import contextlib
import random
import signal
import sys
from pathlib import Path

from edge.records import Stream
from tests.system.sync_box import Box

PAUSE_S_MAX = 0.02
BURST_MAX = 60
BODY_CHARACTERS_MAX = 400
DRAIN_S = 60.0


async def main(directory: Path, port: int, seed: int) -> int:
    """Produce until told to stop; 0 once everything is acknowledged."""
    box = Box(directory, port)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    running = asyncio.create_task(box.link.run())
    print("READY", flush=True)
    await produce(box, stop, random.Random(seed))
    drained = await box.link.drained(DRAIN_S)
    await box.link.stop()
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    box.database.close()
    return 0 if drained else 1


async def produce(box: Box, stop: asyncio.Event, rng: random.Random) -> None:
    while not stop.is_set():
        stream = rng.choice(tuple(Stream))
        moment = box.clock.now()
        texts = ["x" * rng.randrange(BODY_CHARACTERS_MAX) for _ in range(rng.randint(1, BURST_MAX))]

        def burst(tx, stream=stream, moment=moment, texts=tuple(texts)):
            for text in texts:
                tx.emit(stream, "chaos.v1", {"number": tx.next_number("chaos"), "t": text}, moment)

        await box.database.transact(burst)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(rng.uniform(0, PAUSE_S_MAX)):
                await stop.wait()


if __name__ == "__main__":
    sys.exit(asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
