"""Equipment that stands here, learned: addresses of makers that are heard in window after window.

Kept by `Radar` across windows, for a day at most. Only addresses that a maker gave are looked at,
so no phone that makes its address up is ever followed; of those only a keyed hash of 20 bits,
which thousands of devices share, with a number of windows. Nothing of it leaves the process.
"""

import hashlib
import secrets

WINDOWS_MIN = 12
"""Two hours of ten-minute windows: longer than people stay in a shop, who go out again."""
MISSED_MAX = 1
"""A machine may be quiet for a window."""
LIFETIME_WINDOWS = 144
"""A day; then all is learned anew under another key."""
KNOWN_MAX = 4096
"""Of them hardly ten stay for two hours; beyond it a new one is not learned in this window."""
HASH_BITS = 20


class Equipment:
    """What is known of the machines around one radar."""

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self._key = secrets.token_bytes(16)
        self._windows: dict[int, int] = {}
        self._missed: dict[int, int] = {}
        self._heard: set[int] = set()
        self._age = 0

    def stays(self, source: bytes) -> bool:
        """Whether this address has been heard for so long that it is a machine's."""
        digest = hashlib.blake2b(source, digest_size=4, key=self._key).digest()
        mark = int.from_bytes(digest, "little") & (1 << HASH_BITS) - 1
        if mark in self._heard or len(self._heard) < KNOWN_MAX:
            self._heard.add(mark)
        return self._windows.get(mark, 0) >= WINDOWS_MIN

    def window_ended(self) -> None:
        """Count a window for what was heard in it; what was not heard twice in a row is gone."""
        for mark in self._heard:
            if mark in self._windows or len(self._windows) < KNOWN_MAX:
                self._windows[mark] = self._windows.get(mark, 0) + 1
                self._missed.pop(mark, None)
        for mark in self._windows.keys() - self._heard:
            missed = self._missed[mark] = self._missed.get(mark, 0) + 1
            if missed > MISSED_MAX:
                del self._windows[mark], self._missed[mark]
        self._heard.clear()
        self._age += 1
        if self._age >= LIFETIME_WINDOWS:
            self._forget()

    @property
    def known(self) -> int:
        """How many machines stay."""
        return sum(windows >= WINDOWS_MIN for windows in self._windows.values())
