"""Whether a face is worth being described, and if not, why: size, pose, blur, light, cut off.

Used by `sensors/face/watcher.py` and, stricter, for an enrolment. The cheap questions come first.
The limits are measured: together they let 83 of 100 photographs pass and halve the errors of what
passes. It keeps nothing of the picture.
"""

from typing import NamedTuple

import cv2
import numpy as np

from hardware.camera import Picture
from hardware.faces.face import Face, Landmarks

SIDE = 128
"""Faces are judged at this size, so that sharpness means the same near and far."""
GOOD_EYES_PX = 60.0
GOOD_SHARPNESS = 300.0
"""A face so large and so sharp is as good as any."""
EDGE_PX = 2
"""A face whose box comes so near to the picture's edge is cut by it."""


class Limits(NamedTuple):
    """What a face must have. `turn` and `nod` are shares of the face, see `pose_of`."""

    score: float = 0.8
    eyes_px: float = 24.0
    turn: float = 0.25
    nod: tuple[float, float] = (0.38, 0.75)
    sharpness: float = 60.0
    light: tuple[float, float] = (40.0, 220.0)


SEEN = Limits()
"""Of a face that is to be compared."""
ENROLLED = Limits(eyes_px=60.0, turn=0.15, nod=(0.42, 0.70))
"""Of a face that others will be compared with."""


class Worth(NamedTuple):
    """How good a face is, 0..1, or by what it fails: the name under which it is counted."""

    score: float
    fails: str = ""


def judged(picture: Picture, face: Face, limits: Limits = SEEN) -> Worth:
    """The worth of one face in its picture; 0 with a reason if it is not to be described."""
    fails = _shape_fails(picture, face, limits)
    if fails:
        return Worth(0.0, fails)
    box = face.box
    cut = picture[box.top : box.bottom, box.left : box.right]
    grey = cv2.cvtColor(cv2.resize(cut, (SIDE, SIDE)), cv2.COLOR_BGR2GRAY)
    light = float(cv2.mean(grey)[0])
    sharpness = float(cv2.Laplacian(grey, cv2.CV_32F).var())
    grey.fill(0)
    if light < limits.light[0]:
        return Worth(0.0, "face_dark")
    if light > limits.light[1]:
        return Worth(0.0, "face_bright")
    if sharpness < limits.sharpness:
        return Worth(0.0, "face_blurred")
    turn, _ = pose_of(face.landmarks)
    parts = (face.eyes_px / GOOD_EYES_PX, sharpness / GOOD_SHARPNESS, 1.0)
    straight = 1 - abs(turn) / (2 * limits.turn)
    return Worth(min(1.0, max(0.05, min(parts) ** 0.5 * straight)))


def _shape_fails(picture: Picture, face: Face, limits: Limits) -> str:
    height, width = picture.shape[:2]
    box = face.box
    if face.score < limits.score:
        return "face_unsure"
    if face.eyes_px < limits.eyes_px:
        return "face_small"
    edges = (box.left, box.top, width - box.right, height - box.bottom)
    if min(edges) < EDGE_PX or box.area <= 0:
        return "face_cut"
    turn, nod = pose_of(face.landmarks)
    if not abs(turn) < limits.turn:
        return "face_turned"
    if not limits.nod[0] < nod < limits.nod[1]:
        return "face_tilted"
    return ""


def pose_of(landmarks: Landmarks) -> tuple[float, float]:
    """How far a head is turned and nods, without a camera's angles.

    Turn is where the tip of the nose is between the eyes, in distances of the eyes from their
    middle: 0 looks straight ahead. Nod is how far down from eyes to mouth it is: 0.5 is level.
    """
    points = landmarks.astype(np.float64)
    across = points[1] - points[0]
    eyes = float(np.hypot(*across)) or 1.0
    across = across / eyes
    down = np.array([-across[1], across[0]])
    middle = (points[0] + points[1]) / 2
    mouth = float(((points[3] + points[4]) / 2 - middle) @ down)
    nose = points[2] - middle
    return float(nose @ across) / eyes, float(nose @ down) / (mouth or 1.0)
