"""Whether a track's newest frame still shows the face that its frames before did.

Used by `sensors/face/describing.py`, with leave only. Where two people follow each other within a
second, boxes say that they are one and vectors say that they are not. One frame proves nothing: it
may be a bad one; two in a row, alike each other, are somebody else. Pure; it keeps one vector at
most, and names nobody.
"""

from enum import Enum, auto

import numpy as np

from hardware.faces.face import Vector


class Verdict(Enum):
    """What a frame says of its track."""

    SAME = auto()
    ODD = auto()
    """It is not the face of the frames before, or it is a bad one: it counts for nobody."""
    ANOTHER = auto()
    """The second odd one in a row, and of the same face as the first: somebody else came."""


class Sameness:
    """Compares the frames of one track. `another_below` is the model's, see `edge/face_models.py`;
    without it all frames are the same.
    """

    def __init__(self, another_below: float | None) -> None:
        self._bound = another_below
        self._odd: Vector | None = None
        self.since_ms = 0
        """When the face was seen that made the latest frame odd, or the track another's."""

    @property
    def empty(self) -> bool:
        """Whether no vector is kept."""
        return self._odd is None

    def judge(self, vector: Vector, mean: Vector, now_ms: int) -> Verdict:
        """What `vector` says of a track whose frames were `mean` on the average (length 1 each)."""
        if self._bound is None or float(vector @ mean) >= self._bound:
            self.wipe()
            return Verdict.SAME
        before = self._odd
        if before is not None and float(vector @ before) >= self._bound:
            self.wipe()
            return Verdict.ANOTHER
        self.wipe()
        self._odd, self.since_ms = np.array(vector), now_ms
        return Verdict.ODD

    def wipe(self) -> None:
        """Overwrite the vector."""
        if self._odd is not None:
            self._odd.fill(0)
            self._odd = None
