"""Faces of people who do not exist: one public-domain portrait, altered in shape and colour.

Used by `clips.py` and `shop.py` when a scenario is built. The portrait is scikit-image's
`astronaut()` (NASA, inside its wheel). Whether two altered faces are different people for the
face model is not decided here: `story.py` measures it and refuses faces that are too alike.
"""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from edge.errors import DeviceError
from hardware.camera import Picture

Floats = npt.NDArray[np.float32]

_CROP = (96, 0, 356, 300)
"""Left, top, right, bottom of head and shoulders in the portrait."""
SCALE = 2
"""The portrait is altered at twice its size, so that a close face is not blurred by it."""

_EYES = ((206, 101), (250, 104))
_BROWS = ((200, 89), (252, 93))
_NOSE = (225, 128)
_MOUTH = (223, 146)
_CHIN = (221, 176)
_JAW = ((187, 155), (262, 153))
_CHEEKS = ((182, 128), (270, 128))
_FOREHEAD = (226, 65)
"""Points of the face in the portrait, x and y in its pixels, read off by eye."""


@dataclass(frozen=True, slots=True)
class Alteration:
    """How a person differs from the portrait. Shifts in its pixels; 1.0 leaves a size alone."""

    eye_gap: float = 0.0
    eye_drop: float = 0.0
    eye_width: float = 1.0
    eye_height: float = 1.0
    brow_drop: float = 0.0
    brow_height: float = 1.0
    nose_drop: float = 0.0
    nose_width: float = 1.0
    nose_height: float = 1.0
    mouth_drop: float = 0.0
    mouth_width: float = 1.0
    mouth_height: float = 1.0
    jaw: float = 0.0
    cheeks: float = 0.0
    chin: float = 0.0
    forehead: float = 0.0
    brightness: float = 1.0
    warmth: float = 0.0
    colour: float = 1.0
    beard: float = 0.0
    glasses: bool = False
    mirrored: bool = False


@dataclass(frozen=True, slots=True)
class _Pull:
    """Moves and stretches what lies around a point; fades as a Gaussian of `radius` pixels."""

    point: tuple[int, int]
    dx: float
    dy: float
    stretch_x: float
    stretch_y: float
    radius: float


@cache
def portrait() -> Picture:
    """Head and shoulders of the portrait, enlarged `SCALE` times. Do not write into it."""
    try:
        from skimage.data import astronaut
    except ImportError as error:
        raise DeviceError(
            "The demo's portrait is missing: scikit-image is not installed.",
            "Install the demo's packages: pip install 'storebox[demo]'.",
        ) from error
    left, top, right, bottom = _CROP
    whole = np.asarray(astronaut(), np.uint8)  # type: ignore[no-untyped-call]
    crop = cv2.cvtColor(whole[top:bottom, left:right], cv2.COLOR_RGB2BGR)
    size = ((right - left) * SCALE, (bottom - top) * SCALE)
    return _bytes(cv2.resize(crop, size, interpolation=cv2.INTER_CUBIC))


def altered(how: Alteration) -> Picture:
    """The portrait as the person that `how` describes, of the portrait's size."""
    picture = _bearded(portrait(), how.beard)
    picture = _shaped(picture, _pulls(how))
    picture = _coloured(picture, how)
    if how.glasses:
        _put_glasses_on(picture, how)
    return _bytes(picture[:, ::-1]) if how.mirrored else picture


def outline() -> Floats:
    """Opacity 0..1 of head and shoulders within the portrait: what walks through a clip."""
    height, width = portrait().shape[:2]
    mask = np.zeros((height, width), np.float32)
    centre = _at((226, 108))
    cv2.ellipse(mask, centre, (66 * SCALE, 92 * SCALE), 0, 0, 360, 1.0, -1)
    cv2.ellipse(mask, _at((218, 300)), (105 * SCALE, 122 * SCALE), 0, 0, 360, 1.0, -1)
    return cv2.GaussianBlur(mask, (0, 0), 8.0).astype(np.float32)


def _pulls(how: Alteration) -> list[_Pull]:
    """The list is applied in order; later pulls see the picture that earlier ones left."""
    eye = (how.eye_drop, how.eye_width, how.eye_height, 15)
    brow = (how.brow_drop, 1, how.brow_height, 9)
    return [
        _Pull(_EYES[0], -how.eye_gap, *eye),
        _Pull(_EYES[1], how.eye_gap, *eye),
        _Pull(_BROWS[0], 0, *brow),
        _Pull(_BROWS[1], 0, *brow),
        _Pull(_NOSE, 0, how.nose_drop, how.nose_width, how.nose_height, 13),
        _Pull(_MOUTH, 0, how.mouth_drop, how.mouth_width, how.mouth_height, 15),
        _Pull(_JAW[0], -how.jaw, 0, 1, 1, 25),
        _Pull(_JAW[1], how.jaw, 0, 1, 1, 25),
        _Pull(_CHEEKS[0], -how.cheeks, 0, 1, 1, 20),
        _Pull(_CHEEKS[1], how.cheeks, 0, 1, 1, 20),
        _Pull(_CHIN, 0, how.chin, 1, 1, 20),
        _Pull(_FOREHEAD, 0, how.forehead, 1, 1, 25),
    ]


def _shaped(picture: Picture, pulls: list[_Pull]) -> Picture:
    """Each pixel asks, pull by pull, where it came from."""
    height, width = picture.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    for pull in pulls:
        centre_x, centre_y = _at(pull.point)
        away_x, away_y = x - centre_x, y - centre_y
        spread = 2 * (pull.radius * SCALE) ** 2
        weight = np.exp(-(away_x**2 + away_y**2) / spread)
        x = x - weight * (pull.dx * SCALE + away_x * (1 - 1 / pull.stretch_x))
        y = y - weight * (pull.dy * SCALE + away_y * (1 - 1 / pull.stretch_y))
    return _bytes(cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT))


def _coloured(picture: Picture, how: Alteration) -> Picture:
    light = picture.astype(np.float32) / 255
    grey = light.mean(axis=2, keepdims=True)
    light = np.clip(grey + (light - grey) * how.colour, 0, 1) ** (1 / how.brightness)
    light *= np.array([1 - how.warmth, 1, 1 + how.warmth], np.float32)
    return _bytes(np.clip(light, 0, 1) * 255)


def _bearded(picture: Picture, strength: float) -> Picture:
    if not strength:
        return picture
    height, width = picture.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    cover = _ellipse(x, y, (223, 158), 40, 30) * (1 - _ellipse(x, y, _MOUTH, 20, 7))
    cover = cv2.GaussianBlur(cover * (y > _at((0, 128))[1]), (0, 0), 4.0) * strength
    stubble = np.random.default_rng(1).normal(0, 1, (height, width)).astype(np.float32)
    soft = cv2.GaussianBlur(stubble, (0, 0), 1.2)
    hair = np.array([25, 28, 35], np.float32) + (soft / soft.std() * 12)[..., None]
    return _bytes(np.clip(picture * (1 - cover[..., None]) + hair * cover[..., None], 0, 255))


def _ellipse(x: Floats, y: Floats, centre: tuple[int, int], wide: int, high: int) -> Floats:
    centre_x, centre_y = _at(centre)
    far = np.hypot((x - centre_x) / (wide * SCALE), (y - centre_y) / (high * SCALE))
    return np.clip((1 - far) / 0.3 + 0.5, 0, 1).astype(np.float32)


def _put_glasses_on(picture: Picture, how: Alteration) -> None:
    rims = []
    for side, (x, y) in zip((-1, 1), _EYES, strict=True):
        centre = _at((x + round(side * how.eye_gap * 0.9), y + 2 + round(how.eye_drop * 0.9)))
        cv2.ellipse(picture, centre, (34, 26), 0, 0, 360, (20, 20, 25), 4, cv2.LINE_AA)
        rims.append((centre[0] - side * 34, centre[1]))
    cv2.line(picture, rims[0], rims[1], (20, 20, 25), 4, cv2.LINE_AA)


def _at(point: tuple[int, int]) -> tuple[int, int]:
    return (point[0] - _CROP[0]) * SCALE, (point[1] - _CROP[1]) * SCALE


def _bytes(picture: npt.NDArray[np.generic]) -> Picture:
    return np.ascontiguousarray(picture, dtype=np.uint8)
