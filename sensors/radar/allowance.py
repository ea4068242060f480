"""How many transmissions one sender may bring: a flood costs the flooder, and nobody else.

Used by the routes that hear several senders. Pure: time is passed in.
"""

PER_S_MAX = 5000
"""Twice what three radios on full channels can hear; more is made up."""
BURST_MAX = 10_000
"""What may have waited in a router or in a buffer and comes at once."""


class Allowance:
    """Of one sender: refilled `PER_S_MAX` times a second, up to `BURST_MAX`."""

    def __init__(self) -> None:
        self._left = float(BURST_MAX)
        self._at_ms: int | None = None

    def spend(self, at_ms: int) -> bool:
        """Whether one more may be taken at `at_ms`."""
        if self._at_ms is not None and at_ms > self._at_ms:
            self._left = min(BURST_MAX, self._left + (at_ms - self._at_ms) * PER_S_MAX / 1000)
        self._at_ms = at_ms
        if self._left < 1:
            return False
        self._left -= 1
        return True
