"""What is known of one track's face: chips that wait, and the sum of the vectors so far.

Used by `sensors/face/embedding.py`, one for each track that may be described. At most five frames
under one leave; the sum is overwritten when the track ends, and after half a minute in any case. A
frame is compared with the track's own frames only, and nothing of it leaves but by `fused`.
"""

import numpy as np
import numpy.typing as npt

from edge.records import FRAMES_FUSED_MAX
from hardware.faces.face import Vector
from sensors.face.sameness import Sameness, Verdict
from sensors.face.shots import Shots

KEPT_MS_MAX = 30_000
"""So long vectors of one face are added up; older ones say nothing about who stands there now."""
SURE_FRAMES = 3
"""From here on a decision is possible, and a further frame is described only if it is good."""
PATIENCE_MS = 1_000
"""After so long without a good one, what there is will do."""
LENGTH_MIN = 1e-6
COMPARED_MAX = 6
"""Frames under one leave that are only compared: odd ones, and those after all five, by which
somebody who was lost for a moment is known to be the same."""


class Description:
    """The face of one track, under one leave at a time.

    `another_below` is the model's: a frame that is less like the others shows somebody else.
    """

    def __init__(self, another_below: float | None = None) -> None:
        self.shots = Shots()
        self._sameness = Sameness(another_below)
        self._compared = 0
        self._lapses = 0
        self._unproved = False
        self.frames = 0
        self.leave = 0
        self._sum: npt.NDArray[np.float64] | None = None
        self._began_ms = 0
        self._latest_ms = 0
        self._worths = 0.0
        self._over = False

    def under(self, leave: int) -> None:
        """Begin anew if `leave` is another than before: somebody asked again."""
        if leave != self.leave:
            self.wipe()
            self.leave, self.frames, self._worths, self._over = leave, 0, 0.0, False
            self._compared, self._unproved = 0, False

    @property
    def empty(self) -> bool:
        """Whether nothing of a face is kept."""
        return self._sum is None and self.shots.empty and self._sameness.empty

    @property
    def complete(self) -> bool:
        """Whether all frames that are told under this leave have been."""
        return self.frames >= FRAMES_FUSED_MAX

    @property
    def wanted(self) -> bool:
        """Whether another frame may be described under this leave."""
        if self._over or self._compared >= COMPARED_MAX:
            return False
        return not self.complete or self._unproved

    @property
    def another_since_ms(self) -> int:
        """When the face was first seen that made the last frame odd or another's."""
        return self._sameness.since_ms

    def found_again(self, lapses: int) -> None:
        """The track was lost for a moment so often by now: it is to be seen that it is the same.

        What waits was cut before, and proves nothing.
        """
        if lapses == self._lapses:
            return
        self._lapses = lapses
        if self.complete and self._sum is not None:
            self.shots.wipe()
            self._unproved = True

    def judge(self, vector: Vector, now_ms: int) -> Verdict:
        """Whether a frame is of this track's face; nobody contradicts the first one."""
        if self._sum is None:
            self._unproved = False
            return Verdict.SAME
        mean = self._mean()
        verdict = self._sameness.judge(vector, mean, now_ms)
        mean.fill(0)
        if verdict is Verdict.SAME:
            self._unproved = False
        if verdict is not Verdict.SAME or self.complete:
            self._compared += 1
        return verdict

    def deserves(self, worth: float, now_ms: int) -> bool:
        """Whether a frame of this worth is to be one of the few that are described."""
        if self.frames < SURE_FRAMES or now_ms - self._latest_ms >= PATIENCE_MS:
            return self.wanted
        return self.wanted and worth >= self._worths / self.frames

    def add(self, vector: Vector, worth: float, now_ms: int) -> bytearray:
        """Count one more frame in; the fused vector, of length 1, as float32 little-endian.

        Whoever asked wipes `vector` and the result.
        """
        if self._sum is None:
            self._sum = np.zeros(vector.shape, np.float64)
            self._began_ms = now_ms
        self._sum += vector
        self.frames += 1
        self._latest_ms = now_ms
        self._worths += worth
        mean = self._mean()
        fused = packed(mean)
        mean.fill(0)
        return fused

    def _mean(self) -> Vector:
        """The mean of the frames so far, of length 1; whoever asked wipes it."""
        assert self._sum is not None
        length = max(float(np.linalg.norm(self._sum)), LENGTH_MIN)
        mean = np.empty(self._sum.shape, np.float32)
        return np.divide(self._sum, length, out=mean, casting="same_kind")

    def expire(self, now_ms: int) -> None:
        """Overwrite vectors that were kept for long enough."""
        if self._sum is not None and now_ms - self._began_ms >= KEPT_MS_MAX:
            self.wipe()
            self._over = True

    def wipe(self) -> None:
        """Overwrite all of it."""
        self.shots.wipe()
        self._sameness.wipe()
        if self._sum is not None:
            self._sum.fill(0)
            self._sum = None


def packed(vector: npt.NDArray[np.floating]) -> bytearray:
    """A vector as it crosses the socket: float32, little-endian."""
    result = bytearray(4 * vector.size)
    np.frombuffer(result, "<f4")[:] = vector
    return result
