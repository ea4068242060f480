"""Frames per second of the radar's parser, against scapy's full dissection in the same run.

Called by the benchmark runner (AREA=core). Frames come from the recordings, or are generated
where there are none; both sides get the same ones, and the parser's memos start empty.
"""

import os
import random
import time
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import Any

from hardware.capture_file import records
from hardware.dot11 import RADIOTAP, ProbeParser, ProbeRequest
from tests.conftest import ROOT
from tests.drivers.frames import ELEMENTS, probe, radiotap, with_fcs

GOAL_RATIO = 100
FRAMES = 40_000
FRAMES_PER_FILE = 2_000
SCAPY_SHARE = 100
"""scapy dissects every so manieth of them: it takes three milliseconds for each."""
ROUNDS = 3
"""The best round of each side counts: other work on the machine only makes both slower."""


def run() -> list[dict[str, Any]]:
    """One entry; `value` and `baseline` are frames per second, the goal is for their ratio."""
    from scapy.layers.dot11 import RadioTap

    frames = recorded_frames() or generated_frames()
    sample = frames[::SCAPY_SHARE]

    def parse_all() -> None:
        parse = ProbeParser(RADIOTAP).parse
        found = sum(isinstance(parse(frame), ProbeRequest) for frame in frames)
        assert found == len(frames), f"{len(frames) - found} of {len(frames)} were not read"

    def dissect_all() -> None:
        for frame in sample:
            RadioTap(frame)

    dissect_all()  # scapy loads parts of itself with the first frames
    scapy_rate, our_rate = rates((dissect_all, len(sample)), (parse_all, len(frames)))
    ratio = our_rate / scapy_rate
    return [
        {
            "name": "802.11 frames parsed, against scapy full dissection",
            "value": round(our_rate),
            "unit": "frames/s",
            "baseline": round(scapy_rate),
            "ratio": round(ratio, 1),
            "goal": GOAL_RATIO,
            "met": ratio >= GOAL_RATIO,
        }
    ]


def rates(*works: tuple[Callable[[], None], int]) -> list[float]:
    """Items per second of each (work, items), measured in turn."""
    best_s = [float("inf")] * len(works)
    for _ in range(ROUNDS):
        for index, (work, _items) in enumerate(works):
            begun_s = time.perf_counter()
            work()
            best_s[index] = min(best_s[index], time.perf_counter() - begun_s)
    return [items / best for (_, items), best in zip(works, best_s, strict=True)]


def recorded_frames() -> list[bytes]:
    """Frames of many recordings, so that many phones are among them; none without recordings."""
    named = os.environ.get("STOREBOX_RECORDINGS")
    folder = (Path(named) if named else ROOT.parent / "shared" / "data") / "wifi"
    frames: list[bytes] = []
    for path in sorted(folder.glob("[lr]*/*.pcap.gz")):
        frames += only_frames(path)
        if len(frames) >= FRAMES:
            break
    return frames[:FRAMES]


def only_frames(path: Path) -> Iterable[bytes]:
    """The first frames of one recording."""
    return [record.frame for record in islice(records(path), FRAMES_PER_FILE)]


def generated_frames() -> list[bytes]:
    """A crowd: 200 kinds of phones, each frame with another address, name and signal."""
    dice = random.Random(1)
    kinds = [ELEMENTS + bytes((221, 8)) + dice.randbytes(8) for _ in range(200)]
    return [
        radiotap(
            with_fcs(
                probe(
                    dice.randbytes(6),
                    seq=dice.getrandbits(12),
                    name=dice.randbytes(dice.randrange(12)),
                    elements=dice.choice(kinds),
                )
            ),
            rssi_dbm=-dice.randrange(30, 95),
            flags=0x10,
        )
        for _ in range(FRAMES)
    ]
