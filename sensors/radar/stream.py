"""Hears a line that brings a stream, again and again: what comes, silence, and each end of it.

Used by the routes over serial lines, TCP and FIFOs. A line that comes back soon costs no window;
one that stays away ends the sensor: no window is reported in which nothing could be heard.
"""

import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Protocol, Self, TypeVar

from edge.errors import DeviceError, DeviceGone
from sensors.core_link import CoreLink
from sensors.radar.radar import Radar

WAIT_S = 1.0
RETRY_FIRST_S = 0.25
RETRY_MAX_S = 4.0
AWAY_S_MAX = 30.0
"""A device that restarts is back by then."""


Piece = TypeVar("Piece", covariant=True)


class Line(Protocol[Piece]):
    """A serial line, a TCP connection, a FIFO, or a broker."""

    @property
    def awaited(self) -> str:
        """What is missing before it can bring anything; empty if nothing is."""

    def wait(self, core_fd: int, timeout_s: float) -> object:
        """Return when there is something to read, when `core_fd` has, or after `timeout_s`."""

    def read(self) -> Piece:
        """What is there, and if that is nothing, an empty one. DeviceGone at the end."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


def now_ms() -> int:
    """On the time line that all radars count on."""
    return time.monotonic_ns() // 1_000_000


def pieces(
    core: CoreLink, radar: Radar, reach: Callable[[], Line[Piece]]
) -> Iterator[Piece | None]:
    """What the line brings, an empty piece at least once a second, None at its end.

    DeviceNotFound if it cannot be reached at first; DeviceGone if it has been away too long.
    """
    line, until_s = reach(), float("inf")
    while True:
        gone: DeviceGone
        with line:
            try:
                yield from _heard(core, radar, line, until_s)
            except DeviceGone as error:
                gone = error
        gone_ms, until_s = now_ms(), time.monotonic() + AWAY_S_MAX
        yield None
        core.unhealthy(gone.what, gone.remedy)
        again = _reached_again(core, reach, until_s)
        if again is None:
            radar.finish(gone_ms)
            raise gone
        line = again


def _heard(
    core: CoreLink, radar: Radar, line: Line[Piece], until_s: float
) -> Iterator[Piece | None]:
    """Until it ends, or until `until_s` if nothing can come from it by then."""
    while True:
        line.wait(core.fileno(), WAIT_S)
        piece = line.read()
        if not line.awaited:
            core.healthy("listening")
            radar.tick(now_ms())
        elif time.monotonic() > until_s:
            raise DeviceGone(line.awaited, "Start the capture again.")
        else:
            core.unhealthy(line.awaited, "Start the capture, or see why it does not go on.")
        yield piece
        core.poll()


def _reached_again(
    core: CoreLink, reach: Callable[[], Line[Piece]], until_s: float
) -> Line[Piece] | None:
    """The line, as soon as it is there again; None if it is not until `until_s`."""
    wait_s = RETRY_FIRST_S
    while (left_s := until_s - time.monotonic()) > 0:
        core.poll(min(wait_s, left_s))
        wait_s = min(2 * wait_s, RETRY_MAX_S)
        try:
            return reach()
        except DeviceError:
            continue
    return None
