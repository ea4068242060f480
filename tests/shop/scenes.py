"""What each made-up sensor notices of one stay, with its own mistakes. Called by `story`.

The shares of mistakes are assumptions of the size that the mission's clips show: one or two in a
hundred people pass a line unseen or are counted twice. A camera sees no face of who walks away
(sensors/FACES.md), so that most exits are not seen at all.
"""

from bisect import bisect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate

import numpy as np

from edge.records import (
    AssociationPhase,
    AssociationReading,
    CodeReading,
    CrossingReading,
    FaceReading,
    GoneReading,
    QueueReading,
    Reading,
    StayReading,
    TrackReading,
)
from tests.shop.cameras import MODEL, Cameras, Shot, Vectors, fused
from tests.shop.people import CARD_BORROWED, Person, Town

DOOR, FLOOR, KIOSK, SCANNER, WIFI = "door", "floor", "kiosk-camera", "scanner", "wifi"
LINE, SHELVES, BEFORE_KIOSK = "doorway", "shelves", "before-kiosk"
PRODUCT = "4600000000008"

UNSEEN = 0.008
"""Who passes the door without ever being found by the camera; children oftener, being small."""
UNSEEN_CHILD = 0.04
FACELESS_UNSEEN = 0.15
"""... and of those who show no usable face."""
NOT_CROSSED, CROSSED_TWICE, BROKEN = 0.006, 0.007, 0.04
"""The line was missed; the track broke on it and the next one passed it, too; it broke before."""
SWALLOWED_WITHIN_MS, SWALLOWED = 1000, 0.03
"""Who follows so closely is sometimes taken for the same (sensors/FACES.md): one track, one
crossing, and frames of two people."""
EXIT_SEEN, EXIT_FACE = 0.25, 0.1
"""Exits at which the camera finds a face at all, and of those with a frame good enough."""
FRAMES = ((2, 0.04), (3, 0.10), (4, 0.16), (5, 0.70))
"""How many good frames a track gives."""
FRAMES_BY = tuple(accumulate(share for _, share in FRAMES[:-1]))
FRAME_MS = 260
BROWSES = 0.5
PHONE_DELAY_S, PHONE_DELAY_SPREAD = 45.0, 1.0
"""Log-normal: from the door to the login that the router reports."""
INTERIM_S, SLEEPS, STOP_LOST = 300.0, 0.2, 0.3
"""Accounting of a router: every five minutes, if the phone is awake; some never say goodbye."""
LOGIN_UNNAMED = 0.1
"""A login that a router reports without whose it is: a phone it knows by its address."""
OUTSIDE_SEEN, OUTSIDE_PHONE = 0.1, 0.05
"""Who only passes outside: seen by the door camera; joined by a phone that knows the network."""


@dataclass(slots=True)
class Act:
    """One reading, and whose it is (0-based number in the town)."""

    at_ms: int
    sensor: str
    reading: Reading
    who: int


@dataclass(slots=True)
class Stay:
    """What was true of one person in the shop. `kind`: visit, staff, delivery, passing, outside.

    `good`: the door camera had at least three frames of one track, of a picture that was good.
    """

    who: int
    kind: str
    in_ms: int
    out_ms: int
    good: bool = False
    track: int = 0
    """Under which number the door camera had them when they came in; 0: not at all."""
    marks: set[str] = field(default_factory=set)
    """What happened to it: `unseen`, `broken`, `twice`, `swallowed`, ..."""


class Scenes:
    """Makes the readings of stays."""

    def __init__(self, town: Town, cameras: Cameras, dice: np.random.Generator, track: int) -> None:
        self._town, self._cameras, self._dice = town, cameras, dice
        self.last_track = track
        self._tie = 0

    def tie(self) -> int:
        """A number that rises, so that acts of one millisecond keep their order."""
        self._tie += 1
        return self._tie

    def party(self, stays: list[Stay]) -> Iterator[Act]:
        """Everything that is noticed of people who come together."""
        before: Stay | None = None
        for stay in stays:
            one = self._town.people[stay.who]
            if stay.kind == "passing":
                yield from self._pass(one, stay)
                continue
            if stay.kind == "outside":
                yield from self._outside(one, stay)
                continue
            yield from self._enter(one, stay, before)
            before = stay
            if stay.kind == "visit":
                yield from self._inside(one, stay)
            if one.logs_in_as is not None and self._chance(one.phone_habit):
                yield from self._phone(one, stay)
            yield from self._leave(one, stay)

    # --- the door

    def _enter(self, one: Person, stay: Stay, before: Stay | None) -> Iterator[Act]:
        shot = self._cameras.shot(one, self._dice, self._frames())
        unseen = UNSEEN_CHILD if one.kind == "child" else UNSEEN
        if self._chance(unseen + (FACELESS_UNSEEN if shot is None else 0)):
            stay.marks.add("unseen")
            return
        close = before is not None and stay.in_ms - before.in_ms < SWALLOWED_WITHIN_MS
        if close and before is not None and self._chance(SWALLOWED):
            stay.marks.add("swallowed")
            yield from self._swallowed(one, before, shot)
            return
        begin = stay.in_ms - 900 - FRAME_MS * 4 - self._ms(0, 600)
        if self._chance(BROKEN):
            stay.marks.add("broken")
            yield from self._track(one, shot and shot.frames[:2], (begin, stay.in_ms - 500))
            begin = stay.in_ms - 350
        crossed = not self._chance(NOT_CROSSED)
        if not crossed:
            stay.marks.add("not crossed")
        frames = shot and (shot.frames[2:] if "broken" in stay.marks else shot.frames)
        end = stay.in_ms + self._ms(400, 1800)
        yield from self._track(one, frames, (begin, end), (stay.in_ms, True) if crossed else None)
        stay.track = self.last_track
        stay.good = shot is not None and shot.good and frames is not None and len(frames) >= 3
        if crossed and self._chance(CROSSED_TWICE):
            stay.marks.add("twice")
            yield from self._track(one, None, (end + 150, end + 900), (end + 400, True))

    def _swallowed(self, one: Person, before: Stay, shot: Shot | None) -> Iterator[Act]:
        """The frames of somebody taken for who went before go on in that one's track."""
        if shot is None or not before.track:
            return
        for number, frame in enumerate(shot.frames[3:], start=4):
            reading = _face(before.track, number, frame, frame)
            yield Act(before.in_ms + 300 + 50 * number, DOOR, reading, one.number)

    def _track(
        self,
        one: Person,
        frames: Vectors | None,
        when: tuple[int, int],
        crosses: tuple[int, bool] | None = None,
        sensor: str = DOOR,
    ) -> Iterator[Act]:
        """In view from when to when; `crosses` says when the line was passed, and if inwards."""
        begin, end = when
        self.last_track += 1
        track = self.last_track
        yield Act(begin, sensor, TrackReading(track), one.number)
        if frames is not None and len(frames):
            for number, (frame, mean) in enumerate(zip(frames, fused(frames), strict=True), 1):
                at_ms = begin + FRAME_MS * number
                yield Act(at_ms, sensor, _face(track, number, frame, mean), one.number)
            end = max(end, at_ms + 50)
        if crosses is not None:
            at_ms, inwards = crosses
            yield Act(at_ms, sensor, CrossingReading(LINE, inwards, track), one.number)
        yield Act(end, sensor, GoneReading(track, end - begin), one.number)

    def _leave(self, one: Person, stay: Stay) -> Iterator[Act]:
        if not self._chance(EXIT_SEEN):
            return
        stay.marks.add("exit seen")
        shot = self._cameras.shot(one, self._dice, 1) if self._chance(EXIT_FACE) else None
        frames = shot.frames if shot is not None else None
        when = (stay.out_ms - 700, stay.out_ms + self._ms(300, 900))
        yield from self._track(one, frames, when, (stay.out_ms, False))

    def _pass(self, one: Person, stay: Stay) -> Iterator[Act]:
        """Staff in the view of the door camera; half the time looking elsewhere."""
        shot = self._cameras.shot(one, self._dice, self._frames()) if self._chance(0.5) else None
        frames = shot.frames if shot is not None else None
        yield from self._track(one, frames, (stay.in_ms, stay.in_ms + self._ms(1500, 20_000)))

    def _outside(self, one: Person, stay: Stay) -> Iterator[Act]:
        """Somebody who does not come in."""
        if self._chance(OUTSIDE_SEEN):
            shot = self._cameras.shot(one, self._dice, self._frames())
            frames = shot.frames if shot is not None else None
            yield from self._track(one, frames, (stay.in_ms, stay.in_ms + self._ms(1500, 4000)))
        phone = one.phone_habit * OUTSIDE_PHONE
        if one.logs_in_as is not None and self._chance(phone):
            stay.out_ms = stay.in_ms + self._ms(20_000, 60_000)
            yield from self._phone(one, stay, delay_s=5.0)

    # --- inside

    def _inside(self, one: Person, stay: Stay) -> Iterator[Act]:
        if self._chance(BROWSES):
            at_ms = self._within(stay, 0.1, 0.9)
            end = at_ms + self._ms(4000, 60_000)
            yield from self._track(one, None, (at_ms, end), sensor=FLOOR)
            stood = StayReading(SHELVES, end - at_ms, self.last_track)
            yield Act(end - 1, FLOOR, stood, one.number)
        if one.kind == "adult" and self._chance(one.kiosk_habit):
            yield from self._kiosk(one, stay)

    def _kiosk(self, one: Person, stay: Stay) -> Iterator[Act]:
        at_ms = self._within(stay, 0.2, 0.95)
        end = at_ms + self._ms(15_000, 90_000)
        shot = self._cameras.shot(one, self._dice, self._frames(), close=True)
        frames = shot.frames if shot is not None else None
        yield Act(at_ms, KIOSK, QueueReading(BEFORE_KIOSK, 1), one.number)
        yield from self._track(one, frames, (at_ms, end), sensor=KIOSK)
        yield Act(end, KIOSK, QueueReading(BEFORE_KIOSK, 0), one.number)
        scan = at_ms + self._ms(4000, 10_000)
        yield Act(scan, SCANNER, CodeReading(PRODUCT), one.number)
        card = self._card(one)
        if card is not None:
            yield Act(scan + self._ms(500, 3000), SCANNER, CodeReading(card.card), one.number)

    def _card(self, one: Person) -> Person | None:
        """Whose card is shown, if any."""
        partner = self._town.people[one.partner] if one.partner is not None else None
        if partner is not None and partner.is_member and self._chance(CARD_BORROWED):
            return partner
        return one if one.is_member and self._chance(one.card_habit) else None

    # --- phones

    def _phone(self, one: Person, stay: Stay, delay_s: float = PHONE_DELAY_S) -> Iterator[Act]:
        assert one.logs_in_as is not None
        spread = self._dice.lognormal(0, PHONE_DELAY_SPREAD)
        at_ms = stay.in_ms + round(1000 * delay_s * float(spread))
        if at_ms >= stay.out_ms:
            return
        login = self._town.people[one.logs_in_as].login
        session = f"s{self.tie()}"
        tell = _teller(one, session)
        known = self._chance(LOGIN_UNNAMED)
        yield tell(at_ms, AssociationPhase.START, "" if known else login)
        while (at_ms := at_ms + round(INTERIM_S * 1000)) < stay.out_ms:
            if not self._chance(SLEEPS):
                yield tell(at_ms, AssociationPhase.ALIVE, login)
        if not self._chance(STOP_LOST):
            yield tell(stay.out_ms + self._ms(30_000, 300_000), AssociationPhase.STOP, "")

    # --- chance

    def _chance(self, share: float) -> bool:
        return bool(self._dice.random() < share)

    def _ms(self, low: float, high: float) -> int:
        return round(float(self._dice.uniform(low, high)))

    def _within(self, stay: Stay, low: float, high: float) -> int:
        return stay.in_ms + round((stay.out_ms - stay.in_ms) * float(self._dice.uniform(low, high)))

    def _frames(self) -> int:
        return FRAMES[bisect(FRAMES_BY, float(self._dice.random()))][0]


def _face(track: int, number: int, frame: Vectors, mean: Vectors) -> FaceReading:
    return FaceReading(track, MODEL, number, bytearray(frame.tobytes()), bytearray(mean.tobytes()))


def _teller(one: Person, session: str) -> Callable[[int, AssociationPhase, str], Act]:
    def tell(at_ms: int, phase: AssociationPhase, login: str) -> Act:
        reading = AssociationReading(login, bytearray(one.address), WIFI, session, phase)
        return Act(at_ms, WIFI, reading, one.number)

    return tell
