"""A TCP line that can be cut: a loopback relay between box and broker for demo and tests.

`cut` drops what is connected and lets nobody in; `restore` mends it. It looks into nothing.
"""

import asyncio
import contextlib

CONNECTIONS_MAX = 32
CHUNK_BYTES = 64 * 1024
CONNECT_TIMEOUT_S = 5.0


class Line:
    """A relay from `port` to `target_port`, both on 127.0.0.1. Make it with `Line.open`."""

    def __init__(self, target_port: int) -> None:
        self.port = 0
        self.connections = 0
        """How many connections came through so far."""
        self._target_port = target_port
        self._server: asyncio.Server | None = None
        self._relays: set[asyncio.Task[None]] = set()

    @classmethod
    async def open(cls, target_port: int) -> "Line":
        """A whole line on a free port."""
        line = cls(target_port)
        await line.restore()
        return line

    @property
    def is_cut(self) -> bool:
        """Whether nobody gets through."""
        return self._server is None

    async def cut(self) -> None:
        """Drop all connections; new ones are refused. Cutting twice is once."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for relay in self._relays:
            relay.cancel()
        await asyncio.gather(*self._relays, return_exceptions=True)
        self._relays.clear()

    async def restore(self) -> None:
        """Let connections through again, on the same port as before."""
        if self._server is None:
            self._server = await asyncio.start_server(
                self._accepted, "127.0.0.1", self.port, limit=CHUNK_BYTES
            )
            self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """End it."""
        await self.cut()

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_cut or len(self._relays) >= CONNECTIONS_MAX:
            writer.transport.abort()
            return
        self.connections += 1
        relay = asyncio.get_running_loop().create_task(self._relay(reader, writer))
        self._relays.add(relay)
        relay.add_done_callback(self._relays.discard)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far: asyncio.StreamWriter | None = None
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                far_reader, far = await asyncio.open_connection("127.0.0.1", self._target_port)
            ways = [
                asyncio.ensure_future(_pump(reader, far)),
                asyncio.ensure_future(_pump(far_reader, writer)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        except (OSError, TimeoutError):
            return  # the far end is not there: the near end sees its connection drop
        finally:
            for end in (writer, far):
                if end is not None:
                    end.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):  # the other end has gone: the relay ends
        while chunk := await reader.read(CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
