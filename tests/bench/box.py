"""The sync side of one box as a program of its own, so that its CPU and memory can be read.

`python -m tests.bench.box fill|drain DIRECTORY ...`, started by the parts of the area "sync". It
puts database, replica and link together as the daemon does, with the daemon's own settings, and
prints one line of JSON when it is done. It measures itself only while the product works.
"""

import argparse
import asyncio
import json
import re
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from edge.clock import SystemClock
from edge.counters import Counters
from edge.records import Stream
from edge.storage.database import Database, Transaction
from sync.batch import BatchSealing
from sync.downward import Downward
from sync.link import Link, LinkSettings
from sync.messages import Address
from sync.mqtt import BrokerSettings
from sync.replica import Replica, ReplicaSettings
from tests.bench.workload import Made, events

ADDRESS = Address("chain", "shop-1", "box-1")
BULK_BYTES_MAX = 2 << 30
"""Nothing may be given up while we measure."""
EVENTS_PER_CHANGE = 500
"""The presence desk's changes wait together and are committed together; so many at most."""
BLOCK = 20_000
"""Events are made in blocks, outside the time measured."""
DRAIN_S_MAX = 900.0
LOOK_S = 0.005


def main(arguments: Sequence[str]) -> None:
    """Do what is asked and print what it took."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("fill", "drain"))
    parser.add_argument("directory", type=Path)
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--again", action="store_true", help="the same block over and over")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--orders", type=int, default=0)
    parser.add_argument("--every-s", type=float, default=1.0)
    parser.add_argument("--enough", type=int, default=0, help="stop when so many are drained")
    options = parser.parse_args(arguments)
    work = _fill if options.what == "fill" else _drain
    print(json.dumps(asyncio.run(work(options))), flush=True)


def opened(directory: Path) -> Database:
    """The database as the daemon opens it, with more room."""
    return Database.open(directory, sealing=BatchSealing(ADDRESS), bulk_bytes_max=BULK_BYTES_MAX)


async def _fill(options: argparse.Namespace) -> dict[str, Any]:
    database = opened(options.directory)
    wall_s = cpu_s = 0.0
    for block in _blocks(options.count, again=options.again):
        changes = [block[at : at + EVENTS_PER_CHANGE] for at in range(0, len(block), 500)]
        began_s, began_cpu_s = time.perf_counter(), _cpu_s()
        for change in changes:
            await database.transact(partial(_emit, change))
        wall_s += time.perf_counter() - began_s
        cpu_s += _cpu_s() - began_cpu_s
    began_s, began_cpu_s = time.perf_counter(), _cpu_s()
    cursors = database.cursors()
    database.close()
    wall_s += time.perf_counter() - began_s
    cpu_s += _cpu_s() - began_cpu_s
    return {
        "events": options.count,
        "wall_s": wall_s,
        "cpu_s": cpu_s,
        "bulk": cursors[Stream.BULK][0],
        "bulk_bytes": sum(path.stat().st_size for path in options.directory.glob("bulk.db*")),
        "rss_mib": _rss_mib(),
    }


def _blocks(count: int, *, again: bool) -> Iterator[list[Made]]:
    made = events(min(count, BLOCK) if again else count)
    source = cycle(made) if again else made
    left = count
    while left:
        block = list(islice(source, min(left, BLOCK)))
        left -= len(block)
        yield block


def _emit(change: Sequence[Made], tx: Transaction) -> None:
    for event in change:
        tx.emit(event.stream, event.type, event.body, event.moment, member=event.member)


async def _drain(options: argparse.Namespace) -> dict[str, Any]:
    began_s = time.perf_counter()
    database = opened(options.directory)
    open_s = time.perf_counter() - began_s
    clock, counters = SystemClock(), Counters()
    broker = BrokerSettings("127.0.0.1", options.port, f"storebox-{ADDRESS.box}")
    link = Link(
        database,
        clock,
        settings=LinkSettings(ADDRESS, broker),
        downward=Downward(Replica(database, clock, counters, settings=ReplicaSettings(ADDRESS))),
        counters=counters,
    )
    waiting = _waiting(database)
    began_s, began_cpu_s = time.perf_counter(), _cpu_s()
    running = asyncio.create_task(link.run())
    ordering = asyncio.create_task(_orders(database, options.orders, options.every_s))
    if options.enough:
        done = await _until_left(database, waiting - options.enough)
    else:
        done = await link.drained(DRAIN_S_MAX)
    wall_s, cpu_s = time.perf_counter() - began_s, _cpu_s() - began_cpu_s
    left = _waiting(database)
    latencies_s = await ordering
    ended = await link.drained(DRAIN_S_MAX) if latencies_s else True
    status = link.status()
    await link.stop()
    running.cancel()
    await asyncio.wait({running})
    database.close()
    return {
        "done": done and ended,
        "events": waiting - left,
        "open_s": open_s,
        "wall_s": wall_s,
        "cpu_s": cpu_s,
        "rss_mib": _rss_mib(),
        "latencies_s": latencies_s,
        "counters": dict(counters.snapshot()),
        "reason": status.reason,
    }


async def _orders(database: Database, count: int, every_s: float) -> list[float]:
    """Place orders once the older ones are gone; how long each took to be committed."""
    if not count:
        return []
    while (cursor := database.cursors()[Stream.CRIT])[0] > cursor[1]:
        await asyncio.sleep(LOOK_S)
    bodies = (made for made in events(200 * count) if made.stream is Stream.CRIT)
    placed = []
    for made in islice(bodies, count):
        placed.append(asyncio.create_task(_order(database, made)))
        await asyncio.sleep(every_s)
    return [await task for task in placed]


async def _order(database: Database, made: Made) -> float:
    began_s = time.perf_counter()
    await database.transact(partial(_emit, [made]))
    seq = database.cursors()[Stream.CRIT][0]
    while database.cursors()[Stream.CRIT][1] < seq:
        await asyncio.sleep(LOOK_S)
    return time.perf_counter() - began_s


async def _until_left(database: Database, left: int) -> bool:
    while _waiting(database) > left:
        await asyncio.sleep(0.05)
    return True


def _waiting(database: Database) -> int:
    return sum(last - upto for last, upto in database.cursors().values())


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _rss_mib() -> float:
    """The peak so far, VmHWM of proc(5)."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found.group(1)) / 1024


if __name__ == "__main__":
    main(sys.argv[1:])
