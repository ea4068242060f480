"""A camera that survives: unplugged, frozen, hanging, hostile; and over RTSP from a real server."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import BadPicture, DeviceGone, DeviceNotFound
from hardware.live_camera import FRESH_S_MAX, PATIENCE, TOO_LARGE, Patience
from hardware.sight import FROZEN, Sight, SightLimits
from hardware.steady_camera import (
    BAD_IN_A_ROW_MAX,
    HANGING_MAX,
    LOST,
    OPENING,
    PACE,
    REPLAYING,
    UNDECODABLE,
    WATCHING,
    Pace,
    Retries,
    SteadyCamera,
    SteadySource,
    steady,
)
from tests.drivers.fake_camera import NAME, FakeDevice
from tests.drivers.mischief import MISCHIEF, MischievousServer
from tests.drivers.outages import KINDS, Outages
from tests.drivers.rtsp import LOGIN, GstCamera
from tests.programs import until

WAIT_S = 0.1
QUICK = Patience(open_s=0.3, silence_s=0.3)
PROMPT = Pace(retry_s=0.02, retry_s_max=0.1)
NOTICED_S_MAX = 12.0
RECOVERED_S_MAX = 10.0
OPENED_S = 2.0
"""What a working camera takes to open."""


@pytest.fixture
def device() -> Iterator[FakeDevice]:
    made = FakeDevice()
    yield made
    made.plugged_in = False
    made.flowing.set()
    made.opening.set()


def watching(device: FakeDevice, sight: Sight | None = None) -> SteadySource:
    return SteadySource(device.source, sight or Sight(), Retries(1, PROMPT), QUICK)


def read_until(
    camera: SteadyCamera, what: str, so: Callable[[], object], timeout_s: float = 20.0
) -> float:
    """Read until it is so; how long that took. Damaged pictures are passed over."""
    began_s = time.monotonic()
    while not so():
        assert time.monotonic() - began_s < timeout_s, f"not {what}: {camera.condition}"
        try:
            frame = camera.read(WAIT_S)
        except BadPicture:
            continue
        if frame is not None:
            frame.picture.fill(0)
    return time.monotonic() - began_s


def recover(camera: SteadyCamera) -> float:
    return read_until(camera, "watching", lambda: camera.condition == WATCHING)


def trouble(camera: SteadyCamera) -> float:
    return read_until(camera, "in trouble", lambda: not camera.condition.ok)


def test_it_opens_in_the_background_and_watches(device: FakeDevice) -> None:
    device.opening.clear()
    with watching(device) as camera:
        assert camera.live
        assert camera.read(0) is None
        assert camera.condition == OPENING
        device.opening.set()
        recover(camera)
    assert device.released == 1


def test_an_absent_camera_is_told_and_found_when_it_comes(device: FakeDevice) -> None:
    device.plugged_in = False
    with watching(device) as camera:
        trouble(camera)
        assert NAME in camera.condition.state
        assert camera.condition.remedy
        read_until(camera, "tried again", lambda: device.openings > 3)
        device.plugged_in = True
        recover(camera)
        assert not camera.drops(), "it was never lost"


def test_a_path_that_is_absent_and_then_no_camera_is_told_as_such(tmp_path: Path) -> None:
    path = tmp_path / "video0"
    with steady(f"v4l2:{path}") as camera:
        read_until(camera, "absent", lambda: "no camera at" in camera.condition.state)
        path.write_bytes(b"no camera")
        read_until(camera, "wrong", lambda: "gives no pictures" in camera.condition.state)
        assert "v4l2-ctl" in camera.condition.remedy


def test_an_unplugged_camera_is_opened_again(device: FakeDevice) -> None:
    with watching(device) as camera:
        for turn in range(3):
            recover(camera)
            device.plugged_in = False
            trouble(camera)
            device.plugged_in = True
            recover(camera)
            assert camera.drops() == {LOST: 1}, turn


def test_a_read_takes_no_longer_than_it_was_given(device: FakeDevice) -> None:
    """The heartbeat is the reader's: nothing may hold it up, whatever the library does."""
    longest_s = 0.0
    with watching(device) as camera:
        recover(camera)
        device.flowing.clear()
        while camera.condition.ok:
            began_s = time.monotonic()
            camera.read(WAIT_S)
            longest_s = max(longest_s, time.monotonic() - began_s)
        device.flowing.set()
    assert longest_s < 1.5


def test_a_library_that_hangs_is_left_behind_and_the_camera_opened_again(
    device: FakeDevice,
) -> None:
    with watching(device) as camera:
        recover(camera)
        device.flowing.clear()
        trouble(camera)
        assert "sent no picture" in camera.condition.state
        assert device.released == 0, "releasing under a waiting library would crash it"
        device.flowing.set()
        recover(camera)
        read_until(camera, "released by its own thread", lambda: device.released == 1)


def test_a_library_that_always_hangs_ends_the_process(device: FakeDevice) -> None:
    device.opening.clear()
    with watching(device) as camera:
        with pytest.raises(DeviceGone, match="new process") as told:
            read_until(camera, "given up", lambda: False)
        assert told.value.remedy
        assert device.openings == HANGING_MAX + 1
        assert "did not open" in camera.condition.state


def test_one_picture_over_and_over_counts_as_broken(device: FakeDevice) -> None:
    with watching(device, Sight(limits=SightLimits(frozen_s=1.0))) as camera:
        recover(camera)
        device.still = True
        trouble(camera)
        assert camera.condition.state == FROZEN.what
        read_until(camera, "opened again", lambda: device.openings == 2)
        for _ in range(5):
            assert camera.read(WAIT_S) is None, "a frozen picture is no picture"
        assert not camera.condition.ok, "opening it again has mended nothing"
        device.still = False
        recover(camera)


@pytest.mark.parametrize(("announced", "size"), [(True, (7680, 4320)), (False, (4100, 8))])
def test_what_is_too_large_is_refused_and_counted(
    device: FakeDevice, announced: bool, size: tuple[int, int]
) -> None:
    """By what the stream announces, before anything is decoded; or else by the first picture."""
    device.size, device.announces = size, announced
    with watching(device) as camera:
        trouble(camera)
        assert "{} x {}".format(*size) in camera.condition.state
        assert device.decoded == (0 if announced else 1)
        assert camera.drops()[TOO_LARGE] >= 1


def test_a_single_pixel_is_a_picture_that_shows_nothing(device: FakeDevice) -> None:
    device.size = (1, 1)
    with watching(device, Sight(limits=SightLimits(covered_s=0.5, dark_s=0.5))) as camera:
        trouble(camera)
        assert camera.condition.state.startswith("The camera's picture")


def test_a_stream_of_damage_is_told_each_time_and_at_last_opened_again(
    device: FakeDevice,
) -> None:
    device.damaged = True
    with watching(device) as camera:
        told = 0
        while camera.condition.ok:
            try:
                camera.read(WAIT_S)
            except BadPicture:
                told += 1
        assert told == BAD_IN_A_ROW_MAX
        assert camera.condition == UNDECODABLE
        device.damaged = False
        recover(camera)


def number(camera: SteadyCamera) -> int:
    """Which of the device's pictures is shown."""
    frame = None
    while frame is None:
        frame = camera.read(WAIT_S)
    return int.from_bytes(frame.picture[0, 0].tobytes(), "little")


def test_the_newest_picture_is_shown_and_only_what_is_asked_for_is_decoded(
    device: FakeDevice,
) -> None:
    device.numbered = True
    with watching(device) as camera:
        number(camera)
        for _ in range(3):
            asked = device.grabs
            until(lambda asked=asked: device.grabs > asked + 20, "many pictures that nobody wants")
            before = device.grabs
            assert before <= number(camera) <= device.grabs
        assert device.decoded == 4


def test_a_picture_that_came_too_late_for_its_reader_is_not_kept_for_the_next(
    device: FakeDevice,
) -> None:
    device.numbered = True
    with watching(device) as camera:
        number(camera)
        device.flowing.clear()
        assert camera.read(0) is None or camera.read(0) is None
        device.flowing.set()
        began, began_s = device.grabs, time.monotonic()
        until(
            lambda: device.grabs > began + 5 and time.monotonic() > began_s + 1.3 * FRESH_S_MAX,
            "a picture of the past",
        )
        before = device.grabs
        assert number(camera) >= before


# --- when it is tried again


@given(st.integers(0, 2**32), st.lists(st.floats(0, 20), min_size=1, max_size=30))
def test_attempts_come_within_the_longest_pause(seed: int, took_s: list[float]) -> None:
    """However long they take, and never in a rush: four in a row take at least three seconds."""
    retries, began_s, begun = Retries(seed), 0.0, [0.0]
    for each_s in took_s:
        failed_s = began_s + each_s
        due_s = retries.due_s(began_s, failed_s, None)
        assert failed_s <= due_s <= max(failed_s, began_s + PACE.retry_s_max)
        began_s = due_s
        begun.append(began_s)
    assert all(later - first >= 3 for first, later in zip(begun, begun[3:], strict=False))


@given(st.integers(0, 2**32))
def test_a_minute_of_health_forgets_old_troubles(seed: int) -> None:
    retries = Retries(seed)
    for _ in range(6):
        retries.due_s(0, 0, None)
    assert retries.due_s(0, 100, gave_s=100 - PACE.well_s + 1) >= 100 + PACE.retry_s_max * 0.75
    assert retries.due_s(0, 100, gave_s=100 - PACE.well_s) <= 100 + PACE.retry_s


def test_what_is_promised_follows_from_the_limits() -> None:
    assert max(PATIENCE.open_s, PACE.retry_s_max) + OPENED_S <= RECOVERED_S_MAX
    assert SightLimits().frozen_s + 1 <= NOTICED_S_MAX
    assert PATIENCE.silence_s + 1 <= NOTICED_S_MAX


# --- recordings


def test_a_recording_is_passed_through(tmp_path: Path) -> None:
    path = str(tmp_path / "a.png")
    cv2.imwrite(path, np.zeros((4, 4, 3), np.uint8))
    with steady(f"pictures:{path}") as camera:
        assert not camera.live
        assert camera.condition == REPLAYING
        times = []
        while not camera.ended:
            frame = camera.read(WAIT_S)
            times += [frame.offset_ms] if frame else []
        assert times == [0, 250, 500, 750]
        assert not camera.drops()


@pytest.mark.parametrize("place", ["replay:/nothing/here.avi", "http://door:canary@host/x"])
def test_what_is_no_camera_fails_at_once(place: str) -> None:
    with pytest.raises(DeviceNotFound) as told:
        steady(place)
    assert "canary" not in str(told.value)


# --- over a network, from a real server


def test_killed_frozen_and_unplugged_over_rtsp(capfd: pytest.CaptureFixture[str]) -> None:
    """Once each; the benchmark does it a hundred times with the product's own patience."""
    with Outages(Patience(silence_s=2.0)) as outages:
        suffered = [outages.suffer(kind, off_s=0.5) for kind in KINDS]
        assert outages.camera.drops() == {LOST: 3}
        written = repr(suffered) + repr(vars(outages.camera))
    for outage in suffered:
        assert outage.noticed_s <= NOTICED_S_MAX, outage
        assert outage.recovered_s <= RECOVERED_S_MAX, outage
    assert LOGIN[1] not in written + "".join(capfd.readouterr())


def test_a_picture_that_stands_still_over_rtsp_is_frozen() -> None:
    served = GstCamera("--still")
    quick = Sight(limits=SightLimits(frozen_s=2.0))
    try:
        with steady(served.address, sight=quick) as camera:
            recover(camera)
            trouble(camera)
            assert camera.condition.state == FROZEN.what
    finally:
        served.kill()


def test_hostile_servers_are_told_in_time_and_by_type(capfd: pytest.CaptureFixture[str]) -> None:
    """All at once, because FFmpeg takes its five seconds for each."""
    servers = {name: MischievousServer(answer) for name, answer in MISCHIEF.items()}
    cameras = {
        name: steady(f"rtsp://door:{LOGIN[1]}@127.0.0.1:{server.port}/door")
        for name, server in servers.items()
    }
    try:
        for name, camera in cameras.items():
            assert trouble(camera) <= PATIENCE.open_s + 2, name
            assert camera.condition.remedy
            assert LOGIN[1] not in str(camera.condition)
    finally:
        for camera in cameras.values():
            camera.__exit__()
        for server in servers.values():
            server.close()
    assert LOGIN[1] not in "".join(capfd.readouterr())
