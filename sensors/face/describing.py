"""What is known of one track's face: chips that wait, and the sum of the vectors so far.

Used by `sensors/face/watcher.py`, one for each track that may be described. At most five frames
under one leave; the sum is overwritten when the track ends, and after half a minute in any case.
It compares nothing, and nothing of it leaves but by `fused`.
"""

import numpy as np
import numpy.typing as npt

from edge.records import FRAMES_FUSED_MAX
from hardware.faces.face import Vector
from sensors.face.shots import Shots

KEPT_MS_MAX = 30_000
"""So long vectors of one face are added up; older ones say nothing about who stands there now."""
SURE_FRAMES = 3
"""From here on a decision is possible, and a further frame is described only if it is good."""
PATIENCE_MS = 1_000
"""After so long without a good one, what there is will do."""
LENGTH_MIN = 1e-6


class Description:
    """The face of one track, under one leave at a time."""

    def __init__(self) -> None:
        self.shots = Shots()
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

    @property
    def empty(self) -> bool:
        """Whether nothing of a face is kept."""
        return self._sum is None and self.shots.empty

    @property
    def wanted(self) -> bool:
        """Whether another frame may be described under this leave."""
        return self.frames < FRAMES_FUSED_MAX and not self._over

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
        length = float(np.linalg.norm(self._sum))
        mean = self._sum / max(length, LENGTH_MIN)
        fused = packed(mean)
        mean.fill(0)
        return fused

    def expire(self, now_ms: int) -> None:
        """Overwrite vectors that were kept for long enough."""
        if self._sum is not None and now_ms - self._began_ms >= KEPT_MS_MAX:
            self.wipe()
            self._over = True

    def wipe(self) -> None:
        """Overwrite all of it."""
        self.shots.wipe()
        if self._sum is not None:
            self._sum.fill(0)
            self._sum = None


def packed(vector: npt.NDArray[np.floating]) -> bytearray:
    """A vector as it crosses the socket: float32, little-endian."""
    result = bytearray(4 * vector.size)
    np.frombuffer(result, "<f4")[:] = vector
    return result
