"""How well a camera sees: dark, covered, frozen, moved, or showing another size than it should.

Called by `hardware/steady_camera.py` once or twice a second with a small grey picture. Pure: time
is passed in, nothing is decoded here, and what it keeps are two blurred views of 64 x 36. Each
state has to last before it is said, so that a lamp, a person at the lens or a truck is none.
It cannot see that a picture with a running clock in it stands still.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Grey = npt.NDArray[np.uint8]
"""36 x 64 (`ROWS` x `COLUMNS`), each the mean of its part of the picture."""
_View = npt.NDArray[np.float32]

ROWS, COLUMNS = 36, 64
BLOCK_ROWS, BLOCK_COLUMNS = 6, 8
"""48 blocks: small enough that a person hides few, large enough to hold an edge."""

DARK_LEVEL = 40
"""Of 255. Where 95 % of a picture are darker, no face can be found in it."""
DARK_SHARE = 95
DETAIL_MIN = 5.0
"""Standard deviation within a block. Noise of an averaged picture stays below, an edge does not."""
COVERED_SHARE_MAX = 0.05
"""Less of the blocks than this has detail: something is right before the lens."""
LEARNED_DETAIL_MIN = 6.0
VISIBLE_DETAIL_MIN = 1.0
"""Below, a block that was learned with detail shows nothing to compare, by day or by lamp."""
ALIKE = 0.5
"""Correlation of a block with its learned self; it does not depend on brightness or contrast."""
MOVED_SHARE = 0.6
"""Of the blocks with detail differ: most of the background is not where it was."""
COMPARED_SHARE_MIN = 1 / 3
"""With fewer blocks to compare nothing is said."""
COMPARED_MIN = 4
VIEWS_MAX = 2
"""By day and by infrared the same place looks different; both are its own."""
FIRST_LOOKS = 20
"""A view is the mean of the first looks, then follows slowly."""
FOLLOW_S = 300.0
STEP_S_MAX = 5.0
"""Looks further apart count as this: what happened between them was not seen."""
SETTLED_SHARE_MAX = 0.3
"""A new view has to look like itself: people before the lens differ from look to look."""
DRAINED = 2.0
"""While a thing is not so, what had gathered runs off twice as fast."""


class Fault(NamedTuple):
    """What is wrong with the pictures, and what to do about it."""

    name: str
    what: str
    remedy: str


FROZEN = Fault(
    "frozen",
    "The camera repeats one picture.",
    "It is opened again by itself; if this lasts, restart the camera.",
)
SIZE = Fault(
    "wrong size",
    "The camera's picture has another size than it should.",
    "Set the stream's resolution back, or correct `size` and the zones in the configuration.",
)
DARK = Fault(
    "dark",
    "The camera's picture is dark.",
    "Switch on the light or uncover the lens; in a closed shop at night nothing is wrong.",
)
COVERED = Fault(
    "covered",
    "The camera's picture shows nothing but one surface.",
    "Take away what hangs or stands before the lens, and clean it.",
)
MOVED = Fault(
    "moved",
    "The camera shows another view than before.",
    "Turn it back; if it is meant to look there, check its lines and zones: it learns the view.",
)


class SightLimits(NamedTuple):
    """How long each state lasts before it is said, in seconds."""

    frozen_s: float = 10.0
    size_s: float = 3.0
    dark_s: float = 60.0
    covered_s: float = 30.0
    moved_s: float = 120.0
    """A delivery stands before the door for a minute."""
    relearn_s: float = 600.0
    """After so long in a moved state the new view is the learned one."""


LIMITS = SightLimits()


class Lasting:
    """Whether something has been so for `after_s`, nearly all of the time."""

    def __init__(self, after_s: float) -> None:
        self._after_s = after_s
        self._gathered_s = 0.0
        self.now = False

    def look(self, so: bool, passed_s: float) -> bool:
        """Note that it was `so` since the last look; it ends after a sixth of what began it."""
        change_s = passed_s if so else -passed_s * DRAINED
        self._gathered_s = min(max(self._gathered_s + change_s, 0.0), self._after_s)
        if self._gathered_s >= self._after_s:
            self.now = True
        elif self._gathered_s <= self._after_s * 2 / 3:
            self.now = False
        return self.now


class Sight:
    """Of one camera; it outlives the camera's being opened again. `size`: (width, height)."""

    def __init__(self, size: tuple[int, int] | None = None, limits: SightLimits = LIMITS) -> None:
        self._size = size
        self._size_stated = size is not None
        self._limits = limits
        self._looked_s: float | None = None
        self._mark: int | None = None
        self._same_s = 0.0
        self._views: list[_Learned] = []
        self._resized = Lasting(limits.size_s)
        self._resized_s = 0.0
        self._dark = Lasting(limits.dark_s)
        self._covered = Lasting(limits.covered_s)
        self._moved = Lasting(limits.moved_s)
        self._other: _Learned | None = None
        self._other_s = 0.0

    def look(self, grey: Grey, mark: int, size: tuple[int, int], now_s: float) -> Fault | None:
        """What is wrong at `now_s` (any steady clock), None if nothing is.

        `mark` is a checksum of the whole picture: a sensor has noise, so two in a row differ.
        """
        passed_s = 0.0 if self._looked_s is None else min(now_s - self._looked_s, STEP_S_MAX)
        self._looked_s = now_s
        textured = float(np.mean(_detail(_blocks(grey.astype(np.float32))) >= DETAIL_MIN))
        dark = bool(np.percentile(grey, DARK_SHARE) < DARK_LEVEL)
        flat = textured <= COVERED_SHARE_MAX
        faults = (
            (FROZEN, self._repeats(mark, passed_s) and not flat),
            (SIZE, self._differs_in_size(size, passed_s)),
            (DARK, self._dark.look(dark, passed_s)),
            (COVERED, self._covered.look(flat and not dark, passed_s)),
            (MOVED, self._shows_other(grey, passed_s, usable=not flat and not dark)),
        )
        return next((fault for fault, so in faults if so), None)

    def _repeats(self, mark: int, passed_s: float) -> bool:
        """A flat picture may repeat itself without being frozen: it is dark or covered."""
        self._same_s = self._same_s + passed_s if mark == self._mark else 0.0
        self._mark = mark
        return self._same_s >= self._limits.frozen_s

    def _differs_in_size(self, size: tuple[int, int], passed_s: float) -> bool:
        if self._size is None:
            self._size = size
        differs = size != self._size
        self._resized_s = self._resized_s + passed_s if differs else 0.0
        if self._resized_s >= self._limits.relearn_s and not self._size_stated:
            self._size, differs = size, False
        return self._resized.look(differs, passed_s)

    def _shows_other(self, grey: Grey, passed_s: float, *, usable: bool) -> bool:
        """Compare with the learned views. What cannot be compared changes nothing."""
        if not usable:
            return self._moved.now
        if not self._views:
            self._views = [_Learned(grey)]
        seen = [(view.differing(grey), view) for view in self._views]
        compared = [(share, view) for share, view in seen if share is not None]
        if not compared:
            return self._moved.now
        share, nearest = min(compared, key=lambda each: each[0])
        if share < MOVED_SHARE:
            nearest.follow(grey, passed_s)
            self._other = None
            return self._moved.look(False, passed_s)
        settled = self._settled(grey, passed_s)
        if self._other_s >= self._limits.moved_s + self._limits.relearn_s and self._other:
            self._views = [nearest, self._other][-VIEWS_MAX:]
            self._other = None
            self._moved = Lasting(self._limits.moved_s)
        return self._moved.look(settled and self._other is not None, passed_s)

    def _settled(self, grey: Grey, passed_s: float) -> bool:
        """Whether the view that is none of the learned ones is the same as at the last look."""
        share = 1.0 if self._other is None else self._other.differing(grey)
        if self._other is None or share is None or share > SETTLED_SHARE_MAX:
            self._other, self._other_s = _Learned(grey), 0.0
            return False
        self._other.follow(grey, passed_s)
        self._other_s += passed_s
        return True


class _Learned:
    """A view of the background, learned from grey pictures."""

    def __init__(self, grey: Grey) -> None:
        self._mean: _View = grey.astype(np.float32)
        self._looks = 1

    def follow(self, grey: Grey, passed_s: float) -> None:
        """Let the view drift towards what is seen: the sun moves, shelves are rearranged."""
        self._looks += 1
        weight = max(1 / self._looks if self._looks <= FIRST_LOOKS else 0.0, passed_s / FOLLOW_S)
        self._mean += (grey - self._mean) * np.float32(min(weight, 1.0))

    def differing(self, grey: Grey) -> float | None:
        """The share of blocks that do not look like themselves; None if too few can be compared.

        A block that lost its detail although the picture is no darker is hidden, so it differs.
        """
        learned, seen = _blocks(self._mean), _blocks(grey.astype(np.float32))
        textured = _detail(learned) >= LEARNED_DETAIL_MIN
        visible = _detail(seen) >= VISIBLE_DETAIL_MIN
        if float(grey.mean()) >= float(self._mean.mean()) / 2:
            visible |= True
        compared = textured & visible
        count = int(compared.sum())
        if count < max(COMPARED_MIN, COMPARED_SHARE_MIN * int(textured.sum())):
            return None
        return float(np.mean(_correlation(learned, seen)[compared] < ALIKE))


def _blocks(view: _View) -> _View:
    """48 x 48: one row per block, its pixels in it."""
    cut = view.reshape(ROWS // BLOCK_ROWS, BLOCK_ROWS, COLUMNS // BLOCK_COLUMNS, BLOCK_COLUMNS)
    return cut.transpose(0, 2, 1, 3).reshape(-1, BLOCK_ROWS * BLOCK_COLUMNS)


def _detail(blocks: _View) -> _View:
    deviation: _View = blocks.std(axis=1)
    return deviation


def _correlation(one: _View, other: _View) -> _View:
    """Pearson's, per block; 0 where a block is perfectly flat."""
    one = one - one.mean(axis=1, keepdims=True)
    other = other - other.mean(axis=1, keepdims=True)
    scale = np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))
    alike: _View = (one * other).sum(axis=1) / np.maximum(scale, 1e-6)
    return alike
