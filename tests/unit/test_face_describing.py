"""Which frames of a face are described, what is kept of them, and what speaks against a face."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edge.records import FRAMES_FUSED_MAX
from hardware.camera import Picture
from hardware.faces.aligning import TEMPLATE
from hardware.faces.face import Box, Face
from sensors.face.describing import KEPT_MS_MAX, PATIENCE_MS, SURE_FRAMES, Description, packed
from sensors.face.doubts import (
    FLAT,
    LOOKS_MIN,
    MOIRE_PEAK_MIN,
    SCREEN,
    SCREEN_LOOKS_MIN,
    STILL,
    STILL_MS_MIN,
    Doubts,
    derived,
    moire,
)
from sensors.face.quality import ENROLLED, SEEN, judged, pose_of
from sensors.face.shots import APART_MS, SHOTS_MAX, Shots

LOOK_MS = 125


def unit(values: np.ndarray) -> np.ndarray:
    return (values / np.linalg.norm(values)).astype(np.float32)


def vectors() -> st.SearchStrategy[np.ndarray]:
    numbers = st.floats(-1, 1, width=32)
    drawn = arrays.arrays(np.float32, 16, elements=numbers)
    return drawn.filter(lambda one: np.linalg.norm(one) > 0.1).map(unit)


# --- best shots


def chip(value: int) -> Picture:
    return np.full((8, 8, 3), value, np.uint8)


def test_of_what_is_seen_at_once_the_best_is_kept_and_the_rest_overwritten() -> None:
    shots, cut = Shots(), {}
    for number, worth in enumerate([0.4, 0.9, 0.6]):
        shots.offer(worth, 50 * number, lambda number=number: cut.setdefault(number, chip(9)))
    assert shots.best(100) is None, "something better may come at once"
    best = shots.best(APART_MS)
    assert best is not None
    assert (best.worth, best.seen_ms) == (0.9, 50)
    assert sorted(cut) == [0, 1], "what is not wanted is not even cut out"
    assert not cut[0].any()
    assert cut[1].all()
    assert shots.best(10 * APART_MS) is None


@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=20))
def test_the_best_few_wait_and_everything_else_is_overwritten(worths: list[float]) -> None:
    shots, cut = Shots(), []
    for number, worth in enumerate(worths):
        shots.offer(worth, number * APART_MS, lambda: cut.append(chip(9)) or cut[-1])
    now_ms = len(worths) * APART_MS
    found = []
    while (shot := shots.best(now_ms)) is not None:
        found.append(shot.worth)
        shot.wipe()
    assert found == sorted(worths, reverse=True)[:SHOTS_MAX]
    assert not any(one.any() for one in cut)


def test_wiping_leaves_no_chip() -> None:
    shots, cut = Shots(), []
    for number in range(4):
        shots.offer(0.5, number * APART_MS, lambda: cut.append(chip(9)) or cut[-1])
    shots.wipe()
    assert not any(one.any() for one in cut)
    assert shots.best(10 * APART_MS) is None


# --- what is added up


@given(st.lists(vectors(), min_size=1, max_size=FRAMES_FUSED_MAX))
def test_fused_is_the_mean_direction_of_the_frames(frames: list[np.ndarray]) -> None:
    description = Description()
    description.under(1)
    for count, vector in enumerate(frames, start=1):
        mean = np.mean(frames[:count], axis=0)
        if np.linalg.norm(mean) < 1e-3:
            return  # frames that contradict each other have no direction
        fused = np.frombuffer(description.add(vector, 0.5, count), "<f4")
        assert np.linalg.norm(fused) == pytest.approx(1, abs=1e-5)
        np.testing.assert_allclose(fused, unit(mean), atol=1e-3)
        assert description.frames == count
    assert description.wanted == (len(frames) < FRAMES_FUSED_MAX)


def test_another_leave_begins_anew() -> None:
    description, vector = Description(), unit(np.ones(16))
    description.under(1)
    for _ in range(FRAMES_FUSED_MAX):
        description.add(vector, 0.5, 0)
    description.under(1)
    assert not description.wanted
    description.under(2)
    assert description.wanted
    other = unit(np.arange(16.0))
    np.testing.assert_allclose(np.frombuffer(description.add(other, 1, 0), "<f4"), other, atol=1e-6)


def test_vectors_are_not_kept_for_longer_than_half_a_minute() -> None:
    description, vector = Description(), unit(np.ones(16))
    description.under(1)
    description.add(vector, 0.5, 1_000)
    kept = description._sum
    assert kept is not None
    description.expire(1_000 + KEPT_MS_MAX - 1)
    assert kept.any()
    description.expire(1_000 + KEPT_MS_MAX)
    assert not kept.any(), "overwritten, not only forgotten"
    assert not description.wanted, "not before somebody asks again"


def test_once_a_decision_is_possible_only_good_frames_are_described() -> None:
    description, vector = Description(), unit(np.ones(16))
    description.under(1)
    for _ in range(SURE_FRAMES):
        assert description.deserves(0.1, 0)
        description.add(vector, 0.5, 0)
    assert not description.deserves(0.4, 100)
    assert description.deserves(0.6, 100)
    assert description.deserves(0.4, PATIENCE_MS), "but not for ever"


@given(vectors())
def test_a_vector_is_packed_as_little_endian_float32(vector: np.ndarray) -> None:
    assert bytes(packed(vector)) == vector.astype("<f4").tobytes()


# --- quality


SHARP = np.random.default_rng(2).integers(60, 200, (400, 400, 3)).astype(np.uint8)


def placed(width: float = 150, *, left: int = 100, top: int = 100, turn: float = 0.0) -> Face:
    points = TEMPLATE * (width / 112)
    points[2, 0] += turn * (points[1, 0] - points[0, 0])
    box = Box(left, top, left + round(width), top + round(width))
    return Face(box, 0.95, (points + np.array([left, top])).astype(np.float32))


def test_a_good_face_is_good() -> None:
    worth = judged(SHARP, placed())
    assert worth.fails == ""
    assert 0.5 < worth.score <= 1
    assert judged(SHARP, placed(250), ENROLLED).fails == ""


@pytest.mark.parametrize(
    ("picture", "face", "why"),
    [
        (SHARP, placed()._replace(score=0.7), "face_unsure"),
        (SHARP, placed(70), "face_small"),
        (SHARP, placed(left=0), "face_cut"),
        (SHARP, placed(left=251), "face_cut"),
        (SHARP, placed(turn=0.3), "face_turned"),
        (SHARP, placed(turn=-0.3), "face_turned"),
        (SHARP // 8, placed(), "face_dark"),
        (255 - SHARP // 16, placed(), "face_bright"),
        (np.full_like(SHARP, 120), placed(), "face_blurred"),
    ],
)
def test_what_is_not_good_says_why(picture: Picture, face: Face, why: str) -> None:
    assert judged(picture, face) == (0.0, why)


def test_an_enrolment_asks_for_more() -> None:
    assert judged(SHARP, placed(150), ENROLLED).fails == "face_small"
    assert judged(SHARP, placed(250, turn=0.2), SEEN).fails == ""
    assert judged(SHARP, placed(250, turn=0.2), ENROLLED).fails == "face_turned"


@given(st.floats(-0.5, 0.5), st.floats(-0.6, 0.6), st.floats(0.5, 3))
def test_the_pose_does_not_depend_on_roll_and_size(turn: float, roll: float, size: float) -> None:
    points = placed(turn=turn).landmarks
    rotation = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]]) * size
    expected = pose_of(points)
    assert pose_of((points @ rotation.T).astype(np.float32)) == pytest.approx(expected, abs=1e-3)


# --- doubts

HEAD = np.array([[-30, -35, 0], [30, -35, 0], [0, 0, -28], [-25, 35, -4], [25, 35, -4]], float)
PRINT = HEAD * [1, 1, 0]


def shown(points: np.ndarray, yaw: float, chance: np.random.Generator) -> Face:
    """Points in space as a camera sees them from two metres, with a detector's tremble."""
    sine, cosine = np.sin(yaw), np.cos(yaw)
    turned = points @ np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]]).T
    flat = turned[:, :2] * (2_000 / (2_000 + turned[:, 2:])) + chance.normal(0, 0.2, (5, 2))
    return Face(Box(0, 0, 100, 100), 0.9, (flat + 200).astype(np.float32))


def doubted(points: np.ndarray, reach: float, seed: int, looks: int = 24) -> str:
    doubts, chance = Doubts(), np.random.default_rng(seed)
    for look in range(looks):
        yaw = reach * np.sin(look / 4)
        doubts.look(shown(points, yaw, chance), look * LOOK_MS)
    return doubts.reason


@pytest.mark.parametrize("seed", range(5))
def test_a_turned_photograph_is_flat_and_a_turned_head_is_not(seed: int) -> None:
    assert doubted(PRINT, 0.85, seed) == FLAT
    assert doubted(HEAD, 0.85, seed) == ""


@pytest.mark.parametrize("seed", range(5))
def test_who_looks_straight_ahead_is_not_doubted(seed: int) -> None:
    assert doubted(HEAD, 0.1, seed) == ""
    assert doubted(PRINT, 0.1, seed) == "", "nothing speaks for or against it"


def test_what_has_no_motion_at_all_is_doubted_after_a_while() -> None:
    doubts = Doubts()
    face = shown(HEAD, 0.0, np.random.default_rng(1))
    for look in range(40):
        moved = face._replace(landmarks=face.landmarks + look)
        doubts.look(moved, look * LOOK_MS)
        expected = look >= LOOKS_MIN - 1 and look * LOOK_MS >= STILL_MS_MIN
        assert doubts.reason == (STILL if expected else "")


def test_points_that_were_derived_from_others_tell_nothing() -> None:
    face = placed()
    assert derived(face.landmarks)
    assert not derived(shown(HEAD, 0.0, np.random.default_rng(1)).landmarks)
    doubts = Doubts()
    for look in range(40):
        doubts.look(face, look * LOOK_MS)
    assert doubts.reason == ""


def test_the_grid_of_a_screen_is_doubted_and_texture_is_not() -> None:
    rows, columns = np.mgrid[:200, :200]
    grid = 12 * np.cos(2 * np.pi * (0.21 * rows + 0.27 * columns))
    chance = np.random.default_rng(3)
    skin = 120 + chance.normal(0, 6, (200, 200)) + 30 * np.sin(rows / 30)
    living = np.repeat(np.clip(skin, 0, 255)[..., None], 3, 2).astype(np.uint8)
    screen = np.repeat(np.clip(skin + grid, 0, 255)[..., None], 3, 2).astype(np.uint8)
    box = Box(20, 20, 180, 180)
    assert moire(living, box) < MOIRE_PEAK_MIN / 1.2
    assert moire(screen, box) > MOIRE_PEAK_MIN * 1.2
    assert moire(screen, Box(20, 20, 80, 80)) == 0.0, "too small to tell"
    doubts = Doubts()
    for count in range(SCREEN_LOOKS_MIN):
        assert doubts.reason == "", count
        doubts.examine(screen, box)
    assert doubts.reason == SCREEN
