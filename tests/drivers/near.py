"""A sensor's `observe` in a thread of the test, with windows of a second instead of minutes.

    with near(tzsp, "udp:127.0.0.1", options) as sensor:
        sensor.until(lambda: sensor.frames == 3)

The worker validates options, so a process cannot be asked for so short a window; the code that
runs is the same, and so is the socket to the core, whose part the test plays.
"""

import select
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import Any

from msgspec.structs import replace

from edge.errors import StoreboxError
from edge.records import CountReading
from sensors import wire
from sensors.core_link import CoreGone, CoreLink
from sensors.worker import report
from tests.drivers.worker import configured

WAIT_S_MAX = 20.0


class Near:
    """A running sensor, and what it has told the core."""

    def __init__(self, sensor: ModuleType, device: str, options: Any, secret: bytes = b"") -> None:
        self.counts: list[CountReading] = []
        self.health: list[wire.Health] = []
        self.dropped: Counter[str] = Counter()
        self.ended: StoreboxError | None = None
        self._reader = wire.FrameReader(down=False)
        self._core, theirs = socket.socketpair()
        self._core.sendall(wire.encode(replace(configured(device), secret=secret)))
        self._thread = threading.Thread(
            target=self._observe, args=(sensor, theirs, device, options), name=f"near {device}"
        )
        self._thread.start()

    def _observe(
        self, sensor: ModuleType, theirs: socket.socket, device: str, options: Any
    ) -> None:
        with theirs, suppress(CoreGone):
            link = CoreLink(theirs, sensor.SENSOR.kind, 1)
            try:
                sensor.observe(link, device, options)
            except StoreboxError as error:
                report(link, error)
                self.ended = error

    @property
    def frames(self) -> int:
        """All that was counted so far."""
        return sum(count.frames for count in self.counts)

    @property
    def presence_only(self) -> int:
        """Of those, the ones from which no device is counted."""
        return sum(count.presence_only for count in self.counts)

    @property
    def state(self) -> str:
        """How it is, in its own words."""
        return self.health[-1].state if self.health else ""

    def until(self, wanted: Callable[[], Any], timeout_s: float = WAIT_S_MAX) -> None:
        """Hear the sensor until `wanted()` holds."""
        deadline_s = time.monotonic() + timeout_s
        while not wanted():
            left_s = deadline_s - time.monotonic()
            story = f"{self.counts}, dropped {dict(self.dropped)}, {self.health}, {self.ended}"
            assert left_s > 0, story
            if select.select([self._core], [], [], min(left_s, 0.1))[0]:
                for message in self._reader.feed(self._core.recv(65536)):
                    self._hear(message)

    def until_listening(self) -> None:
        """Wait until it says that it listens."""
        self.until(lambda: self.state == "listening")

    def _hear(self, message: Any) -> None:
        match message:
            case wire.Seen(observations=observations):
                self.counts += [one.reading for one in observations]
            case wire.Health():
                self.health.append(message)
            case wire.Dropped(counts=counts):
                self.dropped.update(counts)

    def end(self) -> None:
        """Hang up; the sensor must end by that."""
        self._core.close()
        self._thread.join(WAIT_S_MAX)
        assert not self._thread.is_alive()


@contextmanager
def near(sensor: ModuleType, device: str, options: Any, secret: bytes = b"") -> Iterator[Near]:
    """`sensor` observing `device` until the block is left."""
    running = Near(sensor, device, options, secret)
    try:
        yield running
    finally:
        running.end()
