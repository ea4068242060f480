"""Serves the application inside the core's own loop, and stops quickly with pages open.

Called by the daemon, which owns signals and shutdown; uvicorn gets neither. It knows no route.
"""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI

from edge.errors import PortInUse

BACKLOG = 64
CONNECTIONS_MAX = 100
"""Connections at once; more are answered with 503."""
KEEP_ALIVE_S = 10
STOP_S = 2
"""How long answers under way may take when the server stops; live streams end by themselves."""
HEADER_BYTES_MAX = 16 * 1024


class Serving:
    """A running server. `port` is the real one when port 0 was asked for."""

    def __init__(self, app: FastAPI, server: "_Server", listening: socket.socket) -> None:
        self._app = app
        self._server = server
        self.port: int = listening.getsockname()[1]
        self.task = asyncio.create_task(server.serve(sockets=[listening]), name="kiosk-server")

    async def close(self) -> None:
        """End live streams, finish what is under way, and stop: within 3 s."""
        self._app.state.live.close()
        self._server.should_exit = True
        await self.task


async def serve(app: FastAPI, host: str, port: int) -> Serving:
    """Listen on `host`:`port` and serve until `close`. PortInUse if that cannot be had."""
    listening = _listen(host, port)
    config = uvicorn.Config(
        app,
        loop="none",
        http="h11",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=CONNECTIONS_MAX,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=STOP_S,
        h11_max_incomplete_event_size=HEADER_BYTES_MAX,
    )
    server = _Server(config)
    serving = Serving(app, server, listening)
    started = asyncio.create_task(server.up.wait())
    await asyncio.wait({started, serving.task}, return_when=asyncio.FIRST_COMPLETED)
    started.cancel()
    if serving.task.done():
        serving.task.result()
        raise PortInUse(f"Nothing can be served on {host}:{port}.", "Run `storebox doctor`.")
    return serving


class _Server(uvicorn.Server):
    """uvicorn without signal handlers (they are the daemon's) that says when it is up."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()


def _listen(host: str, port: int) -> socket.socket:
    """A bound socket, so that a refusal comes from here and not from deep inside."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind)
    except OSError as error:
        raise PortInUse(
            f"The kiosk cannot listen on '{host}': {error}.", "Correct host in [kiosk]."
        ) from error
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        raise PortInUse(
            f"The kiosk cannot listen on {host}:{port}: {error.strerror or error}.",
            "Stop the program that uses the port, or set another port in [kiosk].",
        ) from error
    return listening
