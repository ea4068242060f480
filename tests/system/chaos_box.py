"""A box as a program that may be killed, frozen and starved at any moment.

`python -m tests.system.chaos_box OPTIONS` with the options as JSON (`Options`). Prints READY when
database and link run, then produces events on its streams and obeys lines on stdin, each answered
by one line of JSON: `emit STREAM COUNT`, `poison STREAM`, `status`,
`quiet`, `finish`. `finish` ends producing,
waits until the platform has everything, and the program ends with 0; so does SIGTERM.
"""

import asyncio
import contextlib
import json
import random
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from edge.errors import StoreboxError
from edge.records import Stream
from edge.storage.bulk import BULK_BYTES_MAX
from edge.storage.database import Database
from sync.batch import BatchSealing
from tests.system.sync_box import Box, quick

PAUSE_S_MAX = 0.02
BURST_MAX = 60
BODY_CHARACTERS_MAX = 400
DRAIN_S = 60.0
OVERDRAWN_S_MAX = 1.0
"""A producer that was held up makes good at most so much of its rate."""


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the box is to do. `rate` is events a second, 0 as they come; no streams: it is quiet."""

    directory: str
    port: int
    seed: int
    rate: float = 0.0
    streams: tuple[Stream, ...] = tuple(Stream)
    body_characters_max: int = BODY_CHARACTERS_MAX
    keepalive_s: int = 5
    retry_max_s: float = 0.5
    bulk_bytes_max: int = BULK_BYTES_MAX
    drain_s: float = DRAIN_S


def made(options: Options) -> Box:
    """The box, put together as the daemon does it."""
    directory = Path(options.directory)
    settings = quick(options.port, retry_max_s=options.retry_max_s)
    settings = replace(settings, broker=replace(settings.broker, keepalive_s=options.keepalive_s))
    database = Database.open(
        directory / "state",
        directory / "journal",
        sealing=BatchSealing(settings.address),
        bulk_bytes_max=options.bulk_bytes_max,
    )
    return Box(directory, options.port, settings, database=database)


async def main(options: Options) -> int:
    """Produce until told to stop; 0 once everything is acknowledged."""
    loop = asyncio.get_running_loop()
    box = made(options)
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    running = asyncio.create_task(box.link.run())
    print("READY", flush=True)
    producer = Producer(box, options)
    producing = asyncio.create_task(producer.run(stop))
    obeying = asyncio.create_task(obey(box, producer, stop))
    await stop.wait()
    await producing
    drained = await box.link.drained(options.drain_s)
    await box.link.stop()
    for task in (running, obeying):
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    box.database.close()
    return 0 if drained else 1


class Producer:
    """Events as a shop makes them, only faster."""

    def __init__(self, box: Box, options: Options) -> None:
        self.refused = 0
        """Bursts that the box could not write; whoever asked was told so."""
        self.made = dict.fromkeys(Stream, 0)
        self.quiet = not options.streams
        self._box = box
        self._options = options
        self._rng = random.Random(options.seed)

    async def run(self, stop: asyncio.Event) -> None:
        rng, rate = self._rng, self._options.rate
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while not stop.is_set():
            count = 0
            if not self.quiet:
                count = await self.emit(
                    rng.choice(self._options.streams), rng.randint(1, BURST_MAX)
                )
            pace_s = count / rate if rate else rng.uniform(0, PAUSE_S_MAX)
            due_s = max(due_s + pace_s, loop.time() - OVERDRAWN_S_MAX)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(max(due_s, loop.time() + 0.0005)):
                    await stop.wait()

    async def emit(self, stream: Stream, count: int) -> int:
        """One change with `count` events; how many of them are promised now."""
        moment = self._box.clock.now()
        largest = self._options.body_characters_max
        # Random digits, so that a batch does not shrink to nothing.
        texts = [
            f"{self._rng.getrandbits(128):032x}" + "x" * self._rng.randrange(largest)
            for _ in range(count)
        ]

        def burst(tx: Any) -> None:
            for text in texts:
                tx.emit(stream, "chaos.v1", {"number": tx.next_number("chaos"), "t": text}, moment)

        try:
            await self._box.database.transact(burst)
        except StoreboxError as error:
            self.refused += 1
            print(f"refused: {error}", file=sys.stderr)
            return 0
        self.made[stream] += count
        return count

    async def poison(self, stream: Stream) -> bool:
        """One event that no platform can accept: an event without a type is none."""
        moment = self._box.clock.now()
        await self._box.database.transact(lambda tx: tx.emit(stream, "", {}, moment))
        return True


async def obey(box: Box, producer: Producer, stop: asyncio.Event) -> None:
    """Do what the lines on stdin say until it ends."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        word, *rest = line.decode().split()
        answer: Any = True
        if word == "emit":
            answer = await producer.emit(Stream(rest[0]), int(rest[1]))
        elif word == "poison":
            answer = await producer.poison(Stream(rest[0]))
        elif word == "status":
            answer = status(box, producer)
        elif word == "quiet":
            producer.quiet = True
        elif word == "finish":
            stop.set()
        print(json.dumps(answer), flush=True)


def status(box: Box, producer: Producer) -> dict[str, Any]:
    """How the box is, in words and numbers."""
    link = box.link.status()
    cursors = box.database.cursors()
    return {
        "connected": link.connected,
        "reason": link.reason,
        "alarms": link.alarms,
        "epoch": box.database.epoch,
        "waiting": sum(depth.waiting for depth in box.database.depth()),
        "behind": {stream: last - upto for stream, (last, upto) in cursors.items()},
        "made": producer.made,
        "refused": producer.refused,
        "counters": box.counters.snapshot(),
    }


if __name__ == "__main__":
    sys.exit(asyncio.run(main(msgspec.json.decode(sys.argv[1], type=Options))))
