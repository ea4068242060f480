"""Where faces are looked for, and a crowd of fifty: the work of one look has a limit.

Faces here are plain squares, which a detector of the test finds at once; what is tested is what
the sensor makes of them.
"""

from collections import Counter
from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.records import FRAMES_FUSED_MAX, FaceReading, TrackReading
from hardware.camera import Picture
from hardware.faces.aligning import TEMPLATE
from hardware.faces.face import FACES_MAX, Box, Face, Vector, largest
from sensors.face.embedding import EMBEDDINGS_PER_LOOK_MAX
from sensors.face.gate import WAKES_AFTER_MS
from sensors.face.options import FaceOptions
from sensors.face.searching import SHARE_MAX, WHOLE_EVERY_MS, WIDE_EVERY_MS, Searching, found
from sensors.face.tracker import TRACKS_MAX
from tests.drivers.test_face_watching import STANDING, Scene

VIEW = np.full((720, 1280, 3), 90, np.uint8)
WHOLE = Box(0, 0, 1280, 720)
LOOK_MS = 125


class Squares:
    """A backend for which a bright square is a face. `searched` are the areas it was shown."""

    model, dimensions, side = "squares", 16, 32

    def __init__(self) -> None:
        self.searched: list[int] = []
        self.embedded = 0

    def detect(self, picture: Picture) -> list[Face]:
        self.searched.append(picture.shape[0] * picture.shape[1])
        bright = (picture[:, :, 1] > 150).astype(np.uint8)
        _, _, boxes, _ = cv2.connectedComponentsWithStats(bright)
        return largest([self._face(*map(int, box[:4])) for box in boxes[1:]])

    def _face(self, left: int, top: int, width: int, height: int) -> Face:
        points = TEMPLATE * (width / 112) + np.array([left, top])
        return Face(Box(left, top, left + width, top + height), 0.95, points.astype(np.float32))

    def chip(self, picture: Picture, face: Face) -> Picture:
        box = face.box
        return cv2.resize(picture[box.top : box.bottom, box.left : box.right], (32, 32))

    def embed(self, chip: Picture, *, mirrored: bool = False) -> Vector:
        self.embedded += 1
        vector = np.arange(1.0, 17.0, dtype=np.float32)
        return vector / np.linalg.norm(vector)

    def forget(self) -> None:
        """It holds nothing."""


def with_squares(*corners: tuple[int, int], side: int = 80, seed: int = 0) -> Picture:
    chance = np.random.default_rng(seed)
    view = VIEW.copy()
    for left, top in corners:
        view[top : top + side, left : left + side] = chance.integers(155, 255, (side, side, 3))
    return view


def boxes() -> st.SearchStrategy[Box]:
    across, down, side = st.integers(-50, 1300), st.integers(-50, 740), st.integers(1, 400)
    return st.builds(lambda x, y, s: Box(x, y, x + s, y + s), across, down, side)


@given(st.lists(boxes(), max_size=6), st.none() | boxes(), st.integers(0, 5_000))
def test_windows_lie_in_the_picture_and_hold_whoever_is_followed(
    followed: list[Box], moving: Box | None, now_ms: int
) -> None:
    searching = Searching()
    searching.windows(VIEW, WHOLE, [], 0)
    windows = searching.windows(VIEW, moving, followed, now_ms)
    assert windows
    for window in windows:
        assert WHOLE.left <= window.left < window.right <= WHOLE.right
        assert WHOLE.top <= window.top < window.bottom <= WHOLE.bottom
    assert all(one.overlap(other) == 0 for one in windows for other in windows if one != other)
    for box in followed:
        inside = box.left >= 0 and box.top >= 0 and box.right <= 1280 and box.bottom <= 720
        assert not inside or any(
            window.left <= box.left
            and window.top <= box.top
            and window.right >= box.right
            and window.bottom >= box.bottom
            for window in windows
        )


def test_the_whole_is_searched_once_a_second_and_new_faces_at_every_second_look() -> None:
    searching, walking, motion = Searching(), Box(300, 200, 380, 280), Box(250, 150, 450, 500)
    areas = {}
    for at_ms in range(0, 5_000, LOOK_MS):
        areas[at_ms] = sum(w.area for w in searching.windows(VIEW, motion, [walking], at_ms))
    wholes = [at_ms for at_ms, area in areas.items() if area == WHOLE.area]
    assert wholes == list(range(0, 5_000, WHOLE_EVERY_MS))
    wide = [at_ms for at_ms, area in areas.items() if area > 3 * 80 * 3 * 80]
    assert max(b - a for a, b in pairwise(wide)) <= WIDE_EVERY_MS + LOOK_MS
    assert len(wide) < 0.6 * len(areas)


def test_a_window_that_is_almost_the_picture_is_the_picture() -> None:
    searching = Searching()
    searching.windows(VIEW, WHOLE, [], 0)
    large = Box(200, 100, 1000, 650)
    assert large.area < SHARE_MAX * WHOLE.area
    assert searching.windows(VIEW, None, [large], LOOK_MS) == [WHOLE]


def test_faces_in_a_window_have_their_places_in_the_picture() -> None:
    view = with_squares((400, 300), (900, 500))
    (whole,) = (found(Squares(), view, [WHOLE]),)
    part = found(Squares(), view, [Box(350, 250, 600, 450), Box(880, 480, 1000, 600)])
    assert sorted(face.box for face in part) == sorted(face.box for face in whole)
    for one, other in zip(part, whole, strict=True):
        np.testing.assert_allclose(one.landmarks, other.landmarks)


def test_half_a_face_at_the_edge_of_a_window_is_left_for_the_next_look() -> None:
    view = with_squares((400, 300), (0, 0))
    assert found(Squares(), view, [Box(440, 250, 700, 450)]) == []
    (face,) = found(Squares(), view, [Box(0, 0, 200, 200)])
    assert face.box == (0, 0, 80, 80), "but the picture's own edge cuts no window"


@pytest.fixture
def crowd() -> list[tuple[int, int]]:
    return [(40 + 120 * column, 30 + 135 * row) for row in range(5) for column in range(10)]


def test_fifty_faces_are_bounded_work_and_who_is_left_out_is_counted(
    crowd: list[tuple[int, int]],
) -> None:
    backend = Squares()
    scene = Scene(backend, FaceOptions())
    scene.tell(STANDING)
    for look in range(30):
        moved = [(left + look % 3, top + look % 2) for left, top in crowd]
        before = backend.embedded
        scene.show(with_squares(*moved, seed=look), LOOK_MS)
        assert backend.embedded - before <= EMBEDDINGS_PER_LOOK_MAX
    assert len(scene.readings(TrackReading)) == TRACKS_MAX
    frames = Counter(face.track for face in scene.readings(FaceReading))
    assert len(frames) == TRACKS_MAX, "everybody's turn comes"
    assert max(frames.values()) <= FRAMES_FUSED_MAX
    assert scene.drops()["face_beyond_limit"] > 0
    scene.close()


def test_more_faces_than_a_detector_may_tell_are_counted_as_left_out() -> None:
    scene = Scene(Squares(), FaceOptions())
    many = [(8 + 96 * column, 4 + 88 * row) for row in range(8) for column in range(13)]
    scene.show(with_squares(*many, side=60), LOOK_MS)
    left_out = FACES_MAX - TRACKS_MAX
    assert scene.drops()["face_beyond_limit"] == left_out + 1, "one for who was not even told"
    scene.close()


def test_who_stands_still_is_found_though_somebody_else_is_followed() -> None:
    """The whole picture is searched every five seconds, whatever moves."""
    searching, followed = Searching(), Box(300, 200, 380, 280)
    wholes = [
        at_ms
        for at_ms in range(0, 20_000, LOOK_MS)
        if searching.windows(VIEW, None, [followed], at_ms) == [WHOLE]
    ]
    assert wholes == list(range(0, 20_000, WAKES_AFTER_MS))


def test_searching_costs_little_while_one_person_walks() -> None:
    backend = Squares()
    scene = Scene(backend, FaceOptions())
    for look in range(40):
        scene.show(with_squares((100 + 20 * look, 300), seed=look), LOOK_MS)
    assert len(scene.readings(TrackReading)) == 1
    assert sum(backend.searched) < 0.4 * 40 * WHOLE.area
    scene.close()


def test_nobody_is_searched_for_while_nothing_moves() -> None:
    backend = Squares()
    scene = Scene(backend, FaceOptions())
    for _ in range(160):
        scene.show(VIEW.copy(), LOOK_MS)
    assert len(backend.searched) <= 10 + 160 * LOOK_MS // 5_000 * 5
    scene.close()
