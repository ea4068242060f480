"""Frame sources: recorded, drawn, and live over a real RTSP connection."""

import json
import random
import resource
import struct
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import BadPicture, DeviceGone, DeviceNotFound, WrongDevice
from hardware.camera import SIDE_PIXELS_MAX, Camera, Frame, open_camera, redacted
from hardware.recorded_camera import STILL_SHOWS
from sensors.scenario import clips
from tests.drivers.rtsp import LOGIN, GstCamera

WAIT_S = 2.0
GONE_S_MAX = 15.0
FRAMES = clips.FACE_FRAMES + 2 * clips.EMPTY_FRAMES


def textured(value: int) -> np.ndarray:
    chance = np.random.default_rng(value)
    return chance.integers(0, 255, (120, 90, 3), dtype=np.uint8)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.avi"
    clips.render(textured(1), path, seed=1, frame_size=(160, 120))
    return path


def shown(camera: Camera) -> tuple[list[Frame], list[str]]:
    """All frames, and what was said about damaged ones."""
    frames, damage = [], []
    with camera:
        while not camera.ended:
            try:
                frame = camera.read(WAIT_S)
            except BadPicture as error:
                damage.append(error.what)
                continue
            if frame is not None:
                frames.append(frame)
    return frames, damage


# --- recorded


def test_a_video_keeps_its_times(clip: Path) -> None:
    frames, damage = shown(open_camera(f"replay:{clip}"))
    assert [frame.offset_ms for frame in frames] == [200 * place for place in range(FRAMES)]
    assert all(frame.picture.shape == (120, 160, 3) for frame in frames)
    assert not damage


def damaged(clip: Path, place: int) -> None:
    """Blank out one picture of a Motion JPEG file."""
    content = bytearray(clip.read_bytes())
    start = -1
    for _ in range(place + 1):
        start = content.index(b"00dc", start + 1)
    size = int.from_bytes(content[start + 4 : start + 8], "little")
    content[start + 8 : start + 8 + size] = bytes(size)
    clip.write_bytes(content)


def test_a_damaged_picture_is_told_and_passed_over(clip: Path) -> None:
    damaged(clip, 6)
    frames, damage = shown(open_camera(f"replay:{clip}"))
    assert [frame.offset_ms for frame in frames] == [
        200 * place for place in range(FRAMES) if place != 6
    ]
    assert len(damage) == 1


def test_a_video_cut_short_is_told_once(clip: Path) -> None:
    content = clip.read_bytes()
    clip.write_bytes(content[: len(content) // 2])
    frames, damage = shown(open_camera(f"replay:{clip}"))
    assert 0 < len(frames) < FRAMES
    assert len(damage) == 1
    assert "ends after" in damage[0]


def test_stills_are_held_up_one_after_the_other(tmp_path: Path) -> None:
    for name in ("b.png", "a.png"):
        cv2.imwrite(str(tmp_path / name), textured(ord(name[0])))
    (tmp_path / "c.jpg").write_bytes(b"no picture")
    (tmp_path / "notes.txt").write_text("no picture, and not called one")
    frames, damage = shown(open_camera(f"pictures:{tmp_path}"))
    assert len(frames) == 2 * STILL_SHOWS
    times = [frame.offset_ms for frame in frames]
    assert times == sorted(set(times))
    assert times[STILL_SHOWS] - times[STILL_SHOWS - 1] > 1000, "the first has left before"
    assert np.array_equal(frames[0].picture, textured(ord("a")))
    assert np.array_equal(frames[-1].picture, textured(ord("b")))
    assert len(damage) == 1


def test_a_wiped_still_is_shown_whole_again(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), textured(1))
    with open_camera(f"pictures:{tmp_path / 'a.png'}") as camera:
        for _ in range(2):
            frame = camera.read(WAIT_S)
            assert frame is not None
            assert np.array_equal(frame.picture, textured(1))
            frame.picture.fill(0)


def scripted(folder: Path, segments: list[dict[str, object]]) -> str:
    path = folder / "door.json"
    path.write_text(json.dumps({"segments": segments, "end_ms": 1000}))
    return f"simulated:{path}"


def test_a_script_shows_its_videos_at_their_times(clip: Path) -> None:
    segments = [{"at_ms": at_ms, "video": clip.name} for at_ms in (60_000, 5_000)]
    frames, damage = shown(open_camera(scripted(clip.parent, segments)))
    times = [frame.offset_ms for frame in frames]
    assert times == [at_ms + 200 * place for at_ms in (5_000, 60_000) for place in range(FRAMES)]
    assert not damage


def test_a_script_goes_on_after_a_damaged_video(clip: Path) -> None:
    content = clip.read_bytes()
    (clip.parent / "short.avi").write_bytes(content[: len(content) // 2])
    segments = [{"at_ms": 0, "video": "short.avi"}, {"at_ms": 9_000, "video": clip.name}]
    frames, damage = shown(open_camera(scripted(clip.parent, segments)))
    assert sum(frame.offset_ms >= 9_000 for frame in frames) == FRAMES
    assert len(damage) == 1


@pytest.mark.parametrize(
    "device", ["replay:{}/no.avi", "pictures:{}/no", "simulated:{}/no.json", "v4l2:{}/video0"]
)
def test_what_is_not_there_is_not_found(device: str, tmp_path: Path) -> None:
    with pytest.raises(DeviceNotFound) as told:
        open_camera(device.format(tmp_path))
    assert told.value.remedy


def test_a_script_naming_a_missing_video_is_refused_at_once(tmp_path: Path) -> None:
    device = scripted(tmp_path, [{"at_ms": 0, "video": "no.avi"}])
    with pytest.raises(DeviceNotFound, match=r"no\.avi"):
        open_camera(device)


@pytest.mark.parametrize("form", ["replay", "pictures", "simulated", "v4l2"])
def test_garbage_is_the_wrong_device(form: str, tmp_path: Path) -> None:
    path = tmp_path / "garbage"
    path.write_bytes(bytes(range(256)) * 16)
    with pytest.raises(WrongDevice) as told:
        open_camera(f"{form}:{path}")
    assert told.value.remedy


@pytest.mark.parametrize("script", ["[]", '{"segments": [{"at_ms": -1, "video": "a"}]}', "{"])
def test_a_wrong_script_is_refused(script: str, tmp_path: Path) -> None:
    (tmp_path / "door.json").write_text(script)
    with pytest.raises(WrongDevice, match="no camera script"):
        open_camera(f"simulated:{tmp_path / 'door.json'}")


def test_an_unknown_form_names_the_known_ones() -> None:
    with pytest.raises(DeviceNotFound, match="v4l2:"):
        open_camera("http://door:hunter2@camera")


def png_bomb(side: int) -> bytes:
    """A black picture of one bit each: some kilobytes that the decoder makes three bytes each."""
    chunks = {
        b"IHDR": struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0),
        b"IDAT": zlib.compress(bytes((side // 8 + 1) * side), 9),
        b"IEND": b"",
    }
    told = [
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks.items()
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(told)


def test_a_still_larger_than_the_box_can_bear_is_not_decoded(tmp_path: Path) -> None:
    """Its header alone is read; decoded it would take 300 MB."""
    bomb = png_bomb(10_000)
    assert len(bomb) < 20_000
    (tmp_path / "bomb.png").write_bytes(bomb)
    cv2.imwrite(str(tmp_path / "wide.jpg"), np.zeros((4, SIDE_PIXELS_MAX + 4, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "z.png"), np.full((1, 1, 3), 7, np.uint8))
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    frames, damage = shown(open_camera(f"pictures:{tmp_path}"))
    assert [frame.picture.shape for frame in frames] == [(1, 1, 3)] * STILL_SHOWS
    assert len(damage) == 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak_kib < 100_000


def test_a_small_still_of_that_kind_is_shown(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png_bomb(1_000))
    frames, damage = shown(open_camera(f"pictures:{tmp_path}"))
    assert [frame.picture.shape for frame in frames] == [(1000, 1000, 3)] * STILL_SHOWS
    assert not damage


def test_a_still_of_another_format_under_a_known_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(cv2.imencode(".tiff", textured(1))[1].tobytes())
    frames, damage = shown(open_camera(f"pictures:{tmp_path}"))
    assert (len(frames), len(damage)) == (0, 1)


def test_a_video_of_8k_is_the_wrong_device(tmp_path: Path) -> None:
    path = tmp_path / "8k.avi"
    codec = cv2.VideoWriter.fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, codec, 5, (7680, 4320))
    writer.write(np.zeros((4320, 7680, 3), np.uint8))
    writer.release()
    with pytest.raises(WrongDevice, match="no video that can be shown"):
        open_camera(f"replay:{path}")


@pytest.mark.parametrize("seed", range(8))
def test_a_hostile_video_ends_with_what_could_be_shown(clip: Path, seed: int) -> None:
    """Whatever is in it: pictures in order, damage told, and an end; or it is refused at once."""
    chance = random.Random(seed)
    content = bytearray(clip.read_bytes())
    for _ in range(chance.randrange(1, 60)):
        content[chance.randrange(len(content))] = chance.randrange(256)
    content = content[: chance.randrange(len(content) // 2, len(content))]
    clip.write_bytes(content)
    try:
        frames, damage = shown(open_camera(f"replay:{clip}"))
    except WrongDevice:
        return
    times = [frame.offset_ms for frame in frames]
    assert times == sorted(set(times))
    assert len(frames) <= FRAMES
    assert len(damage) <= FRAMES + 1


@pytest.mark.parametrize(
    ("device", "safe"),
    [
        ("rtsp://u:p@host/a", "rtsp://host"),
        ("rtsp://host:554/user=u_password=p.sdp", "rtsp://host:554"),
        ("rtsp://[fe80::1]:554/a?password=p", "rtsp://[fe80::1]:554"),
        ("rtsp://u:p@ss@host:554/a", "rtsp://host:554"),
        ("rtsp://u:p/x@host/a", "rtsp://..."),
        ("rtsp:/u:p@host", "rtsp://..."),
        ("http://u:p@host/a", "http://host"),
        ("secret@host", "..."),
        ("replay:/a@b.avi", "replay:/a@b.avi"),
    ],
)
def test_of_an_address_only_the_host_is_told(device: str, safe: str) -> None:
    assert redacted(device) == safe


@given(
    st.from_regex(r"[a-z]{3,8}:canary[a-z0-9/?#@:%._-]{0,8}@", fullmatch=True),
    st.sampled_from(["host", "10.0.0.7:554", "[::1]:554", ""]),
    st.sampled_from(["", "/", "/a/b", "/a@b", "?x=1"]),
)
def test_no_spelling_of_a_login_is_told(login: str, host: str, path: str) -> None:
    assert "canary" not in redacted(f"rtsp://{login}{host}{path}")


# --- live


@pytest.fixture
def network_camera() -> Iterator[GstCamera]:
    camera = GstCamera()
    yield camera
    camera.kill()


def test_a_network_camera_shows_the_present_until_it_is_killed(network_camera: GstCamera) -> None:
    with open_camera(network_camera.address) as camera:
        assert camera.live
        for _ in range(3):
            frame = camera.read(WAIT_S)
            assert frame is not None
            assert frame.picture.shape == (240, 320, 3)
        network_camera.kill()
        told = gone(camera)
        assert told.remedy
        assert LOGIN[1] not in str(told)


def gone(camera: Camera) -> DeviceGone:
    """How a camera that stopped says so."""
    deadline_s = time.monotonic() + GONE_S_MAX
    while time.monotonic() < deadline_s:
        try:
            camera.read(0.1)
        except DeviceGone as error:
            return error
    pytest.fail(f"the camera was not gone after {GONE_S_MAX} s")


def test_a_refused_login_names_the_camera_but_not_the_password(
    network_camera: GstCamera, capfd: pytest.CaptureFixture[str]
) -> None:
    host = f"127.0.0.1:{network_camera.port}"
    with pytest.raises(DeviceNotFound) as told:
        open_camera(f"rtsp://mistaken:opensesame@{host}/door")
    assert host in told.value.what
    written = "".join(capfd.readouterr()) + str(told.value)
    assert "mistaken" not in written
    assert "opensesame" not in written


def test_a_camera_that_nobody_serves_is_not_found() -> None:
    with pytest.raises(DeviceNotFound):
        open_camera("rtsp://127.0.0.1:9/door")
