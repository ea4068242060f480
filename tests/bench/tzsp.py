"""Datagrams per second of the TZSP route, and of its parser against scapy's in the same run.

Called by the benchmark runner (AREA=wifi). The route is measured from the bytes of a datagram to
the counted record, and once more through a socket of the loopback network that is read as the
sensor reads it. Datagrams hold recorded frames, or generated ones where there are no recordings.
Seconds are the processor's, so that other work on the machine does not count.
"""

import socket
import time
import zlib
from collections.abc import Callable
from typing import Any

from hardware.datagrams import DatagramPort
from hardware.endpoint import Endpoint
from hardware.tzsp import Packet, packet
from sensors.core_link import CoreLink
from sensors.radar.options import RadarOptions
from sensors.radar.radar import Radar
from sensors.tzsp import Router
from sensors.wire import FrameReader, Seen, encode
from tests.bench.parse import ROUNDS, generated_frames, recorded_frames
from tests.drivers.routes import free_udp_port, tzsp
from tests.drivers.worker import configured

GOAL_PER_S = 50_000
SCAPY_SHARE = 40
"""scapy reads every so manieth of them."""
ROUTER = "127.0.0.2"
IN_FLIGHT = 1000
"""Sent before they are read: fewer than the socket has room for."""
PER_MS = 4
"""Datagrams of one millisecond of the sensor's time: below the allowance, so that all count."""


def run() -> list[dict[str, Any]]:
    """Two entries for the route, one for the parser; the goal is for the route."""
    frames = recorded_frames() or generated_frames()
    datagrams = [tzsp(bare(frame)) for frame in frames]
    counted, through_socket = Counted(datagrams), Through(datagrams)
    sample = datagrams[::SCAPY_SHARE]

    def parse_all() -> None:
        found = sum(isinstance(packet(one), Packet) for one in datagrams)
        assert found == len(datagrams)

    def dissect_all() -> None:
        from scapy.contrib.tzsp import TZSP

        for one in sample:
            TZSP(one)

    dissect_all()  # scapy loads parts of itself with the first datagrams
    size = len(datagrams)
    scapy_rate = rate(dissect_all, len(sample))
    parse_rate = rate(parse_all, size)
    route_rate = rate(counted.all, size)
    socket_rate = rate(through_socket.all, size)
    counted.check()
    through_socket.check()
    through_socket.close()
    return [
        entry("TZSP datagrams, from bytes to counted record", route_rate, goal=GOAL_PER_S),
        entry("TZSP datagrams, from socket to counted record (sent by itself)", socket_rate),
        entry("TZSP headers parsed, against scapy.contrib.tzsp", parse_rate, baseline=scapy_rate),
    ]


def rate(work: Callable[[], None], items: int) -> float:
    """Items per second of the processor, in the best round."""
    best_s = float("inf")
    for _ in range(ROUNDS):
        begun_s = time.process_time()
        work()
        best_s = min(best_s, time.process_time() - begun_s)
    return items / best_s


def entry(
    name: str, value: float, *, baseline: float | None = None, goal: int | None = None
) -> dict[str, Any]:
    """One figure as the runner shows it."""
    return {
        "name": name,
        "value": round(value),
        "unit": "datagrams/s",
        "baseline": None if baseline is None else round(baseline),
        "ratio": None if baseline is None else round(value / baseline, 1),
        "goal": goal,
        "met": None if goal is None else value >= goal,
    }


def bare(frame: bytes) -> bytes:
    """A captured frame without its capture header and check sequence, as a router streams it."""
    start = int.from_bytes(frame[2:4], "little")  # radiotap's own length
    has_fcs = zlib.crc32(frame[start:-4]) == int.from_bytes(frame[-4:], "little")
    return frame[start:-4] if has_fcs else frame[start:]


class Counted:
    """A router of the sensor, whose core is a socket that nobody reads."""

    def __init__(self, datagrams: list[bytes]) -> None:
        self.datagrams = datagrams
        self._ours, theirs = socket.socketpair()
        self._ours.sendall(encode(configured("bench")))
        self._core = CoreLink(theirs, "tzsp", 1)
        self._radar = Radar(self._core, RadarOptions(window_s=600))
        self.router = Router(self._radar, "bench")
        self._number = 0

    def all(self) -> None:
        """Take each of them, in the sensor's time."""
        for one in self.datagrams:
            self.take(one)

    def take(self, datagram: bytes) -> None:
        """One, as the sensor would."""
        self._number += 1
        self.router.take(datagram, self._number // PER_MS)

    def check(self) -> None:
        """Fail if a single one of them was not counted."""
        self._radar.finish(self._number // PER_MS + 1)
        self._core.flush()
        reader = FrameReader(down=False)
        told = reader.feed(self._ours.recv(65536))
        counts = [
            one.reading.frames
            for seen in told
            if isinstance(seen, Seen)
            for one in seen.observations
        ]
        assert sum(counts) == self._number, f"{counts} of {self._number} were counted"


class Through(Counted):
    """The same, read from a socket to which a router of the loopback network sends."""

    def __init__(self, datagrams: list[bytes]) -> None:
        super().__init__(datagrams)
        here = Endpoint("127.0.0.1", free_udp_port())
        self._port = DatagramPort(here, [ROUTER])
        self._router = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._router.bind((ROUTER, 0))
        self._router.connect(here)

    def all(self) -> None:
        """Send and take them in portions, so that no buffer overflows."""
        (inbox,) = self._port.known
        for first in range(0, len(self.datagrams), IN_FLIGHT):
            portion = self.datagrams[first : first + IN_FLIGHT]
            for one in portion:
                self._router.send(one)
            for _ in portion:
                datagram = inbox.receive()
                assert datagram is not None, "the kernel lost one"
                self.take(datagram)

    def close(self) -> None:
        """Give the port back."""
        self._port.close()
        self._router.close()
