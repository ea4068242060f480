"""What is held before the camera has a border that goes along; doors and windows have not."""

import cv2
import numpy as np
import pytest

from hardware.camera import Picture
from hardware.faces.face import Box
from sensors.face.border import FRAMES_MIN, Border, quadrilateral
from sensors.face.doubts import SCREEN, Doubts

WIDTH, HEIGHT, FACE = 640, 480, 80


def wall(seed: int) -> Picture:
    chance = np.random.default_rng(seed)
    picture = np.full((HEIGHT, WIDTH, 3), 120.0)
    picture += np.linspace(0, 40, WIDTH)[None, :, None]
    return np.clip(picture + chance.normal(0, 3, picture.shape), 0, 255).astype(np.uint8)


def face_at(picture: Picture, x: int, y: int) -> Box:
    """A drawn head; the box that a detector would give."""
    cv2.ellipse(picture, (x, y), (FACE // 2, FACE * 2 // 3), 0, 0, 360, (150, 170, 210), -1)
    for side in (-1, 1):
        cv2.circle(picture, (x + side * FACE // 5, y - FACE // 6), 6, (40, 40, 60), -1)
    return Box(x - FACE // 2, y - FACE // 2, x + FACE // 2, y + FACE // 2)


def with_phone(seed: int, x: int) -> tuple[Picture, Box]:
    picture, y = wall(seed), 240
    cv2.rectangle(picture, (x - 70, y - 100), (x + 70, y + 100), (20, 20, 20), -1)
    cv2.rectangle(picture, (x - 62, y - 92), (x + 62, y + 92), (190, 190, 180), -1)
    return picture, face_at(picture, x, y)


def before_a_door(seed: int, x: int) -> tuple[Picture, Box]:
    picture = wall(seed)
    cv2.rectangle(picture, (250, 140), (390, 350), (60, 60, 60), 6)
    return picture, face_at(picture, x, 240)


@pytest.mark.parametrize("seed", range(5))
def test_a_phone_that_is_held_up_is_a_screen(seed: int) -> None:
    border, doubts = Border(), Doubts()
    for frame in range(FRAMES_MIN):
        assert not border.travels
        picture, box = with_phone(seed, 200 + 25 * frame)
        border.look(picture, box)
        doubts.examine(picture, box)
    assert border.travels
    assert doubts.reason == SCREEN


@pytest.mark.parametrize("seed", range(5))
def test_whoever_walks_before_a_door_is_not_doubted(seed: int) -> None:
    """The door is seen as a border, but stays behind."""
    border = Border()
    found = 0
    for frame in range(8):
        picture, box = before_a_door(seed, 295 + 7 * frame)
        found += quadrilateral(picture, box) is not None
        border.look(picture, box)
    assert found >= FRAMES_MIN
    assert not border.travels


def test_whoever_stands_before_a_door_is_not_doubted() -> None:
    border = Border()
    for frame in range(8):
        border.look(*before_a_door(frame, 320))
    assert not border.travels


@pytest.mark.parametrize("box", [Box(0, 0, 0, 0), Box(-5, -5, 3, 3), Box(630, 470, 700, 500)])
def test_a_face_at_the_edge_or_none_at_all_has_no_border(box: Box) -> None:
    assert quadrilateral(wall(1), box) is None


def test_no_real_face_in_the_recorded_clips_has_one(recordings, models) -> None:
    from hardware.faces.backends import load

    backend = load(models, "omz-reid0095")
    video = cv2.VideoCapture(str(recordings / "video" / "short_hamilton_clip.mp4"))
    borders: dict[int, Border] = {}
    faces = 0
    for number in range(275):
        there, picture = video.read()
        if not there:
            break
        if number % 5:
            continue
        for face in backend.detect(picture):
            faces += 1
            column = (face.box.left + face.box.right) // 2 * 4 // picture.shape[1]
            borders.setdefault(column, Border()).look(picture, face.box)
    video.release()
    assert faces > 50
    assert not any(border.travels for border in borders.values())
