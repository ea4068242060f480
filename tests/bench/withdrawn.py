"""How soon nothing is left of a face whose member takes the consent back at the platform, on line.

AREA=presence. A real daemon, broker and reference platform. The time runs from before the row is
handed to the platform until a whole search of the daemon's memory and of its files has found no
piece of the template in any spelling: the search itself, and the platform's own pace, are in it.
Needs root.
"""

import base64
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from edge.control import ask
from tests import faces
from tests.bench.rates import entry
from tests.canaries import canary_vector, found_vectors
from tests.contract.tap import TappedBroker
from tests.programs import until
from tests.system.sync_box import FACE, PROGRAMME, PlatformProcess, member
from tests.system.watched_box import Box, Camera

MEMBERS = 20
GOAL_MS = 1000.0
GIVEN_UP_S = 30.0
VECTORS = {f"m{n}": canary_vector(200 + n, faces.DIMENSIONS) for n in range(MEMBERS)}


def run() -> list[dict[str, Any]]:
    """The times of MEMBERS withdrawals, one after another."""
    if os.geteuid() != 0:
        print("  not measured: the memory of a process can be read by root only", file=sys.stderr)
        return []
    with tempfile.TemporaryDirectory() as folder, _shop(Path(folder)) as (box, platform):
        image_s = _searched_s(box)
        times = sorted(1000 * _withdrawn_s(box, platform, number) for number in range(MEMBERS))
    p95 = float(np.quantile(times, 0.95))
    name = f"consent to faces taken back at the platform, nothing left, p95 of {MEMBERS}"
    return [
        entry(name, p95, "ms", (times[0], times[-1]), (0.0, GOAL_MS)),
        entry("... the middle", float(np.median(times)), "ms", (times[0], times[-1])),
        entry("... of it one search", 1000 * image_s, "ms", (1000 * image_s, 1000 * image_s)),
    ]


@contextmanager
def _shop(folder: Path) -> Iterator[tuple[Box, PlatformProcess]]:
    """All members have agreed, were enrolled, and were seen once, so that the gallery is filled."""
    (folder / "broker").mkdir()
    broker = TappedBroker(folder / "broker")
    broker.start()
    try:
        platform = PlatformProcess(folder, broker.port)
        platform.put("members", [member(name, PROGRAMME, FACE) for name in VECTORS])
        rows = [(name, base64.b64encode(v.tobytes()).decode()) for name, v in VECTORS.items()]
        told = [{"member": m, "model": faces.MODEL, "vectors": [text] * 3} for m, text in rows]
        platform.put("templates", told)
        box = Box(folder, broker)
        with closing(Camera(folder / "door.sock")) as camera, platform, box.running():
            until(box.control.is_socket, "the daemon to answer", 60)
            camera.begin()
            until(lambda: "templates" in ask(box.control, "status")["datasets"], "templates", 60)
            camera.see(1, VECTORS["m0"])
            until(lambda: bool(_left(box, {"m1"})), "the gallery to be filled", 60)
            yield box, platform
    finally:
        broker.stop()


def _withdrawn_s(box: Box, platform: PlatformProcess, number: int) -> float:
    """Member `number` takes the consent back; the others before them have."""
    names = list(VECTORS)
    rows = [
        member(name, PROGRAMME, *(() if place <= number else (FACE,)))
        for place, name in enumerate(names)
    ]
    began_s = time.monotonic()
    platform.put("members", rows)
    while _left(box, {names[number]}):
        if time.monotonic() - began_s > GIVEN_UP_S:
            raise TimeoutError(f"Something is left of member {number + 1}.")
    return time.monotonic() - began_s


def _left(box: Box, who: set[str]) -> set[str]:
    wanted = {name: VECTORS[name] for name in who}
    return {name for pile in (box.memory(), box.disk()) for name, _ in found_vectors(pile, wanted)}


def _searched_s(box: Box) -> float:
    began_s = time.monotonic()
    _left(box, {"m0"})
    return time.monotonic() - began_s
