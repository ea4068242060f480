"""The visits of nobody known that began at the door: which one a sign takes over, which one ends
when somebody walks out.

Pure; part of the book of visits, for shops in which a camera counts at the entrance. Each who comes
in crosses once, so that whoever is recognised later without a track is one of those at the door.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

from edge.presence.balance import Balance
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
INSIDE_MAX = 4_000
"""So many who came in and have not left are told apart."""


class Queue:
    """Visits by when they began (ms of the steady clock), the longest-open first."""

    def __init__(self) -> None:
        self._keys: list[tuple[int, str]] = []
        self._since_ms: dict[str, int] = {}

    def __contains__(self, visit: str) -> bool:
        return visit in self._since_ms

    def __iter__(self) -> Iterator[tuple[int, str]]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def put(self, visit: str, opened: Moment) -> None:
        """It is among them, since then."""
        self.remove(visit)
        self._since_ms[visit] = opened.mono_ms
        insort(self._keys, (opened.mono_ms, visit))

    def remove(self, visit: str) -> bool:
        """It is not among them any more; whether it was."""
        since_ms = self._since_ms.pop(visit, None)
        if since_ms is None:
            return False
        del self._keys[bisect_left(self._keys, (since_ms, visit))]
        return True

    def newest(self, since_ms: int, until_ms: int) -> str | None:
        """The one that began last within these bounds; None if there is none."""
        at = bisect_left(self._keys, (until_ms + 1, ""))
        if at == 0 or self._keys[at - 1][0] < since_ms:
            return None
        return self._keys[at - 1][1]


class Departed(NamedTuple):
    """For whose departure somebody's is taken, and whether it says how long a stay was."""

    visit: str
    tells_dwell: bool


class Doorway:
    """Who came in at the door."""

    def __init__(self) -> None:
        self.nobodys = Queue()
        """Open visits of nobody known that began there."""
        self.inside = Queue()
        """Everybody who came in and whose departure is still to be expected, known or not: also
        those who were not seen for so long that their visit has ended."""
        self.balance = Balance()
        self._awaited: dict[str, Moment] = {}

    def came_in(self, visit: str, opened: Moment) -> None:
        """Somebody came in, whose visit this is. Who does so again has left in between, unseen, so
        that one departure more is to be expected.
        """
        if not self.balance.arrived(opened.mono_ms):
            return
        again = visit in self.inside
        self.inside.put(f"{visit}/{opened.mono_ms}" if again else visit, opened)
        if len(self.inside) > INSIDE_MAX:
            self.inside.remove(next(iter(self.inside))[1])

    def departed(self, now: Moment, here: Callable[[str], bool]) -> Departed | None:
        """Somebody walked out, nobody knows who: whoever came in first of those who are not known
        to be `here` still. None if there is nobody.

        Who is paired with whom changes each dwell, and not their mean, if everybody is seen to come
        in and to leave, also members who leave unrecognised. Where many are not, only a departure
        of the one person whom it can be says how long that one stayed.
        """
        since_ms = now.mono_ms - round(UNSEEN_MAX_S * 1000)
        for opened_ms, visit in list(self.inside):
            if opened_ms >= since_ms:
                break
            self.inside.remove(visit)
        if not self.balance.departed(now.mono_ms):
            return None
        whom = list(islice((v for _, v in self.inside if not here(v)), 2))
        if not whom:
            return None
        self.inside.remove(whom[0])
        return Departed(whom[0], len(whom) == 1 or self.balance.agrees(now.mono_ms))

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
