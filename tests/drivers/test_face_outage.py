"""The whole face sensor at a network camera that goes and comes back: its core hardly notices."""

import time

from sensors import wire
from tests.drivers.rtsp import GstCamera
from tests.drivers.worker import Worker, started

BEATS_LATE_S_MAX = 3 * wire.HEARTBEAT_S
"""A core gives a sensor up after at least so long a silence (`silence_s`)."""
BACK_S_MAX = 10.0
"""So soon after the camera works again there are pictures again."""
BUSY_S = 20.0
"""A busy machine may take so much longer."""


class Beats:
    """How long the worker was silent at most, between two things it said."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self.longest_s = 0.0

    def until_state(self, ok: bool, timeout_s: float) -> None:
        """Take what it says until its health is so."""
        began_s = last_s = time.monotonic()
        while not (self._worker.health and self._worker.health[-1].ok is ok):
            said = len(self._worker.received)
            left_s = began_s + timeout_s - last_s
            self._worker.until(lambda said=said: len(self._worker.received) > said, left_s)
            now_s = time.monotonic()
            self.longest_s, last_s = max(self.longest_s, now_s - last_s), now_s


def watching(worker: Worker) -> bool:
    return bool(worker.health) and worker.health[-1].state == "watching"


def test_a_camera_that_is_killed_and_comes_back_costs_no_heartbeat_and_no_process() -> None:
    camera = GstCamera()
    try:
        with started("face", camera.address) as worker:
            worker.until(lambda: watching(worker), BUSY_S)
            pid, beats = worker.pid, Beats(worker)
            camera.kill()
            beats.until_state(False, BUSY_S)
            assert "door" not in worker.health[-1].state, "an address may hold a login"
            assert worker.health[-1].remedy
            camera.plug_in()
            beats.until_state(True, BACK_S_MAX + BUSY_S)
            assert beats.longest_s < BEATS_LATE_S_MAX
            assert worker.pid == pid
            worker.until(lambda: worker.dropped["camera_lost"], BUSY_S)
            assert "hunter2" not in worker.stderr
            assert b"hunter2" not in worker.received
    finally:
        camera.kill()
