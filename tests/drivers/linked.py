"""A radar in the test's own process, on a real socket to a core that the test plays.

with linked({"window_s": 60}) as (radar, core):
    radar.hear(...)
    assert core.counts
"""

import os
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from edge.records import CountReading, Observation
from sensors import wire
from sensors.core_link import CoreLink
from sensors.radar.options import RadarOptions
from sensors.radar.radar import Radar
from tests.drivers.worker import SALT


class Core:
    """The core's end: what the radar has said, after each `hear_out`."""

    def __init__(self, connection: socket.socket) -> None:
        self.observations: list[Observation] = []
        self.dropped: Counter[str] = Counter()
        self.received = bytearray()
        self.health: list[wire.Health] = []
        self.link: CoreLink
        self._socket = connection
        self._reader = wire.FrameReader(down=False)

    def say(self, *messages: wire.Down) -> None:
        """To the radar, which hears it at its next poll."""
        for message in messages:
            self._socket.sendall(wire.encode(message))

    def hear_out(self) -> "Core":
        """Let the radar send all it has, and take it; the core itself."""
        self.link.unhealthy(f"asked {len(self.received)}", "")  # news: counters come with it
        self.link.poll()
        self._socket.setblocking(False)
        while True:
            try:
                chunk = self._socket.recv(1 << 20)
            except BlockingIOError:
                break
            self.received += chunk
            for message in self._reader.feed(chunk):
                match message:
                    case wire.Seen(observations=observations):
                        self.observations += observations
                    case wire.Health(remedy=remedy) as health if remedy or health.ok:
                        self.health.append(health)
                    case wire.Dropped(counts=counts):
                        self.dropped.update(counts)
        self._socket.setblocking(True)
        return self

    @property
    def counts(self) -> list[CountReading]:
        """The windows that were reported."""
        readings = (observation.reading for observation in self.observations)
        return [reading for reading in readings if isinstance(reading, CountReading)]


@contextmanager
def linked(
    options: dict[str, Any] | None = None,
    *,
    start_ms: int = 0,
    salt: bytes = SALT,
    opt_outs: wire.OptOuts | None = None,
) -> Iterator[tuple[Radar, Core]]:
    """A radar whose own time 0 is the wall time `start_ms`."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        core = Core(ours)
        core.say(
            wire.Configure("radar", "replay:x", {}, salt, "boot0001", start_ms, opt_outs=opt_outs)
        )
        core.link = CoreLink(theirs, "wifi", os.getpid())
        yield Radar(core.link, msgspec.convert(options or {}, RadarOptions)), core
