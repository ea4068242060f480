"""Whether as many people are seen to go out at the door as to come in.

Pure; asked by the doorway. Whose departure was not seen waits for one for good, so that a few of
them in a hundred make every later pair of an arrival and a departure too long, and whose arrival
was not seen makes it too short. Pairs say how long people stay only where the two counts agree, and
what is left of a difference is taken out of the larger one.
"""

HOUR_MS = 3_600_000
HORIZON_H = 48
"""The counts of two days, ..."""
KNOWN_AFTER_H = 24
"""... of which one is over: before closing time, who is inside looks like who was missed."""
ENOUGH = 50
"""Arrivals of which a share of a few in a hundred can be told."""
AGREE_MAX = 0.03
"""So far from one the ratio may be. Whom a camera missed is known by number and not by name: the
number inside is off by the root of those missed, after a day of 500 by four people."""


class Balance:
    """Arrivals and departures at the door, hour by hour."""

    def __init__(self) -> None:
        self._hours: dict[int, list[int]] = {}
        self._began_ms: int | None = None
        self._owed = [0.0, 0.0]

    def arrived(self, now_ms: int) -> bool:
        """Somebody came in; whether a departure is to be expected for them."""
        return self._passed(now_ms, 0)

    def departed(self, now_ms: int) -> bool:
        """Somebody went out; whether it is to be paired with one who came in."""
        return self._passed(now_ms, 1)

    def ratio(self, now_ms: int) -> float | None:
        """Departures seen for each arrival seen; None while it is not known."""
        if self._began_ms is None or now_ms - self._began_ms < KNOWN_AFTER_H * HOUR_MS:
            return None
        came, went = self.counts()
        return went / came if came >= ENOUGH else None

    def counts(self) -> tuple[int, int]:
        """Arrivals and departures of the last two days."""
        came, went = (sum(counts[way] for counts in self._hours.values()) for way in (0, 1))
        return came, went

    def agrees(self, now_ms: int) -> bool:
        """Whether pairs tell how long people stay."""
        ratio = self.ratio(now_ms)
        return ratio is not None and abs(ratio - 1) <= AGREE_MAX

    def _passed(self, now_ms: int, way: int) -> bool:
        """Count it. Of the larger count, evenly, as many are left out as it is too large by."""
        hour = now_ms // HOUR_MS
        if hour not in self._hours:
            self._hours = {h: n for h, n in self._hours.items() if h > hour - HORIZON_H}
        self._hours.setdefault(hour, [0, 0])[way] += 1
        self._began_ms = now_ms if self._began_ms is None else self._began_ms
        ratio = self.ratio(now_ms)
        if ratio is None or not self.agrees(now_ms):
            return True
        share = ratio if way == 0 else 1 / ratio
        self._owed[way] += max(0.0, 1 - share)
        if self._owed[way] < 1:
            return True
        self._owed[way] -= 1
        return False
