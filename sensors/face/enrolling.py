"""Taking the frames of an enrolment: hints until the one face is good, five vectors, then an end.

Used by `sensors/face/watcher.py` while the core gives leave to enrol. It asks for more of a face
than recognition does, since all later faces are compared with this one. It keeps no chip and no
vector: each good frame is handed over and overwritten.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge.errors import BadPicture
from edge.records import PHOTOS_WANTED, Hint, PoseReading
from hardware.camera import Picture
from hardware.faces.face import Face, FaceBackend
from sensors.face.describing import packed
from sensors.face.doubts import shape_of
from sensors.face.quality import ENROLLED, judged
from sensors.face.tracker import middle

HINT_EVERY_MS = 200
APART_MS = 300
OTHER_SHAPE_MIN = 0.008
"""So far the points must have moved, in distances of the eyes, for a frame to be another one."""
PATIENCE_MS = 1_200
"""Somebody who holds quite still is taken all the same."""
SECOND_FACE_MIN = 0.3
"""A second face with so large a share of the first one's area is somebody standing by."""
CENTRE = (0.2, 0.8)
"""Between these shares of the picture's width the face is looked at straight."""

HINT_OF = {
    "face_small": Hint.CLOSER,
    "face_cut": Hint.CENTRE,
    "face_turned": Hint.STRAIGHT,
    "face_tilted": Hint.STRAIGHT,
    "face_unsure": Hint.STRAIGHT,
    "face_dark": Hint.LIGHT,
    "face_bright": Hint.LIGHT,
    "face_blurred": Hint.STILL,
}


class Enrolling:
    """One enrolment at a time, by the number of its leave."""

    def __init__(self, backend: FaceBackend) -> None:
        self._backend = backend
        self._leave = 0
        self._taken = 0
        self._shape: npt.NDArray[np.float64] | None = None
        self._taken_ms = 0
        self._told_ms: int | None = None
        self._described = False

    def under(self, leave: int) -> None:
        """Begin anew if `leave` is another than before."""
        if leave != self._leave:
            self._leave, self._taken = leave, 0
            self._shape, self._told_ms = None, None

    @property
    def complete(self) -> bool:
        """Whether there are enough good frames under this leave."""
        return self._taken >= PHOTOS_WANTED

    def settle(self) -> None:
        """The enrolment is over: the model forgets the face that it described last."""
        if self._described:
            self._described = False
            self._backend.forget()

    def look(self, picture: Picture, faces: Sequence[Face], now_ms: int) -> PoseReading | None:
        """What to tell about this picture, if anything; its reader wipes the vector."""
        if self.complete or (self._told_ms is not None and now_ms - self._told_ms < HINT_EVERY_MS):
            return None
        hint = hint_for(picture, faces)
        if hint is not Hint.GOOD:
            return self._told(hint, bytearray(), now_ms)
        if not self._is_another(faces[0], now_ms):
            return None
        try:
            chip = self._backend.chip(picture, faces[0])
        except BadPicture:
            return self._told(Hint.STRAIGHT, bytearray(), now_ms)
        self._described = True
        vector = self._backend.embed(chip)
        chip.fill(0)
        self._taken += 1
        self._taken_ms = now_ms
        self._shape = shape_of(faces[0].landmarks)
        content = packed(vector)
        vector.fill(0)
        return self._told(Hint.GOOD, content, now_ms)

    def _told(self, hint: Hint, vector: bytearray, now_ms: int) -> PoseReading:
        self._told_ms = now_ms
        return PoseReading(self._backend.model, hint, vector)

    def _is_another(self, face: Face, now_ms: int) -> bool:
        """Later than the frame before, and not quite the same picture again."""
        if self._shape is None:
            return True
        passed_ms = now_ms - self._taken_ms
        if passed_ms < APART_MS:
            return False
        moved = float(np.abs(shape_of(face.landmarks) - self._shape).max())
        return moved >= OTHER_SHAPE_MIN or passed_ms >= PATIENCE_MS


def hint_for(picture: Picture, faces: Sequence[Face]) -> Hint:
    """What whoever stands before the camera should do; GOOD if nothing. `faces`: largest first."""
    if not faces:
        return Hint.NOBODY
    first = faces[0]
    if len(faces) > 1 and faces[1].box.area >= SECOND_FACE_MIN * first.box.area:
        return Hint.ALONE
    fails = judged(picture, first, ENROLLED).fails
    if fails:
        return HINT_OF[fails]
    across = middle(first.box).x / picture.shape[1]
    return Hint.GOOD if CENTRE[0] <= across <= CENTRE[1] else Hint.CENTRE
