"""The intake at its sockets: order in scenario time, limits, silence, and broken peers."""

import asyncio
import socket
from collections.abc import AsyncIterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.clock import END_OF_TIME_MS, Clock, ScenarioClock, SystemClock
from edge.errors import BadWireFrame, DeviceGone, DeviceNotFound
from edge.intake import HELD_MAX, STEP_MS, Intake
from edge.records import GoneReading, Moment, Observation, StayReading, TrackReading
from edge.sensor_spec import SensorSpec
from edge.tracks import OPEN_MAX
from sensors import wire

START_MS = 1_700_000_000_000


def spec(name: str, device: str = "simulated:x", silence_s: float = 5) -> SensorSpec:
    return SensorSpec(name, "face", device, {}, "", silence_s)


def seen(name: str, offset_ms: int, track: int = 1) -> Observation:
    moment = Moment(START_MS + offset_ms, offset_ms, "scenario", True)
    return Observation(name, moment, TrackReading(track))


class Peer:
    """The sensor's end of a connection: a driver at the wire."""

    def __init__(self, intake: Intake, name: str) -> None:
        self.socket, theirs = socket.socketpair()
        self.socket.setblocking(False)
        self.served = asyncio.create_task(intake.serve(name, theirs))
        self._theirs = theirs
        self._reader = wire.FrameReader(down=True)

    async def send(self, *messages: wire.Up) -> None:
        loop = asyncio.get_running_loop()
        for message in messages:
            await loop.sock_sendall(self.socket, wire.encode(message))

    async def told(self) -> list[object]:
        loop = asyncio.get_running_loop()
        return self._reader.feed(await loop.sock_recv(self.socket, 65536))

    async def ended(self) -> BaseException | None:
        """Wait for the end of `serve`; its exception."""
        await asyncio.wait([self.served], timeout=5)
        self.socket.close()
        self._theirs.close()
        return None if self.served.cancelled() else self.served.exception()

    async def close(self) -> None:
        self.socket.close()
        await self.ended()


async def taken(batches: AsyncIterator[list[Observation]], count: int) -> list[Observation]:
    found: list[Observation] = []
    async with asyncio.timeout(10):
        while len(found) < count:
            found += await anext(batches)
    return found


def scenario(*names: str) -> ScenarioClock:
    return ScenarioClock(START_MS, frozenset(names))


@given(
    st.lists(st.integers(0, 60_000), max_size=30),
    st.lists(st.integers(0, 60_000), max_size=30),
)
def test_scenario_time_merges_sensors_in_order(left: list[int], right: list[int]) -> None:
    async def run() -> list[Observation]:
        clock = scenario("a", "b")
        intake = Intake(clock, [spec("a"), spec("b")])
        peers = [Peer(intake, name) for name in ("a", "b")]
        for peer, name, times in zip(peers, ("a", "b"), (left, right), strict=True):
            if times:
                await peer.send(wire.Seen([seen(name, at) for at in sorted(times)]))
            await peer.send(wire.Watermark(END_OF_TIME_MS))
        found = await taken(intake.batches(), len(left) + len(right))
        for peer in peers:
            await peer.close()
        return found

    order = [(o.seen.mono_ms, o.sensor) for o in asyncio.run(run())]
    assert [at for at, _ in order] == sorted(left + right)


async def test_nothing_is_handed_on_before_every_sensor_has_passed_it() -> None:
    clock = scenario("a", "b")
    intake = Intake(clock, [spec("a"), spec("b")])
    fast, slow = Peer(intake, "a"), Peer(intake, "b")
    await fast.send(wire.Seen([seen("a", 5000)]), wire.Watermark(START_MS + 9000))
    batches = intake.batches()
    assert await anext(batches) == []
    assert clock.now().wall_ms == START_MS
    await slow.send(wire.Watermark(START_MS + 6000))
    assert await taken(batches, 1) == [seen("a", 5000)]
    assert clock.now().wall_ms == START_MS + 6000
    for peer in (fast, slow):
        await peer.close()


async def test_time_goes_on_in_steps() -> None:
    clock = scenario("a")
    intake = Intake(clock, [spec("a")])
    clock.report("a", START_MS + 3 * STEP_MS)
    batches = intake.batches()
    times = []
    for _ in range(3):
        assert await anext(batches) == []
        times.append(clock.now().mono_ms)
    assert times == [STEP_MS, 2 * STEP_MS, 3 * STEP_MS]


async def test_a_live_device_in_a_scenario_happens_now() -> None:
    clock = scenario()
    intake = Intake(clock, [spec("a", device="/dev/ttyACM0")])
    peer = Peer(intake, "a")
    await peer.send(wire.Seen([seen("a", 500_000)]))
    clock.move(START_MS + 77)
    (observation,) = await taken(intake.batches(), 1)
    assert observation.seen.wall_ms in {START_MS, START_MS + 77}
    await peer.close()


async def test_a_restarted_recording_goes_on_where_it_was() -> None:
    intake = Intake(scenario("a"), [spec("a")])
    first = Peer(intake, "a")
    (configure,) = await first.told()
    assert isinstance(configure, wire.Configure)
    assert configure.resume_after_ms is None
    await first.send(wire.Seen([seen("a", 1500)]))
    await first.close()
    second = Peer(intake, "a")
    (configure,) = await second.told()
    assert isinstance(configure, wire.Configure)
    assert configure.resume_after_ms == START_MS + 1500
    await second.close()


async def test_tracks_of_a_restarted_camera_are_new_people() -> None:
    intake = Intake(SystemClock(), [spec("a")])
    batches = intake.batches()
    tracks = []
    for _ in range(2):
        peer = Peer(intake, "a")
        await peer.send(wire.Seen([seen("a", 0, track=1), seen("a", 1, track=2)]))
        for observation in await taken(batches, 2):
            assert isinstance(observation.reading, TrackReading)
            tracks.append(observation.reading.track)
        await peer.close()
        gone = [each.reading for each in await taken(batches, 2)]
        assert gone == [GoneReading(tracks[-2], 0), GoneReading(tracks[-1], 0)]
    assert tracks == [1, 2, 3, 4]


async def test_who_is_in_view_when_a_camera_breaks_down_has_gone_since_it_was_seen_last() -> None:
    intake = Intake(SystemClock(), [spec("a")])
    batches = intake.batches()
    peer = Peer(intake, "a")
    later = msgspec.structs.replace(seen("a", 4_000), reading=StayReading("shoes", 900, 2))
    await peer.send(
        wire.Seen([seen("a", 1_000, track=1), seen("a", 2_000, track=2), later]),
        wire.Seen([msgspec.structs.replace(later, reading=GoneReading(1, 2_500))]),
    )
    told = await taken(batches, 4)
    assert told[-1].reading == GoneReading(1, 2_500)
    await peer.close()
    (gone,) = await taken(batches, 1)
    assert (gone.reading, gone.seen) == (GoneReading(2, 2_000), later.seen)


async def test_what_a_camera_says_of_tracks_that_are_not_here_is_counted_and_left_out() -> None:
    intake = Intake(SystemClock(), [spec("a")])
    batches = intake.batches()
    peer = Peer(intake, "a")
    gone = msgspec.structs.replace(seen("a", 0), reading=GoneReading(7, 0))
    many = [seen("a", number, track=number) for number in range(1, OPEN_MAX + 2)]
    await peer.send(wire.Seen([gone, *many]))
    told = [each.reading for each in await taken(batches, OPEN_MAX + 2)]
    assert GoneReading(1, 0) == told[-2], "the one that was silent longest made room"
    assert intake.status("a").dropped == {"gone_unknown": 1, "track_beyond_limit": 1}
    await peer.close()


@pytest.mark.parametrize(
    "lie",
    [
        b"\xff\xff\xff\xff",
        b"\x03\x00\x00\x00abc",
        wire.encode(wire.Hello("wifi", 1)),
        wire.encode(wire.Seen([seen("somebody-else", 0)])),
    ],
    ids=["endless frame", "no msgpack", "other kind", "other name"],
)
async def test_a_peer_that_breaks_the_protocol_is_hung_up_on(lie: bytes) -> None:
    intake = Intake(SystemClock(), [spec("a")])
    peer = Peer(intake, "a")
    await asyncio.get_running_loop().sock_sendall(peer.socket, lie)
    assert isinstance(await peer.ended(), BadWireFrame)


async def test_silence_is_an_error_with_a_name() -> None:
    intake = Intake(SystemClock(), [spec("a", silence_s=0.05)])
    peer = Peer(intake, "a")
    error = await peer.ended()
    assert isinstance(error, DeviceGone)
    assert "silent" in str(error)


async def test_a_sensors_last_words_are_the_reason() -> None:
    intake = Intake(SystemClock(), [spec("a")])
    peer = Peer(intake, "a")
    await peer.send(wire.Health(False, "The camera is gone.", "Plug it in again."))
    peer.socket.close()
    error = await peer.ended()
    assert isinstance(error, DeviceGone)
    assert str(error) == "The camera is gone. Plug it in again."


@pytest.mark.parametrize("clock", [SystemClock(), scenario("a")], ids=["system", "scenario"])
async def test_a_core_that_is_slow_makes_the_sensor_wait(clock: Clock) -> None:
    intake = Intake(clock, [spec("a")])
    peer = Peer(intake, "a")
    frame = wire.encode(wire.Seen([seen("a", n) for n in range(500)]))
    sent = 0
    loop = asyncio.get_running_loop()
    for _ in range(4 * HELD_MAX // 500):
        try:
            async with asyncio.timeout(0.3):
                await loop.sock_sendall(peer.socket, frame)
        except TimeoutError:
            break
        sent += 500
    assert sent < 3 * HELD_MAX
    assert intake.status("a").observations < HELD_MAX + 2 * 500 * (256 // 8)
    peer.served.cancel()
    await peer.ended()


async def test_credentials_of_a_camera_are_not_shown() -> None:
    intake = Intake(SystemClock(), [spec("a", device="rtsp://user:secret@10.0.0.9/stream")])
    assert "secret" not in str(intake.status("a"))


@pytest.mark.parametrize("action", ["embed", "enrol"])
async def test_leave_reaches_the_cameras_of_one_screen(action: wire.Action) -> None:
    specs = [
        SensorSpec("kiosk", "face", "x", {}, "main"),
        SensorSpec("door", "face", "x", {}, ""),
        SensorSpec("other", "face", "x", {}, "second"),
    ]
    intake = Intake(SystemClock(), specs)
    kiosk, door, other = Peer(intake, "kiosk"), Peer(intake, "door"), Peer(intake, "other")
    for peer in (kiosk, door, other):
        await peer.told()
    assert await intake.grant(action, 10, "main") == ["kiosk"]
    assert await intake.grant(action, 10, "") == []
    assert await kiosk.told() == [wire.Leave(action, 10.0)]
    await intake.rotate_salt()
    for peer in (door, other):
        (salt,) = await peer.told()
        assert isinstance(salt, wire.Salt)
    for peer in (kiosk, door, other):
        await peer.close()


async def test_leave_for_a_picture_reaches_the_one_camera_that_is_named() -> None:
    specs = [SensorSpec(name, "face", "x", {}, "main") for name in ("kiosk", "beside")]
    intake = Intake(SystemClock(), specs)
    kiosk, beside = Peer(intake, "kiosk"), Peer(intake, "beside")
    for peer in (kiosk, beside):
        await peer.told()
    asking = asyncio.create_task(intake.picture("kiosk"))
    (leave,) = await kiosk.told()
    assert (leave.action, leave.seconds > 0) == ("picture", True)
    asking.cancel()
    await asyncio.wait([asking])
    assert await kiosk.told() == [wire.Leave("picture", 0.0)]
    await intake.rotate_salt()
    (salt,) = await beside.told()
    assert isinstance(salt, wire.Salt)
    for peer in (kiosk, beside):
        await peer.close()


async def test_leave_that_is_revoked_reaches_everybody_and_whoever_connects_later() -> None:
    intake = Intake(SystemClock(), [spec("door"), spec("late")])
    intake.stand("embed")
    door = Peer(intake, "door")
    assert (await door.told())[-1] == wire.Leave("embed", None)
    await intake.revoke("embed")
    assert await door.told() == [wire.Leave("embed", 0.0)]
    late = Peer(intake, "late")
    assert [type(message) for message in await late.told()] == [wire.Configure]
    await intake.renew("embed")
    assert await door.told() == await late.told() == [wire.Leave("embed", None)]
    for peer in (door, late):
        await peer.close()


async def test_a_devices_secret_is_read_at_each_connection_and_shown_nowhere(tmp_path) -> None:
    file = tmp_path / "secret"
    options: dict[str, object] = {"secret_file": str(file)}
    one = SensorSpec("hotspot", "radius", "udp:127.0.0.1:1813", options)
    intake = Intake(SystemClock(), [one])
    for secret in (b"the first", b"the second"):
        file.write_bytes(secret + b"\n")
        peer = Peer(intake, "hotspot")
        (configure,) = await peer.told()
        assert isinstance(configure, wire.Configure)
        assert configure.secret == secret
        for shown in (repr(configure), repr(one), repr(intake.statuses()), str(configure.options)):
            assert secret.decode() not in shown
        await peer.close()


@pytest.mark.parametrize("content", [None, b"", b" \n", b"x" * 257])
async def test_a_secret_that_is_none_ends_with_a_sentence(tmp_path, content) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    one = SensorSpec("hotspot", "radius", "udp:127.0.0.1:1813", {"secret_file": str(file)})
    peer = Peer(Intake(SystemClock(), [one]), "hotspot")
    ended = await peer.ended()
    assert isinstance(ended, DeviceNotFound)
    assert str(file) in ended.what
    assert ended.remedy
    far = SensorSpec("hotspot", "radius", "satellite:b/s", {"secret_file": str(file)})
    assert far.secret() == b"", "a satellite reads its own"
