"""One stream's place in the uplink: what was sent, what the platform has, when to send again.

Pure: the link passes the time in and does the sending. The rule is go-back-N with an application
level acknowledgement: only the platform's `upto` counts as progress, never the broker's PUBACK.
"""

from collections import deque
from collections.abc import Sequence

from edge.records import Stream
from sync.messages import BATCH_EVENTS_MAX

BATCHES_MAX = 8
"""Batches sent and not yet committed by the platform; 32 would gain 2x beyond 200 ms of delay."""
STALL_S = 1.5
"""Without progress for so long, everything unacknowledged is sent again."""
STALL_S_MAX = 60.0
"""The same for a platform that is down: its broker's queue must not fill with repetitions."""
REPEAT_PAUSE_S = 0.5
"""The platform asks again for each batch it ignores; one answer to all of them is enough."""
FLOOR_TURNS = 10
"""Each tenth batch goes to the lowest stream that waits, so that none starves."""


class Lane:
    """Where one stream stands on this connection. Times are seconds of the loop's clock."""

    def __init__(self, stream: Stream, flush_s: float, *, last: int, acked: int) -> None:
        self.stream = stream
        self.acked = acked
        self.sent = acked
        self._last = last
        self._flush_s = flush_s
        self._due: float | None = 0.0 if last > acked else None
        self._unacknowledged: deque[int] = deque()
        self._batches_max = BATCHES_MAX
        self._stall_s = STALL_S
        self._progress = 0.0
        self._went_back = float("-inf")

    def produced(self, last: int, now: float) -> None:
        """The box has numbered events up to `last`."""
        if last > self._last and self._due is None:
            self._due = now + self._flush_s
        self._last = max(self._last, last)

    def hurry(self, now: float) -> None:
        """Whatever waits is due now."""
        if self._due is not None:
            self._due = min(self._due, now)

    def ready(self, now: float) -> bool:
        """Whether a batch should go now: it is due or full, and the window has room."""
        unsent = self._last - self.sent
        if unsent <= 0 or self._due is None or len(self._unacknowledged) >= self._batches_max:
            return False
        return unsent >= BATCH_EVENTS_MAX or now >= self._due

    def batch_sent(self, last: int, now: float) -> None:
        """A batch ending with number `last` has been handed to the connection."""
        if not self._unacknowledged:
            self._progress = now
        self._unacknowledged.append(last)
        self.sent = last
        self._due = now if self._last > last else None

    def acknowledged(self, upto: int, now: float) -> None:
        """The platform has committed up to `upto`; a number it said before changes nothing."""
        if upto <= self.acked:
            return
        self.acked = upto
        self.sent = max(self.sent, upto)
        while self._unacknowledged and self._unacknowledged[0] <= upto:
            self._unacknowledged.popleft()
        self._progress = now
        self._stall_s = STALL_S
        self._batches_max = BATCHES_MAX

    def asked_again(self, now: float) -> None:
        """The platform lacks something before what we sent."""
        if now - self._went_back >= REPEAT_PAUSE_S:
            self._stall_s = STALL_S
            self._batches_max = BATCHES_MAX
            self._go_back(now)

    def check_progress(self, now: float) -> bool:
        """Go back if nothing moved for too long, then more slowly each time. Whether it did."""
        if not self._unacknowledged or now < self._progress + self._stall_s:
            return False
        self._stall_s = min(self._stall_s * 2, STALL_S_MAX)
        self._batches_max = 1  # a probe; the window opens again with the first progress
        self._go_back(now)
        return True

    def wake_at(self) -> float | None:
        """When to look at this lane again, if nothing else happens before."""
        if self._unacknowledged:
            stalled = self._progress + self._stall_s
            full = len(self._unacknowledged) >= self._batches_max
            return stalled if self._due is None or full else min(stalled, self._due)
        return self._due if self._last > self.sent else None

    def _go_back(self, now: float) -> None:
        self._went_back = self._progress = now
        self._unacknowledged.clear()
        self.sent = self.acked
        self._due = now if self._last > self.acked else None


def choose(lanes: Sequence[Lane], turn: int, now: float) -> Lane | None:
    """Whose batch goes next: the first that is ready, each tenth turn the last (`FLOOR_TURNS`)."""
    ready = [lane for lane in lanes if lane.ready(now)]
    if not ready:
        return None
    return ready[-1] if turn % FLOOR_TURNS == FLOOR_TURNS - 1 else ready[0]
