"""When to try again after a connection has ended: spread over the fleet, slower each time.

Used by the link. Pure but for its seeded randomness: after a broker's restart thousands of boxes
must not come back in the same second, and what was refused gets no better by hurrying.
"""

import random

from edge.errors import BrokerRefused

DOUBLINGS_MAX = 30
"""Beyond it only the longest pause counts; a larger power would not be a number of use."""
TAKEN_OVER = 0x8E
ELSEWHERE = (0x9C, 0x9D)
SENT_ON_MAX = 3
"""Times in a row that a broker may send us to another one; two that do would play for ever."""


class Retries:
    """Pauses between attempts, in seconds. `seed` None takes one from the system."""

    def __init__(
        self, first_s: float, longest_s: float, *, taken_over_s: float, seed: int | None
    ) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._taken_over_s = taken_over_s
        self._random = random.Random(seed)  # noqa: S311 - spreads retries, no secret
        self._failed = 0

    def succeeded(self) -> None:
        """The connection was a good one: the next retry is a first one."""
        self._failed = 0

    def pause_s(self, error: Exception) -> float:
        """How long to wait after `error`: full jitter, within bounds that double."""
        ceiling_s = min(self._first_s * 2.0 ** min(self._failed, DOUBLINGS_MAX), self._longest_s)
        self._failed += 1
        if isinstance(error, BrokerRefused):
            if error.code == TAKEN_OVER:
                # Two boxes of one name would throw each other out for ever.
                return self._random.uniform(0.9, 1.1) * self._taken_over_s
            if error.code not in ELSEWHERE:
                return self._random.uniform(self._longest_s / 2, self._longest_s)
        return self._random.uniform(0, ceiling_s)
