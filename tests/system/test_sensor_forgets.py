"""A radar's process, as the core starts it, holds what it heard for the moment of hearing it.

Its whole memory is searched: after the next frames no address and no network name is left in it,
not even in memory that was freed; and it can leave no image of itself on the disk.
"""

import asyncio
import random
import re
import socket
from pathlib import Path

import pytest

from edge.operation.sensors import started
from sensors import wire
from sensors.worker import OVERWRITING
from tests.canaries import found, memory_of
from tests.conftest import ROOT
from tests.drivers.frames import pcap, probe, radiotap
from tests.drivers.worker import SALT

SEED = 7
HEARD, AFTER = 300, 600
"""Phones that are looked for; frames of others that come after, more than a file's buffer holds."""
EVERY_MS = 500


def capture(path: Path) -> tuple[set[bytes], bytes]:
    """Five minutes; who must be forgotten in it, and who was heard last.

    Frames of many lengths first, then of one: what was freed of the others is not used again.
    """
    rng = random.Random(SEED)
    gone = [b"\xda\xa1\x19" + rng.randbytes(3) for _ in range(HEARD)]
    others = [b"\x3c\x06\x30" + rng.randbytes(3) for _ in range(AFTER)]
    names = [b"Canary%04d" % number + bytes(rng.randrange(20)) for number in range(HEARD)]
    said = [*zip(gone, names, strict=True), *((source, b"Other") for source in others)]
    frames = [
        (at * EVERY_MS, radiotap(probe(source, seq=at & 4095, name=name)))
        for at, (source, name) in enumerate(said)
    ]
    path.write_bytes(pcap(frames))
    return set(gone), others[-1]


async def finished(connection: socket.socket) -> None:
    """Take what the worker says until its recording is at its end."""
    loop, reader = asyncio.get_running_loop(), wire.FrameReader(down=False)
    async with asyncio.timeout(30):
        while True:
            for message in reader.feed(await loop.sock_recv(connection, 65536)):
                if isinstance(message, wire.Health) and message.state == "finished":
                    return


def worker_pid() -> int:
    """Our child that is a sensor."""
    lists = Path("/proc/self/task").glob("*/children")
    children = [int(pid) for each in lists for pid in each.read_text().split()]
    (pid,) = [
        pid for pid in children if b"sensors.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    return pid


async def test_nothing_heard_is_left_in_its_memory(tmp_path: Path) -> None:
    print(f"seed {SEED}")
    path = tmp_path / "capture.pcap"
    gone, last = capture(path)
    configure = wire.Configure("radar", f"replay:{path}", {}, SALT, "boot0001", 0)
    async with started("wifi", "radar", "") as connection:
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_sendall(connection, wire.encode(configure))
        await finished(connection)
        pid = worker_pid()
        try:
            image = memory_of(pid)
        except PermissionError:
            pytest.skip("the memory of a process can be read by root only")
        limits = Path(f"/proc/{pid}/limits").read_text()
    assert found(image, {last}), "what it still holds is found"
    assert not found(image, gone)
    assert not re.search(rb"Canary\d{4}", image)
    core_file = next(line for line in limits.splitlines() if "core file" in line)
    assert core_file.split()[4:6] == ["0", "0"], "no image of it can be written"


def test_systemd_gives_a_worker_the_same_environment() -> None:
    unit = (ROOT / "systemd" / "storebox-sensor@.service").read_text()
    for name, value in OVERWRITING.items():
        assert f"\nEnvironment={name}={value}\n" in unit
