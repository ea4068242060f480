"""How well a camera sees: drawn views with seeded noise; two real films raise no false alarm."""

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware.sight import COLUMNS, COVERED, DARK, FROZEN, LIMITS, MOVED, ROWS, SIZE, Fault, Sight
from hardware.steady_camera import small_grey

EVERY_S = 2.0
FILM_EVERY_S = 0.5
SEEDS = st.integers(0, 2**32 - 1)
LONG_S = 4 * LIMITS.moved_s
few = settings(max_examples=6)
View = np.ndarray


def shop(seed: int) -> View:
    """Walls, shelves and a floor: rectangles of any grey, as floats."""
    chance = np.random.default_rng(seed)
    view = np.full((ROWS, COLUMNS), 120.0)
    for _ in range(40):
        top, left = chance.integers(0, ROWS - 4), chance.integers(0, COLUMNS - 4)
        height, width = chance.integers(4, 16, 2)
        view[top : top + height, left : left + width] = chance.uniform(40, 220)
    return view


class Camera:
    """Shows drawn views with a sensor's noise, every other second, to a `Sight`."""

    def __init__(self, seed: int, size: tuple[int, int] | None = None) -> None:
        self.sight = Sight(size)
        self.now_s = 0.0
        self.size = (1280, 720)
        self._chance = np.random.default_rng(seed)

    def show(self, view: View | Callable[[int], View], seconds: float) -> list[Fault | None]:
        """What was said of each picture."""
        told = []
        for look in range(round(seconds / EVERY_S)):
            shown = view(look) if callable(view) else view
            noisy = shown + self._chance.normal(0, 0.7, shown.shape)
            grey = np.clip(np.round(noisy), 0, 255).astype(np.uint8)
            self.now_s += EVERY_S
            told.append(self.sight.look(grey, zlib.crc32(grey.data), self.size, self.now_s))
        return told


def first(told: list[Fault | None], fault: Fault) -> float:
    """After how many seconds it was said."""
    assert fault in told, f"never {fault.name}: {set(told)}"
    return (told.index(fault) + 1) * EVERY_S


@given(SEEDS)
@few
def test_a_shop_seen_well_is_never_complained_of(seed: int) -> None:
    assert set(Camera(seed).show(shop(seed), LONG_S)) == {None}


@given(SEEDS, st.floats(0.4, 1.6), st.floats(-15, 15))
@few
def test_more_or_less_light_is_no_other_view(seed: int, gain: float, lift: float) -> None:
    camera = Camera(seed)
    camera.show(shop(seed), 60)
    lit = np.clip(shop(seed) * gain + lift, 0, 250)
    assert set(camera.show(lit, LONG_S)) == {None}


def half_dark(view: View) -> View:
    """A lamp over one side goes out."""
    light = np.ones(COLUMNS)
    light[COLUMNS // 2 :] = 0.3
    return view * light


def test_a_lamp_that_is_switched_is_nothing() -> None:
    camera = Camera(1)
    camera.show(shop(1), 60)
    told = camera.show(lambda look: half_dark(shop(1)) if look // 30 % 2 else shop(1), LONG_S)
    assert set(told) == {None}


@pytest.mark.parametrize(
    ("hidden", "seconds"),
    [
        pytest.param(np.full((ROWS, COLUMNS), 90.0), 20, id="a back at the lens"),
        pytest.param(np.full((ROWS, COLUMNS), 5.0), 40, id="the light out for a moment"),
        pytest.param(shop(99), 90, id="a truck at the door"),
    ],
)
def test_what_passes_is_nothing(hidden: View, seconds: float) -> None:
    camera = Camera(1)
    camera.show(shop(1), 60)
    for _ in range(3):
        assert set(camera.show(hidden, seconds)) == {None}
        assert set(camera.show(shop(1), 120)) == {None}


def test_people_at_a_kiosk_all_day_are_no_other_view() -> None:
    """They hide most of the picture, but not as one still thing does."""
    camera = Camera(1)
    camera.show(shop(1), 60)

    def crowd(look: int) -> View:
        view = shop(1)
        view[2:, 4:60] = shop(1000 + look // 2)[2:, 4:60]
        return view

    assert set(camera.show(crowd, LONG_S)) == {None}


def test_dark_is_said_after_its_time_and_ends() -> None:
    camera = Camera(2)
    camera.show(shop(2), 60)
    dark = shop(2) * 0.1
    assert first(camera.show(dark, 200), DARK) == pytest.approx(LIMITS.dark_s, abs=EVERY_S)
    assert camera.show(shop(2), 30)[-1] is None


def test_a_cover_is_said_and_is_not_the_dark() -> None:
    camera = Camera(3)
    camera.show(shop(3), 60)
    told = camera.show(np.full((ROWS, COLUMNS), 130.0), 100)
    assert first(told, COVERED) == pytest.approx(LIMITS.covered_s, abs=EVERY_S)
    assert set(told) == {None, COVERED}
    assert camera.show(shop(3), 30)[-1] is None


@given(SEEDS, st.integers(12, 52), st.booleans())
@few
def test_a_turned_camera_is_said_and_the_new_view_is_learned(
    seed: int, turn: int, back: bool
) -> None:
    camera = Camera(seed)
    wide = np.hstack([shop(seed), shop(seed + 1)])
    before, after = wide[:, :COLUMNS], wide[:, turn : turn + COLUMNS]
    camera.show(before, 60)
    told = camera.show(after, 200)
    assert first(told, MOVED) == pytest.approx(LIMITS.moved_s, abs=3 * EVERY_S)
    if back:
        assert camera.show(before, 60)[-1] is None
    else:
        told = camera.show(after, LIMITS.relearn_s)
        assert told[-1] is None, "it was to be learned by now"
        assert set(camera.show(after, 200)) == {None}
    assert set(camera.show(before, 200)) == {None}, "the old view is still known"


def test_one_picture_over_and_over_is_frozen_within_its_time() -> None:
    camera = Camera(4)
    camera.show(shop(4), 60)
    grey = shop(4).astype(np.uint8)
    told = [camera.sight.look(grey, 7, (1280, 720), 60.5 + look * 0.5) for look in range(60)]
    assert LIMITS.frozen_s <= 0.5 * (told.index(FROZEN) + 1) <= 12
    assert camera.sight.look(grey, 8, (1280, 720), 100.0) is None


def test_a_blank_picture_that_repeats_is_covered_and_not_frozen() -> None:
    sight, blank = Sight(), np.full((ROWS, COLUMNS), 90, np.uint8)
    told = [sight.look(blank, 7, (1280, 720), look * 0.5) for look in range(200)]
    assert set(told) == {None, COVERED}


def test_looks_far_apart_do_not_make_a_picture_frozen() -> None:
    sight, grey = Sight(), shop(5).astype(np.uint8)
    assert sight.look(grey, 7, (1280, 720), 0.0) is None
    assert sight.look(grey, 7, (1280, 720), 3600.0) is None


@pytest.mark.parametrize("stated", [(1280, 720), None])
def test_another_size_is_said_until_it_is_right(stated: tuple[int, int] | None) -> None:
    camera = Camera(6, stated)
    assert set(camera.show(shop(6), 60)) == {None}
    camera.size = (640, 360)
    assert first(camera.show(shop(6), 30), SIZE) == pytest.approx(LIMITS.size_s, abs=EVERY_S)
    camera.size = (1280, 720)
    assert camera.show(shop(6), 10)[-1] is None
    camera.size = (640, 360)
    last = camera.show(shop(6), LIMITS.relearn_s + 30)[-1]
    assert last is (SIZE if stated else None), "only a size that nobody stated is learned anew"


def test_a_stated_size_is_missed_from_the_start() -> None:
    assert Camera(7, (1920, 1080)).show(shop(7), 30)[-1] is SIZE


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 255))
def test_any_picture_becomes_a_small_grey_one(width: int, height: int, level: int) -> None:
    grey = small_grey(np.full((height, width, 3), level, np.uint8))
    assert grey.shape == (ROWS, COLUMNS)
    assert abs(int(grey[0, 0]) - level) <= 1


def film(path: Path) -> Iterator[tuple[np.ndarray, int, tuple[int, int], float]]:
    """Twice a second of a film."""
    opened = cv2.VideoCapture(str(path))
    due_s = 0.0
    while opened.grab():
        at_s = opened.get(cv2.CAP_PROP_POS_MSEC) / 1000
        if at_s >= due_s:
            due_s = at_s + FILM_EVERY_S
            picture = opened.retrieve()[1]
            size = (picture.shape[1], picture.shape[0])
            yield small_grey(picture), zlib.crc32(picture.data), size, at_s
    opened.release()


@pytest.mark.parametrize(("name", "looks"), [("vtest.avi", 130), ("short_hamilton_clip.mp4", 15)])
def test_real_films_raise_no_false_alarm(recordings: Path, name: str, looks: int) -> None:
    """A street for 80 s, and a stage that is cut between two cameras."""
    sight = Sight()
    told = [sight.look(*each) for each in film(recordings / "video" / name)]
    assert len(told) >= looks
    assert set(told) == {None}
