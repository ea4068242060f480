"""The open visits and how signs move them: opened, suggested, identified, merged, closed.

Pure bookkeeping in memory: the presence desk feeds it observations and writes the changes it
gives back, each with the event for the platform. It knows no storage, clock or sensor.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import msgspec

from edge.presence import evidence, fusion
from edge.presence.face_decision import FaceDecision
from edge.presence.prior import Prior
from edge.records import Moment
from edge.visiting import REASON_BEGINS, Evidence, SignKind, Stage, Strength, Visit, VisitState

VISITS_OPEN_MAX = 2_000
"""More people than this are not in one shop; the longest silent visit is closed for a new one."""

OFF_NETWORK_S = 300.0
"""A visit that rests on the Wi-Fi alone ends so long after the last phone left it: one that sleeps
in a pocket comes back by itself, and who has gone does not."""

BY_PHONE = frozenset({SignKind.ASSOCIATION, SignKind.DEVICE})
Track = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Change:
    """One visit as it is now, and what to tell the platform about it (None: nothing)."""

    visit: Visit
    event: str | None
    body: dict[str, object]


@dataclass(slots=True)
class OpenVisit:
    """A visit with the signs it rests on, by their source."""

    visit: Visit
    signs: dict[str, Evidence] = field(default_factory=dict)
    tracks: set[Track] = field(default_factory=set)
    associations: set[str] = field(default_factory=set)
    """The sources of signs of phones that are on the Wi-Fi now."""
    barred: set[str] = field(default_factory=set)
    """Members whose visit this is not, whatever a sign that is not explicit says."""

    @property
    def off_network(self) -> bool:
        """Whether it rests on phones alone, and all of them have left the Wi-Fi."""
        kinds = {sign.kind for sign in self.signs.values()}
        by_phone = bool(kinds) and kinds <= BY_PHONE
        return by_phone and not self.associations and not self.tracks


class VisitBook:
    """All open visits of one box."""

    def __init__(
        self, epoch: Callable[[], str], last_number: int, still_open: Iterable[Visit] = ()
    ) -> None:
        self._epoch = epoch
        self._number = last_number
        self._open = {visit.id: OpenVisit(visit) for visit in still_open}
        self._by_track: dict[Track, str] = {}

    def open_visits(self) -> list[Visit]:
        """The open visits, oldest first."""
        return [entry.visit for entry in self._open.values()]

    def member_is_here(self, member: str) -> Visit | None:
        """The open visit identified as this member."""
        return next((entry.visit for entry in self._open.values() if _is(entry, member)), None)

    # --- signs

    def track(self, track: Track, seen: Moment) -> list[Change]:
        """A person came into view: an anonymous visit."""
        if track in self._by_track:
            return self._touch(self._open[self._by_track[track]], seen)
        changes, entry = self._begin(track[0], seen)
        self._by_track[track] = entry.visit.id
        entry.tracks.add(track)
        return changes

    def face(
        self, track: Track, decision: FaceDecision, seen: Moment, judge: "Judge"
    ) -> list[Change]:
        """A described frame of a track, and what the track says with it."""
        changes = self.track(track, seen)
        entry = self._open[self._by_track[track]]
        source = f"{track[0]}/{track[1]}"
        sign = evidence.from_face(decision, track[0], seen)
        if sign is None or sign.member in entry.barred:
            entry.signs.pop(source, None)
            return changes
        entry.signs[source] = sign
        return changes + self._decide(entry, judge)

    def is_known(self, track: Track) -> bool:
        """Whether the visit of this track is some member's."""
        visit = self._by_track.get(track)
        return visit is not None and self._open[visit].visit.member is not None

    def explicit(self, sign: Evidence, sensor: str, judge: "Judge") -> list[Change]:
        """A sign that the member gave themselves, at `sensor` or a screen of that name: it belongs
        to their visit, opened here if they were not seen before.
        """
        member, seen = sign.member, sign.seen
        here = self.member_is_here(member)
        changes: list[Change] = []
        if here is not None:
            entry = self._open[here.id]
            changes += self._touch(entry, seen)
        else:
            changes, entry = self._begin(sensor, seen)
        entry.barred.discard(member)
        entry.signs[f"{sign.kind}/{sensor}"] = sign
        return changes + self._decide(entry, judge)

    def correct(self, visit: str, sign: Evidence | None, judge: "Judge") -> list[Change]:
        """Staff say that this open visit is not who it is believed to be; `sign` says who it is."""
        entry = self._open[visit]
        wrong = entry.visit.member
        changes: list[Change] = []
        if wrong is not None and (sign is None or sign.member != wrong):
            entry.barred.add(wrong)
            entry.signs = {key: each for key, each in entry.signs.items() if each.member != wrong}
            entry.visit = anonymous(entry.visit)
            changes.append(Change(entry.visit, None, {}))
        if sign is not None:
            entry.barred.discard(sign.member)
            entry.signs["staff"] = sign
            changes += self._decide(entry, judge)
        return changes

    def associated(self, session: str, sign: Evidence, sensor: str, judge: "Judge") -> list[Change]:
        """A member's phone is on the Wi-Fi, by a login of this `session`."""
        source = f"association/{sensor}/{session}"
        entry = self._with_association(source, sign.member)
        changes: list[Change] = []
        if entry is not None:
            changes += self._touch(entry, sign.seen)
        else:
            changes, entry = self._begin(sensor, sign.seen)
        entry.associations.add(source)
        entry.signs[source] = sign
        return changes + self._decide(entry, judge)

    def dissociated(self, session: str, sensor: str) -> None:
        """The login has ended. What it said stays said; the visit ends by silence, and soon."""
        source = f"association/{sensor}/{session}"
        for entry in self._open.values():
            entry.associations.discard(source)

    def _with_association(self, source: str, member: str) -> OpenVisit | None:
        """The visit of this very login if it is still `member`'s, or else the one they are on."""
        for entry in self._open.values():
            sign = entry.signs.get(source)
            if sign is not None and sign.member == member:
                return entry
        here = self.member_is_here(member)
        return self._open[here.id] if here is not None else None

    def members(self) -> frozenset[str]:
        """Everybody whom any sign of an open visit names."""
        signs = {sign.member for entry in self._open.values() for sign in entry.signs.values()}
        named = {entry.visit.member for entry in self._open.values()}
        return frozenset(signs | {name for name in named if name is not None})

    def recognised_by_face(self, sensors: frozenset[str], since: Moment) -> set[str]:
        """Members identified now, with a face in agreement seen by one of `sensors` since then."""
        return {
            sign.member
            for entry in self._open.values()
            for source, sign in entry.signs.items()
            if _is(entry, sign.member)
            and sign.kind is SignKind.FACE
            and sign.strength is Strength.AGREEMENT
            and source.rpartition("/")[0] in sensors
            and (sign.seen.boot, since.mono_ms <= sign.seen.mono_ms) == (since.boot, True)
        }

    def forget(self, member: str, kind: SignKind | None = None) -> list[Change]:
        """The member withdrew altogether, or the consent to signs of one kind.

        Their visit goes on as anybody's, unless signs of another kind still say who it is.
        """
        changes = []
        for entry in self._open.values():
            gone = [
                source
                for source, sign in entry.signs.items()
                if sign.member == member and kind in (None, sign.kind)
            ]
            for source in gone:
                del entry.signs[source]
                entry.associations.discard(source)
            if entry.visit.member != member:
                continue
            visit = anonymous(entry.visit) if kind is None else without(entry.visit, kind)
            if visit != entry.visit:
                entry.visit = visit
                changes.append(Change(visit, None, {}))
        return changes

    # --- time

    def silent(self, now: Moment, silence_s: float) -> list[Change]:
        """Close the visits of which nothing was seen for `silence_s` (or since another boot)."""
        off_network_s = min(silence_s, OFF_NETWORK_S)
        return [
            change
            for entry in list(self._open.values())
            if _age_s(entry.visit.last_seen, now)
            >= (off_network_s if entry.off_network else silence_s)
            for change in self._close(entry)
        ]

    # --- inside

    def _begin(self, sensor: str, seen: Moment) -> tuple[list[Change], OpenVisit]:
        closed = []
        if len(self._open) >= VISITS_OPEN_MAX:
            oldest = min(self._open.values(), key=lambda e: e.visit.last_seen.mono_ms)
            closed = self._close(oldest)
        self._number += 1
        visit = Visit(
            f"{self._epoch()}-{self._number:08d}", VisitState.ANONYMOUS, seen, seen, sensor
        )
        entry = self._open[visit.id] = OpenVisit(visit)
        body: dict[str, object] = {"visit": visit.id, "sensor": sensor}
        return [*closed, Change(visit, "visit.opened.v1", body)], entry

    def _touch(self, entry: OpenVisit, seen: Moment) -> list[Change]:
        entry.visit = msgspec.structs.replace(entry.visit, last_seen=seen)
        return [Change(entry.visit, None, {})]

    def _decide(self, entry: OpenVisit, judge: "Judge") -> list[Change]:
        decision = judge.decide(entry.signs.values())
        before = entry.visit
        rises = _RANK[decision.state] >= _RANK[before.state]
        if decision.member is None or not rises:
            return []
        entry.visit = msgspec.structs.replace(
            before,
            state=decision.state,
            member=decision.member,
            posterior=decision.posterior,
            reasons=decision.reasons,
        )
        news = decision.state is not before.state or decision.member != before.member
        if decision.state is not VisitState.IDENTIFIED or not news:
            return [Change(entry.visit, None, {})]
        return [*self._merge(entry), self._identified(entry)]

    def _identified(self, entry: OpenVisit) -> Change:
        visit = entry.visit
        body: dict[str, object] = {
            "visit": visit.id,
            "member": visit.member,
            "posterior": round(visit.posterior, 6),
            "reasons": visit.reasons,
        }
        return Change(visit, "visit.identified.v1", body)

    def _merge(self, entry: OpenVisit) -> list[Change]:
        """Two visits turn out to be one member's: the other one's tracks and signs move here."""
        member = entry.visit.member
        changes = []
        for other in list(self._open.values()):
            if other is entry or member is None or not _is(other, member):
                continue
            entry.signs = {**other.signs, **entry.signs}
            for track in other.tracks:
                self._by_track[track] = entry.visit.id
            entry.tracks |= other.tracks
            entry.associations |= other.associations
            opened = _earlier(entry.visit.opened, other.visit.opened)
            entry.visit = msgspec.structs.replace(entry.visit, opened=opened)
            del self._open[other.visit.id]
            left = msgspec.structs.replace(other.visit, stage=Stage.LEFT)
            body: dict[str, object] = {"visit": left.id, "into": entry.visit.id}
            changes.append(Change(left, "visit.merged.v1", body))
        return changes

    def _close(self, entry: OpenVisit) -> list[Change]:
        visit = entry.visit
        del self._open[visit.id]
        for track in entry.tracks:
            self._by_track.pop(track, None)
        left = msgspec.structs.replace(visit, stage=Stage.LEFT)
        dwell_s = max(0, (visit.last_seen.mono_ms - visit.opened.mono_ms) // 1000)
        same_boot = visit.opened.boot == visit.last_seen.boot
        body: dict[str, object] = {
            "visit": visit.id,
            "member": visit.member if visit.state is VisitState.IDENTIFIED else None,
            "dwell_s": dwell_s if same_boot else None,
        }
        return [Change(left, "visit.closed.v1", body)]


@dataclass(frozen=True, slots=True)
class Judge:
    """What a decision needs besides the signs."""

    prior: Prior
    thresholds: fusion.Thresholds
    now: Moment

    def decide(self, signs: Iterable[Evidence]) -> fusion.Decision:
        """`fusion.decide` with this prior and these thresholds, now."""
        return fusion.decide(signs, self.prior, self.thresholds, self.now)


_RANK = {VisitState.ANONYMOUS: 0, VisitState.SUGGESTED: 1, VisitState.IDENTIFIED: 2}


def _is(entry: OpenVisit, member: str) -> bool:
    return entry.visit.member == member and entry.visit.state is VisitState.IDENTIFIED


def anonymous(visit: Visit) -> Visit:
    """The same visit, of anybody."""
    nobody = VisitState.ANONYMOUS
    return msgspec.structs.replace(visit, state=nobody, member=None, posterior=0.0, reasons=())


def without(visit: Visit, kind: SignKind) -> Visit:
    """The same visit without signs of this kind; anybody's if it rested on them alone."""
    begins = REASON_BEGINS[kind]
    others = tuple(reason for reason in visit.reasons if not reason.startswith(begins))
    if others == visit.reasons:
        return visit
    return msgspec.structs.replace(visit, reasons=others) if others else anonymous(visit)


def _earlier(one: Moment, other: Moment) -> Moment:
    """By the monotonic clock where it can tell."""
    if one.boot == other.boot:
        return min(one, other, key=lambda moment: moment.mono_ms)
    return min(one, other, key=lambda moment: moment.wall_ms)


def _age_s(since: Moment, now: Moment) -> float:
    """Seconds between two moments; endless across boots, whose clocks cannot be compared."""
    return (now.mono_ms - since.mono_ms) / 1000 if since.boot == now.boot else float("inf")
