"""The watcher on pictures of a person who has agreed to that: the portrait of scikit-image.

In the test's own process, on a real link to a core that the test plays, with dlib, which needs no
files. What the worker does as a process is in `test_face_sensor.py`.
"""

import socket
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import skimage.data

from edge.face_models import DLIB, dimensions_of
from edge.records import (
    FRAMES_FUSED_MAX,
    PHOTOS_WANTED,
    FaceReading,
    GoneReading,
    Hint,
    Moment,
    PoseReading,
    TrackReading,
)
from hardware.camera import Picture
from hardware.faces.backends import Backend, describer, detector, load
from hardware.faces.face import Box, FaceBackend
from sensors import wire
from sensors.core_link import CoreLink
from sensors.face.blurred import LINE_COLOUR, ZONE_COLOUR, blurred
from sensors.face.enrolling import HINT_EVERY_MS
from sensors.face.options import FaceOptions, Inside, Line, Zone, ZoneKind
from sensors.face.watcher import Watcher
from sensors.scenario import clips
from sensors.wire import Action
from tests.drivers.worker import configured

LOOK_MS = 250
STANDING = wire.Leave(Action.EMBED, None)
ASKED = wire.Leave(Action.EMBED, 60.0)
ONE_AFTER_ANOTHER = (
    "faces/identities/07346/041899.jpg",
    "faces/identities/07359/025256.jpg",
    "faces/identities/07367/018563.jpg",
)
LEFT_HALF = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))


class Scene:
    """A watcher, the core it speaks to, and a clock that the test moves."""

    def __init__(self, backend: FaceBackend, options: FaceOptions) -> None:
        self._core, theirs = socket.socketpair()
        self._core.settimeout(5)
        self._core.sendall(wire.encode(configured("live")))
        self._link = CoreLink(theirs, "face", 1)
        self._theirs = theirs
        self._reader = wire.FrameReader(down=False)
        self.watcher = Watcher(self._link, backend, options)
        self.now_ms = 0
        self.said: list[Any] = []
        self._chance = np.random.default_rng(1)

    def tell(self, message: wire.Down) -> None:
        self._core.sendall(wire.encode(message))

    def look(self, picture: Picture, looks: int = 1, *, step_ms: int = LOOK_MS) -> None:
        """Show it that often, a little moved each time, as somebody who stands there moves."""
        for _ in range(looks):
            x, y = self._chance.integers(-4, 5, 2)
            self.show(np.ascontiguousarray(np.roll(picture, (y, x), (0, 1))), step_ms)

    def show(self, picture: Picture, step_ms: int) -> None:
        self.now_ms += step_ms
        self.watcher.look(picture, Moment(self.now_ms, self.now_ms, "boot0001", True))
        self._hear()

    def ends(self) -> None:
        """The recording is over."""
        self.watcher.finish(Moment(self.now_ms, self.now_ms, "boot0001", True))
        self._hear()

    def _hear(self) -> None:
        self._link.flush()
        self._core.setblocking(False)
        try:
            while True:
                self.said += self._reader.feed(self._core.recv(1 << 20))
        except BlockingIOError:
            self._core.setblocking(True)

    def readings(self, kind: type) -> list[Any]:
        seen = [one for one in self.said if isinstance(one, wire.Seen)]
        found = [observation.reading for each in seen for observation in each.observations]
        return [reading for reading in found if isinstance(reading, kind)]

    def drops(self) -> Counter[str]:
        self._link._heartbeat()
        self.show(np.zeros((90, 160, 3), np.uint8), LOOK_MS)
        total: Counter[str] = Counter()
        for one in self.said:
            total.update(one.counts if isinstance(one, wire.Dropped) else {})
        return total

    def close(self) -> None:
        self._core.close()
        self._theirs.close()


@pytest.fixture(scope="module")
def backend() -> FaceBackend:
    return load(None, DLIB)


@pytest.fixture
def scenes(backend: FaceBackend) -> Iterator[Any]:
    made: list[Scene] = []

    def make(**options: Any) -> Scene:
        made.append(Scene(backend, FaceOptions(**options)))
        return made[-1]

    yield make
    for scene in made:
        scene.close()


@pytest.fixture(scope="module")
def portrait() -> Picture:
    """The head and shoulders, 400x400."""
    whole = skimage.data.astronaut()[:, :, ::-1]
    return np.ascontiguousarray(cv2.resize(whole[0:280, 90:370], (400, 400)), np.uint8)


def wall(*people: tuple[Picture, int, int, int]) -> Picture:
    """A grey view of 640x400 with people in it: picture, left, top, side."""
    view = np.full((400, 640, 3), 130, np.uint8)
    for picture, left, top, side in people:
        view[top : top + side, left : left + side] = cv2.resize(picture, (side, side))
    return view


@pytest.fixture(scope="module")
def two(portrait: Picture) -> Picture:
    """A smaller head on the left, a larger one on the right."""
    return wall((portrait, 20, 90, 230), (portrait, 270, 20, 370))


# --- whom leave is for


def test_on_request_only_the_nearest_is_described(scenes: Any, two: Picture) -> None:
    scene = scenes()
    scene.look(two, 3)
    assert len(scene.readings(TrackReading)) == 2
    scene.tell(ASKED)
    scene.look(two, 12)
    described = scene.readings(FaceReading)
    assert 3 <= len(described) <= FRAMES_FUSED_MAX
    assert len({face.track for face in described}) == 1
    nearest = max(scene.watcher._tracker.alive, key=lambda track: track.box.area)
    assert {face.track for face in described} == {nearest.number}


def test_in_a_marked_zone_everybody_in_it_and_nobody_else(scenes: Any, two: Picture) -> None:
    scene = scenes(zones={"door": Zone(ZoneKind.ENTRY, LEFT_HALF, recognise=True)})
    scene.tell(STANDING)
    scene.look(two, 8)
    left = min(scene.watcher._tracker.alive, key=lambda track: track.box.left)
    assert {face.track for face in scene.readings(FaceReading)} == {left.number}


def test_without_zones_the_whole_view_is_one(scenes: Any, two: Picture) -> None:
    scene = scenes()
    scene.tell(STANDING)
    scene.look(two, 10)
    described = Counter(face.track for face in scene.readings(FaceReading))
    assert len(described) == 2
    assert max(described.values()) <= FRAMES_FUSED_MAX


def test_what_was_kept_is_overwritten_when_leave_ends(scenes: Any, portrait: Picture) -> None:
    scene, view = scenes(), wall((portrait, 120, 0, 400))
    scene.tell(STANDING)
    scene.look(view, 5)
    (person,) = scene.watcher._embedding._people.values()
    kept = person.description._sum
    assert kept is not None
    assert kept.any()
    scene.tell(wire.Leave(Action.EMBED, 0.0))
    scene.look(view)
    assert not kept.any()
    before = len(scene.readings(FaceReading))
    scene.look(view, 4)
    assert len(scene.readings(FaceReading)) == before


class Holding(Backend):
    """A backend that says whose face its model still holds."""

    holds = False

    def embed(self, chip: Picture, *, mirrored: bool = False) -> np.ndarray:
        self.holds = True
        return super().embed(chip, mirrored=mirrored)

    def forget(self) -> None:
        self.holds = False
        super().forget()


@pytest.fixture(scope="module")
def holding() -> Holding:
    return Holding(detector(None), describer(None, DLIB))


def gone(scene: Scene) -> None:
    scene.look(wall(), 2, step_ms=1_100)


def forbidden(scene: Scene) -> None:
    scene.tell(wire.Leave(Action.EMBED, 0.0))
    scene.look(wall())


def over(scene: Scene) -> None:
    scene.watcher.finish(Moment(0, 0, "boot0001", True))


@pytest.mark.parametrize("end", [gone, forbidden, over])
def test_the_model_forgets_when_nobody_is_described_any_more(
    holding: Holding, portrait: Picture, end: Callable[[Scene], None]
) -> None:
    scene = Scene(holding, FaceOptions())
    scene.tell(STANDING)
    scene.look(wall((portrait, 120, 0, 400)), 5)
    assert holding.holds
    end(scene)
    assert not holding.holds
    scene.close()


def test_an_enrolment_leaves_nothing_in_the_model_and_no_chip_of_who_asked_before(
    holding: Holding, portrait: Picture
) -> None:
    scene, near = (
        Scene(holding, FaceOptions()),
        np.ascontiguousarray(cv2.resize(portrait, (800, 800))),
    )
    scene.tell(STANDING)
    scene.look(near, 4)
    (person,) = scene.watcher._embedding._people.values()
    assert not person.description.empty
    scene.tell(wire.Leave(Action.ENROL, 60.0))
    scene.look(near)
    assert person.description.empty, "the leave to describe may end meanwhile"
    scene.tell(wire.Leave(Action.EMBED, 0.0))
    scene.look(near, 16, step_ms=400)
    good = [one for one in scene.readings(PoseReading) if one.hint is Hint.GOOD]
    assert len(good) == PHOTOS_WANTED
    assert not holding.holds
    scene.close()


# --- a poster


def test_a_poster_is_counted_once_and_described_no_more_than_anybody(
    scenes: Any, portrait: Picture
) -> None:
    """It is found and lost again for minutes; nothing in its place ever moves."""
    scene, poster = scenes(), wall((portrait, 120, 0, 400))
    scene.tell(STANDING)
    for _ in range(26):
        for _ in range(2):
            scene.show(poster.copy(), LOOK_MS)
        scene.show(poster.copy(), 5_500)
    assert len(scene.readings(TrackReading)) <= 2, "before it is known it may be lost once"
    assert len(scene.readings(FaceReading)) <= FRAMES_FUSED_MAX
    assert scene.drops()["face_unmoving"] > 0
    assert scene.watcher._tracker.alive == []


def test_two_people_of_flesh_and_blood_who_follow_at_once_are_two(
    scenes: Any, recordings: Path, backend: FaceBackend
) -> None:
    """Each walks in where the other one was seen six tenths of a second ago."""
    photographs = [cv2.imread(str(recordings / path)) for path in ONE_AFTER_ANOTHER]
    scene, empty = scenes(), clips.EMPTY_FRAMES
    scene.tell(STANDING)
    for seed, photograph in enumerate(photographs):
        frames = list(clips.walk(photograph, seed=seed))
        for frame in frames[empty:-empty] + frames[-2:]:
            scene.show(frame, 1000 // clips.FRAMES_PER_S)
    scene.ends()
    told = [track.track for track in scene.readings(TrackReading)]
    assert told == list(range(1, len(photographs) + 1))
    assert [track.track for track in scene.readings(GoneReading)] == told
    vectors = []
    for photograph in photographs:
        face = backend.detect(photograph)[0]
        vectors.append(backend.embed(backend.chip(photograph, face)))
    for face in scene.readings(FaceReading):
        fused = np.frombuffer(face.fused, "<f4")
        assert int(np.argmax([fused @ vector for vector in vectors])) == face.track - 1
    frames_of = Counter(face.track for face in scene.readings(FaceReading))
    assert min(frames_of.values()) >= 3


# --- enrolment


def test_an_enrolment_takes_five_good_frames_and_stops(scenes: Any, portrait: Picture) -> None:
    scene = scenes()
    near = cv2.resize(portrait, (800, 800))
    scene.tell(wire.Leave(Action.ENROL, 60.0))
    scene.look(np.ascontiguousarray(near), 18, step_ms=400)
    poses = scene.readings(PoseReading)
    good = [pose for pose in poses if pose.hint is Hint.GOOD]
    assert len(good) == PHOTOS_WANTED
    assert {(pose.model, len(pose.vector)) for pose in good} == {(DLIB, 4 * dimensions_of(DLIB))}
    vectors = np.array([np.frombuffer(pose.vector, "<f4") for pose in good])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert len(poses) == PHOTOS_WANTED, "complete: nothing more is said"
    assert scene.readings(FaceReading) == []


def test_hints_say_what_to_do_and_come_at_most_five_times_a_second(
    scenes: Any, portrait: Picture, two: Picture
) -> None:
    scene = scenes()
    scene.tell(wire.Leave(Action.ENROL, 60.0))
    scene.look(wall(), 10, step_ms=50)
    assert len(scene.readings(PoseReading)) <= 10 * 50 / HINT_EVERY_MS + 1
    far = wall((portrait, 220, 100, 200))
    for picture, hint in ((wall(), Hint.NOBODY), (two, Hint.ALONE), (far, Hint.CLOSER)):
        scene.look(picture)
        last = scene.readings(PoseReading)[-1]
        assert (last.hint, bytes(last.vector)) == (hint, b"")


# --- a technician's picture


def test_a_picture_is_sent_once_for_each_leave(scenes: Any, two: Picture) -> None:
    scene = scenes()
    scene.look(two, 2)
    assert [one for one in scene.said if isinstance(one, wire.Pictured)] == []
    for count in (1, 2):
        scene.tell(wire.Leave(Action.PICTURE, 60.0))
        scene.look(two, 3)
        assert sum(isinstance(one, wire.Pictured) for one in scene.said) == count


@pytest.mark.parametrize("size", [(640, 400), (1920, 1200)])
def test_nobody_is_told_from_a_picture_and_what_is_drawn_shows(
    backend: FaceBackend, portrait: Picture, two: Picture, size: tuple[int, int]
) -> None:
    view = np.ascontiguousarray(cv2.resize(two, size), np.uint8)
    before = view.copy()
    options = FaceOptions(
        zones={"till": Zone(ZoneKind.QUEUE, LEFT_HALF)},
        lines={"door": Line((0.1, 0.9), (0.9, 0.9), Inside.ABOVE)},
    )
    jpeg = blurred(view, backend, [], options)
    assert 0 < len(jpeg) <= wire.PICTURE_BYTES_MAX
    assert (view == before).all()
    seen = np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR), np.uint8)
    assert backend.detect(seen) == []
    for colour in (LINE_COLOUR, ZONE_COLOUR):
        near = np.abs(seen.astype(int) - colour).max(axis=2) < 60
        assert np.count_nonzero(near) > 200, colour


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (700, 1)])
def test_a_picture_without_room_for_anybody_ends_nothing(
    backend: FaceBackend, size: tuple[int, int]
) -> None:
    jpeg = blurred(np.zeros((*size, 3), np.uint8), backend, [], FaceOptions())
    seen = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert seen.shape == size


def test_a_followed_head_is_hidden_though_no_face_is_found(
    backend: FaceBackend, portrait: Picture
) -> None:
    """Somebody who has just turned away."""
    view = wall((portrait, 120, 0, 400))[::-1].copy()  # upside down: nobody finds it
    assert backend.detect(view) == []
    head = Box(230, 160, 410, 340)
    jpeg = blurred(view, backend, [head], FaceOptions())
    seen = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    hidden = seen[head.top : head.bottom, head.left : head.right]
    shown = cv2.cvtColor(view, cv2.COLOR_BGR2GRAY)[head.top : head.bottom, head.left : head.right]
    assert cv2.Laplacian(hidden, cv2.CV_64F).var() < cv2.Laplacian(shown, cv2.CV_64F).var() / 50
