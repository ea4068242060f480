"""The visits of nobody known that began at the door: which one a sign takes over, which one ends
when somebody walks out.

Pure; part of the book of visits, for shops in which a camera counts at the entrance. Each who comes
in crosses once, so that whoever is recognised later without a track is one of those at the door.
"""

from bisect import bisect_left, insort

from edge.records import Moment
from edge.visiting import SignKind

ADOPTED_S = {SignKind.ASSOCIATION: 180.0, SignKind.DEVICE: 180.0}
"""A phone finds the Wi-Fi within minutes of its owner's coming in, ..."""
ADOPTED_OTHERWISE_S = 1800.0
"""... a card or a code is shown any time later, up to half an hour."""
AHEAD_S = {SignKind.ASSOCIATION: 30.0, SignKind.DEVICE: 30.0}
"""A phone may find it before its owner is through the door, ..."""
AHEAD_OTHERWISE_S = 2.0
"""... and what reaches the box together may come in any order."""
UNSEEN_MAX_S = 5400.0
"""Whom nobody saw leave is believed to have left after so long."""
PHANTOMS_MAX = 2_000
"""Departures that are still expected of visits which have ended."""

Key = tuple[int, str]


class Doorway:
    """Visits by when they began at the door (ms of the steady clock), the longest-open first."""

    def __init__(self) -> None:
        self._nobodys: list[Key] = []
        self._phantoms: list[Key] = []
        self._awaited: dict[str, Moment] = {}

    # --- visits of nobody known

    def open(self, visit: str, opened: Moment) -> None:
        """A visit of nobody known began at the door."""
        insort(self._nobodys, (opened.mono_ms, visit))

    def shut(self, visit: str, opened: Moment) -> None:
        """It ended, or is somebody's now."""
        _remove(self._nobodys, (opened.mono_ms, visit))

    def newest(self, since_ms: int, until_ms: int) -> str | None:
        """The visit that began last within these bounds; None if there is none."""
        at = bisect_left(self._nobodys, (until_ms + 1, ""))
        if at == 0 or self._nobodys[at - 1][0] < since_ms:
            return None
        return self._nobodys[at - 1][1]

    def among_nobodys(self, visit: str, opened: Moment) -> bool:
        """Whether it is open, and of nobody known."""
        return _has(self._nobodys, (opened.mono_ms, visit))

    # --- departures

    def expect_departure(self, visit: str, opened: Moment) -> None:
        """A member's visit ended by silence: one of the next to leave is they, unrecognised."""
        insort(self._phantoms, (opened.mono_ms, visit))
        del self._phantoms[:-PHANTOMS_MAX]

    def departed(self, now: Moment) -> str | None:
        """Somebody walked out, nobody knows who: whose visit ends, the longest-open one's. None if
        it is nobody's who is still believed to be here.

        Who is paired with whom changes each dwell, and not their mean.
        """
        since_ms = now.mono_ms - round(UNSEEN_MAX_S * 1000)
        while self._phantoms and self._phantoms[0][0] < since_ms:
            del self._phantoms[0]
        if self._phantoms and (not self._nobodys or self._phantoms[0] < self._nobodys[0]):
            del self._phantoms[0]
            return None
        return self._nobodys[0][1] if self._nobodys else None

    # --- who was recognised before anybody was seen at the door

    def expect_arrival(self, visit: str, until: Moment) -> None:
        """A recognised visit without a track: whoever comes in until then is they."""
        self._awaited[visit] = until

    def forget_arrival(self, visit: str) -> None:
        """It has ended, or has been seen at the door."""
        self._awaited.pop(visit, None)

    def arrived(self, now: Moment) -> str | None:
        """Somebody came in: who was expected longest, or None."""
        for visit, until in list(self._awaited.items()):
            if until.boot != now.boot or until.mono_ms < now.mono_ms:
                del self._awaited[visit]
        return next(iter(self._awaited), None)


def window_ms(kind: SignKind) -> int:
    """How long before a sign of this kind its giver may have come in."""
    return round(ADOPTED_S.get(kind, ADOPTED_OTHERWISE_S) * 1000)


def ahead_ms(kind: SignKind) -> int:
    """How long after a sign of this kind its giver may come in."""
    return round(AHEAD_S.get(kind, AHEAD_OTHERWISE_S) * 1000)


def _has(keys: list[Key], key: Key) -> bool:
    at = bisect_left(keys, key)
    return at < len(keys) and keys[at] == key


def _remove(keys: list[Key], key: Key) -> None:
    at = bisect_left(keys, key)
    if at < len(keys) and keys[at] == key:
        del keys[at]
