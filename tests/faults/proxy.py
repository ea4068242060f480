"""A TCP line with faults, on loopback: delay, rate, half-open, stalled, reset, cut at a byte.

A driver at the wire for tests; it looks into nothing that passes. Faults may be set at any moment:
`delay_s` is half the round trip, `rate_bps` bits a second each way over all connections together.
What a fault holds back is not lost but late, as TCP would have it; only a reset or a cut loses.
A real path's congestion control and packet loss are not imitated: the line is fair and exact.
"""

import asyncio
import contextlib
import random
import socket
import struct
from collections import deque
from collections.abc import Callable
from typing import Literal

Way = Literal["up", "down"]
"""Up is from who connects to `port` towards the target, down is back."""

HOST = "127.0.0.1"
CHUNK_BYTES = 16 * 1024
CHUNK_S = 0.01
"""On a slow line no chunk takes longer than this, so that small messages see small delays."""
CHUNK_BYTES_MIN = 256
QUEUE_BYTES_MAX = 64 * 1024
"""What stands in the line's queue, beyond what its delay holds: half a second at 1 Mbit/s."""
SOCKET_BYTES_MAX = 32 * 1024
"""The sockets' own buffers are no part of the line, so they are small."""
CONNECTIONS_MAX = 4096
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class FaultProxy:
    """A line from `port` to `target_port`. Make it with `FaultProxy.open`, end it with `close`."""

    def __init__(self, target_port: int, *, seed: int = 0) -> None:
        self.target_port = target_port
        self.port = 0
        self.delay_s = 0.0
        self.jitter_s = 0.0
        """Added to each chunk's delay, uniform, drawn from the seed; order is kept."""
        self.rate_bps: float | None = None
        self.connections = 0
        """How many were accepted so far."""
        self.on_cut: Callable[[], None] = lambda: None
        """Called when `cut_after` has struck."""
        self.ways: dict[Way, _Way] = {"up": _Way(self), "down": _Way(self)}
        self.random = random.Random(seed)
        self._relays: dict[asyncio.Task[None], _Relay] = {}
        self._server: asyncio.Server | None = None

    @classmethod
    async def open(cls, target_port: int, *, seed: int = 0) -> "FaultProxy":
        """A line without faults on a free port."""
        proxy = cls(target_port, seed=seed)
        listening = socket.create_server((HOST, 0), backlog=1024)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BYTES_MAX)
        proxy._server = await asyncio.start_server(
            proxy._accepted, sock=listening, limit=CHUNK_BYTES
        )
        proxy.port = listening.getsockname()[1]
        return proxy

    @property
    def passed(self) -> int:
        """Bytes that came through so far, both ways."""
        return sum(way.passed for way in self.ways.values())

    @property
    def open_connections(self) -> int:
        """How many connections stand now."""
        return len(self._relays)

    def blackhole(self) -> None:
        """Nothing passes either way, not even the end of a connection: it is half open."""
        for way in self.ways:
            self.stall(way)

    def stall(self, way: Way) -> None:
        """Nothing passes this way; the other one goes on."""
        self.ways[way].flowing.clear()

    def heal(self) -> None:
        """Let everything pass again, first what was held back."""
        for way in self.ways.values():
            way.flowing.set()

    def reset(self) -> None:
        """End each connection with a TCP reset at both ends; new ones are let in."""
        for relay in self._relays.values():
            relay.reset = True
        for task in self._relays:
            task.cancel()

    def cut_after(self, count: int, way: Way = "up") -> None:
        """Reset whatever connection carries byte `count` from now on this way, after that byte."""
        self.ways[way].cut_at = self.ways[way].passed + count

    async def close(self) -> None:
        """End the line and what is connected."""
        if self._server is not None:
            self._server.close()
        self.reset()
        await asyncio.gather(*self._relays, return_exceptions=True)

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        assert len(self._relays) < CONNECTIONS_MAX, "more connections than any test needs"
        relay = _Relay(self, reader, writer)
        task = asyncio.get_running_loop().create_task(relay.run())
        self._relays[task] = relay
        task.add_done_callback(self._relays.pop)


class _Way:
    """What all connections share in one direction: the rate, the stall, and the cut."""

    def __init__(self, proxy: FaultProxy) -> None:
        self.passed = 0
        self.cut_at: int | None = None
        self.flowing = asyncio.Event()
        self.flowing.set()
        self._proxy = proxy
        self._free_at_s = 0.0

    def chunk_bytes(self) -> int:
        rate_bps = self._proxy.rate_bps
        if rate_bps is None:
            return CHUNK_BYTES
        return max(CHUNK_BYTES_MIN, min(CHUNK_BYTES, int(rate_bps * CHUNK_S / 8)))

    def due_s(self, size: int, now_s: float) -> float:
        """When a chunk that enters the line now comes out of it."""
        proxy = self._proxy
        taken_s = size * 8 / proxy.rate_bps if proxy.rate_bps else 0.0
        self._free_at_s = max(self._free_at_s, now_s) + taken_s
        jitter_s = proxy.random.uniform(0, proxy.jitter_s) if proxy.jitter_s else 0.0
        return self._free_at_s + proxy.delay_s + jitter_s

    def room_in_s(self, now_s: float) -> float:
        """How long until the queue before the line is short enough to take more."""
        rate_bps = self._proxy.rate_bps
        if not rate_bps:
            return 0.0
        return self._free_at_s - now_s - QUEUE_BYTES_MAX * 8 / rate_bps

    def take(self, chunk: bytes) -> tuple[bytes, bool]:
        """What of `chunk` still passes, and whether the connection is cut behind it."""
        room = len(chunk) if self.cut_at is None else self.cut_at - self.passed
        cut = self.cut_at is not None and room <= len(chunk)
        if cut:
            chunk, self.cut_at = chunk[:room], None
        self.passed += len(chunk)
        return chunk, cut


class _Relay:
    """One connection through the line."""

    def __init__(
        self, proxy: FaultProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.reset = False
        self._proxy = proxy
        self._reader = reader
        self._writer = writer

    async def run(self) -> None:
        """Until one end has closed and the line has carried that over, or a fault ended it."""
        ends = [self._writer]
        ways = self._proxy.ways
        try:
            # A connection needs a way there and back before it stands at all.
            await asyncio.gather(*(way.flowing.wait() for way in ways.values()))
            reader, writer = await asyncio.open_connection(
                HOST, self._proxy.target_port, limit=CHUNK_BYTES
            )
            ends.append(writer)
            async with asyncio.TaskGroup() as group:
                up, down = _Pump(ways["up"], self._proxy), _Pump(ways["down"], self._proxy)
                group.create_task(self._end_after(up, self._reader, writer))
                group.create_task(self._end_after(down, reader, self._writer))
        except* (OSError, _Ended, asyncio.CancelledError):
            pass  # the driver's border: whatever ended it, both ends see it below
        finally:
            for end in ends:
                _close(end, reset=self.reset)

    async def _end_after(
        self, pump: "_Pump", reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.reset = await pump.run(reader, writer) or self.reset
        raise _Ended


class _Ended(Exception):
    """One direction of a connection is over."""


class _Pump:
    """Carries bytes one way: takes them in as the line has room, hands them over when due."""

    def __init__(self, way: _Way, proxy: FaultProxy) -> None:
        self._way = way
        self._proxy = proxy
        self._under_way: deque[tuple[float, bytes]] = deque()
        self._changed = asyncio.Event()

    async def run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Until the end of what is read; True if the connection was cut on purpose."""
        taking = asyncio.create_task(self._take_in(reader))
        try:
            return await self._hand_over(writer)
        finally:
            taking.cancel()
            await asyncio.gather(taking, return_exceptions=True)

    async def _take_in(self, reader: asyncio.StreamReader) -> None:
        loop, way = asyncio.get_running_loop(), self._way
        chunk = b"-"
        while chunk:
            await way.flowing.wait()
            while (wait_s := way.room_in_s(loop.time())) > 0:
                await asyncio.sleep(wait_s)
            try:
                chunk = await reader.read(way.chunk_bytes())
            except OSError:
                chunk = b""  # a reset travels like an end
            self._under_way.append((way.due_s(len(chunk), loop.time()), chunk))
            self._changed.set()

    async def _hand_over(self, writer: asyncio.StreamWriter) -> bool:
        loop, way = asyncio.get_running_loop(), self._way
        while True:
            while not self._under_way:
                self._changed.clear()
                await self._changed.wait()
            due_s, chunk = self._under_way.popleft()
            if (wait_s := due_s - loop.time()) > 0:
                await asyncio.sleep(wait_s)
            await way.flowing.wait()
            if not chunk:
                return False
            chunk, cut = way.take(chunk)
            writer.write(chunk)
            await writer.drain()
            if cut:
                self._proxy.on_cut()
                return True


def _close(writer: asyncio.StreamWriter, *, reset: bool) -> None:
    if not reset:
        writer.close()  # what is still in its buffer goes out first
        return
    with contextlib.suppress(OSError):  # it has gone already
        writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE
        )
    writer.transport.abort()
