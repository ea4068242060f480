"""The best few chips of one face that wait to be described, so that good frames are, not the first.

Used by `sensors/face/describing.py`, only with leave. Of what was seen within a fifth of a second
the best stays; of what waits longer, the best few. What is not kept is overwritten.
"""

from collections.abc import Callable
from dataclasses import dataclass

from hardware.camera import Picture

APART_MS = 180
"""Chips closer in time show the same again (a fifth of a second, less a camera's jitter)."""
SHOTS_MAX = 3
"""Chips of one track that wait; each is 48 to 68 KB."""


@dataclass(slots=True)
class Shot:
    """One chip, how good it is, and when it was seen."""

    worth: float
    seen_ms: int
    chip: Picture

    def wipe(self) -> None:
        """Overwrite the chip."""
        self.chip.fill(0)


class Shots:
    """What waits of one track."""

    def __init__(self) -> None:
        self._open: Shot | None = None
        self._opened_ms = 0
        self._waiting: list[Shot] = []

    @property
    def empty(self) -> bool:
        """Whether no chip is kept."""
        return self._open is None and not self._waiting

    def offer(self, worth: float, seen_ms: int, cut: Callable[[], Picture]) -> None:
        """A face was seen; `cut` is called if its chip is wanted."""
        self._close(seen_ms)
        if self._open is None:
            self._opened_ms = seen_ms
        elif worth <= self._open.worth:
            return
        else:
            self._open.wipe()
        self._open = Shot(worth, seen_ms, cut())

    def best(self, now_ms: int) -> Shot | None:
        """The best one that is complete, taken out; whoever takes it wipes it."""
        self._close(now_ms)
        if not self._waiting:
            return None
        best = max(self._waiting, key=lambda shot: shot.worth)
        self._waiting.remove(best)
        return best

    def wipe(self) -> None:
        """Overwrite and forget all that waits."""
        for shot in self._waiting:
            shot.wipe()
        if self._open is not None:
            self._open.wipe()
        self._open, self._waiting = None, []

    def _close(self, now_ms: int) -> None:
        """What was begun a fifth of a second ago is complete."""
        if self._open is None or now_ms - self._opened_ms < APART_MS:
            return
        self._waiting.append(self._open)
        self._open = None
        if len(self._waiting) > SHOTS_MAX:
            worst = min(self._waiting, key=lambda shot: shot.worth)
            worst.wipe()
            self._waiting.remove(worst)
