"""The radar at a live interface: frames per second from the socket to the counter, and losses.

Called by the benchmark runner (AREA=wifi). The interface is a TAP device with the link type of a
monitor interface; the kernel's filter, buffer and drop counter are the real ones. Needs root.
"""

import random
import socket
import time
from typing import Any

from edge.clock import boot_id
from hardware.dot11 import RADIOTAP, ProbeParser
from hardware.monitor import MonitorInterface
from sensors import wire
from sensors.core_link import CoreLink
from sensors.radar.options import RadarOptions
from sensors.radar.radar import Radar
from tests.drivers.frames import ELEMENTS, probe, radiotap
from tests.drivers.tap import NAME, Tap
from tests.drivers.worker import configured, running

GOAL_PER_S = 25_000
BURST = 10_000
"""Fits into the socket's buffer, so that writing and reading can be timed apart."""
ROUNDS = 5
RATE_PER_S, STREAM_S, PACE_S = 5_000, 60, 0.01
PHONES = 2_000
LEAVE_S = 300.0


def run() -> list[dict[str, Any]]:
    """Two entries: the speed on one core, and what is lost of a minute at 5000 frames/s."""
    frames = crowd()
    with Tap() as tap:
        rate = tap.inside(drained_per_s, tap, frames)
    with Tap() as tap:
        lost, heard = lost_of_a_stream(tap, frames)
    total = RATE_PER_S * STREAM_S
    return [
        {
            "name": "probe requests from the capture socket to the counter, one core",
            "value": round(rate),
            "unit": "frames/s",
            "baseline": None,
            "ratio": None,
            "goal": GOAL_PER_S,
            "met": rate >= GOAL_PER_S,
        },
        {
            "name": f"lost of {total} frames at {RATE_PER_S}/s for {STREAM_S} s",
            "value": lost,
            "unit": "frames",
            "baseline": None,
            "ratio": None,
            "goal": 0,
            "met": lost == 0 and heard == total,
        },
    ]


def drained_per_s(tap: Tap, frames: list[bytes]) -> float:
    """The best round of reading a full buffer: kernel, parser, hash, counter."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(wire.encode(wire.Configure("radar", NAME, {}, bytes(32), boot_id())))
        radar = Radar(CoreLink(theirs, "wifi", 1), RadarOptions())
        with MonitorInterface(NAME) as monitor:
            return max(drained_once(tap, monitor, radar, frames) for _ in range(ROUNDS))


def drained_once(tap: Tap, monitor: MonitorInterface, radar: Radar, frames: list[bytes]) -> float:
    """Frames per second of one full buffer."""
    for number in range(BURST):
        tap.heard(frames[number % len(frames)])
    parse, read = ProbeParser(RADIOTAP).parse, 0
    began_s = time.perf_counter()
    while (frame := monitor.frame()) is not None:
        radar.take(parse(frame), NAME, time.monotonic_ns() // 1_000_000)
        read += 1
    passed_s = time.perf_counter() - began_s
    assert read == BURST, f"{read} of {BURST} came out of the buffer"
    assert monitor.lost() == 0
    return read / passed_s


def lost_of_a_stream(tap: Tap, frames: list[bytes]) -> tuple[int, int]:
    """A whole worker at an even rate: what the kernel dropped, and what was heard."""
    total = RATE_PER_S * STREAM_S
    with running("wifi", configured(NAME), within=tap.thread) as worker:
        worker.until(lambda: any(one.state == "listening" for one in worker.health))
        worker.send(wire.Leave("survey", LEAVE_S))  # it costs time, too; and it shows each frame
        worker.until(lambda: worker.surveys)
        began_s, sent = time.monotonic(), 0
        while sent < total:
            worker.take_for(PACE_S)
            due = min(total, int((time.monotonic() - began_s) * RATE_PER_S))
            for number in range(sent, due):
                tap.heard(frames[number % len(frames)])
            sent = due

        def heard() -> int:
            return sum(air.frames for air in worker.surveys[-1].airs)

        worker.until(lambda: heard() + worker.dropped["kernel_full"] >= total)
        return worker.dropped["kernel_full"], heard()


def crowd() -> list[bytes]:
    """Many phones of many kinds, one frame each."""
    dice = random.Random(1)
    kinds = [ELEMENTS + bytes((221, 8)) + dice.randbytes(8) for _ in range(200)]
    return [
        radiotap(
            probe(
                bytes((0xDA, *dice.randbytes(5))),
                seq=dice.getrandbits(12),
                elements=dice.choice(kinds),
            ),
            rssi_dbm=-dice.randrange(30, 95),
        )
        for _ in range(PHONES)
    ]
