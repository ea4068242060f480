"""A day in the made-up shop: who comes when, what the sensors say of it in order of time, and what
was true. `scenes` says what each sensor notices of one stay; this module says who comes.

Made of a town and its cameras by a generator; it holds only those who are inside. Nothing of it
knows what the product will make of it.
"""

import heapq
from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate

import numpy as np

from tests.shop.cameras import Cameras
from tests.shop.people import CHILD_ALONG, TOGETHER, Person, Town
from tests.shop.scenes import Act, Scenes, Stay

OPENS_H, CLOSES_H = 9, 21
BUSY = (2, 3, 4, 6, 5, 4, 4, 5, 7, 8, 6, 2)
"""How many come in each hour, relative to the others: noon and after work (assumption)."""
BUSY_BY = tuple(accumulate(BUSY))
BEHIND_S = (0.3, 3.0)
"""So long after each other a party comes through the door."""
LEAVES_TOGETHER = 0.85
STAFF_PASSES_S = 420.0
"""So often somebody of the staff passes the view of the door camera (assumption)."""
STAFF_OUT = 2
"""How often a day each of them goes out and comes back: lunch, and a cigarette."""
DELIVERIES = 6
WALKS_BY = 0.2
"""Adults of the town who pass outside within reach, per visit (assumption)."""
LEAD_MS = 5000
"""Whoever comes in is in view so long before, at most."""
DAY_MS = 86_400_000
HOUR_MS = 3_600_000


@dataclass(slots=True)
class Story:
    """Days in the shop of a town. `truth` is what happened in the day that was played last."""

    town: Town
    cameras: Cameras
    dice: np.random.Generator
    visits: int
    """So many people come on a day, in the mean."""
    truth: list[Stay] = field(default_factory=list)
    _track: int = 0

    def day(self, midnight_ms: int) -> Iterator[Act]:
        """What the sensors tell, in order; no two at the same millisecond."""
        self.cameras.new_day()
        self.truth.clear()
        scenes = Scenes(self.town, self.cameras, self.dice, self._track)
        coming = sorted(self._coming(midnight_ms), key=lambda one: one[0])
        waiting: list[tuple[int, int, Act]] = []
        last_ms = 0
        for number, (at_ms, party) in enumerate([*coming, (2**53, [])]):
            while waiting and waiting[0][0] < at_ms:
                act = heapq.heappop(waiting)[2]
                last_ms = act.at_ms = max(act.at_ms, last_ms + 1)
                yield act
            stays = [self._stay(at_ms, one) for one in party] if number < len(coming) else []
            for act in scenes.party(self._together(stays)):
                heapq.heappush(waiting, (act.at_ms, scenes.tie(), act))
            self.truth += [one for one in stays if one.kind != "outside"]
        self._track = scenes.last_track

    # --- who comes

    def _coming(self, midnight_ms: int) -> list[tuple[int, list[tuple[Person, str, float]]]]:
        """(when, who with which purpose and for how long), each party; the earliest second."""
        opens = midnight_ms + OPENS_H * HOUR_MS
        found = [*self._shoppers(opens), *self._by_job(opens)]
        adults = self.town.adults
        for _ in range(self.dice.poisson(self.visits * WALKS_BY)):
            one = adults[int(self.dice.integers(len(adults)))]
            found.append((self._hour(opens), [(one, "outside", 0.0)]))
        return found

    def _shoppers(self, opens: int) -> list[tuple[int, list[tuple[Person, str, float]]]]:
        adults = self.town.adults
        rates = np.array([one.rate for one in adults])
        rates /= rates.sum()
        size = sum(float(rate) * self._size(one) for rate, one in zip(rates, adults, strict=True))
        leads = self.dice.choice(len(adults), self.dice.poisson(self.visits / size), p=rates)
        found = []
        until: dict[int, int] = {}
        for at_ms, lead in sorted((self._hour(opens), int(lead)) for lead in leads):
            who = [self.town.people[number] for number in self._party(adults[lead])]
            who = [one for one in who if until.get(one.number, 0) < at_ms]
            stay_s = float(adults[lead].dwell_s * self.dice.lognormal(0, 0.75))
            party = []
            for one in who:
                apart = self.dice.random() >= LEAVES_TOGETHER and one.kind == "adult"
                own_s = min(7200.0, stay_s * (self.dice.uniform(0.3, 1) if apart else 1))
                party.append((one, "visit", max(30.0, own_s)))
                until[one.number] = at_ms + round(own_s * 1000) + 600_000
            if party:
                found.append((at_ms, party))
        return found

    def _size(self, one: Person) -> float:
        partner = TOGETHER if one.partner is not None else 0.0
        return 1 + partner + CHILD_ALONG * len(one.children)

    def _party(self, lead: Person) -> list[int]:
        party = [lead.number]
        if lead.partner is not None and self.dice.random() < TOGETHER:
            party.append(lead.partner)
        return party + [one for one in lead.children if self.dice.random() < CHILD_ALONG]

    def _by_job(self, opens: int) -> list[tuple[int, list[tuple[Person, str, float]]]]:
        """Staff come to work, go out and come back, and pass by; others bring things."""
        found = []
        whole_s = (CLOSES_H - OPENS_H) * 3600
        for one in self.town.of_kind("staff"):
            parts = np.sort(self.dice.uniform(0, whole_s, STAFF_OUT))
            begins = [-900.0, *(float(part) for part in parts)]
            ends = [*(float(part) - 600 for part in parts), whole_s + 600.0]
            for begin, end in zip(begins, ends, strict=True):
                found.append((opens + round(begin * 1000), [(one, "staff", max(60, end - begin))]))
            passes = self.dice.uniform(0, whole_s, self.dice.poisson(whole_s / STAFF_PASSES_S))
            found += [(opens + round(at * 1000), [(one, "passing", 0.0)]) for at in passes]
        bring = self.town.of_kind("delivery")
        for _ in range(self.dice.poisson(DELIVERIES) if bring else 0):
            one = bring[int(self.dice.integers(len(bring)))]
            stay = [(one, "delivery", float(self.dice.uniform(25, 115)))]
            found.append((self._hour(opens), stay))
        return found

    def _hour(self, opens: int) -> int:
        hour = bisect(BUSY_BY, float(self.dice.random()) * BUSY_BY[-1])
        return opens + round((hour + self.dice.random()) * HOUR_MS)

    # --- how long, and with whom

    def _stay(self, at_ms: int, planned: tuple[Person, str, float]) -> Stay:
        one, kind, stay_s = planned
        in_ms = at_ms + LEAD_MS
        return Stay(one.number, kind, in_ms, in_ms + round(stay_s * 1000))

    def _together(self, stays: list[Stay]) -> list[Stay]:
        """One behind the other."""
        behind = 0
        for stay in stays[1:]:
            behind += round(1000 * self.dice.uniform(*BEHIND_S))
            stay.in_ms += behind
            stay.out_ms = max(stay.out_ms + behind, stay.in_ms + 20_000)
        return stays
