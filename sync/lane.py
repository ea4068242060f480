"""One stream's place in the uplink: what was sent, what the platform has, when to send again.

Pure: the uplink passes the time in and does the sending. The rule is go-back-N with an application
level acknowledgement: only the platform's `upto` counts as progress, never the broker's PUBACK -
that one only says that what was sent is no longer on the line.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from edge.records import Stream
from sync.messages import BATCH_EVENTS_MAX

STALL_S = 1.5
"""Without progress for so long after the broker has everything, it is sent again."""
STALL_RTTS = 3.0
"""The same on a long line: so many times what an acknowledgement usually takes."""
STALL_S_MAX = 60.0
"""The same for a platform that is down: its broker's queue must not fill with repetitions."""
REPEAT_PAUSE_S = 0.5
"""The platform asks again for each batch it ignores; one answer to all of them is enough."""
LOOK_AGAIN_S = 0.25
"""What was numbered and not found is looked for again after so long."""
REFUSED_S, REFUSED_S_MAX = 1.0, 300.0
"""A stream that is not taken now is offered again after so long, each further time twice."""
FLOOR_TURNS = 10
"""Each tenth batch goes to the lowest stream that waits, so that none starves."""


@dataclass(slots=True)
class _Sent:
    """One batch on its way. `clean`: never sent before, so its acknowledgement tells the time."""

    last: int
    at: float
    clean: bool
    confirmed: bool = False


class Lane:
    """Where one stream stands on this connection. Times are seconds of the loop's clock."""

    def __init__(
        self,
        stream: Stream,
        flush_s: float,
        *,
        last: int,
        acked: int,
        refused_s: float = REFUSED_S,
    ) -> None:
        self.stream = stream
        self.acked = acked
        self.sent = acked
        self.refused = ""
        """Why it is not taken now; empty as long as it is."""
        self._last = last
        self._flush_s = flush_s
        self._due: float | None = 0.0 if last > acked else None
        self._under_way: deque[_Sent] = deque()
        self._sent_before = acked
        self._probing = False
        self._stall_s = STALL_S
        self._usual_stall_s = STALL_S
        self._repeat_pause_s = REPEAT_PAUSE_S
        self._progress = 0.0
        self._went_back = float("-inf")
        self._held_until = self._absent_until = float("-inf")
        self._refused_first_s = self._refused_s = refused_s

    @property
    def under_way(self) -> int:
        """Batches sent and not acknowledged by the platform."""
        return len(self._under_way)

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
        """Whether a batch should go now: it is due or full, and nothing speaks against it."""
        unsent = self._last - self.sent
        if unsent <= 0 or self._due is None or now < max(self._held_until, self._absent_until):
            return False
        if self._probing and self._under_way:
            return False
        return unsent >= BATCH_EVENTS_MAX or now >= self._due

    def batch_sent(self, last: int, now: float) -> None:
        """A batch ending with number `last` has been handed to the connection."""
        if not self._under_way:
            self._progress = now
        self._under_way.append(_Sent(last, now, clean=self.sent >= self._sent_before))
        self.sent = last
        self._sent_before = max(self._sent_before, last)
        self._due = now if self._last > last else None

    def nothing_to_send(self, now: float) -> None:
        """What is numbered beyond `sent` was not found: look again in a moment.

        Counts are numbered a moment before they can be read; or they were given up, and declared.
        """
        self._absent_until = now + LOOK_AGAIN_S

    def confirmed(self, last: int, now: float) -> None:
        """The broker has the batch that ends with `last`."""
        for sent in self._under_way:
            if sent.last == last:
                sent.confirmed = True
                self._progress = max(self._progress, now)

    def acknowledged(self, upto: int, now: float) -> float | None:
        """The platform has committed up to `upto`; a number it said before changes nothing.

        When the newest batch among them was sent, if that tells how long the line is.
        """
        if upto <= self.acked:
            return None
        self.acked = upto
        self.sent = max(self.sent, upto)
        newest: _Sent | None = None
        while self._under_way and self._under_way[0].last <= upto:
            newest = self._under_way.popleft()
        self._progress = now
        self._probing = False
        self.refused, self._refused_s = "", self._refused_first_s
        if newest is None or not newest.clean:
            return None
        self._stall_s = self._usual_stall_s
        return newest.at

    def usually(self, rtt_s: float) -> None:
        """How long an acknowledgement takes: the patience with a stall follows it."""
        self._usual_stall_s = min(max(STALL_S, STALL_RTTS * rtt_s), STALL_S_MAX)
        self._repeat_pause_s = max(REPEAT_PAUSE_S, 1.5 * rtt_s)

    def asked_again(self, now: float) -> None:
        """The platform lacks something before what we sent."""
        if now - self._went_back >= self._repeat_pause_s:
            self._stall_s = self._usual_stall_s
            self._probing = False
            self._go_back(now)

    def refuse(self, reason: str, now: float) -> bool:
        """It is not taken now: keep everything, offer it later. Whether that is news."""
        if now < self._held_until:
            return False  # what was under way is refused as well; one pause for all of it
        news = not self.refused
        self.refused = reason or "no reason given"
        self._held_until = now + self._refused_s
        self._refused_s = min(2 * self._refused_s, REFUSED_S_MAX)
        self._probing = True
        self._go_back(now)
        return news

    def released(self) -> None:
        """Whoever did not take it is here anew: offer it at once."""
        self._held_until = float("-inf")

    def check_progress(self, now: float) -> bool:
        """Go back if nothing moved for too long, then more slowly each time. Whether it did.

        As long as the broker does not have everything, the line is slow and not the platform.
        """
        if not self._stalls or now < self._progress + self._stall_s:
            return False
        self._stall_s = min(self._stall_s * 2, STALL_S_MAX)
        self._probing = True  # the window opens again with the first progress
        self._go_back(now)
        return True

    def wake_at(self) -> float | None:
        """When to look at this lane again, if nothing else happens before."""
        stalled = self._progress + self._stall_s if self._stalls else None
        due = None
        if self._due is not None and not (self._probing and self._under_way):
            due = max(self._due, self._held_until, self._absent_until)
        dates = [at for at in (stalled, due) if at is not None]
        return min(dates, default=None)

    @property
    def _stalls(self) -> bool:
        return bool(self._under_way) and all(sent.confirmed for sent in self._under_way)

    def _go_back(self, now: float) -> None:
        self._went_back = self._progress = now
        self._under_way.clear()
        self.sent = self.acked
        self._due = now if self._last > self.acked else None


def choose(lanes: Sequence[Lane], turn: int, now: float) -> Lane | None:
    """Whose batch goes next: the first that is ready, each tenth turn the last (`FLOOR_TURNS`)."""
    ready = [lane for lane in lanes if lane.ready(now)]
    if not ready:
        return None
    return ready[-1] if turn % FLOOR_TURNS == FLOOR_TURNS - 1 else ready[0]
