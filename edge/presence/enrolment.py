"""Enrolment of faces: one person at a time before the cameras of each screen, after their consent.

Called by the screens and the staff page, and by the presence desk with the poses that a camera
sends with leave to enrol. It decides who may be enrolled, waits for five good frames, and hands
them to `enrolling.py`, which checks them and stores what comes of them. Vectors are wiped at every
end; a consent that was given only for an enrolment that came to nothing is taken back.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from msgspec import Struct

from edge import consent
from edge.clock import Clock
from edge.consent import Agreement, Said
from edge.counters import Counters
from edge.errors import ConsentMissing, Refused, StorageError
from edge.presence import capture as steps
from edge.presence.capture import Asked, Capture, Failure, Purpose, Stage
from edge.presence.enrolled_frames import Shots
from edge.presence.enrolling import Checked, Enrolling
from edge.racing import first_of, rung
from edge.records import ConsentKind, Hint, Moment, PoseReading
from edge.storage import consent_words
from edge.storage.database import Database

log = logging.getLogger(__name__)

BY_CHARACTERS_MAX = 64
"""A seller's name or number."""
NOTICES_MAX = 20
"""Duplicates that staff are told of; older ones are in the log."""

NOT_HERE = Refused("Faces cannot be enrolled at this screen.", "Ask a seller, please.")
BUSY = Refused("Somebody is being enrolled at this screen.", "Wait a moment, please.")

AskCameras = Callable[[str, float], Awaitable[Sequence[str]]]
"""Leave to enrol for the cameras of a screen, for some seconds (0: no more); gives their names."""


class EnrolmentSettings(Struct, frozen=True):
    """Whether faces may be enrolled here at all, and at which screens a camera can see somebody."""

    allowed: bool = False
    screens: frozenset[str] = frozenset()
    time_s: float = steps.TIME_S


class Notice(Struct, frozen=True):
    """For staff: the face of `member` is another member's, too."""

    member: str
    wall_ms: int


class _Place:
    """One screen's enrolment: its state, what was seen, and the task that waits for its end."""

    __slots__ = ("capture", "changed", "new_consent", "sensors", "shots", "since", "task")

    def __init__(self, capture: Capture) -> None:
        self.capture = capture
        self.shots = Shots()
        self.changed = asyncio.Event()
        self.sensors: frozenset[str] = frozenset()
        self.since: Moment | None = None
        """Whatever was seen before was another person's enrolment, and had not arrived yet."""
        self.new_consent = False
        self.task: asyncio.Task[None] | None = None


class Enrolment:
    """All enrolments of one box. `close` ends them."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        settings: EnrolmentSettings,
        *,
        enrolling: Enrolling,
        counters: Counters,
    ) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings
        self._enrolling = enrolling
        self._counters = counters
        self._places: dict[str, _Place] = {}
        self._ask_cameras: AskCameras | None = None
        self._allowed = settings.allowed
        self._listeners: list[Callable[[str], None]] = []
        self._people_listeners: list[Callable[[], None]] = []
        self.notices: list[Notice] = []
        """Duplicates that staff have not put away yet, newest last."""

    # --- putting together

    def look_with(self, ask_cameras: AskCameras) -> None:
        """How to let the cameras of a screen look; the daemon knows."""
        self._ask_cameras = ask_cameras

    def add_listener(self, listener: Callable[[str], None]) -> None:
        """Call `listener` with a screen whenever its enrolment has changed."""
        self._listeners.append(listener)

    def add_people_listener(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever consents or templates have changed here."""
        self._people_listeners.append(listener)

    def allow(self, allowed: bool) -> None:
        """Whether faces may be enrolled: not while the platform has been silent too long."""
        self._allowed = self._settings.allowed and allowed

    async def begin(self) -> None:
        """At start: whoever was being enrolled when the box stopped has no template, and their
        consent was for nothing else.
        """
        for member in consent_words.unfinished(self._database.reading):
            await self._take_back(member, whole=True)

    # --- looking

    def offered(self, screen: str) -> bool:
        """Whether somebody can be enrolled at this screen now."""
        return self._allowed and self._ask_cameras is not None and screen in self._settings.screens

    @property
    def screens(self) -> list[str]:
        """The screens at which somebody can be enrolled now."""
        return [screen for screen in sorted(self._settings.screens) if self.offered(screen)]

    def at(self, screen: str) -> Capture | None:
        """The enrolment at this screen: the one under way, or the last one until it is put away."""
        place = self._places.get(screen)
        return place.capture if place else None

    def is_enrolled(self, member: str) -> bool:
        """Whether there is a template of the member."""
        return self._enrolling.is_enrolled(member)

    def may_extend(self, member: str) -> bool:
        """Whether views may still be added to the member's template."""
        return self._enrolling.may_extend(member)

    # --- one enrolment

    def ask(self, screen: str, asked: Asked) -> None:
        """The consent is to be shown; nothing is looked at yet. Refused if that cannot be."""
        if not self.offered(screen):
            raise NOT_HERE
        place = self._places.get(screen)
        if place is not None and place.capture.looking:
            raise BUSY
        if len(asked.by) > BY_CHARACTERS_MAX:
            raise Refused("The seller's name is too long.")
        if asked.purpose is Purpose.EXTEND and not self.may_extend(asked.member):
            raise Refused("This template cannot be extended any more.")
        self._places[screen] = _Place(Capture(asked))
        self._tell(screen)

    async def agree(self, screen: str, text_version: str, *, adult: bool) -> None:
        """The member agrees to the text that was shown: written down and told, then looked at.

        Refused without the word that they are adult; StorageError if it cannot be written.
        """
        place = self._asking(screen)
        asked = place.capture.asked
        if asked.purpose is Purpose.EXTEND:
            raise Refused("There is nothing to agree to.")
        if not adult or not text_version:
            raise Refused("Only adults who agree can be enrolled.", "Tick both boxes, please.")
        agreement = Agreement(ConsentKind.FACE, text_version, adult)
        said, now = Said(asked.channel, asked.by), self._clock.now()
        had = ConsentKind.FACE in consent.agreed_by(self._database.reading, asked.member)
        try:
            await self._database.transact(
                lambda tx: consent.give(tx, asked.member, agreement, said, now)
            )
        except ConsentMissing as error:
            raise Refused("This member is not known here any more.") from error
        place.new_consent = not had
        self._start(screen, place)

    def extend(self, screen: str) -> None:
        """The member, who agreed long ago and showed their card, wants new views added."""
        place = self._asking(screen)
        agreed = consent.agreed_by(self._database.reading, place.capture.asked.member)
        if place.capture.asked.purpose is not Purpose.EXTEND or ConsentKind.FACE not in agreed:
            raise Refused("This template cannot be extended any more.")
        self._start(screen, place)

    def _asking(self, screen: str) -> _Place:
        place = self._places.get(screen)
        if place is None or place.capture.stage is not Stage.CONSENT or place.task is not None:
            raise Refused("There is nothing to agree to.")
        if not self.offered(screen):
            raise NOT_HERE
        return place

    def _start(self, screen: str, place: _Place) -> None:
        place.since = now = self._clock.now()
        self._step(screen, place, steps.begun(place.capture, now.mono_ms, self._settings.time_s))
        conduct = self._conduct(screen, place)
        place.task = asyncio.create_task(conduct, name=f"enrolment-{screen}")

    def pose(self, sensor: str, pose: PoseReading, seen: Moment) -> None:
        """A frame of an enrolment. Its vector is copied if it is one of the five; whoever handed
        it on wipes it.
        """
        found = [(s, p) for s, p in self._places.items() if sensor in p.sensors]
        screen, place = found[0] if found else ("", None)
        if place is None or place.capture.stage is not Stage.CAPTURING:
            self._counters.add("poses_unasked")
            return
        since = place.since
        if since is None or (seen.boot, seen.mono_ms >= since.mono_ms) != (since.boot, True):
            self._counters.add("poses_of_before")
        elif pose.hint is not Hint.GOOD:
            self._step(screen, place, steps.hinted(place.capture, sensor, pose.hint))
        elif not steps.takes(place.capture, sensor, pose.model):
            self._counters.add("poses_of_another")
        elif not place.shots.add(pose.vector, pose.model):
            self._counters.add("poses_malformed")
        else:
            self._step(screen, place, steps.photographed(place.capture, sensor, pose.model))

    async def cancel(self, screen: str) -> None:
        """Whoever stood there no longer wants to, or has gone. What was shown is put away, too."""
        place = self._places.get(screen)
        if place is None:
            return
        await self._stop(screen, place, Failure.CANCELLED)
        if self._places.get(screen) is place:
            del self._places[screen]
        self._tell(screen)

    def people_changed(self) -> None:
        """Members or consents have changed: who no longer agrees is not enrolled any further."""
        for screen, place in self._places.items():
            capture = place.capture
            if capture.ended:
                continue
            agreed = consent.agreed_by(self._database.reading, capture.asked.member)
            needed = ConsentKind.FACE if capture.looking else ConsentKind.PROGRAMME
            if needed not in agreed:
                self._step(screen, place, steps.failed(capture, Failure.WITHDRAWN))
        known = [n for n in self.notices if consent.agreed_by(self._database.reading, n.member)]
        self.notices = known

    async def withdraw(self, member: str, said: Said) -> bool:
        """The member takes the consent to faces back: the template goes with it, and no byte stays.

        False if there was no such consent.
        """
        now = self._clock.now()
        done = await self._database.transact(
            lambda tx: consent.withdraw_here(tx, member, ConsentKind.FACE, said, now),
            reserve=True,
            scrub=True,
        )
        self.people_changed()
        self._tell_of_people()
        return done

    def put_away(self, member: str) -> None:
        """Staff have seen that this member's face is another's."""
        self.notices = [notice for notice in self.notices if notice.member != member]

    async def close(self) -> None:
        """The box stops: nobody is looked at any more, and nothing of it is left in memory."""
        for screen, place in list(self._places.items()):
            await self._stop(screen, place, Failure.CANCELLED)

    # --- until its end

    async def _conduct(self, screen: str, place: _Place) -> None:
        """Wait for the five frames or the end of the time, check and store; always wipe."""
        try:
            await self._watch(screen, place)
            if place.capture.stage is Stage.CHECKING:
                checked = await self._enrolling.check(place.capture, place.shots)
                self._end(screen, place, checked)
        except StorageError as error:
            log.error("enrolment at screen %s: %s", screen, error)
            self._step(screen, place, steps.failed(place.capture, Failure.NOT_KEPT))
        finally:
            place.shots.wipe()
            place.sensors = frozenset()
            if not place.capture.ended:
                self._step(screen, place, steps.failed(place.capture, Failure.CANCELLED))
            await asyncio.shield(self._afterwards(place))

    async def _watch(self, screen: str, place: _Place) -> None:
        """The cameras of the screen look, until there is enough or the time is over."""
        assert self._ask_cameras is not None, "`offered` says so"
        try:
            place.sensors = frozenset(await self._ask_cameras(screen, self._settings.time_s))
            if not place.sensors:
                self._step(screen, place, steps.failed(place.capture, Failure.NO_CAMERA))
            while place.capture.stage is Stage.CAPTURING:
                now_ms = self._clock.now().mono_ms
                if steps.is_late(place.capture, now_ms):
                    self._step(screen, place, steps.failed(place.capture, Failure.TIMED_OUT))
                    return
                left_s = (place.capture.until_ms - now_ms) / 1000
                await first_of(rung(place.changed), self._clock.wait(left_s))
                place.changed.clear()
        finally:
            await self._ask_cameras(screen, 0)

    def _end(self, screen: str, place: _Place, checked: Checked) -> None:
        """What the check found."""
        if checked.failure is not None:
            self._step(screen, place, steps.failed(place.capture, checked.failure))
            return
        if checked.stage is Stage.DUPLICATE:
            notice = Notice(place.capture.asked.member, self._clock.now().wall_ms)
            self.notices = [*self.notices, notice][-NOTICES_MAX:]
            log.warning("screen %s: this face is another member's, too", screen)
        self._step(screen, place, steps.checked(place.capture, checked.stage))

    async def _afterwards(self, place: _Place) -> None:
        """A consent that was given only for what did not come about goes; the others hear of it."""
        if place.capture.stage is not Stage.DONE and place.capture.asked.purpose is Purpose.ENROL:
            await self._take_back(place.capture.asked.member, whole=place.new_consent)
        self._counters.add(f"enrolments.{place.capture.failure or place.capture.stage}")
        self._tell_of_people()

    async def _take_back(self, member: str, *, whole: bool) -> None:
        """The consent goes as a `whole`; or it had been given before and stays as the platform has
        it.
        """
        now, said, kind = self._clock.now(), Said("box"), ConsentKind.FACE
        withdraw = partial(consent.withdraw_here, member=member, said=said, moment=now)
        leave = partial(consent_words.leave_to_rows, member=member)
        try:
            await self._database.transact(
                lambda tx: withdraw(tx, kind=kind) if whole else leave(tx, kind=kind)
            )
        except StorageError as error:  # at the next start it is done again
            self._counters.add("enrolments.consent_left")
            log.error("a consent that nothing came of could not be taken back: %s", error)

    async def _stop(self, screen: str, place: _Place, failure: Failure) -> None:
        """End it now, or let the check come to its end, which takes a moment; nothing is left."""
        if place.capture.stage is not Stage.CHECKING:
            self._step(screen, place, steps.failed(place.capture, failure))
            place.shots.wipe()
        if place.task is not None:
            await asyncio.wait([place.task])

    def _step(self, screen: str, place: _Place, capture: Capture) -> None:
        if capture == place.capture:
            return
        place.capture = capture
        place.changed.set()
        self._tell(screen)

    def _tell(self, screen: str) -> None:
        for listener in self._listeners:
            listener(screen)

    def _tell_of_people(self) -> None:
        for listener in self._people_listeners:
            listener()
