"""The presence desk: observations in, visits and figures out. Each batch is one transaction that
holds the visits as they are now and the events for the platform.

Called by the daemon with batches from the intake and with the passing of time; read by the staff
page and the command line. Only consented templates are ever loaded, and every face vector and
address is wiped here, whatever becomes of it.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Protocol

import msgspec
from msgspec import Struct

from edge.clock import Clock
from edge.counters import Counters
from edge.errors import Refused
from edge.presence import associations, evidence, reopened, saying
from edge.presence.calibration import Calibration
from edge.presence.expected import Expected
from edge.presence.faces import Faces as Faces
from edge.presence.faces import FaceSettings, Recognition
from edge.presence.facts import Fact, of_binding, of_strangers, of_visits
from edge.presence.footfall import Footfall, FootfallCounter, of_radar, told
from edge.presence.fusion import Thresholds
from edge.presence.in_order import in_order
from edge.presence.judging import Judge
from edge.presence.mistaken import Mistaken
from edge.presence.open_visit import Change
from edge.presence.places import Places, SensorPlace
from edge.presence.requests import Answer, AskFaces, Requests
from edge.presence.visits import VisitBook
from edge.presence.writing import Writing
from edge.presence.zones import ZoneCounter
from edge.records import (
    AssociationPhase,
    AssociationReading,
    CodeReading,
    CountReading,
    CrossingReading,
    FaceReading,
    GoneReading,
    Member,
    Moment,
    Observation,
    PoseReading,
    QueueReading,
    StayReading,
    Stream,
    TrackReading,
)
from edge.storage import goods, members, radar_samples, visits
from edge.storage.database import Database
from edge.visiting import RESTS_ON, SignKind, Step, Visit


class PresenceSettings(Struct, frozen=True):
    """How sure the box must be, when visits end, and whose faces may be matched."""

    thresholds: Thresholds = Thresholds()
    visit_silence_s: float = 900
    faces: FaceSettings = FaceSettings()
    sensors: Mapping[str, SensorPlace] = {}


class Enrolment(Protocol):
    """Whoever takes the frames of an enrolment."""

    def pose(self, sensor: str, pose: PoseReading, seen: Moment) -> None:
        """One frame; its vector is wiped when this returns."""
        ...


class Scan(Struct, frozen=True):
    """A scanned code for the screen that its scanner belongs to; `member` if it was their card."""

    sensor: str
    text: str
    member: Member | None


class PresenceDesk:
    """Who is in the shop, and how many."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        settings: PresenceSettings,
        counters: Counters,
        workers: Executor | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings
        self._counters = counters
        self._recognition = Recognition(database, settings.faces, counters, workers)
        self._footfall = FootfallCounter()
        self._zones = ZoneCounter()
        self._calibrations: dict[str, Calibration] = {}
        reading = database.reading
        self._places = Places(settings.sensors)
        self._book = VisitBook(
            lambda: database.epoch,
            reopened.last_number(reading),
            self._places,
            settings.visit_silence_s,
            reopened.still_open(reading),
        )
        self._mistaken = Mistaken(reading)
        self._writing = Writing(database, counters, self._tell)
        self._listeners: list[Callable[[], None]] = []
        self._members = members.count(reading)
        self._expected = Expected(database)
        self._requests = Requests(self._recognition, self._book, clock)
        self._enrolment: Enrolment | None = None

    # --- reading

    def here(self) -> list[Visit]:
        """The open visits, oldest first."""
        return self._book.open_visits()

    def member(self, member: str) -> Member | None:
        """A profile by id."""
        return members.get(self._database.reading, self._database.vault, member)

    def history(self, visit: str) -> list[Step]:
        """What happened in a visit, in order; empty if the box does not know it."""
        return visits.steps(self._database.reading, visit)

    @property
    def recognition(self) -> Recognition:
        """What is known of faces, for enrolment."""
        return self._recognition

    @property
    def face_model(self) -> str:
        """By which model faces are matched; empty if by none."""
        return self._settings.faces.model

    @property
    def face_mode(self) -> Faces:
        """Whose faces are matched here as long as the lease holds: nobody's without a table."""
        return self._settings.faces.mode

    def add_listener(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever who is here may have changed."""
        self._listeners.append(listener)

    def recognise_with(self, ask_faces: AskFaces) -> None:
        """How to let the cameras of a screen look; the daemon knows."""
        self._requests.recognise_with(ask_faces)

    async def its_me(self, screen: str) -> Answer:
        """The shopper asks to be recognised at `screen`: what its camera says to that."""
        return await self._requests.its_me(screen, self.member)

    def match_faces(self, allowed: bool) -> None:
        """Whether faces may be matched at all: not while the platform has been silent too long."""
        self._recognition.allow(allowed)

    def enrol_with(self, enrolment: Enrolment) -> None:
        """Who takes the frames of an enrolment; without anybody they are counted and wiped."""
        self._enrolment = enrolment

    def reload(self) -> None:
        """Members, consents or templates have changed: forget what rested on what is gone."""
        self._recognition.members_changed()
        self._members = members.count(self._database.reading)
        self._expected.changed()
        now = self._clock.now()
        for name in self._book.members() | self._recognition.named():
            member = self.member(name)
            if member is None:
                changes = self._book.forget(name, self._judge)
                self._recognition.forget(name)
                self._mistaken.forget(name)
            else:
                gone = [kind for consent, kind in RESTS_ON if not member.agreed(consent)]
                if SignKind.FACE in gone:
                    self._recognition.forget(name)
                self._mistaken.forget(name, gone)
                changes = [
                    each for kind in gone for each in self._book.forget(name, self._judge, kind)
                ]
            self._writing.keep(of_visits(changes, now))
        self._tell()

    # --- changing

    async def observe(self, batch: Sequence[Observation]) -> list[Scan]:
        """Take a batch in order of time, write what follows from it, give back the scans in it.

        When the database refuses, the facts wait for the next time and are not lost; StorageError
        only if it cannot even be read.
        """
        facts: list[Fact] = []
        scans: list[Scan] = []
        try:
            if any(isinstance(each.reading, FaceReading) for each in batch):
                await self._recognition.ready()
            with self._database.snapshot():
                self._weigh(in_order(batch), facts, scans)
                now = self._clock.now()
                facts += of_visits(self._book.settle(self._judge), now)
            facts += self._due(now)
        finally:
            for observation in batch:
                observation.wipe()
            # What the visits already know must be written in any case.
            await self._writing.write(facts)
        return scans

    def _weigh(self, batch: Sequence[Observation], facts: list[Fact], scans: list[Scan]) -> None:
        """Add what follows from each observation, in order."""
        for observation in batch:
            match observation.reading:
                case CountReading() as count:
                    facts.append(self._count(observation, count))
                case TrackReading(track=track):
                    facts += self._track(observation, track)
                case FaceReading() as face:
                    facts += self._face(observation, face)
                case PoseReading() as pose:
                    self._pose(observation, pose)
                case CrossingReading() as crossing:
                    facts += self._crossing(observation, crossing)
                case StayReading() | QueueReading() as standing:
                    facts += self._in_zone(observation, standing)
                case GoneReading(track=track):
                    changes = self._book.gone((observation.sensor, track), observation.seen)
                    facts += of_visits(changes, observation.seen)
                case AssociationReading() as association:
                    facts += self._association(observation, association)
                case CodeReading() as code:
                    more, scan = self._code(observation, code)
                    facts += more
                    scans.append(scan)

    async def correct(self, visit: str, *, member: str | None, by: str) -> None:
        """Staff say whose an open visit is: "it is not them" (None), or a member's. Whom it was
        taken for is barred from it. Refused if it is not open, or the box does not know `member`.
        """
        now = self._clock.now()
        before = self._book.visit(visit)
        if before is None:
            raise Refused("This visit has ended.", "Look at who is in the shop now.")
        if member is not None and self.member(member) is None:
            raise Refused("This box does not know that member.", "Search for them once more.")
        facts: list[Fact] = []
        if before.member is not None and before.member != member:
            kinds = self._book.believed_by(visit)
            facts += self._mistaken.found(before.member, kinds, now)
        sign = saying.by_staff(member, by, now) if member is not None else None
        changes = self._book.correct(visit, sign, self._judge, now=now, by=by)
        await self._writing.write([*facts, *of_visits(changes, now)])

    async def proved(self, screen: str, member: str, kind: SignKind = SignKind.CODE) -> None:
        """`member` showed at `screen` who they are, by a sign of this (explicit) kind. Refused if
        the box does not know them.
        """
        now = self._clock.now()
        if self.member(member) is None:
            raise Refused("This box does not know that member.", "Search for them once more.")
        sign = saying.at_screen(member, kind, screen, now)
        changes = self._book.explicit(sign, screen, screen, self._judge)
        await self._writing.write(of_visits(changes, now))

    async def pass_time(self) -> None:
        """Close what has been silent long enough and send the windows that are full."""
        await self._writing.write(self._due(self._clock.now()))

    async def close(self) -> None:
        """The box stops: send the open windows; visits stay open for the next start."""
        await self._writing.write(self._figures(self._clock.now(), everything=True))
        self._recognition.drop()

    # --- one reading each

    def _count(self, observation: Observation, count: CountReading) -> Fact:
        """A radar's window: the people that it stands for, and what the cameras say to that."""
        sensor, until = observation.sensor, observation.seen
        if sensor not in self._calibrations:
            known = radar_samples.of(self._database.reading, sensor)
            self._calibrations[sensor] = Calibration(sensor, known)
        seen = self._footfall.seen_within(count.lasted_ms, until)
        estimate, sample = self._calibrations[sensor].take(count, until, seen)
        window = of_radar(sensor, count, estimate, until)
        return msgspec.structs.replace(_counted(window, until), sample=sample)

    def _track(self, observation: Observation, track: int) -> list[Fact]:
        self._footfall.person(observation.sensor, observation.seen)
        changes = self._book.track((observation.sensor, track), observation.seen)
        return of_visits(changes, observation.seen)

    def _face(self, observation: Observation, face: FaceReading) -> list[Fact]:
        sensor, seen = observation.sensor, observation.seen
        if not self._requests.may_match(sensor, seen):
            self._counters.add("faces_refused_mode")
            return []
        decision = self._recognition.look(sensor, face, seen, members=self._members)
        if decision is None:
            return []
        sign = evidence.from_face(decision, sensor, seen)
        sign = self._mistaken.weighed(sign) if sign is not None else None
        return of_visits(self._book.face((sensor, face.track), sign, seen, self._judge), seen)

    def _pose(self, observation: Observation, pose: PoseReading) -> None:
        if self._enrolment is None:
            self._counters.add("poses_unexpected")
        else:
            self._enrolment.pose(observation.sensor, pose, observation.seen)

    def _crossing(self, observation: Observation, crossing: CrossingReading) -> list[Fact]:
        sensor, seen, inwards = observation.sensor, observation.seen, crossing.inwards
        self._footfall.crossing(sensor, seen, crossing.line, inwards=inwards)
        changes = self._book.crossed((sensor, crossing.track), seen, inwards=inwards)
        return of_visits(changes, seen)

    def _in_zone(
        self, observation: Observation, standing: StayReading | QueueReading
    ) -> list[Fact]:
        sensor, zone, seen = observation.sensor, standing.zone, observation.seen
        changes: list[Change] = []
        if isinstance(standing, QueueReading):
            room = self._zones.queue(sensor, zone, standing.length, seen)
        else:
            room = self._zones.stay(sensor, zone, standing.dwell_ms, seen)
            if standing.track:
                key, dwell_ms = (sensor, standing.track), standing.dwell_ms
                changes = self._book.stayed(key, zone, dwell_ms, seen)
        if not room:
            self._counters.add("zones_too_many")
        return of_visits(changes, seen)

    def _association(self, observation: Observation, reading: AssociationReading) -> list[Fact]:
        sensor, seen = observation.sensor, observation.seen
        if reading.phase is AssociationPhase.STOP:
            self._book.dissociated(reading.session, sensor)
            return []
        database, now = self._database, self._clock.now()
        found = associations.weigh(database.reading, database.vault, reading, seen=seen, now=now)
        if found is None:
            self._counters.add("associations_of_nobody")
            return []
        sign = self._mistaken.weighed(found.sign)
        changes = self._book.associated(reading.session, sign, sensor, self._judge)
        facts = of_visits(changes, seen)
        return [*facts, of_binding(found.binding, seen)] if found.binding else facts

    def _code(self, observation: Observation, code: CodeReading) -> tuple[list[Fact], Scan]:
        reading = self._database.reading
        text = code.text.strip()
        member = members.by_card(reading, self._database.vault, text)
        seen, sensor = observation.seen, observation.sensor
        facts: list[Fact] = []
        body: dict[str, object] = {"sensor": sensor, "outcome": "unknown"}
        if member is not None:
            body["outcome"] = "member"
            sign = evidence.from_card(member.id, sensor, seen)
            screen = self._places.screen_of(sensor)
            changes = self._book.explicit(sign, sensor, screen, self._judge)
            facts += of_visits(changes, seen)
        elif (product := goods.by_code(reading, text)) is not None:
            body |= {"outcome": "product", "sku": product.sku}
        facts.append(Fact(None, Stream.VISIT, "code.scanned.v1", body, seen))
        return facts, Scan(sensor, text, member)

    def _due(self, now: Moment) -> list[Fact]:
        closed = of_visits(self._book.due(now), now)
        for reason, count in self._book.dropped().items():
            self._counters.add(reason, count)
        return closed + self._figures(now)

    def _figures(self, now: Moment, *, everything: bool = False) -> list[Fact]:
        """The windows that are full, or all, and how strangers score."""
        windows = self._footfall.due(now, everything=everything)
        facts = [_counted(window, now) for window in windows]
        for zone in self._zones.due(now, everything=everything):
            bulk, name = Stream.BULK, "zone.counted.v1"
            facts.append(Fact(None, bulk, name, zone.told, now, untold=zone.untold))
        self._recognition.pass_time(now, self._book.is_known, members=self._members)
        strangers = self._recognition.unwritten(now, everything=everything)
        return [*facts, of_strangers(strangers, now)] if strangers else facts

    @property
    def _judge(self) -> Judge:
        return Judge(self._expected.prior(self._clock.now()), self._settings.thresholds)

    def _tell(self) -> None:
        self._requests.look_again()
        for listener in self._listeners:
            listener()


def _counted(window: Footfall, moment: Moment) -> Fact:
    name = "footfall.counted.v1"
    return Fact(None, Stream.BULK, name, told(window), moment, untold=window)
