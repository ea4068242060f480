""" "It's me": somebody asks at a screen to be recognised, and its cameras look for some seconds.

Part of the presence desk, which gives it what its cameras see. It decides nothing: it waits until
the tracks before the screen say something, and says what the screen is to do.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum

from msgspec import Struct

from edge.clock import Clock
from edge.presence.face_decision import Outcome
from edge.presence.faces import Faces, Recognition, TrackLooks
from edge.presence.visits import VisitBook
from edge.records import Member, Moment

REQUEST_S = 10.0
"""How long the camera of a screen may look for who asked to be recognised there."""

AskFaces = Callable[[str, float], Awaitable[Sequence[str]]]
"""Lets the cameras of a screen embed faces for some seconds (0: no more); gives their names."""


class Found(StrEnum):
    """What came of looking: a member, "show your card", nobody known, nobody seen, several people
    of whom any may have asked; or none did.
    """

    MEMBER = "member"
    SEVERAL = "several"
    ASK = "ask"
    UNKNOWN = "unknown"
    NOBODY = "nobody"
    OFF = "off"


class Answer(Struct, frozen=True):
    """What the screen is told; `member` if one was found."""

    found: Found
    member: Member | None = None


_SEVERAL = Answer(Found.SEVERAL)


class Requests:
    """Who is being looked for where."""

    def __init__(self, recognition: Recognition, book: VisitBook, clock: Clock) -> None:
        self._recognition = recognition
        self._book = book
        self._clock = clock
        self._ask_faces: AskFaces | None = None
        self._until_ms: dict[str, int] = {}
        self._waiting: set[asyncio.Event] = set()

    def recognise_with(self, ask_faces: AskFaces) -> None:
        """How to let the cameras of a screen look."""
        self._ask_faces = ask_faces

    def may_match(self, sensor: str, seen: Moment) -> bool:
        """Whether this camera's faces may be matched at this moment (consent comes on top)."""
        mode = self._recognition.mode
        asked = seen.mono_ms <= self._until_ms.get(sensor, -1)
        return mode is Faces.ZONE or (mode is Faces.ON_REQUEST and asked)

    def look_again(self) -> None:
        """Visits or tracks have changed."""
        for changed in self._waiting:
            changed.set()

    async def its_me(self, screen: str, member: Callable[[str], Member | None]) -> Answer:
        """Look at who stands before `screen`. `member` gives a profile by its id."""
        ask_faces = self._ask_faces
        if self._recognition.mode is Faces.OFF or ask_faces is None:
            return Answer(Found.OFF)
        asked = self._clock.now()
        sensors = await self._cameras_of(screen, ask_faces)
        if not sensors:
            return Answer(Found.NOBODY)
        until_ms = asked.mono_ms + round(REQUEST_S * 1000)
        self._until_ms |= dict.fromkeys(sensors, until_ms)
        places = frozenset(sensors)
        try:
            async with asyncio.timeout(REQUEST_S):
                await ask_faces(screen, REQUEST_S)
                await self._recognition.ready()  # while the cameras turn to the screen
                return await self._answered(places, asked, member)
        except TimeoutError:
            return self._at_last(places, asked)
        finally:
            await self._no_more(ask_faces, screen, sensors)

    async def _cameras_of(self, screen: str, ask_faces: AskFaces) -> Sequence[str]:
        """Who will look: known before they do, so that the first face they describe is expected.

        The end of a leave says it; a marked zone has one that must not end, and expects all faces.
        """
        in_zone = self._recognition.mode is Faces.ZONE
        return await ask_faces(screen, REQUEST_S if in_zone else 0)

    async def _answered(
        self, sensors: frozenset[str], asked: Moment, member: Callable[[str], Member | None]
    ) -> Answer:
        with self._listening() as changed:
            while True:
                changed.clear()
                names = self._book.recognised_by_face(sensors, asked)
                if len(names) == 1 and (who := member(names.pop())) is not None:
                    return Answer(Found.MEMBER, who) if self._asked(sensors) else _SEVERAL
                looks = self._recognition.looks_since(sensors, asked)
                if looks and all(each.complete for each in looks):
                    return Answer(_said(looks))
                await changed.wait()

    def _asked(self, sensors: frozenset[str]) -> bool:
        """Whether it must be the one who is recognised that asked.

        On request a camera describes the person in front alone. In a marked zone it describes all,
        so that nobody else may be in view.
        """
        alone = self._book.at_most_one_in_view(sensors, self._clock.now())
        return self._recognition.mode is not Faces.ZONE or alone

    def _at_last(self, sensors: frozenset[str], asked: Moment) -> Answer:
        """What is to be said though no track is complete."""
        looks = self._recognition.looks_since(sensors, asked)
        return Answer(_said(looks) if looks else Found.NOBODY)

    @contextmanager
    def _listening(self) -> Iterator[asyncio.Event]:
        changed = asyncio.Event()
        self._waiting.add(changed)
        try:
            yield changed
        finally:
            self._waiting.discard(changed)

    async def _no_more(self, ask_faces: AskFaces, screen: str, sensors: Sequence[str]) -> None:
        """Nobody else is looked at on this request; a marked zone goes on as before."""
        for sensor in sensors:
            self._until_ms.pop(sensor, None)
        if self._recognition.mode is Faces.ON_REQUEST:
            await ask_faces(screen, 0)


def _said(looks: Sequence[TrackLooks]) -> Found:
    """Of tracks of which none identified a member: whoever might be one is asked for the card."""
    asked = any(each.decision.outcome is not Outcome.UNKNOWN for each in looks)
    return Found.ASK if asked else Found.UNKNOWN
