"""The line with faults does what it says; otherwise the proofs that use it prove nothing."""

import asyncio
import contextlib
import time
from contextlib import asynccontextmanager

import pytest

from tests.faults.proxy import FaultProxy

READ_S = 5.0

pytestmark = pytest.mark.alone


@asynccontextmanager
async def line(**faults):
    """A proxy before an echo; gives it and a function that connects through it."""
    served: set[asyncio.Task] = set()

    async def echo(reader, writer):
        served.add(asyncio.current_task())
        with contextlib.suppress(OSError):
            while chunk := await reader.read(4096):
                writer.write(chunk)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    proxy = await FaultProxy.open(server.sockets[0].getsockname()[1], seed=7)
    for name, value in faults.items():
        setattr(proxy, name, value)
    writers = []

    async def connect():
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writers.append(writer)
        return reader, writer

    try:
        yield proxy, connect
    finally:
        for writer in writers:
            writer.transport.abort()
        await proxy.close()
        server.close()
        await asyncio.gather(*served, return_exceptions=True)


async def read(reader, size):
    return await asyncio.wait_for(reader.readexactly(size), READ_S)


async def silent(reader, for_s):
    """Whether nothing comes for so long."""
    try:
        await asyncio.wait_for(reader.read(1), for_s)
    except TimeoutError:
        return True
    return False


async def test_everything_passes_whole_and_in_order():
    sent = bytes(range(256)) * 4096
    async with line(delay_s=0.005, jitter_s=0.02) as (_, connect):
        reader, writer = await connect()
        writer.write(sent)
        assert await read(reader, len(sent)) == sent


async def test_a_round_trip_takes_twice_the_delay():
    async with line(delay_s=0.15) as (_, connect):
        reader, writer = await connect()
        began_s = time.monotonic()
        writer.write(b"x")
        await read(reader, 1)
        assert 0.3 <= time.monotonic() - began_s < 0.5


async def test_the_rate_is_kept_by_all_connections_together():
    size = 25_000  # twice 200 kbit at 1 Mbit/s
    async with line(rate_bps=1e6) as (_, connect):
        began_s = time.monotonic()
        ends = [await connect() for _ in range(2)]
        for _, writer in ends:
            writer.write(bytes(size))
        await asyncio.gather(*(read(reader, size) for reader, _ in ends))
        assert 0.4 <= time.monotonic() - began_s < 0.6


async def test_a_blackhole_is_silent_and_late_is_not_lost():
    async with line() as (proxy, connect):
        reader, writer = await connect()
        writer.write(b"a")
        assert await read(reader, 1) == b"a"
        proxy.blackhole()
        writer.write(b"b")
        assert await silent(reader, 0.2)
        _, late = await connect()  # nobody answers there
        proxy.heal()
        assert await read(reader, 1) == b"b"
        assert proxy.connections == 2
        assert not late.is_closing()


async def test_the_end_of_a_connection_does_not_pass_a_blackhole():
    async with line() as (proxy, connect):
        reader, writer = await connect()
        writer.write(b"a")
        await read(reader, 1)
        proxy.blackhole()
        writer.close()
        await asyncio.wait_for(writer.wait_closed(), READ_S)
        assert proxy.open_connections == 1, "the far end knows of nothing"
        proxy.heal()
        async with asyncio.timeout(READ_S):
            while proxy.open_connections:
                await asyncio.sleep(0.01)


async def test_one_direction_stalls_alone():
    async with line() as (proxy, connect):
        reader, writer = await connect()
        writer.write(b"a")
        assert await read(reader, 1) == b"a"
        proxy.stall("down")
        writer.write(b"b")
        async with asyncio.timeout(READ_S):
            while proxy.ways["up"].passed < 2:
                await asyncio.sleep(0.01)
        assert await silent(reader, 0.2)
        proxy.heal()
        assert await read(reader, 1) == b"b"


async def test_a_reset_is_one_and_the_next_connection_passes():
    async with line() as (proxy, connect):
        reader, writer = await connect()
        writer.write(b"a")
        await read(reader, 1)
        proxy.reset()
        with pytest.raises(ConnectionResetError):
            await read(reader, 1)
        reader, writer = await connect()
        writer.write(b"b")
        assert await read(reader, 1) == b"b"


@pytest.mark.parametrize("count", [1, 1000, 70_000])
async def test_a_cut_comes_behind_the_byte_that_was_named(count):
    async with line() as (proxy, connect):
        reader, writer = await connect()
        proxy.cut_after(count)
        writer.write(bytes(100_000))
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await read(reader, 100_000)
        assert proxy.ways["up"].passed == count
        assert proxy.ways["up"].cut_at is None, "once"


async def test_who_is_not_there_is_seen_as_an_end():
    proxy = await FaultProxy.open(1)
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(), READ_S) == b""
        writer.close()
    finally:
        await proxy.close()
