"""One open visit in memory: what it rests on, which tracks are of it, and what is still to be told.

Pure; used by the book of visits (`visits.py`) and its parts. A track is somebody in the view of one
camera: of a visit, or loose, of nobody yet.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from msgspec.structs import replace

from edge.records import Moment
from edge.visiting import (
    REASON_BEGINS,
    Evidence,
    SignKind,
    Stage,
    Step,
    Strength,
    Visit,
    VisitState,
)

STEPS_MAX = 200
"""Steps of the history of one visit; what is beyond is counted and not kept."""
SIGNS_MAX = 64
"""Signs of one visit; of the same member and kind the one that was seen longest ago makes room."""
ZONES_MAX = 64
"""Zones of one visit whose dwell is kept."""

BY_PHONE = frozenset({SignKind.ASSOCIATION, SignKind.DEVICE})
STAFF_SOURCE = "staff"
Track = tuple[str, int]
Proof = tuple[str, bool]
"""Of a phone: the member whose it is to be, and whether it was seen to be theirs, or not theirs."""


@dataclass(frozen=True, slots=True)
class Change:
    """One visit as it is now, and what to tell the platform about it (None: nothing).

    `signs` are those that changed, by source (None: gone), `steps` what happened, by number,
    `phones` what it proved of phones, by their marks. The event speaks of `about`, if it names
    anybody.
    """

    visit: Visit
    event: str | None = None
    body: dict[str, object] = field(default_factory=dict)
    signs: Mapping[str, Evidence | None] = field(default_factory=dict)
    steps: Mapping[int, Step] = field(default_factory=dict)
    about: str | None = None
    phones: Mapping[bytes, Proof] = field(default_factory=dict)


@dataclass(slots=True)
class TrackState:
    """Somebody in the view of a camera. `signs` are kept here while the track is of no visit."""

    track: Track
    first: Moment
    seen: Moment
    visit: str | None = None
    gone: bool = False
    crossed: bool = False
    """It walked over the line at the door, inwards."""
    signs: dict[str, Evidence] = field(default_factory=dict)
    zones: dict[str, int] = field(default_factory=dict)
    """How long it stayed where (ms)."""

    @property
    def source(self) -> str:
        """Under which name its face speaks."""
        return f"face/{self.track[0]}/{self.track[1]}"


@dataclass(slots=True)
class OpenVisit:
    """A visit with the signs it rests on, by their source."""

    visit: Visit
    signs: dict[str, Evidence] = field(default_factory=dict)
    bound: dict[str, Track] = field(default_factory=dict)
    """Of which track a sign speaks, by the source of the sign; others speak of the whole visit."""
    tracks: dict[Track, TrackState] = field(default_factory=dict)
    associations: set[str] = field(default_factory=set)
    """The sources of signs of phones that are on the Wi-Fi now."""
    barred: set[str] = field(default_factory=set)
    """Members whose visit this is not, as staff said."""
    muted: set[str] = field(default_factory=set)
    """Sources that spoke for whom it is not: nothing they go on to say opens another visit."""
    proved: set[bytes] = field(default_factory=set)
    """Phones that were said to be its member's own."""
    door: bool = False
    """Somebody crossed the line at the door inwards, and this is their visit."""
    kiosk_seen: Moment | None = None
    """When it last gave a sign at a screen."""
    last_step: int = 0
    due_ms: int = 0
    """When it is looked at next, whatever is seen of it (ms of the steady clock)."""
    new_steps: dict[int, Step] = field(default_factory=dict)
    new_signs: dict[str, Evidence | None] = field(default_factory=dict)
    new_phones: dict[bytes, Proof] = field(default_factory=dict)
    steps_dropped: int = 0

    # --- what it rests on

    def put(self, source: str, sign: Evidence, track: Track | None = None) -> None:
        """`source` says this now, of `track` or of the whole visit."""
        if source not in self.signs and len(self.signs) >= SIGNS_MAX:
            self._make_room(sign)
        self.signs[source] = self.new_signs[source] = sign
        if track is not None:
            self.bound[source] = track

    def drop(self, source: str) -> Evidence | None:
        """`source` says nothing any more; what it said."""
        sign = self.signs.pop(source, None)
        track = self.bound.pop(source, None)
        if track is not None and track in self.tracks and self.tracks[track].gone:
            del self.tracks[track]  # it said nothing else
        self.associations.discard(source)
        if sign is not None:
            self.new_signs[source] = None
        return sign

    def _make_room(self, coming: Evidence) -> None:
        alike = [s for s, e in self.signs.items() if (e.member, e.kind) == _who(coming)]
        among = alike or [*self.signs]
        self.drop(min(among, key=lambda source: (self.signs[source].seen.wall_ms, source)))

    def of_track(self, track: Track) -> dict[str, Evidence]:
        """The signs that speak of one track."""
        return {source: self.signs[source] for source, of in self.bound.items() if of == track}

    def standing(self) -> dict[str, Evidence]:
        """The signs that count: a face counts only where nobody said explicitly who it is."""
        explicit = {
            self.bound[source]: sign.member
            for source, sign in self.signs.items()
            if sign.strength is Strength.EXPLICIT and source in self.bound
        }
        said = self.signs.get(STAFF_SOURCE)
        return {
            source: sign
            for source, sign in self.signs.items()
            if sign.strength is Strength.EXPLICIT
            or not (
                sign.member in self.barred
                or (
                    sign.kind is SignKind.FACE
                    and _contradicted(sign, said, explicit.get(self.bound.get(source, _NONE)))
                )
            )
        }

    @property
    def explicitly(self) -> str | None:
        """The member who said explicitly that it is theirs, or of whom staff did."""
        said = (s.member for s in self.signs.values() if s.strength is Strength.EXPLICIT)
        return next((member for member in said if member == self.visit.member), None)

    @property
    def identified(self) -> str | None:
        """Whose it is, if that is known."""
        known = self.visit.state is VisitState.IDENTIFIED
        return self.visit.member if known else None

    @property
    def off_network(self) -> bool:
        """Whether it rests on phones alone, and all of them have left the Wi-Fi."""
        kinds = {sign.kind for sign in self.signs.values()}
        by_phone = bool(kinds) and kinds <= BY_PHONE
        return by_phone and not self.associations and not self.tracks and not self.door

    # --- what happens

    def step(self, step: Step) -> None:
        """Note it down, as long as there is room."""
        if self.last_step >= STEPS_MAX:
            self.steps_dropped += 1
            return
        self.last_step += 1
        self.new_steps[self.last_step] = step

    def stayed(self, zone: str, dwell_ms: int) -> None:
        """So much longer in a zone (or shorter); no more zones than there is room for."""
        zones = dict(self.visit.zones)
        if zone not in zones and len(zones) >= ZONES_MAX:
            return
        zones[zone] = zones.get(zone, 0) + dwell_ms
        if zones[zone] <= 0:
            del zones[zone]
        self.visit = replace(self.visit, zones=zones)

    def change(
        self,
        event: str | None = None,
        body: dict[str, object] | None = None,
        about: str | None = None,
    ) -> Change:
        """It as it is now, with what is still to be written of it."""
        whom = about or self.visit.member
        signs, steps, phones = self.new_signs, self.new_steps, self.new_phones
        self.new_signs, self.new_steps, self.new_phones = {}, {}, {}
        return Change(self.visit, event, body or {}, signs, steps, whom, phones)


_NONE: Track = ("", -1)


def _who(sign: Evidence) -> tuple[str, SignKind]:
    return sign.member, sign.kind


def _contradicted(sign: Evidence, said: Evidence | None, explicit: str | None) -> bool:
    """Whether staff, or the card of that very track, say that it is somebody else."""
    by_staff = said is not None and said.member != sign.member
    return by_staff or (explicit is not None and explicit != sign.member)


def restored(
    visit: Visit, signs: Mapping[str, Evidence], barred: set[str], last_step: int
) -> OpenVisit:
    """A visit that was open when the box stopped. Its tracks are gone, and their numbers will be
    given again: what they said is said by nobody in particular from now on.
    """
    entry = OpenVisit(visit, barred=set(barred), last_step=last_step)
    taken = set(signs)
    for source, sign in signs.items():
        if source.startswith("face/"):
            number = next(n for n in range(len(taken) + 1) if f"past/{n}" not in taken)
            taken.add(f"past/{number}")
            entry.drop(source)
            entry.new_signs[source] = None
            entry.put(f"past/{number}", sign)
        else:
            entry.signs[source] = sign
    return entry


def anonymous(visit: Visit) -> Visit:
    """The same visit, of anybody."""
    nobody = VisitState.ANONYMOUS
    return replace(visit, state=nobody, member=None, posterior=0.0, reasons=())


def without(visit: Visit, kind: SignKind) -> Visit:
    """The same visit without signs of this kind; anybody's if it rested on them alone."""
    begins = REASON_BEGINS[kind]
    others = tuple(reason for reason in visit.reasons if not reason.startswith(begins))
    if others == visit.reasons:
        return visit
    return replace(visit, reasons=others) if others else anonymous(visit)


def ended(visit: Visit, *, counted: bool) -> Visit:
    """The same visit, when it is over."""
    return replace(visit, stage=Stage.LEFT, counted=counted)


def earlier(one: Moment, other: Moment) -> Moment:
    """By the monotonic clock where it can tell."""
    if one.boot == other.boot:
        return min(one, other, key=lambda moment: moment.mono_ms)
    return min(one, other, key=lambda moment: moment.wall_ms)


def later(one: Moment, other: Moment) -> Moment:
    """By the monotonic clock where it can tell."""
    return other if earlier(one, other) is one else one


def age_s(since: Moment, now: Moment) -> float:
    """Seconds between two moments; endless across boots, whose clocks cannot be compared."""
    return (now.mono_ms - since.mono_ms) / 1000 if since.boot == now.boot else float("inf")
