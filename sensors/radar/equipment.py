"""Equipment that stands here, learned: addresses of makers that are heard for hours.

Kept by `Radar` across windows, for a day at most. Only addresses that a maker gave are looked at,
so no phone that makes its address up is ever followed; of those only a keyed hash of 20 bits,
which thousands of devices share, with a time. Nothing of it leaves the process.
"""

import secrets
from dataclasses import dataclass

from sensors.radar.marks import short_hash

STAYS_MS = 2 * 3_600_000
"""Longer than people stay in a shop, who go out again."""
MISSED_MAX = 1
"""A machine may be quiet for a window."""
LIFETIME_MS = 24 * 3_600_000
"""Then all is learned anew under another key."""
KNOWN_MAX = 4096
"""Of them hardly ten stay for two hours; beyond it a new one is not learned in this window."""
KEY_BYTES = 16


@dataclass(slots=True)
class _Machine:
    """How long it has been heard, in whole windows, and how it did in this one."""

    heard_ms: int = 0
    missed: int = 0
    heard_now: bool = False


class Equipment:
    """What is known of the machines around one radar. Times are of the radar's own line."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(KEY_BYTES)
        self._key_since_ms: int | None = None
        self._machines: dict[int, _Machine] = {}

    def stays(self, source: bytes) -> bool:
        """Whether this address, which is heard now, has been heard long enough for a machine's."""
        mark = short_hash(source, self._key)
        machine = self._machines.get(mark)
        if machine is None:
            if len(self._machines) >= KNOWN_MAX:
                return False
            machine = self._machines[mark] = _Machine()
        machine.heard_now = True
        return machine.heard_ms >= STAYS_MS

    def window_ended(self, lasted_ms: int) -> None:
        """Add a window to what was heard in it; what was missing twice in a row is gone."""
        for mark, machine in list(self._machines.items()):
            if machine.heard_now:
                machine.heard_ms += lasted_ms
                machine.missed, machine.heard_now = 0, False
            else:
                machine.missed += 1
            if machine.missed > MISSED_MAX:
                del self._machines[mark]

    def age(self, now_ms: int) -> None:
        """Forget everything a day after it began, also while the shop is closed."""
        if self._key_since_ms is None:
            self._key_since_ms = now_ms
        elif now_ms - self._key_since_ms >= LIFETIME_MS:
            self._key = secrets.token_bytes(KEY_BYTES)
            self._key_since_ms = now_ms
            self._machines.clear()
