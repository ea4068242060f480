"""Whose an open visit is, and what follows: merged with another one, split, taken over, counted.

Pure; part of the book of visits. The state of a visit follows from its signs alone, so that any of
them may raise, change or lower it; what was said before is then corrected upstream.
"""

from collections.abc import Iterable

from msgspec.structs import replace

from edge.presence import doorway, proofs, stages
from edge.presence.fusion import Decision
from edge.presence.judging import Judge
from edge.presence.open_visit import (
    OpenVisit,
    TrackState,
    anonymous,
    earlier,
    ended,
    later,
)
from edge.presence.open_visits import OpenVisits
from edge.records import Moment
from edge.visiting import Evidence, SignKind, Stage, Step, Strength, Visit, VisitState

MERGED, MERGED_WITH = "merged", "with "
"""The step that another visit went into this one, and how its text names that one."""


class Deciding:
    """Decides by `judge` over the visits of one book."""

    def __init__(self, visits: OpenVisits, judge: Judge) -> None:
        self._visits = visits
        self._judge = judge

    def decide(self, entry: OpenVisit, cause: SignKind | None = None, by: str = "") -> None:
        """Whose it is now. `cause` is the kind of sign that changed (None: only time passed), `by`
        who gave it, for the correction of what was said before.
        """
        torn = self._torn(entry, cause, by) if cause is not None else None
        self._decided(entry, cause, by)
        proofs.found(entry)
        if torn is not None:
            self.decide(torn, cause)

    def _decided(self, entry: OpenVisit, cause: SignKind | None, by: str) -> None:
        decision = self._decision(entry, entry.visit.last_seen)
        visit, known_as = entry.visit, entry.identified
        if (visit.state, visit.member) == (decision.state, decision.member):
            self._figures(entry, decision)
            if cause is not None and known_as is not None:
                self._settled(entry, cause)
            return
        self._correct(entry, decision, cause, by)
        other = self._visits.of_member(decision.member) if decision.member else None
        if decision.state is VisitState.IDENTIFIED and decision.member and other is None:
            other = self._signs_of(decision.member, entry)
        if decision.state is VisitState.IDENTIFIED and other is not None and other is not entry:
            self._visits.become(entry, anonymous(entry.visit))
            self.decide(self.merge(entry, other), cause)
            return
        self._become(entry, decision, cause)
        if entry.identified is None or self._settled(entry, cause) is not entry:
            return
        if entry.identified != known_as:
            self._identified(entry)

    def _signs_of(self, member: str, entry: OpenVisit) -> OpenVisit | None:
        """Another visit of nobody in view, in which something suggests this member: their phone."""
        guesses = self._visits.suggested(member)
        return next((g for g in guesses if g is not entry and not g.tracks and not g.door), None)

    def _decision(self, entry: OpenVisit, now: Moment) -> Decision:
        return self._judge.decide(entry.standing().values(), now)

    def _figures(self, entry: OpenVisit, decision: Decision) -> None:
        """It is believed as before, more or less."""
        visit = entry.visit
        if (visit.posterior, visit.reasons) != (decision.posterior, decision.reasons):
            told = replace(visit, posterior=decision.posterior, reasons=decision.reasons)
            self._visits.become(entry, told)

    def _become(self, entry: OpenVisit, decision: Decision, cause: SignKind | None) -> None:
        before = entry.visit
        visit = replace(
            before,
            state=decision.state,
            member=decision.member,
            posterior=decision.posterior,
            reasons=decision.reasons,
        )
        self._visits.become(entry, visit)
        if (before.state, before.member) != (visit.state, visit.member):
            what, member = visit.state.value, visit.member
            step = Step(visit.last_seen, what, member=member, sign=cause)
            entry.step(replace(step, posterior=decision.posterior if member else None))

    def _correct(
        self, entry: OpenVisit, decision: Decision, cause: SignKind | None, by: str
    ) -> None:
        """What was said of a member is not believed any more; by age alone nothing is corrected."""
        wrong = entry.identified
        if wrong is not None and decision.member != wrong and cause is not None:
            self.corrected(entry, entry.visit, None, by or cause.value)

    def corrected(self, entry: OpenVisit, before: Visit, into: str | None, by: str) -> None:
        """The platform is told that this visit is not the member's whose it was `before`."""
        body: dict[str, object] = {
            "visit": before.id,
            "member": before.member,
            "into": into,
            "by": by,
            "reasons": before.reasons,
        }
        self._visits.tell(entry, "visit.corrected.v1", body, about=before.member)

    def _identified(self, entry: OpenVisit) -> None:
        visit = entry.visit
        body: dict[str, object] = {
            "visit": visit.id,
            "member": visit.member,
            "posterior": round(visit.posterior, 6),
            "reasons": visit.reasons,
        }
        self._visits.tell(entry, "visit.identified.v1", body)

    # --- two visits are one

    def merge(self, one: OpenVisit, other: OpenVisit) -> OpenVisit:
        """Two visits turn out to be one person's: the younger goes into the older; the older."""
        stays, goes = sorted((one, other), key=lambda e: (e.visit.opened.mono_ms, e.visit.id))
        visits, gone = self._visits, goes.visit
        visits.remove(goes)
        for source, sign in goes.signs.items():
            visits.put(stays, source, sign, goes.bound.get(source))
        stays.associations |= goes.associations
        stays.muted |= goes.muted
        visits.sources.update(dict.fromkeys(goes.muted, stays.visit.id))
        stays.barred |= goes.barred
        for key, track in goes.tracks.items():
            track.visit = stays.visit.id
            stays.tracks[key] = track
        for zone, dwell_ms in gone.zones.items():
            stays.stayed(zone, dwell_ms)
        stays.kiosk_seen = stays.kiosk_seen or goes.kiosk_seen
        visit = stays.visit
        whole = replace(
            visit,
            opened=earlier(visit.opened, gone.opened),
            last_seen=later(visit.last_seen, gone.last_seen),
            counted=visit.counted or gone.counted,
            reached=max(visit.reached, gone.reached, key=stages.RANK.__getitem__),
        )
        visits.become(stays, whole, door=stays.door)
        if goes.door and not stays.door:  # else they came in twice, and leave twice
            departs = visits.doorway.inside.remove(gone.id)
            visits.become(stays, whole, door=True)
            if departs:
                visits.doorway.inside.put(whole.id, whole.opened)
        stays.step(Step(whole.last_seen, MERGED, text=f"{MERGED_WITH}{gone.id}"))
        visits.staged(stays, whole.last_seen)
        goes.step(Step(whole.last_seen, Stage.LEFT.value, text=f"merged into {visit.id}"))
        goes.visit = ended(gone, counted=False)
        visits.tell(goes, "visit.merged.v1", {"visit": gone.id, "into": visit.id})
        return stays

    # --- one visit is two

    def _torn(self, entry: OpenVisit, cause: SignKind, by: str) -> OpenVisit | None:
        """Split off a track that says by itself that it is another member than all the rest; the
        new visit, which is still to be decided.
        """
        standing = entry.standing()
        if len({sign.member for sign in standing.values()}) < 2:
            return None
        now, known_as = entry.visit.last_seen, entry.identified
        for key in sorted(set(entry.bound.values())):
            own = {s: sign for s, sign in standing.items() if entry.bound.get(s) == key}
            rest = {s: sign for s, sign in standing.items() if s not in own}
            said, others = (self._judge.decide(part.values(), now) for part in (own, rest))
            if said.state is not VisitState.IDENTIFIED:
                continue
            # Beside what was shown on purpose a phone is enough to be another's.
            enough = others.member is not None and _explicit(own.values())
            both = enough or others.state is VisitState.IDENTIFIED
            if both and said.member not in (others.member, known_as) and key in entry.tracks:
                return self._split(entry, entry.tracks[key], rest, by or cause.value)
        return None

    def _split(
        self, entry: OpenVisit, track: TrackState, rest: dict[str, Evidence], by: str
    ) -> OpenVisit:
        """The visit goes on with its tracks: `track` leaves, or if there is no other the rest."""
        visits, before, known = self._visits, entry.visit, entry.identified is not None
        if len(entry.tracks) > 1:
            visits.detach(entry, track)
            new = visits.begin(track.track[0], track.first, counted=self.counts_all)
            visits.attach(new, track)
            if track.crossed:
                if visits.doorway.inside.remove(entry.visit.id):
                    visits.doorway.inside.put(new.visit.id, new.visit.opened)
                visits.become(new, replace(new.visit, counted=True), door=True)
                visits.become(entry, entry.visit, door=False)
        else:
            sources = [source for source in rest if source not in entry.bound]
            if _explicit(entry.of_track(track.track).values()):
                proofs.lost(visits, entry, sources)
            new = self.apart(entry, sources)
        entry.step(Step(entry.visit.last_seen, "split", text=f"from {new.visit.id}"))
        if known:
            visits.become(entry, anonymous(entry.visit))
            self.corrected(entry, before, new.visit.id, by)
        return new

    def apart(self, entry: OpenVisit, sources: list[str]) -> OpenVisit:
        """These signs speak of somebody else, who gets a visit of their own."""
        visits = self._visits
        signs = {source: entry.signs[source] for source in sources}
        first = min(signs.values(), key=lambda sign: (sign.seen.mono_ms, sign.reason))
        last = max(signs.values(), key=lambda sign: (sign.seen.mono_ms, sign.reason))
        on_air = entry.associations & set(sources)
        for source in sources:
            visits.drop(entry, source)
        new = visits.begin(entry.visit.sensor, first.seen, counted=self.counts_all)
        new.associations |= on_air
        for source, sign in signs.items():
            visits.put(new, source, sign, None)
        visits.touch(new, last.seen)
        return new

    # --- who is counted

    @property
    def counts_all(self) -> bool:
        """Without a camera at the door each visit counts; with one, whom it saw, or who is known
        and was missed by it.
        """
        return not self._visits.places.has_entrance

    def _settled(self, entry: OpenVisit, cause: SignKind | None) -> OpenVisit:
        """A known member without a visit at the door: they are the last one who came in there, or
        were missed and count by themselves. The visit that stays."""
        visit, visits = entry.visit, self._visits
        if self.counts_all or entry.door or visit.counted:
            return entry
        telling = [
            sign
            for source, sign in entry.standing().items()
            if sign.member == visit.member and not self._coming_in(entry, source)
        ]
        if not telling:
            return entry
        newest = max(telling, key=lambda sign: (sign.seen.mono_ms, sign.llr, sign.reason))
        taken = self._adoptable(entry, newest)
        if taken is None:
            visits.become(entry, replace(visit, counted=True))
            until_ms = newest.seen.mono_ms + doorway.ahead_ms(newest.kind)
            visits.doorway.expect_arrival(visit.id, replace(newest.seen, mono_ms=until_ms))
            return entry
        stays = self.merge(taken, entry)
        stays.step(Step(stays.visit.last_seen, "adopted", text="taken for the last one to come in"))
        self.decide(stays, cause)
        return stays

    def _coming_in(self, entry: OpenVisit, source: str) -> bool:
        """Whether it was said by somebody at the door who may still walk in."""
        key = entry.bound.get(source)
        if key is None or not self._visits.places.is_entrance(key[0]):
            return False
        return key in entry.tracks and not entry.tracks[key].crossed

    def _adoptable(self, entry: OpenVisit, sign: Evidence) -> OpenVisit | None:
        """The visit at the door that this sign's giver may have begun."""
        visits, seen = self._visits, sign.seen
        for guess in visits.suggested(sign.member):
            if guess.door and guess is not entry:
                return guess
        since_ms = seen.mono_ms - doorway.window_ms(sign.kind)
        found = visits.doorway.nobodys.newest(since_ms, seen.mono_ms)
        if found is None or sign.member in visits.entries[found].barred:
            return None
        return visits.entries[found]


def _explicit(signs: Iterable[Evidence]) -> bool:
    """Whether any of them was given on purpose."""
    return any(sign.strength is Strength.EXPLICIT for sign in signs)
