"""Observations per second from a sensor's socket through the intake into committed transactions.

Every observation is a scanned code, so each leaves an event row: the dearest kind. The peer is a
process of its own, as a sensor is, and a real database (SQLCipher, synchronous=FULL) takes them.
"""

import asyncio
import multiprocessing
import socket
import tempfile
import time
from pathlib import Path
from typing import Any

from edge.clock import SystemClock
from edge.counters import Counters
from edge.intake import Intake
from edge.presence.desk import PresenceDesk, PresenceSettings
from edge.records import CodeReading, Observation
from edge.sensor_spec import SensorSpec
from edge.storage import outbox
from edge.storage.database import Database
from sensors import wire

GOAL = 10_000
OBSERVATIONS = 50_000


def run() -> list[dict[str, Any]]:
    """One entry."""
    rate = asyncio.run(_measured())
    return [
        {
            "name": "observations through socket, intake and transaction",
            "value": round(rate),
            "unit": "observations/s",
            "baseline": None,
            "ratio": None,
            "goal": GOAL,
            "met": rate >= GOAL,
        }
    ]


async def _measured() -> float:
    with tempfile.TemporaryDirectory(prefix="storebox-bench-") as directory:
        database = Database.open(Path(directory))
        clock = SystemClock()
        desk = PresenceDesk(database, clock, PresenceSettings(), Counters())
        intake = Intake(clock, [SensorSpec("scanner", "code", "x", {}, silence_s=60)])
        ours, theirs = socket.socketpair()
        peer = multiprocessing.get_context("fork").Process(target=_send, args=(theirs,))
        peer.start()
        theirs.close()
        serving = asyncio.create_task(intake.serve("scanner", ours))
        taken, began_s = 0, 0.0
        async for batch in intake.batches():
            if batch and not taken:
                began_s = time.perf_counter()
            await desk.observe(batch)
            taken += len(batch)
            if taken >= OBSERVATIONS:
                break
        rate = OBSERVATIONS / (time.perf_counter() - began_s)
        peer.join()
        await asyncio.wait([serving])
        serving.exception()
        written = sum(depth.last_seq for depth in outbox.depth(database.reading))
        assert written == OBSERVATIONS, f"{written} of {OBSERVATIONS} were written"
        database.close()
        return rate


def _send(connection: socket.socket) -> None:
    seen = SystemClock().now()
    frame = [
        Observation("scanner", seen, CodeReading(f"46{number:011d}"))
        for number in range(wire.OBSERVATIONS_PER_FRAME_MAX)
    ]
    encoded = wire.encode(wire.Seen(frame))
    for _ in range(OBSERVATIONS // len(frame)):
        connection.sendall(encoded)
    connection.close()
