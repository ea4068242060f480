"""The face sensor as a real process: who comes is counted, and described only with leave."""

import json
import socket
from base64 import b64decode
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.face_models import DLIB, dimensions_of
from edge.records import (
    FRAMES_FUSED_MAX,
    CrossingReading,
    FaceReading,
    Moment,
    QueueReading,
    StayReading,
    TrackReading,
)
from hardware.camera import Picture
from hardware.faces.backends import load
from hardware.faces.face import FaceBackend
from sensors import wire
from sensors.core_link import CoreLink
from sensors.face.options import FaceOptions
from sensors.face.quality import judged
from sensors.face.watcher import Watcher
from sensors.scenario import story
from tests.drivers.gone import gone_once
from tests.drivers.worker import Worker, configured, running, started
from tests.scenarios import built

START_MS = 1_700_000_000_000
END_S_MAX = 60.0
EMBED = wire.Leave("embed", None)
THRESHOLD = {"threshold": {"from": [0.0, 0.54], "to": [1.0, 0.54], "inside": "below"}}
"""As in the demo: everybody who comes into view there walks in over it."""
VECTOR_BYTES = 4 * dimensions_of(DLIB)


@pytest.fixture(scope="module")
def directory() -> Path:
    return built()


@pytest.fixture
def clip(directory: Path) -> Path:
    """Anna walks in: the first visit of the scenario."""
    return directory / "visit-01.avi"


def watched(device: str, *leave: wire.Leave, options: dict[str, object] | None = None) -> Worker:
    """A whole recording; the worker has ended, what it said is kept."""
    with running("face", configured(device, options, START_MS)) as worker:
        for one in leave:
            worker.send(one)
        worker.until(lambda: worker.finished and worker.at_end_of_time, END_S_MAX)
    return worker


def tracks(worker: Worker) -> list[int]:
    return [one.track for one in worker.readings if isinstance(one, TrackReading)]


def faces(worker: Worker) -> list[FaceReading]:
    return [one for one in worker.readings if isinstance(one, FaceReading)]


def vector_of(content: bytes | bytearray) -> np.ndarray:
    return np.frombuffer(content, "<f4")


def distance(one: bytes | bytearray, other: bytes | bytearray) -> float:
    """Of two dlib vectors, each of length 1."""
    vectors = [vector_of(each) / np.linalg.norm(vector_of(each)) for each in (one, other)]
    return float(np.linalg.norm(vectors[0] - vectors[1]))


def test_without_leave_people_are_counted_and_nobody_described(clip: Path) -> None:
    worker = watched(f"replay:{clip}")
    assert tracks(worker) == [1]
    assert faces(worker) == []


def test_with_leave_each_track_is_described_a_few_times(clip: Path) -> None:
    worker = watched(f"replay:{clip}", EMBED)
    assert tracks(worker) == [1]
    described = faces(worker)
    assert 3 <= len(described) <= FRAMES_FUSED_MAX
    assert {(one.track, one.model, len(one.vector)) for one in described} == {
        (1, DLIB, VECTOR_BYTES)
    }
    assert all(np.isfinite(np.frombuffer(one.vector, "<f4")).all() for one in described)
    assert isinstance(worker.readings[0], TrackReading)
    assert [one.frames for one in described] == list(range(1, len(described) + 1))
    for count, one in enumerate(described, start=1):
        vectors = [vector_of(each.vector) for each in described[:count]]
        assert np.linalg.norm(vectors[-1]) == pytest.approx(1, abs=1e-5)
        fused = np.mean(vectors, axis=0)
        np.testing.assert_allclose(vector_of(one.fused), fused / np.linalg.norm(fused), atol=1e-5)
        assert one.doubt == ""
    assert all(0 < one.quality <= 1 for one in worker.observations[1:])


def test_leave_that_ran_out_or_is_for_something_else_is_no_leave(clip: Path) -> None:
    leave = (EMBED, wire.Leave("embed", 0.0), wire.Leave("picture", None))
    worker = watched(f"replay:{clip}", *leave)
    assert tracks(worker) == [1]
    assert faces(worker) == []


def test_leave_given_while_somebody_stands_there_counts_from_then_on(clip: Path) -> None:
    """Without a timeline the clip is played in its own time, as live."""
    with started("face", f"replay:{clip}") as worker:
        worker.until(lambda: worker.observations)
        assert tracks(worker) == [1]
        assert faces(worker) == []
        worker.send(EMBED)
        worker.until(lambda: faces(worker))


def test_each_leave_describes_the_same_person_again(directory: Path) -> None:
    """Asked again before the same camera, without having left: there is an answer again."""
    video = cv2.VideoCapture(str(directory / "visit-01.avi"))
    pictures = [picture for _ in range(60) if (picture := video.read()[1]) is not None]
    video.release()
    backend = load(None)
    picture = max(pictures[::5], key=lambda one: best_quality(backend, one))
    core, theirs = socket.socketpair()
    with core, theirs:
        core.settimeout(END_S_MAX)
        core.sendall(wire.encode(configured("live")))
        link = CoreLink(theirs, "face", 1)
        watcher = Watcher(link, backend, FaceOptions())
        reader, found, mono_ms = wire.FrameReader(down=False), [], 0
        for wanted in (FRAMES_FUSED_MAX, 2 * FRAMES_FUSED_MAX):
            core.sendall(wire.encode(wire.Leave("embed", 60.0)))
            for _ in range(FRAMES_FUSED_MAX + 3):
                mono_ms += 250
                watcher.look(picture, Moment(START_MS + mono_ms, mono_ms, "boot0001", True))
            for message in reader.feed(core.recv(1024 * 1024)):
                found += message.observations if isinstance(message, wire.Seen) else []
            faces_found = [one.reading for one in found if isinstance(one.reading, FaceReading)]
            assert len(faces_found) == wanted
            assert {face.track for face in faces_found} == {1}


def best_quality(backend: FaceBackend, picture: Picture) -> float:
    return max((judged(picture, face).score for face in backend.detect(picture)), default=0.0)


def test_the_morning_shows_who_walks_in_and_nobody_else(directory: Path) -> None:
    """The real embeddings of the whole scenario against the real templates."""
    morning = story.load(directory)
    rows = json.loads((directory / "platform" / "templates.json").read_text())
    known = {row["member"]: [b64decode(one) for one in row["vectors"]] for row in rows}
    worker = watched(f"simulated:{directory / 'door.json'}", EMBED, options={"lines": THRESHOLD})
    assert tracks(worker) == list(range(1, len(morning.visits) + 1))
    crossed = [one for one in worker.readings if isinstance(one, CrossingReading)]
    assert crossed == [CrossingReading("threshold", True, track) for track in tracks(worker)]
    gone_once(worker.readings)
    for visit, track in zip(morning.visits, tracks(worker), strict=True):
        seen = [one for one in worker.observations if one.reading.track == track]
        at_ms = seen[0].seen.wall_ms - START_MS + morning.start_ms
        assert visit.at_ms < at_ms < visit.at_ms + 3_000
        vectors = [one.reading.vector for one in seen if isinstance(one.reading, FaceReading)]
        assert len(vectors) >= 3
        for member, templates in known.items():
            nearest = [min(distance(one, other) for other in templates) for one in vectors]
            if visit.by_face and member == visit.member:
                assert max(nearest) < 0.36
            else:
                assert min(nearest) > 0.44


def test_who_was_there_before_a_pause_of_the_recording_left_then_and_not_after_it(
    tmp_path: Path, clip: Path
) -> None:
    pause_ms = 600_000
    segments = [{"at_ms": at_ms, "video": str(clip)} for at_ms in (0, pause_ms)]
    script = tmp_path / "door.json"
    script.write_text(json.dumps({"segments": segments, "end_ms": 2 * pause_ms}))
    till = {"kind": "queue", "area": [[0, 0], [1, 0], [1, 1], [0, 1]]}
    with running(
        "face", configured(f"simulated:{script}", {"zones": {"till": till}}, START_MS)
    ) as worker:
        worker.until(lambda: worker.finished and worker.at_end_of_time, END_S_MAX)
    left = [
        one.seen.wall_ms - START_MS
        for one in worker.observations
        if isinstance(one.reading, StayReading)
        or (isinstance(one.reading, QueueReading) and one.reading.length == 0)
    ]
    first = [at_ms for at_ms in left if at_ms <= pause_ms + 1_000]
    assert len(first) == 2
    assert max(first) < 30_000


def test_a_restarted_replay_does_not_tell_again(clip: Path) -> None:
    again = wire.Configure(
        "tested", f"replay:{clip}", {}, bytes(32), "boot0001", START_MS, START_MS + 10_000
    )
    with running("face", again) as worker:
        worker.send(EMBED)
        worker.until(lambda: worker.finished)
        assert worker.observations == []


def test_a_still_picture_is_somebody_too(tmp_path: Path, directory: Path) -> None:
    video = cv2.VideoCapture(str(directory / "visit-03.avi"))
    for _ in range(10):
        _, picture = video.read()
    video.release()
    cv2.imwrite(str(tmp_path / "1.png"), picture)
    cv2.imwrite(str(tmp_path / "2.png"), np.full_like(picture, 90))
    (tmp_path / "3.jpg").write_bytes(b"no picture")
    with running("face", configured(f"pictures:{tmp_path}", None, START_MS)) as worker:
        worker.send(EMBED)
        worker.until(lambda: worker.finished and worker.dropped)
        assert tracks(worker) == [1]
        assert faces(worker)
        assert worker.dropped["picture_undecodable"] == 1
        assert "3.jpg" in worker.stderr


def test_a_damaged_video_is_watched_as_far_as_it_goes(tmp_path: Path, clip: Path) -> None:
    path = tmp_path / "damaged.avi"
    content = clip.read_bytes()
    path.write_bytes(content[: len(content) * 3 // 4])
    with running("face", configured(f"replay:{path}", None, START_MS)) as worker:
        worker.until(lambda: worker.finished and worker.dropped)
        assert tracks(worker) == [1]
        assert worker.dropped["picture_undecodable"] == 1


def test_real_photographs_make_a_clip_that_is_recognised(recordings: Path, tmp_path: Path) -> None:
    """What the demo draws holds for people of flesh and blood, in small."""
    from sensors.scenario import clips

    people = sorted((recordings / "video" / "enrol").glob("*.png"))
    for number, path in enumerate(people):
        clips.render(cv2.imread(str(path)), tmp_path / f"{number}.avi", seed=number)
    segments = [{"at_ms": 10_000 * n, "video": f"{n}.avi"} for n in range(len(people))]
    script = {"segments": segments, "end_ms": 20_000}
    (tmp_path / "door.json").write_text(json.dumps(script))
    worker = watched(f"simulated:{tmp_path / 'door.json'}", EMBED)
    assert tracks(worker) == [1, 2]
    backend = load(None)
    for number, path in enumerate(people):
        photograph = cv2.imread(str(path))
        face = backend.detect(photograph)[0]
        template = backend.embed(backend.chip(photograph, face)).astype("<f4").tobytes()
        for face in faces(worker):
            same = face.track == number + 1
            assert (distance(face.vector, template) < 0.4) == same
