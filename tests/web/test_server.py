"""The server in the core's loop: ports, live streams, and a quick end."""

import asyncio
import signal
import socket
import time

import httpx
import pytest

from edge.errors import PortInUse
from kiosk.live import BEAT, Bell, LiveConnections
from kiosk.server import serve
from kiosk.settings import LIVE_CONNECTIONS_MAX
from tests.web.shop import SNEAKER, Shop

STOP_S_MAX = 3.0


async def test_a_port_in_use_is_said_so(shop: Shop):
    assert shop.serving
    with pytest.raises(PortInUse, match="another port"):
        await serve(shop.application(), "127.0.0.1", shop.serving.port)
    with pytest.raises(PortInUse, match=r"host in \[kiosk\]"):
        await serve(shop.application(), "no.such.host.invalid", 0)


async def test_signals_stay_with_the_daemon(shop: Shop):
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


async def test_each_connection_gets_the_whole_page_and_each_change(shop: Shop):
    async with (
        httpx.AsyncClient(base_url=shop.url) as web,
        web.stream("GET", "/live/kiosk/main") as answer,
    ):
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.aiter_lines()
        await seen(lines, "Отсканируйте товар")
        await shop.scan(SNEAKER)
        await seen(lines, "Кроссовки беговые")


async def seen(lines, text: str) -> None:
    async with asyncio.timeout(5):
        async for line in lines:
            if text in line:
                return
    raise AssertionError(f"the stream ended without {text!r}")


async def test_the_server_stops_quickly_with_pages_open(shop: Shop):
    assert shop.serving
    async with (
        httpx.AsyncClient(base_url=shop.url) as web,
        web.stream("GET", "/live/kiosk/main") as one,
        web.stream("GET", "/live/kiosk/main") as two,
    ):
        assert (one.status_code, two.status_code) == (200, 200)
        began = time.monotonic()
        await shop.serving.close()
        assert time.monotonic() - began < STOP_S_MAX
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", shop.serving.port)


async def test_the_server_stops_quickly_with_a_silent_client(shop: Shop):
    assert shop.serving
    with socket.create_connection(("127.0.0.1", shop.serving.port)) as silent:
        silent.sendall(b"POST /kiosk/main/finish HTTP/1.1\r\nHost: localhost\r\n")
        await asyncio.sleep(0)
        began = time.monotonic()
        await shop.serving.close()
        assert time.monotonic() - began < STOP_S_MAX


async def test_only_so_many_streams_and_a_closed_one_makes_room():
    connections, bell = LiveConnections(most=1), Bell()
    first = connections.stream(lambda: "<p>\none</p>", bell)
    assert await anext(first) == "event: page\ndata: <p>\ndata: one</p>\n\n"
    assert connections.full
    assert [event async for event in connections.stream(lambda: "two", bell)] == []
    await first.aclose()
    assert not connections.full
    assert LIVE_CONNECTIONS_MAX < 100


async def test_a_stream_beats_and_redraws_what_time_changed():
    drawings = iter(["one", "one", "two", None])
    connections = LiveConnections(most=1, beat_s=0.01)
    stream = connections.stream(lambda: next(drawings), Bell(), redraw_on_beat=True)
    events = [event async for event in stream]
    assert events == ["event: page\ndata: one\n\n", BEAT, "event: page\ndata: two\n\n"]
    assert connections.open == 0
