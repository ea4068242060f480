"""How many batches may be on their way: as many as fill the line, and few enough to keep it quick.

Pure; one for each uplink and connection. The rule follows TCP Vegas: what an acknowledgement takes
longer than the shortest one seen is time spent in a queue - on the line, in the broker or before
the platform's disk. Nearly none: one batch more. Too much: as many batches as leave a little of it.
So an order never stands behind seconds of counts, and a long line is filled all the same.
"""

BATCHES_MIN = 2
"""With one batch the line would idle while its acknowledgement is under way."""
BATCHES_START = 4
BATCHES_MAX = 32
"""640 KiB of typical batches: 10 Mbit/s over half the world. More gained nothing (measured)."""
QUEUE_GROW_S, QUEUE_KEPT_S, QUEUE_MAX_S = 0.2, 0.35, 0.5
"""Queueing below the first: grow; above the last: shrink, until about the second is left."""
SMOOTHING = 0.125
"""Of the mean time that an acknowledgement takes, as TCP does."""


class Window:
    """The limit `size`, fed with how long each acknowledgement took. Times are loop seconds."""

    def __init__(self) -> None:
        self.rtt_s: float | None = None
        """The mean time from sending a batch to the platform's acknowledgement."""
        self._size = float(BATCHES_START)
        self._shortest_s = float("inf")
        self._doubling = True
        self._shrunk_at = float("-inf")

    @property
    def size(self) -> int:
        """How many batches may be unacknowledged."""
        return int(self._size)

    def measured(self, sent_at: float, now: float, *, full: bool) -> None:
        """A batch sent then was acknowledged now; `full`: the window was what held others back."""
        took_s = now - sent_at
        mean_s = took_s if self.rtt_s is None else self.rtt_s
        self.rtt_s = mean_s + SMOOTHING * (took_s - mean_s)
        self._shortest_s = min(self._shortest_s, took_s)
        queued_s = took_s - self._shortest_s
        if queued_s > QUEUE_MAX_S:
            if sent_at >= self._shrunk_at:  # else it tells of the window before
                self._shrink(took_s, now)
        elif queued_s >= QUEUE_GROW_S:
            self._doubling = False
        elif full:
            growth = 1.0 if self._doubling else 1.0 / self._size
            self._size = min(self._size + growth, float(BATCHES_MAX))

    def _shrink(self, took_s: float, now: float) -> None:
        if self._size <= BATCHES_MIN:
            # So few cannot queue behind each other for so long: the line itself has become slower.
            self._shortest_s, self._doubling = took_s, True
            return
        fitting = self._size * (self._shortest_s + QUEUE_KEPT_S) / took_s
        self._size = max(float(BATCHES_MIN), fitting)
        self._doubling = False
        self._shrunk_at = now
