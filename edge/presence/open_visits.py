"""All open visits and tracks of one box, found by whatever leads to them, without a search.

Pure bookkeeping; part of the book of visits. Whoever changes a visit does it through here, so that
no index is left behind and nothing is forgotten to be written. What it decides is when a visit is
over; whose it is others say.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Iterator

from msgspec.structs import replace

from edge.presence import stages
from edge.presence.doorway import UNSEEN_MAX_S, Doorway
from edge.presence.open_visit import Change, OpenVisit, Track, TrackState, age_s, ended, later
from edge.presence.places import Places
from edge.records import Moment
from edge.visiting import Evidence, Stage, Step, Visit, VisitState

VISITS_OPEN_MAX = 2_000
"""More people than this are not in one shop; the longest silent visit is closed for a new one."""
TRACKS_MAX = 4_000
"""Tracks in view of all cameras; the oldest of nobody makes room, and is counted."""
SEEN_LATELY_S = 120.0
"""Of whom something was seen so lately, it is not they who walk out unrecognised."""
PRUNED_S = 60.0
"""So often it is looked for tracks that were never said to be gone."""

OFF_NETWORK_S = 300.0
"""A visit that rests on the Wi-Fi alone ends so long after the last phone left it: one that sleeps
in a pocket comes back by itself, and who has gone does not."""


class OpenVisits:
    """The open visits with their indexes, and the changes that are still to be written."""

    def __init__(
        self, epoch: Callable[[], str], last_number: int, places: Places, silence_s: float
    ) -> None:
        self._epoch = epoch
        self._number = last_number
        self._silence_s = silence_s
        self.places = places
        self.entries: dict[str, OpenVisit] = {}
        self.tracks: dict[Track, TrackState] = {}
        """Who is in view now."""
        self.sources: dict[str, str] = {}
        """The visit of each source of a sign."""
        self.doorway = Doorway()
        self.counts: Counter[str] = Counter()
        """What was dropped, by reason."""
        self._at: dict[str, dict[Track, None]] = {}
        self._by_member: dict[str, str] = {}
        self._suggested: dict[str, dict[str, None]] = {}
        self._timers: list[tuple[int, str]] = []
        self._changes: list[Change] = []
        self._touched: dict[str, None] = {}
        self._pruned_ms = 0

    # --- finding

    def of_member(self, member: str) -> OpenVisit | None:
        """The open visit that is known to be this member's."""
        visit = self._by_member.get(member)
        return self.entries[visit] if visit is not None else None

    def suggested(self, member: str) -> list[OpenVisit]:
        """The open visits that may be this member's, the oldest first."""
        return [self.entries[visit] for visit in sorted(self._suggested.get(member, ()))]

    def of_track(self, track: TrackState) -> OpenVisit | None:
        """The visit of a track."""
        return self.entries.get(track.visit) if track.visit is not None else None

    def surely_here(self, visit: str, now: Moment) -> bool:
        """Whether a member is known to be in the shop now: seen lately, or their phone is."""
        entry = self.entries.get(visit)
        if entry is None or entry.identified is None:
            return False
        lately = age_s(entry.visit.last_seen, now) < SEEN_LATELY_S
        return (
            lately
            or bool(entry.associations)
            or any(stages.lives(track, now) for track in entry.tracks.values())
        )

    def in_view(self, sensor: str, now: Moment) -> list[TrackState]:
        """Who is in view of a camera now."""
        tracks = (self.tracks[track] for track in self._at.get(sensor, ()))
        return [track for track in tracks if stages.lives(track, now)]

    # --- tracks

    def seen(self, key: Track, seen: Moment) -> TrackState:
        """A track of which something was seen; a loose one if it is new."""
        track = self.tracks.get(key)
        if track is None:
            self._make_room_for_track()
            track = self.tracks[key] = TrackState(key, seen, seen)
            self._at.setdefault(key[0], {})[key] = None
        track.seen = later(track.seen, seen)
        return track

    def gone(self, track: TrackState) -> None:
        """It is in view no longer. What it said of a visit stays said."""
        track.gone = True
        self.tracks.pop(track.track, None)
        self._at.get(track.track[0], {}).pop(track.track, None)
        entry = self.of_track(track)
        if entry is not None and not entry.of_track(track.track):
            del entry.tracks[track.track]

    def attach(self, entry: OpenVisit, track: TrackState) -> None:
        """A loose track is of this visit: what it said and where it stayed counts there."""
        track.visit = entry.visit.id
        entry.tracks[track.track] = track
        for source, sign in track.signs.items():
            self.put(entry, source, sign, track.track)
        track.signs = {}
        for zone, dwell_ms in track.zones.items():
            entry.stayed(zone, dwell_ms)
        self.touch(entry, track.seen)

    def detach(self, entry: OpenVisit, track: TrackState) -> None:
        """A track is not of this visit after all: what it said and where it stayed goes with it."""
        for source, sign in entry.of_track(track.track).items():
            self.drop(entry, source)
            track.signs[source] = sign
        for zone, dwell_ms in track.zones.items():
            entry.stayed(zone, -dwell_ms)
        entry.tracks.pop(track.track, None)
        track.visit = None

    def _make_room_for_track(self) -> None:
        if len(self.tracks) >= TRACKS_MAX:
            loose = (track for track in self.tracks.values() if track.visit is None)
            self.gone(next(loose, next(iter(self.tracks.values()))))
            self.counts["tracks_too_many"] += 1

    # --- visits

    def begin(self, sensor: str, seen: Moment, *, counted: bool) -> OpenVisit:
        """A visit of nobody known."""
        if len(self.entries) >= VISITS_OPEN_MAX:
            self.close(min(self.entries.values(), key=lambda e: e.visit.last_seen.mono_ms))
        self._number += 1
        number = f"{self._epoch()}-{self._number:08d}"
        visit = Visit(number, VisitState.ANONYMOUS, seen, seen, sensor, counted=counted)
        entry = OpenVisit(visit)
        entry.step(Step(seen, "arrived", sensor))
        self.add(entry)
        body: dict[str, object] = {"visit": visit.id, "sensor": sensor, "counted": counted}
        self.tell(entry, "visit.opened.v1", body)
        return entry

    def add(self, entry: OpenVisit) -> None:
        """An open visit, with what it rests on."""
        self.entries[entry.visit.id] = entry
        self._index(entry)
        if entry.door:
            self.doorway.came_in(entry.visit.id, entry.visit.opened)
        for source in entry.signs:
            self.sources[source] = entry.visit.id
        entry.due_ms = 2**63
        self._look_at(entry, 0)
        self._touched[entry.visit.id] = None

    def become(self, entry: OpenVisit, visit: Visit, *, door: bool | None = None) -> None:
        """The visit is believed to be so now; `door`: whether it began at the door. Whoever says
        that it did tells the doorway, too, who is inside.
        """
        self._unindex(entry)
        entry.visit = visit
        if door is not None and door is not entry.door:
            entry.door = door
            if not door:
                self.doorway.inside.remove(visit.id)
        self._index(entry)
        self._touched[visit.id] = None

    def touch(self, entry: OpenVisit, seen: Moment) -> None:
        """Something was seen of it."""
        last_seen = later(entry.visit.last_seen, seen)
        entry.visit = replace(entry.visit, last_seen=last_seen)
        self._touched[entry.visit.id] = None
        self.staged(entry, last_seen)

    def staged(self, entry: OpenVisit, now: Moment) -> None:
        """It has come as far as it has."""
        visit, stage = entry.visit, stages.stage(entry, self.places, now)
        if stage is not visit.stage:
            reached = max(visit.reached, stage, key=stages.RANK.__getitem__)
            entry.visit = replace(visit, stage=stage, reached=reached)
            entry.step(Step(now, stage.value))
            self._touched[visit.id] = None
        due_ms = stages.next_ms(entry, now)
        if due_ms is not None:
            self._look_at(entry, due_ms)

    def put(self, entry: OpenVisit, source: str, sign: Evidence, track: Track | None) -> None:
        """A sign of this visit; `track` if it speaks of one."""
        self.sources[source] = entry.visit.id
        entry.put(source, sign, track)
        self._touched[entry.visit.id] = None

    def drop(self, entry: OpenVisit, source: str) -> Evidence | None:
        """A sign is none of this visit any more; what it said."""
        if self.sources.get(source) == entry.visit.id and source not in entry.muted:
            del self.sources[source]
        self._touched[entry.visit.id] = None
        return entry.drop(source)

    def off_network(self, entry: OpenVisit) -> None:
        """Its last phone may have left the Wi-Fi."""
        seen_ms = entry.visit.last_seen.mono_ms
        self._look_at(entry, seen_ms + round(self._patience_s(entry) * 1000))

    def remove(self, entry: OpenVisit) -> None:
        """It is no open visit any more. Its tracks are loose, those that are still in view."""
        self._unindex(entry)
        del self.entries[entry.visit.id]
        self._touched.pop(entry.visit.id, None)
        self.doorway.forget_arrival(entry.visit.id)
        for source in (*entry.signs, *entry.muted):
            if self.sources.get(source) == entry.visit.id:
                del self.sources[source]
        for track in entry.tracks.values():
            track.visit = None
        self.counts["steps_too_many"] += entry.steps_dropped

    def close(
        self, entry: OpenVisit, left: Moment | None = None, *, tells_dwell: bool = True
    ) -> None:
        """It is over: by silence, or because they walked out (`left`); `tells_dwell`: it was they.

        Whose end was not seen has no dwell, rather than a wrong one. Without a camera at the door
        it is the time from the first to the last sight of them.
        """
        if left is not None:
            self.touch(entry, left)
        visit, known = entry.visit, entry.identified is not None
        self.remove(entry)
        if left is not None or not known:
            self.doorway.inside.remove(visit.id)
        end_seen = (tells_dwell and left is not None) or not self.places.has_entrance
        same_boot = visit.opened.boot == visit.last_seen.boot
        dwell_s = max(0, (visit.last_seen.mono_ms - visit.opened.mono_ms) // 1000)
        why = "walked out" if left is not None else "silent for long"
        entry.step(Step(visit.last_seen, Stage.LEFT.value, text=why))
        entry.visit = ended(visit, counted=visit.counted)
        body: dict[str, object] = {
            "visit": visit.id,
            "member": entry.identified,
            "dwell_s": dwell_s if same_boot and end_seen else None,
            "zones": {zone: ms // 1000 for zone, ms in visit.zones.items()},
            "stage": visit.reached.value,
            "counted": visit.counted,
            "recognised": known,
        }
        self._changes.append(entry.change("visit.closed.v1", body))

    # --- time

    def due(self, now: Moment) -> None:
        """Close what has been silent for long enough, and see who is not at the kiosk any more."""
        while self._timers and self._timers[0][0] <= now.mono_ms:
            due_ms, visit = heapq.heappop(self._timers)
            entry = self.entries.get(visit)
            if entry is None or entry.due_ms != due_ms:
                continue
            patience_s = self._patience_s(entry)
            if age_s(entry.visit.last_seen, now) >= patience_s:
                self.close(entry)
                continue
            entry.due_ms = 2**63
            self._look_at(entry, entry.visit.last_seen.mono_ms + round(patience_s * 1000))
            self.staged(entry, now)
        if now.mono_ms - self._pruned_ms >= PRUNED_S * 1000:
            self._pruned_ms = now.mono_ms
            for track in [t for t in self.tracks.values() if not stages.lives(t, now)]:
                self.gone(track)

    def _patience_s(self, entry: OpenVisit) -> float:
        if entry.off_network:
            return min(self._silence_s, OFF_NETWORK_S)
        unseen = entry.door and entry.identified is None
        return max(self._silence_s, UNSEEN_MAX_S) if unseen else self._silence_s

    def _look_at(self, entry: OpenVisit, due_ms: int) -> None:
        if due_ms < entry.due_ms:
            entry.due_ms = due_ms
            heapq.heappush(self._timers, (due_ms, entry.visit.id))

    # --- what is to be written

    def tell(
        self, entry: OpenVisit, event: str, body: dict[str, object], about: str | None = None
    ) -> None:
        """The platform is told, of `about` or of whose the visit is."""
        self._changes.append(entry.change(event, body, about))
        self._touched[entry.visit.id] = None

    def touched(self) -> Iterator[OpenVisit]:
        """The open visits of which something changed since the changes were last taken."""
        return (self.entries[visit] for visit in list(self._touched) if visit in self.entries)

    def take(self) -> list[Change]:
        """What has changed since this was last asked: the last change of each visit has all."""
        taken, self._changes = self._changes, []
        last = {change.visit.id: number for number, change in enumerate(taken)}
        for entry in self.touched():
            rest, number = entry.change(), last.get(entry.visit.id)
            if number is None:
                taken.append(rest)
            else:
                taken[number] = _with(taken[number], rest)
        self._touched.clear()
        return taken

    # --- the indexes

    def _index(self, entry: OpenVisit) -> None:
        visit = entry.visit
        match visit.state:
            case VisitState.IDENTIFIED if visit.member is not None:
                self._by_member[visit.member] = visit.id
            case VisitState.SUGGESTED if visit.member is not None:
                self._suggested.setdefault(visit.member, {})[visit.id] = None
            case VisitState.ANONYMOUS if entry.door:
                self.doorway.nobodys.put(visit.id, visit.opened)

    def _unindex(self, entry: OpenVisit) -> None:
        visit = entry.visit
        member = visit.member or ""
        if self._by_member.get(member) == visit.id:
            del self._by_member[member]
        among = self._suggested.get(member, {})
        among.pop(visit.id, None)
        if member in self._suggested and not among:
            del self._suggested[member]
        self.doorway.nobodys.remove(visit.id)


def _with(change: Change, rest: Change) -> Change:
    """A change, and what followed it."""
    signs, steps = {**change.signs, **rest.signs}, {**change.steps, **rest.steps}
    phones = {**change.phones, **rest.phones}
    return Change(rest.visit, change.event, change.body, signs, steps, change.about, phones)
