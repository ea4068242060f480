"""Counts of what is dropped or refused on purpose, by name.

Written by whoever drops or refuses; read by `status`, `doctor` and the diagnostics event.
Never decides anything and never holds a reading: a name and a number, that is all.
"""

from collections import Counter
from threading import Lock

NAMES_MAX = 256
"""Distinct names; a name made from input would otherwise be a memory leak."""


class Counters:
    """Named counts, safe to add to from any thread."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._lock = Lock()

    def add(self, name: str, count: int = 1) -> None:
        """Add `count` to `name`; beyond `NAMES_MAX` names everything new is `other`."""
        with self._lock:
            known = name in self._counts or len(self._counts) < NAMES_MAX
            self._counts[name if known else "other"] += count

    def get(self, name: str) -> int:
        """The count so far; 0 for a name never added to."""
        return self._counts.get(name, 0)

    def snapshot(self) -> dict[str, int]:
        """All counts, sorted by name."""
        with self._lock:
            return dict(sorted(self._counts.items()))
