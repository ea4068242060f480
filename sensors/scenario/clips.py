"""Pictures and clips of a face: the enrolment photographs, and somebody walking in at the door.

Used when a scenario is built, and by tests that make a video from given photographs (`render`).
Everything is drawn from a seed; nothing is read from or written to but the named file.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edge.errors import DeviceError
from hardware.camera import Picture

Floats = npt.NDArray[np.float32]

WIDTH, HEIGHT = 480, 360
FRAMES_PER_S = 5
EMPTY_FRAMES = 3
"""Frames without anybody at either end of a clip: the tracker must start and end by itself."""
FACE_FRAMES = 10
FACE_MIDDLE = (0.5, 0.42)
FACE_REACH = 0.13
NOSE_DEPTH = 0.10
"""Where in a portrait the nose is, how far the face reaches, how far the nose stands out."""
BLURRED = frozenset({3, 7})
"""Frames of the walk, counted from 0, in which the person moves too fast for the camera."""


@dataclass(frozen=True, slots=True)
class View:
    """How a face is looked at: head and camera angles in degrees, and the light on it."""

    roll: float = 0.0
    turn: float = 0.0
    nod: float = 0.0
    gamma: float = 1.0
    shade: float = 0.0
    blur: float = 0.0

    @classmethod
    def drawn(cls, chance: np.random.Generator, *, reach: float = 1.0) -> "View":
        """A random view; `reach` widens or narrows all of it."""
        return cls(
            roll=chance.uniform(-8, 8) * reach,
            turn=chance.uniform(-16, 16) * reach,
            nod=chance.uniform(-8, 8) * reach,
            gamma=1 + chance.uniform(-0.3, 0.35) * reach,
            shade=chance.uniform(-0.35, 0.35) * reach,
            blur=chance.uniform(0.0, 0.8) * reach,
        )


def seen(picture: Picture, view: View) -> Picture:
    """`picture` (a face at its middle) as `view` shows it, of the same size."""
    height, width = picture.shape[:2]
    deep = _nose_ahead(picture, view)
    turned = cv2.warpPerspective(
        deep, _pose(width, height, view), (width, height), borderMode=cv2.BORDER_REPLICATE
    )
    light = (turned.astype(np.float32) / 255) ** view.gamma
    ramp = 1 + view.shade * np.linspace(-1, 1, width, dtype=np.float32)
    shaded = _bytes(np.clip(light * ramp[None, :, None], 0, 1) * 255)
    return _bytes(cv2.GaussianBlur(shaded, (0, 0), view.blur)) if view.blur > 0 else shaded


def _nose_ahead(picture: Picture, view: View) -> Picture:
    """The middle of the face lies nearer to the camera, so it moves further when the head turns."""
    height, width = picture.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    far = np.hypot(x - width * FACE_MIDDLE[0], y - height * FACE_MIDDLE[1])
    depth = np.exp(-((far / (FACE_REACH * width)) ** 2)) * NOSE_DEPTH * width
    x = x - np.float32(np.sin(np.deg2rad(view.turn))) * depth
    y = y + np.float32(np.sin(np.deg2rad(view.nod))) * depth
    return _bytes(cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def _pose(width: int, height: int, view: View) -> npt.NDArray[np.float64]:
    """The homography of a flat picture turned in space before a camera two widths away."""
    roll, turn, nod = (float(np.deg2rad(angle)) for angle in (view.roll, view.turn, view.nod))
    cos, sin = np.cos, np.sin
    about_z = np.array([[cos(roll), -sin(roll), 0], [sin(roll), cos(roll), 0], [0, 0, 1]])
    about_y = np.array([[cos(turn), 0, sin(turn)], [0, 1, 0], [-sin(turn), 0, cos(turn)]])
    about_x = np.array([[1, 0, 0], [0, cos(nod), -sin(nod)], [0, sin(nod), cos(nod)]])
    far = 2.0 * width
    placed = np.column_stack([(about_z @ about_y @ about_x)[:, :2], [0, 0, far]])
    to_middle = np.array([[1, 0, -width / 2], [0, 1, -height / 2], [0, 0, 1]])
    back = np.array([[1, 0, width / 2], [0, 1, height / 2], [0, 0, 1]])
    return np.asarray(back @ np.diag([far, far, 1.0]) @ placed @ to_middle, np.float64)


def photograph(picture: Picture, chance: np.random.Generator) -> Picture:
    """An enrolment photograph: another pose, light, crop and sharpness than the walk-in has."""
    view = seen(picture, View.drawn(chance))
    height, width = view.shape[:2]
    left, right = (round(chance.uniform(0.0, 0.12) * width) for _ in range(2))
    bottom = round(chance.uniform(0.0, 0.2) * height)
    crop = view[: height - bottom, left : width - right]
    scale = chance.uniform(0.55, 0.75)
    return _bytes(cv2.resize(crop, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))


def render(
    picture: Picture,
    path: Path,
    *,
    seed: int,
    outline: Floats | None = None,
    frame_size: tuple[int, int] = (WIDTH, HEIGHT),
) -> None:
    """Write a clip (Motion JPEG) in which whoever `picture` shows walks in and out of view.

    `picture` is a portrait or any photograph with the face at its middle; `outline` is its
    opacity, 0..1, without which the whole rectangle walks. DeviceError if `path` cannot be written.
    """
    codec = cv2.VideoWriter.fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(path), cv2.CAP_OPENCV_MJPEG, codec, FRAMES_PER_S, frame_size)
    if not writer.isOpened():
        raise DeviceError(f"{path} cannot be written.", "Is the directory there and not full?")
    try:
        for frame in walk(picture, seed=seed, outline=outline, frame_size=frame_size):
            writer.write(frame)
    finally:
        writer.release()


def walk(
    picture: Picture,
    *,
    seed: int,
    outline: Floats | None = None,
    frame_size: tuple[int, int] = (WIDTH, HEIGHT),
) -> Iterator[Picture]:
    """The frames of such a clip: an empty door, a face that comes nearer, an empty door."""
    chance = np.random.default_rng(seed)
    door = _door(frame_size, chance)
    opacity = np.ones(picture.shape[:2], np.float32) if outline is None else outline
    view = View.drawn(chance, reach=0.8)
    start_x, speed = chance.uniform(0.3, 0.42), chance.uniform(0.01, 0.025)
    if chance.random() < 0.5:
        start_x, speed = 1 - start_x, -speed
    for index in range(-EMPTY_FRAMES, FACE_FRAMES + EMPTY_FRAMES):
        frame = door
        if 0 <= index < FACE_FRAMES:
            size = 0.96 + 0.4 * index / FACE_FRAMES
            shown = seen(picture, _swayed(view, index, chance))
            frame = _placed(door, shown, opacity, size=size, middle_x=start_x + speed * index)
            if index in BLURRED:
                frame = _bytes(cv2.blur(frame, (9, 1)))
        yield _noisy(frame, chance)


def _swayed(view: View, index: int, chance: np.random.Generator) -> View:
    """The same head a step later."""
    step = float(np.sin(index * 0.9))
    return View(
        roll=view.roll + 2.0 * step,
        turn=view.turn + 0.8 * (index - FACE_FRAMES / 2) + chance.uniform(-1, 1),
        nod=view.nod + 1.5 * step,
        gamma=view.gamma,
        shade=view.shade,
        blur=view.blur,
    )


def _placed(
    door: Picture, picture: Picture, opacity: Floats, *, size: float, middle_x: float
) -> Picture:
    """`picture` pasted over the door, `size` frame heights tall, standing on the lower edge."""
    frame_height, frame_width = door.shape[:2]
    scale = size * frame_height / picture.shape[0]
    person = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    mask = cv2.resize(opacity, (person.shape[1], person.shape[0]), interpolation=cv2.INTER_AREA)
    left = round(middle_x * frame_width - person.shape[1] / 2)
    top = max(0, round(frame_height * 0.06))
    from_x, to_x = max(0, left), min(frame_width, left + person.shape[1])
    to_y = min(frame_height, top + person.shape[0])
    part = np.s_[: to_y - top, from_x - left : to_x - left]
    weight = mask[part][..., None]
    frame = door.astype(np.float32)
    under = frame[top:to_y, from_x:to_x]
    frame[top:to_y, from_x:to_x] = under * (1 - weight) + person[part] * weight
    return _bytes(frame)


def _door(frame_size: tuple[int, int], chance: np.random.Generator) -> Picture:
    """The entrance without anybody: a wall, a lighter door, a mat."""
    width, height = frame_size
    wall = np.linspace(150, 110, height)[:, None, None] * np.array([0.92, 0.97, 1.0])
    frame = np.repeat(wall, width, axis=1)
    left = round(width * chance.uniform(0.28, 0.34))
    frame[height // 10 :, left : width - left] += 45
    frame[height * 9 // 10 :] *= 0.55
    return _bytes(frame)


def _noisy(frame: Picture, chance: np.random.Generator) -> Picture:
    grain = chance.normal(0, 2.5, frame.shape[:2])[..., None]
    return _bytes(np.clip(frame + grain, 0, 255))


def _bytes(picture: npt.NDArray[np.generic]) -> Picture:
    return np.ascontiguousarray(picture, dtype=np.uint8)
