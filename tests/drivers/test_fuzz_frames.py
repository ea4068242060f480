"""Spoiled frames through the parser and the radar: nothing raises, hangs or grows, and every good
frame in between is found and counted.

20 000 in `make test`, a million in `make test-slow`. STOREBOX_FUZZ_SEED tries another seed.
"""

import gc
import os
import resource
import time
from collections import Counter
from pathlib import Path

import pytest
import scipy.optimize  # noqa: F401 - loaded with a radar's first crowd: 50 MB, and no leak

from hardware.capture_file import OFFSET_MS_MAX
from hardware.dot11 import BARE, RADIOTAP, Defect, ProbeParser, ProbeRequest
from sensors.radar.radar import Radar
from tests.drivers.frames import probe, radiotap
from tests.drivers.linked import Core, linked
from tests.drivers.spoiling import Frame, Spoiler, corpus

SEED = int(os.environ.get("STOREBOX_FUZZ_SEED", "20261127"))
FRAME_S_MAX = 0.005
WINDOW_S_MAX = 2.0
"""For the end of a window with all it holds; a radar may be deaf so long, once in five minutes."""
MARKER_EVERY = 50
MARKERS = [b"\x3c\x06\x30\x00\x00" + bytes((number,)) for number in range(10)]
GROWN_BYTES_MAX = 16 << 20
"""A leak of 16 bytes a frame shows in a million; what is bounded has its size after a fifth."""
STEPS_MS = (0, OFFSET_MS_MAX, -86_400_000, 3_600_000, -5_000, 120_000, 86_400_000)
STEP_EVERY = 7_919
AGAIN = 3


class Run:
    """One run of so many frames."""

    def __init__(self, spoiler: Spoiler, radar: Radar, core: Core) -> None:
        self._spoiler = spoiler
        self._radar = radar
        self._core = core
        self._parsers = {kind: ProbeParser(kind) for kind in (BARE, RADIOTAP)}
        self.now_ms = 0
        self.found: Counter[str] = Counter()
        self.slow: list[str] = []
        self.window_s = 0.0

    def frames(self, numbers: range) -> None:
        """So many frames, a marker among each `MARKER_EVERY`; what comes is taken in time."""
        for number in numbers:
            marker = number % MARKER_EVERY == 0
            self._pass_time(number)
            if marker:
                source = MARKERS[number // MARKER_EVERY % len(MARKERS)]
                frame = RADIOTAP, radiotap(probe(source, seq=number & 4095))
            else:
                frame = self._spoiler.next()
            found = self._one(number, frame)
            if marker:
                assert isinstance(found, ProbeRequest), f"marker {number} was not found: {found}"
                assert (found.source, found.seq) == (source, number & 4095)
                self.found["marker"] += 1
            if number % 1000 == 0:
                self._core.hear_out()

    def _pass_time(self, number: int) -> None:
        """Time goes on, and the clock of the capture steps; as in a replay, never back."""
        step_ms = STEPS_MS[number // STEP_EVERY % len(STEPS_MS)] if number % STEP_EVERY == 0 else 20
        self.now_ms = max(self.now_ms, self.now_ms + step_ms)
        began_s = time.thread_time()
        self._radar.tick(self.now_ms)
        self.window_s = max(self.window_s, time.thread_time() - began_s)

    def _one(self, number: int, frame: Frame) -> object:
        kind, content = frame
        began_s = time.thread_time()
        try:
            found = self._parsers[kind].parse(content)
            self._radar.take(found, "mon0", self.now_ms)
        except Exception as error:
            raise AssertionError(f"seed {SEED}, frame {number} {content.hex()}") from error
        if time.thread_time() - began_s > FRAME_S_MAX and self._is_slow(frame):
            self.slow.append(f"seed {SEED}, frame {number} {content.hex()}")
        name = type(found).__name__ if isinstance(found, ProbeRequest) else str(found)
        self.found[name] += 1
        return found

    def _is_slow(self, frame: Frame) -> bool:
        """Each time, and for a new parser: not because this machine did something else."""
        kind, content = frame
        fastest_s = FRAME_S_MAX * 2
        for _ in range(AGAIN):
            parser, began_s = ProbeParser(kind), time.thread_time()
            self._radar.take(parser.parse(content), "mon0", self.now_ms)
            fastest_s = min(fastest_s, time.thread_time() - began_s)
            self.found["ProbeRequest"] += isinstance(parser.parse(content), ProbeRequest)
        return fastest_s > FRAME_S_MAX


def fuzz(count: int, recordings: Path | None) -> None:
    good = corpus(recordings)
    print(f"\nseed {SEED}, {count} frames out of {len(good)} good ones")
    with linked({"rssi_gate_dbm": -70}) as (radar, core):
        run = Run(Spoiler(good, SEED), radar, core)
        gc.collect()
        gc.freeze()  # else the collector looks through all of pytest, in the middle of a frame
        try:
            run.frames(range(count // 5))
            before_bytes = memory_bytes()
            run.frames(range(count // 5, count))
            grown_bytes = memory_bytes() - before_bytes
        finally:
            gc.unfreeze()
        radar.finish(run.now_ms + 1)
        core.hear_out()
    print(f"{dict(run.found)}; {grown_bytes >> 10} KiB grown, window {run.window_s * 1000:.0f} ms")
    assert not run.slow
    assert run.window_s < WINDOW_S_MAX
    assert grown_bytes < GROWN_BYTES_MAX
    assert run.found["marker"] == count // MARKER_EVERY
    assert sum(each.frames for each in core.counts) == run.found["ProbeRequest"]
    defects = {name: run.found[name] for name in map(str, Defect) if run.found[name]}
    assert dict(core.dropped) == defects, "each defect is counted by its reason"
    assert set(defects) == set(map(str, Defect)), "the frames are spoiled in every way"


def memory_bytes() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def recordings_if_any(request: pytest.FixtureRequest) -> Path | None:
    try:
        return Path(request.getfixturevalue("recordings"))
    except pytest.skip.Exception:
        return None


def test_twenty_thousand_spoiled_frames(request: pytest.FixtureRequest) -> None:
    fuzz(20_000, recordings_if_any(request))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_million_spoiled_frames(request: pytest.FixtureRequest) -> None:
    fuzz(1_000_000, recordings_if_any(request))
