"""Turning a face upright: the similarity that carries its landmarks to where a model wants them.

Used by the describers. The points are those of the ArcFace papers' 112-pixel chip (Deng et al.,
2019), to which the models here were trained; the fit is Umeyama's (1991) without reflection, which
in the plane is one complex number.
"""

import cv2
import numpy as np
import numpy.typing as npt

from edge.errors import BadPicture
from hardware.camera import Picture
from hardware.faces.face import Landmarks

TEMPLATE_SIDE = 112
TEMPLATE: Landmarks = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ],
    np.float32,
)
"""Right eye, left eye, tip of the nose, right and left corner of the mouth."""
SCALE_MAX = 64.0
"""A chip shows a face of more than two pixels."""


def aligned(picture: Picture, landmarks: Landmarks, side: int) -> Picture:
    """The upright face as a square of `side` pixels. BadPicture if the landmarks are no face."""
    transform = similarity(landmarks, TEMPLATE * (side / TEMPLATE_SIDE))
    try:
        chip = cv2.warpAffine(picture, transform, (side, side), flags=cv2.INTER_LINEAR)
    except cv2.error as error:
        raise BadPicture("A face could not be cut out of its picture.") from error
    return np.ascontiguousarray(chip, dtype=np.uint8)


def similarity(points: Landmarks, onto: Landmarks) -> npt.NDArray[np.float64]:
    """The 2x3 matrix of turning, scaling and moving that takes `points` closest to `onto`.

    BadPicture if the points lie in one place.
    """
    source = points[:, 0].astype(np.float64) + 1j * points[:, 1]
    target = onto[:, 0].astype(np.float64) + 1j * onto[:, 1]
    middle, goal = source.mean(), target.mean()
    spread = float(np.sum(np.abs(source - middle) ** 2))
    if spread < 1e-3:
        raise BadPicture("The points of a face lie in one place.")
    turn = complex(np.vdot(source - middle, target - goal)) / spread
    if not 1 / SCALE_MAX**2 < abs(turn) < SCALE_MAX:
        raise BadPicture("The points of a face are no face's.")
    move = goal - turn * middle
    return np.array([[turn.real, -turn.imag, move.real], [turn.imag, turn.real, move.imag]])
