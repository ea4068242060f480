"""What the core has to do with a face: fill a gallery of 100,000, and decide with one of 10,000
(AREA=faces).

Templates are seeded noise of length one in a real database (SQLCipher, each sealed with the key of
its member). The decision goes through the real socket, intake, desk and commit, from the third
frame's last byte to the identified visit.
"""

import asyncio
import socket
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge import consent
from edge.clock import SystemClock
from edge.counters import Counters
from edge.face_models import REID0095
from edge.intake import Intake
from edge.presence.cohort import Cohort
from edge.presence.desk import PresenceDesk, PresenceSettings
from edge.presence.face_calibration import Calibration, Cell, Table
from edge.presence.faces import Faces, FaceSettings
from edge.presence.gallery import Gallery
from edge.records import FaceReading, Observation
from edge.sensor_spec import SensorSpec
from edge.storage import templates
from edge.storage.database import Database, Transaction
from edge.storage.templates import Template
from edge.visiting import VisitState
from sensors import wire
from tests.bench import rig

MODEL, DIMENSIONS = REID0095, 256
LARGE, USUAL = 100_000, 10_000
PHOTOS, FRAMES = 3, 3
LOADS = 5
LOAD_GOAL_S = 1.0
DECISIONS = 200
DECISION_GOAL_MS = 700
EMBED_MS = {"omz-reid0095": 15, "dlib-resnet-v1": 160}
"""What the sensor needs before, as measured by the part `backends` and in the model cards."""
AT_ONCE = 2_000
COHORT = Cohort(np.zeros(DIMENSIONS, np.float32), np.eye(DIMENSIONS, dtype=np.float32) / DIMENSIONS)
TABLE = Table(
    version=1,
    model=MODEL,
    cohort=COHORT.fingerprint(),
    cells=tuple(Cell(PHOTOS, n, 0.0, 3.0, 60.0, 0.0, 0.0, 1) for n in (1, 3, 5)),
)


def run() -> list[dict[str, Any]]:
    """The figures, with as many threads as the core would use."""
    with tempfile.TemporaryDirectory(prefix="storebox-bench-") as directory:
        loading = asyncio.run(_loading(Path(directory, "large")))
        decided_ms = asyncio.run(_deciding(Path(directory, "usual")))
    p95 = rig.quantile(decided_ms, 0.95)
    return [
        *loading,
        rig.entry(f"third frame to identified visit, {USUAL:,} templates, p95", p95, "ms",
                  DECISION_GOAL_MS),
        rig.entry("the same, p50", rig.quantile(decided_ms, 0.5), "ms"),
        *(
            rig.entry(f"the same and the sensor's {model}, p95", p95 + embed, "ms",
                      DECISION_GOAL_MS)
            for model, embed in EMBED_MS.items()
        ),
    ]  # fmt: skip


async def _loading(directory: Path) -> list[dict[str, Any]]:
    database = await _filled(directory, LARGE)
    took_s, used_s = [], []
    for _ in range(LOADS):
        began_s, began_cpu_s = time.perf_counter(), time.process_time()
        with database.apart() as reading:
            room = templates.count(reading, MODEL)
            means = consent.matchable(reading, database.vault, MODEL, room)
            gallery = Gallery(means, room, COHORT, MODEL)
        took_s.append(time.perf_counter() - began_s)
        used_s.append(time.process_time() - began_cpu_s)
        assert (len(gallery), gallery.refused) == (LARGE, 0)
        gallery.wipe()
    database.close()
    name = f"{LARGE:,} templates read, opened and leveled"
    return [
        rig.entry(f"{name}, best of {LOADS}", min(took_s), "s", LOAD_GOAL_S),
        rig.entry("the same, median", rig.quantile(took_s, 0.5), "s"),
        rig.entry("processor time of it, both threads", min(used_s), "s"),
    ]


async def _deciding(directory: Path) -> list[float]:
    database = await _filled(directory, USUAL)
    settings = FaceSettings(Faces.ZONE, MODEL, Calibration(TABLE, COHORT))
    clock, counters = SystemClock(), Counters()
    desk = PresenceDesk(database, clock, PresenceSettings(faces=settings), counters)
    intake = Intake(clock, [SensorSpec("door", "face", "x", {}, silence_s=60)])
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    serving = asyncio.create_task(intake.serve("door", ours))
    pumping = asyncio.create_task(_pump(intake, desk))
    changed = asyncio.Event()
    desk.add_listener(changed.set)
    took_ms = []
    loop = asyncio.get_running_loop()
    for track in range(DECISIONS):
        frames = list(_frames(track, clock))
        await loop.sock_sendall(theirs, wire.encode(wire.Seen(frames[:-1])))
        await _until(changed, lambda number=track: len(desk.here()) == number + 1)
        began_s = time.perf_counter()
        await loop.sock_sendall(theirs, wire.encode(wire.Seen(frames[-1:])))
        await _until(changed, lambda: desk.here()[-1].state is VisitState.IDENTIFIED)
        took_ms.append((time.perf_counter() - began_s) * 1000)
    theirs.close()
    await asyncio.wait([serving])
    serving.exception()
    pumping.cancel()
    await asyncio.wait([pumping])
    assert [visit.member for visit in desk.here()] == [f"m{n:06d}" for n in range(DECISIONS)]
    await desk.close()
    database.close()
    return took_ms


async def _pump(intake: Intake, desk: PresenceDesk) -> None:
    async for batch in intake.batches():
        await desk.observe(batch)


async def _until(changed: asyncio.Event, true: Any) -> None:
    while not true():
        changed.clear()
        await changed.wait()


def _frames(track: int, clock: SystemClock) -> Iterator[Observation]:
    raw = _face(track).tobytes()
    for frame in range(FRAMES):
        both = bytearray(raw), bytearray(raw)
        yield Observation("door", clock.now(), FaceReading(track, MODEL, frame + 1, *both))


def _face(number: int) -> NDArray[np.float32]:
    vector = np.random.default_rng(number).standard_normal(DIMENSIONS)
    return (vector / np.linalg.norm(vector)).astype("<f4")


async def _filled(directory: Path, count: int) -> Database:
    """A database with so many enrolled members."""
    database = Database.open(directory)
    for begin in range(0, count, AT_ONCE):
        numbers = range(begin, min(count, begin + AT_ONCE))
        await database.transact(lambda tx, some=numbers: _enrol(tx, some))
    return database


def _enrol(tx: Transaction, numbers: Sequence[int]) -> None:
    for number in numbers:
        name = f"m{number:06d}"
        key, wrapped = tx.vault.new_member_key(name)
        tx.execute("INSERT INTO member VALUES (?, ?, x'00', '', '')", (name, name))
        tx.execute("INSERT INTO member_key VALUES (?, ?)", (name, wrapped))
        for kind in ("face", "marketing", "programme"):
            tx.execute("INSERT INTO consent VALUES (?, ?, 0, 'v1', 'desk', '')", (name, kind))
        vectors = _face(number).tobytes() * PHOTOS
        templates.put(tx, Template(name, MODEL, vectors), key)
