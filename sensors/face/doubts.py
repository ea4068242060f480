"""Signs that a face is a picture of one: flat, without motion of its own, on a screen, framed.

Used by `sensors/face/watcher.py` before a face is described. A camera without depth can be fooled
by a photograph; these signs only turn "this is a member" into "show your card". They speak rarely
and for good reasons, because a doubt costs a member a card and tells nothing of a stranger.
"""

from collections import deque
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from hardware.camera import Picture
from hardware.faces.aligning import TEMPLATE
from hardware.faces.face import Box, Face, Landmarks
from sensors.face.border import Border

FLAT, STILL, SCREEN = "flat", "still", "screen"

LOOKS_MAX = 48
"""Six seconds of looks; a head turns within them or not at all."""
LOOKS_MIN = 8
EYES_PX_MIN = 40.0
"""In smaller faces the points tremble more than a nose stands out."""
SQUEEZED_MIN = 0.25
"""A face that is seen so much narrower or lower than before was turned, or its photograph was."""
FLAT_ERROR_MAX = 0.02
"""Root mean square, in distances of the eyes. Of 41 pairs of photographs of one person whose head
is turned so differently none is below (half are above 0.16); of 42 photographs turned like that,
one in six: the detector's own error hides the others."""
FLAT_PAIRS_MIN = 5
STILL_MS_MIN = 2_000
STILL_ERROR_MAX = 0.0025
"""Two of three photographs that nobody moves are below; the lowest of ten people, moving as people
do, is 0.017."""
DERIVED_ERROR_MAX = 1e-3
MOIRE_PX_MIN = 96
MOIRE_PEAK_MIN = 7.0
"""A screen's grid puts single lines into a spectrum, so many times above their surroundings. The
highest of 274 photographs of faces is 4.5; of 45 drawn screens half are above 8.5."""
SCREEN_LOOKS_MIN = 2
"""So many of the described frames must show a screen."""


@dataclass(slots=True)
class Doubts:
    """What speaks against one track. Points of faces, in distances of the eyes, and times."""

    _shapes: deque[npt.NDArray[np.float64]] = field(default_factory=lambda: deque(maxlen=LOOKS_MAX))
    _times_ms: deque[int] = field(default_factory=lambda: deque(maxlen=LOOKS_MAX))
    _border: Border = field(default_factory=Border)
    _screens: int = 0
    _flat: bool = False

    def look(self, face: Face, now_ms: int) -> None:
        """One more look at the track."""
        if face.eyes_px < EYES_PX_MIN or derived(face.landmarks):
            return
        self._shapes.append(shape_of(face.landmarks))
        self._times_ms.append(now_ms)

    def examine(self, picture: Picture, box: Box) -> None:
        """A frame that is going to be described."""
        self._border.look(picture, box)
        if moire(picture, box) >= MOIRE_PEAK_MIN:
            self._screens += 1

    @property
    def reason(self) -> str:
        """Why this may be no living face; empty as a rule."""
        if self._screens >= SCREEN_LOOKS_MIN or self._border.travels:
            return SCREEN
        if len(self._shapes) < LOOKS_MIN:
            return ""
        if not self._flat:
            self._flat = flat(list(self._shapes))
        if self._flat:
            return FLAT
        lasted_ms = self._times_ms[-1] - self._times_ms[0]
        return STILL if lasted_ms >= STILL_MS_MIN and still(list(self._shapes)) else ""


def derived(landmarks: Landmarks) -> bool:
    """Whether mouth and nose were put where they usually are: then they tell nothing of depth."""
    there, usual = _complex(landmarks)[2:], _complex(TEMPLATE)[2:]
    there, usual = there - there.mean(), usual - usual.mean()
    turn = np.vdot(usual, there) / np.vdot(usual, usual)
    error = np.abs(there - turn * usual).max()
    return bool(error < DERIVED_ERROR_MAX * max(1e-9, float(np.abs(there).max())))


def shape_of(landmarks: Landmarks) -> npt.NDArray[np.float64]:
    """The points without where and how large the face is, turned upright, in eye distances."""
    points = _complex(landmarks)
    across = points[1] - points[0]
    upright = (points - points.mean()) / (across if abs(across) > 1e-6 else 1.0)
    return np.column_stack([upright.real, upright.imag])


def flat(shapes: list[npt.NDArray[np.float64]]) -> bool:
    """Whether the points moved as those of a turning plane do, and not as those of a head.

    Seen from afar, a plane's views are affine images of each other. A head's are not: its nose
    stands out of the plane of eyes and mouth.
    """
    first = shapes[0]
    errors = [
        affine_error(first, shape) for shape in shapes[1:] if squeezed(first, shape) > SQUEEZED_MIN
    ]
    return len(errors) >= FLAT_PAIRS_MIN and float(np.median(errors)) < FLAT_ERROR_MAX


def still(shapes: list[npt.NDArray[np.float64]]) -> bool:
    """Whether the face has no motion of its own at all."""
    stack = np.stack(shapes)
    return bool(np.sqrt(np.mean((stack - stack.mean(axis=0)) ** 2)) < STILL_ERROR_MAX)


def affine_error(before: npt.NDArray[np.float64], after: npt.NDArray[np.float64]) -> float:
    """What the best affine map from `before` to `after` leaves: root mean square, eye distances."""
    known = np.column_stack([before, np.ones(len(before))])
    map_, *_ = np.linalg.lstsq(known, after, rcond=None)
    return float(np.sqrt(np.mean((known @ map_ - after) ** 2)))


def squeezed(before: npt.NDArray[np.float64], after: npt.NDArray[np.float64]) -> float:
    """How far the best affine map is from keeping angles: 0 if it does, 1 if it crushes a side."""
    known = np.column_stack([before, np.ones(len(before))])
    map_, *_ = np.linalg.lstsq(known, after, rcond=None)
    large, small = np.linalg.svd(map_[:2], compute_uv=False)
    return float(1 - small / max(large, 1e-9))


def moire(picture: Picture, box: Box) -> float:
    """The strongest single line in the spectrum of a face, over the median around it.

    Lines along the picture's own rows and columns are left out: codecs make them.
    """
    side = min(box.width, box.height)
    if side < MOIRE_PX_MIN:
        return 0.0
    side = 96 if side < 128 else 128  # what a Fourier transform is fast at
    x, y = (box.left + box.right - side) // 2, (box.top + box.bottom - side) // 2
    grey = cv2.cvtColor(picture[y : y + side, x : x + side], cv2.COLOR_BGR2GRAY)
    if grey.shape != (side, side):
        return 0.0
    window = np.outer(np.hanning(side), np.hanning(side))
    spectrum = np.abs(np.fft.fftshift(np.fft.fft2((grey - grey.mean()) * window)))
    grey.fill(0)
    away = np.abs(np.arange(side) - side // 2)
    rows, columns = np.meshgrid(away, away, indexing="ij")
    far = np.hypot(rows, columns) / side
    band = (far > 0.15) & (far < 0.48) & (rows > 3) & (columns > 3)
    around = cv2.medianBlur(np.log1p(spectrum).astype(np.float32), 5)
    above = np.log1p(spectrum) - around
    return float(np.exp(above[band].max()))


def _complex(landmarks: Landmarks) -> npt.NDArray[np.complex128]:
    return landmarks[:, 0].astype(np.float64) + 1j * landmarks[:, 1]
