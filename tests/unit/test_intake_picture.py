"""A technician's picture in the intake: for the call that waits for it, and for nobody else."""

import asyncio

import pytest

from edge.clock import SystemClock
from edge.errors import Refused
from edge.intake import Intake
from edge.sensor_spec import SensorSpec
from edge.showing import PICTURE_S
from sensors import wire
from tests.unit.test_intake import Peer
from tests.waiting import until

LEAVE, END = wire.Leave("picture", PICTURE_S), wire.Leave("picture", 0.0)
JPEG = b"\xff\xd8" + bytes(range(200)) * 7


def intake() -> Intake:
    cameras = [SensorSpec(name, "face", "v4l2:/dev/video0", {}) for name in ("door", "hall")]
    far = SensorSpec("far", "face", "satellite:box/door", {})
    return Intake(SystemClock(), [*cameras, far, SensorSpec("radar", "wifi", "wlan1", {})])


async def until_asked(peer: Peer) -> None:
    async with asyncio.timeout(10):
        while LEAVE not in await peer.told():
            pass


async def test_a_picture_goes_to_whoever_asked_and_is_kept_nowhere() -> None:
    box = intake()
    peer = Peer(box, "door")
    await peer.told()
    await peer.send(wire.Hello("face", 1), wire.Pictured(b"unasked"), wire.Health(True, "first"))
    await until(lambda: box.status("door").state == "first", "what nobody asked for was read")
    asking = asyncio.create_task(box.picture("door"))
    await until_asked(peer)
    await peer.send(wire.Pictured(JPEG), wire.Pictured(b"one too many"))
    assert await asking == JPEG
    assert END in await peer.told(), "the leave ends with the answer"
    await peer.send(wire.Health(True, "read"))
    await until(lambda: box.status("door").state == "read", "all of it was read")
    asking = asyncio.create_task(box.picture("door"))
    await until_asked(peer)
    await peer.send(wire.Pictured(b"another"))
    assert await asking == b"another", "what came unasked was kept for nobody"
    await peer.close()


async def test_only_one_asks_at_a_time() -> None:
    box = intake()
    peer = Peer(box, "door")
    await peer.told()
    asking = asyncio.create_task(box.picture("door"))
    await until_asked(peer)
    with pytest.raises(Refused, match="Somebody else"):
        await box.picture("door")
    await peer.send(wire.Hello("face", 1), wire.Pictured(JPEG))
    assert await asking == JPEG
    await peer.close()


async def test_who_stops_waiting_gets_none_and_the_next_one_does() -> None:
    box = intake()
    peer = Peer(box, "door")
    await peer.told()
    first = asyncio.create_task(box.picture("door"))
    await until_asked(peer)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    second = asyncio.create_task(box.picture("door"))
    await until_asked(peer)
    await peer.send(wire.Pictured(JPEG))
    assert await second == JPEG
    await peer.close()


async def test_what_shows_no_pictures_is_refused() -> None:
    box = intake()
    peer = Peer(box, "radar")
    await peer.told()
    for name, why in (
        ("radar", "no camera"),
        ("door", "does not run"),
        ("far", "runs no sensor"),
        ("nobody", "runs no sensor"),
    ):
        with pytest.raises(Refused, match=why):
            await box.picture(name)
    await peer.close()


async def test_a_picture_beyond_the_limit_ends_the_connection() -> None:
    box = intake()
    peer = Peer(box, "door")
    await peer.told()
    await peer.send(wire.Pictured(bytes(wire.PICTURE_BYTES_MAX + 1)))
    assert isinstance(await peer.ended(), Exception)
    assert "bytes" in repr(wire.Pictured(JPEG))
    assert str(JPEG) not in repr(wire.Pictured(JPEG))
