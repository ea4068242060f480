"""Row 8 of the fault matrix: the disk is full, or the box may write no more.

Pass: every order is stored or refused in so many words, nothing is dropped silently, and as soon
as there is room the box goes on by itself. The quotas inside the box's files are tested with the
outbox (`tests/unit/test_outbox_bulk.py`); here the operating system says no.
"""

import asyncio
import contextlib
import os
import resource
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge.records import Stream
from tests.faults.oracle import assert_kept, examine
from tests.faults.rig import Shop, wait_for

DISK_BYTES = 12 << 20
BALLAST_LEAVES_BYTES = 600 * 1024
FILE_BYTES_MAX = 900 * 1024
ORDERS = 400


@dataclass(frozen=True)
class Place:
    """Where the box's state lies, and how its room is taken and given back."""

    take: object
    give: object


@contextlib.contextmanager
def small_disk(state: Path):
    """A file system of a few megabytes under the state directory, filled up on demand."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(state)]
    tried = subprocess.run(mount, capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(f"no small disk can be mounted here: {tried.stderr.strip()}")
    ballast = state / "ballast"

    def take(_box):
        free = os.statvfs(state).f_bavail * os.statvfs(state).f_frsize
        ballast.write_bytes(bytes(max(0, free - BALLAST_LEAVES_BYTES)))

    def give(_box):
        ballast.unlink()

    try:
        yield Place(take, give)
    finally:
        subprocess.run(["umount", str(state)], check=True)


@contextlib.contextmanager
def small_files(_state: Path):
    """A limit on the size of any file that the box writes, as a quota of the system would be."""

    def limit(box, size):
        resource.prlimit(box.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    yield Place(
        lambda box: limit(box, FILE_BYTES_MAX), lambda box: limit(box, resource.RLIM_INFINITY)
    )


@pytest.mark.parametrize("kind", [small_disk, small_files], ids=["disk-full", "file-limit"])
@pytest.mark.timeout(120)
async def test_row_8_orders_are_stored_or_refused_and_the_box_recovers(tmp_path, kind):
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    with kind(state) as place, Shop(tmp_path, streams=()) as shop:
        await asyncio.to_thread(shop.box.start)  # nobody listens: all of it has to stay here
        place.take(shop.box)
        promised = refused = 0
        for number in range(ORDERS):
            if number % 2:
                await asyncio.to_thread(shop.box.emit, Stream.BULK, 100)
            order = await asyncio.to_thread(shop.box.emit, Stream.CRIT, 10)
            promised, refused = promised + order, refused + (order == 0)
        assert promised, "something was stored before the disk was full"
        assert refused, "the disk did get full"
        said = shop.box.errors.read_text()
        place.give(shop.box)
        assert await asyncio.to_thread(shop.box.emit, Stream.CRIT, 10) == 10, "it goes on by itself"
        assert await asyncio.to_thread(shop.box.emit, Stream.BULK, 10) == 10
        shop.platform.start()
        status = await asyncio.to_thread(shop.box.ask, "status")
        assert await asyncio.to_thread(shop.box.finish) == 0
        shop.platform.kill()
        examined = examine(tmp_path, shop.platform.log)
    print(f"{promised} events of orders stored, {refused} orders refused;", examined)
    assert_kept(examined)
    assert examined.verdict.created >= promised + 20
    assert status["refused"] >= refused
    assert "refused: " in said
    if kind is small_disk:
        assert "There is no room left on the box. Free disk space" in said


@pytest.mark.timeout(120)
async def test_row_8_a_platform_without_room_refuses_and_the_box_keeps(tmp_path):
    disk = tmp_path / "platform"
    disk.mkdir()
    with small_disk(disk) as place, Shop(tmp_path, platform_directory=disk, streams=()) as shop:
        shop.platform.start()
        await asyncio.to_thread(shop.box.start)
        assert await asyncio.to_thread(shop.box.emit, Stream.CRIT, 20) == 20
        await wait_for(lambda: shop.box.ask("status")["waiting"] == 0, "drained at first")
        place.take(shop.box)
        for _ in range(20):
            for stream in Stream:
                assert await asyncio.to_thread(shop.box.emit, stream, 100) == 100
        await wait_for(lambda: shop.box.ask("status")["alarms"], "the box says why it waits")
        status = await asyncio.to_thread(shop.box.ask, "status")
        place.give(shop.box)
        assert await asyncio.to_thread(shop.box.finish) == 0, "it goes on by itself"
        shop.platform.kill()
        examined = examine(tmp_path, shop.platform.log)
    print(status["alarms"], examined)
    assert status["waiting"] > 0, "nothing that was refused is deleted"
    assert any("disk is full" in alarm for alarm in status["alarms"])
    assert_kept(examined)
