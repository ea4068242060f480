"""The book of open visits: what is seen in the shop, and what it makes of them.

Pure bookkeeping in memory: the presence desk feeds it observations and writes the changes it
gives back, each with the event for the platform. It knows no storage, clock or sensor. The visits
are kept by `open_visits.py`, whose they are is decided by `deciding.py`.
"""

from collections.abc import Callable, Iterable, Iterator

from msgspec.structs import replace

from edge.presence.correcting import not_them
from edge.presence.deciding import Deciding
from edge.presence.judging import Judge
from edge.presence.open_visit import (
    STAFF_SOURCE,
    Change,
    OpenVisit,
    Track,
    TrackState,
    anonymous,
    without,
)
from edge.presence.open_visits import OFF_NETWORK_S as OFF_NETWORK_S
from edge.presence.open_visits import OpenVisits
from edge.presence.places import Places
from edge.records import Moment
from edge.visiting import Evidence, SignKind, Step, Strength, Visit


class VisitBook:
    """All open visits of one box."""

    def __init__(
        self,
        epoch: Callable[[], str],
        last_number: int,
        places: Places,
        silence_s: float,
        still_open: Iterable[OpenVisit] = (),
    ) -> None:
        self._visits = OpenVisits(epoch, last_number, places, silence_s)
        self._places = places
        for entry in still_open:
            at_entrance = places.is_entrance(entry.visit.sensor) and entry.visit.counted
            entry.door = at_entrance
            self._visits.add(entry)

    def open_visits(self) -> list[Visit]:
        """The open visits, oldest first."""
        return [entry.visit for entry in self._visits.entries.values()]

    def visit(self, visit: str) -> Visit | None:
        """One of them."""
        entry = self._visits.entries.get(visit)
        return entry.visit if entry is not None else None

    def dropped(self) -> dict[str, int]:
        """What found no room since this was last asked, by reason."""
        counted = {reason: count for reason, count in self._visits.counts.items() if count}
        self._visits.counts.clear()
        return counted

    # --- who is in view

    def track(self, key: Track, seen: Moment) -> list[Change]:
        """A person came into view: an anonymous visit, unless a camera at the door opens those."""
        self._in_view(key, seen)
        return self._visits.take()

    def crossed(self, key: Track, seen: Moment, *, inwards: bool) -> list[Change]:
        """Somebody walked over the line at the door."""
        if not self._places.is_entrance(key[0]):
            return []
        track = self._in_view(key, seen) if key[1] else None
        if inwards:
            self._came_in(key[0], track, seen)
        else:
            self._walked_out(track, seen)
        return self._visits.take()

    def stayed(self, key: Track, zone: str, dwell_ms: int, seen: Moment) -> list[Change]:
        """Somebody left a zone of the camera's view after so long."""
        track = self._in_view(key, seen)
        name = f"{key[0]}/{zone}"
        track.zones[name] = track.zones.get(name, 0) + dwell_ms
        entry = self._visits.of_track(track)
        if entry is not None:
            entry.stayed(name, dwell_ms)
            self._visits.touch(entry, seen)
        return self._visits.take()

    def gone(self, key: Track, seen: Moment) -> list[Change]:
        """Somebody went out of view."""
        track = self._visits.tracks.get(key)
        if track is None:
            return []
        track.seen = seen
        entry = self._visits.of_track(track)
        self._visits.gone(track)
        if entry is not None:
            if self._places.screen_of(key[0]):
                entry.kiosk_seen = seen
            self._visits.touch(entry, seen)
        return self._visits.take()

    def _in_view(self, key: Track, seen: Moment) -> TrackState:
        visits = self._visits
        track = visits.seen(key, seen)
        entry = visits.of_track(track)
        if entry is not None:
            visits.touch(entry, seen)
        elif not self._places.has_entrance:
            visits.attach(visits.begin(key[0], seen, counted=True), track)
        return track

    def _came_in(self, sensor: str, track: TrackState | None, seen: Moment) -> None:
        visits = self._visits
        entry = visits.of_track(track) if track is not None else None
        if entry is None:
            awaited = visits.doorway.arrived(seen)
            if awaited is not None:
                entry = visits.entries[awaited]
                entry.step(Step(seen, "adopted", sensor, "came in after the sign"))
            else:
                entry = visits.begin(sensor, seen, counted=True)
            if track is not None:
                visits.attach(entry, track)
        if track is not None:
            track.crossed = True
        visits.doorway.forget_arrival(entry.visit.id)
        visits.doorway.came_in(entry.visit.id, seen if entry.door else entry.visit.opened)
        visits.become(entry, replace(entry.visit, counted=True), door=True)
        visits.touch(entry, seen)

    def _walked_out(self, track: TrackState | None, seen: Moment) -> None:
        """Their visit ends, or that of who came in first, if nobody knows who that is."""
        visits = self._visits
        entry = visits.of_track(track) if track is not None else None
        if entry is not None:
            departs = entry.visit.id in visits.doorway.inside
            visits.close(entry, seen)
            if departs or entry.visit.counted:
                visits.doorway.balance.departed(seen.mono_ms)
                return
        first = visits.doorway.departed(seen, lambda visit: visits.surely_here(visit, seen))
        paired = visits.entries.get(first.visit) if first is not None else None
        if first is not None and paired is not None and paired.identified is None:
            visits.close(paired, seen, tells_dwell=first.tells_dwell)

    # --- signs

    def face(self, key: Track, sign: Evidence | None, seen: Moment, judge: Judge) -> list[Change]:
        """A described frame of a track, and what the track says with it (None: of nobody)."""
        visits = self._visits
        track = self._in_view(key, seen)
        entry = visits.of_track(track)
        if entry is None:
            self._loose_face(track, sign, judge)
        elif sign is not None:
            self._sign(entry, track.source, sign, judge, key)
        elif (gone := visits.drop(entry, track.source)) is not None:
            Deciding(visits, judge).decide(entry, gone.kind)
        return visits.take()

    def _loose_face(self, track: TrackState, sign: Evidence | None, judge: Judge) -> None:
        """A track of no visit becomes one as soon as it may be a member."""
        track.signs = {} if sign is None else {track.source: sign}
        if sign is None:
            return
        decision = judge.decide([sign], sign.seen)
        if decision.member is None:
            return
        home = self._home(sign.member)
        if home is None:
            home = self._visits.begin(track.track[0], track.first, counted=False)
        track.signs = {}
        self._visits.attach(home, track)
        self._sign(home, track.source, sign, judge, track.track)

    def is_known(self, key: Track) -> bool:
        """Whether the visit of this track is some member's."""
        track = self._visits.tracks.get(key)
        entry = self._visits.of_track(track) if track is not None else None
        return entry is not None and entry.visit.member is not None

    def explicit(self, sign: Evidence, where: str, screen: str, judge: Judge) -> list[Change]:
        """A sign that the member gave themselves at `where`, which belongs to `screen` (empty: to
        none). With one person in view there it is theirs, whatever a face says; else it is of the
        member's visit, opened here if they were not seen before.
        """
        visits, seen = self._visits, sign.seen
        track = self._alone_at(screen, sign)
        entry = visits.of_track(track) if track is not None else None
        if entry is None:
            entry = self._home(sign.member)
            if entry is None:
                entry = visits.begin(where, seen, counted=not self._places.has_entrance)
            if track is not None:
                visits.attach(entry, track)
        visits.touch(entry, seen)
        if screen:
            entry.kiosk_seen = seen
        entry.barred.discard(sign.member)
        source = f"{sign.kind}/{where}/{sign.member}"
        key = track.track if track is not None else None
        self._sign(entry, source, sign, judge, key)
        return visits.take()

    def _alone_at(self, screen: str, sign: Evidence) -> TrackState | None:
        """The one person who is in view at a screen, if nobody else was said to be them."""
        cameras = self._places.at_screen(screen)
        there = [each for c in sorted(cameras) for each in self._visits.in_view(c, sign.seen)]
        if len(there) != 1:
            return None
        entry = self._visits.of_track(there[0])
        others = entry is not None and entry.explicitly not in (None, sign.member)
        return None if others else there[0]

    def associated(self, session: str, sign: Evidence, sensor: str, judge: Judge) -> list[Change]:
        """A member's phone is on the Wi-Fi, by a login of this `session`."""
        source, visits = f"association/{sensor}/{session}", self._visits
        entry = self._with_association(source, sign.member)
        if entry is not None and source in entry.muted:
            return visits.take()
        if entry is None:
            counted = not self._places.has_entrance
            entry = visits.begin(sensor, sign.seen, counted=counted)
        visits.touch(entry, sign.seen)
        entry.associations.add(source)
        self._sign(entry, source, sign, judge)
        return visits.take()

    def dissociated(self, session: str, sensor: str) -> None:
        """The login has ended. What it said stays said; the visit ends by silence, and soon."""
        source = f"association/{sensor}/{session}"
        visit = self._visits.sources.get(source)
        if visit is not None:
            entry = self._visits.entries[visit]
            entry.associations.discard(source)
            self._visits.off_network(entry)

    def _with_association(self, source: str, member: str) -> OpenVisit | None:
        """The visit of this very login if it is still `member`'s, or else the one they are on."""
        visit = self._visits.sources.get(source)
        if visit is not None:
            entry = self._visits.entries[visit]
            sign = entry.signs.get(source)
            if source in entry.muted or (sign is not None and sign.member == member):
                return entry
        return self._home(member)

    def _home(self, member: str) -> OpenVisit | None:
        """Where a sign of this member belongs that is of nobody in view: to their visit, or to the
        one that nothing but weak signs of them began.
        """
        known = self._visits.of_member(member)
        if known is not None:
            return known
        guesses = self._visits.suggested(member)
        return next((each for each in guesses if not (each.visit.counted and each.tracks)), None)

    def _sign(
        self,
        entry: OpenVisit,
        source: str,
        sign: Evidence,
        judge: Judge,
        key: Track | None = None,
    ) -> None:
        before = entry.signs.get(source)
        self._visits.put(entry, source, sign, key)
        self._visits.staged(entry, sign.seen)
        if before is None or (before.member, before.strength) != (sign.member, sign.strength):
            believed = judge.decide(entry.standing().values(), entry.visit.last_seen)
            step = Step(sign.seen, "sign", key[0] if key else "", sign.reason, sign.member)
            known = believed.posterior if believed.member == sign.member else None
            entry.step(replace(step, sign=sign.kind, llr=sign.llr, posterior=known))
        Deciding(self._visits, judge).decide(entry, sign.kind)

    def settle(self, judge: Judge) -> list[Change]:
        """Of whatever was seen: the state follows from the signs as they are worth by now."""
        for entry in self._visits.touched():
            if entry.signs and entry.visit.id in self._visits.entries:
                Deciding(self._visits, judge).decide(entry)
        return self._visits.take()

    # --- corrections

    def correct(
        self, visit: str, sign: Evidence | None, judge: Judge, *, now: Moment, by: str
    ) -> list[Change]:
        """Staff say that this open visit is not who it is believed to be; `sign` says who it is."""
        entry, deciding = self._visits.entries[visit], Deciding(self._visits, judge)
        wrong = entry.visit.member
        self._visits.touch(entry, now)
        apart = None
        if wrong is not None and (sign is None or sign.member != wrong):
            apart = not_them(self._visits, deciding, entry, by)
        if sign is not None:
            entry.barred.discard(sign.member)
            self._sign(entry, STAFF_SOURCE, sign, judge)
        else:
            deciding.decide(entry)
        if apart is not None:
            deciding.decide(apart, SignKind.STAFF)
        return self._visits.take()

    def believed_by(self, visit: str) -> frozenset[SignKind]:
        """By which kinds of signs an open visit is believed to be whose it is."""
        entry = self._visits.entries[visit]
        theirs = (s for s in entry.signs.values() if s.member == entry.visit.member)
        return frozenset(sign.kind for sign in theirs)

    # --- who is named

    def members(self) -> frozenset[str]:
        """Everybody whom any sign of an open visit names."""
        named = {entry.visit.member for entry in self._visits.entries.values()}
        signs = {sign.member for holder in self._holders() for sign in holder.values()}
        return frozenset(signs | {name for name in named if name is not None})

    def _holders(self) -> Iterator[dict[str, Evidence]]:
        yield from (entry.signs for entry in self._visits.entries.values())
        yield from (track.signs for track in self._visits.tracks.values())

    def recognised_by_face(self, sensors: frozenset[str], since: Moment) -> set[str]:
        """Members identified now, with a face in agreement seen by one of `sensors` since then."""
        return {
            sign.member
            for entry in self._visits.entries.values()
            for source, sign in entry.signs.items()
            if entry.identified == sign.member
            and sign.kind is SignKind.FACE
            and sign.strength is Strength.AGREEMENT
            and source in entry.bound
            and entry.bound[source][0] in sensors
            and (sign.seen.boot, since.mono_ms <= sign.seen.mono_ms) == (since.boot, True)
        }

    def at_most_one_in_view(self, sensors: Iterable[str], now: Moment) -> bool:
        """Whether none of these cameras sees more than one person now."""
        return all(len(self._visits.in_view(sensor, now)) <= 1 for sensor in sensors)

    def forget(self, member: str, judge: Judge, kind: SignKind | None = None) -> list[Change]:
        """The member withdrew altogether, or the consent to signs of one kind.

        Their visit goes on as anybody's, unless other signs still say who it is.
        """
        visits = self._visits
        for track in visits.tracks.values():
            for source in [s for s, e in track.signs.items() if _named(e, member, kind)]:
                del track.signs[source]
        for entry in list(visits.entries.values()):
            gone = [s for s, e in entry.signs.items() if _named(e, member, kind)]
            for source in gone:
                visits.drop(entry, source)
            if entry.visit.member != member or entry.visit.id not in visits.entries:
                continue
            if gone and entry.signs:
                Deciding(visits, judge).decide(entry)
                continue
            visit = anonymous(entry.visit) if kind is None else without(entry.visit, kind)
            if visit != entry.visit:
                visits.become(entry, visit)
        return visits.take()

    # --- time

    def due(self, now: Moment) -> list[Change]:
        """Close the visits of which nothing was seen for long (or since another boot)."""
        self._visits.due(now)
        return self._visits.take()


def _named(sign: Evidence, member: str, kind: SignKind | None) -> bool:
    return sign.member == member and kind in (None, sign.kind)
