"""How much one sender may bring: a flood costs the flooder, and nobody else.

A token bucket, used by the drivers and routes that hear several senders; each has its own numbers
and says why. Pure: time is passed in.
"""

TOO_FAST = "sender_too_fast"
"""What is beyond an allowance is counted under this name, whatever the route."""


class Allowance:
    """Of one sender: refilled `per_s` times a second, up to `burst`."""

    def __init__(self, per_s: int, burst: int) -> None:
        self._per_s, self._burst = per_s, burst
        self._left = float(burst)
        self._at_ms: int | None = None

    def spend(self, now_ms: int) -> bool:
        """Whether one more may be taken at `now_ms` of any steady clock."""
        if self._at_ms is not None and now_ms > self._at_ms:
            self._left = min(self._burst, self._left + (now_ms - self._at_ms) * self._per_s / 1000)
        self._at_ms = now_ms
        if self._left < 1:
            return False
        self._left -= 1
        return True
