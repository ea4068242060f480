"""A box on which faces are enrolled; the test is the camera, the seller, and the clock."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np

from edge import consent
from edge.counters import Counters
from edge.face_models import DLIB
from edge.presence.capture import Asked, Capture, Channel
from edge.presence.enrolling import Enrolling, Sealing
from edge.presence.enrolment import Enrolment, EnrolmentSettings
from edge.presence.face_calibration import Calibration, Cell, Table
from edge.presence.gallery import Gallery
from edge.records import (
    Consent,
    ConsentKind,
    Hint,
    Member,
    Observation,
    PoseReading,
    Stream,
)
from edge.storage import templates
from edge.storage.database import Database
from tests.clocks import Time
from tests.waiting import until

MODEL, DIMENSIONS = DLIB, 128
SCREEN, CAMERA = "main", "camera"
SETTINGS = EnrolmentSettings(allowed=True, screens=frozenset({SCREEN}))
TABLE = Table(1, MODEL, "", (Cell(3, 3, 0.3, 0, 20, 0, 0, 1000),))
"""Members are named from a cosine of about 0.7; frames of one enrolment agree from 0.53."""
ANNA, BORIS = "anna", "boris"


def person(seed: int) -> np.ndarray:
    vector = np.random.default_rng(seed).normal(size=DIMENSIONS)
    return vector / np.linalg.norm(vector)


def looks(who: int, frame: int, noise: float = 0.4) -> bytearray:
    """One frame of the person `who`: like them, and not quite."""
    rng = np.random.default_rng([who, frame])
    other = rng.normal(size=DIMENSIONS)
    vector = person(who) + noise * other / np.linalg.norm(other)
    return bytearray((vector / np.linalg.norm(vector)).astype("<f4").tobytes())


class KnownFaces:
    """What the desk knows of faces, straight from the database."""

    target_fpir = 0.001
    model = MODEL

    def __init__(self, database: Database) -> None:
        self._database = database

    async def gallery(self, model: str) -> Gallery:
        reading, vault = self._database.reading, self._database.vault
        pieces = consent.matchable(reading, vault, model, 100)
        return Gallery(pieces, 100, None, model)

    def calibration(self, model: str) -> Calibration | None:
        return Calibration(TABLE) if model == MODEL else None


class Box:
    """The parts of enrolment on a real database."""

    def __init__(self, directory: Path, sealing: Sealing | None = None) -> None:
        self.database = Database.open(directory)
        self.clock = Time()
        self.counters = Counters()
        self.asked: list[tuple[str, float]] = []
        self.enrolment = Enrolment(
            self.database,
            self.clock,
            SETTINGS,
            enrolling=Enrolling(
                self.database,
                self.clock,
                KnownFaces(self.database),
                counters=self.counters,
                sealing=sealing,
            ),
            counters=self.counters,
        )
        self.enrolment.look_with(self.look)
        self.seen: list[Capture] = []
        self.enrolment.add_listener(self.note)

    def note(self, screen: str) -> None:
        capture = self.enrolment.at(screen)
        if capture is not None:
            self.seen.append(capture)

    async def look(self, screen: str, seconds: float) -> Sequence[str]:
        self.asked.append((screen, seconds))
        return [CAMERA]

    async def has(self, *names: str, face: bool = False) -> None:
        kinds = (ConsentKind.PROGRAMME, *((ConsentKind.FACE,) if face else ()))
        for name in names:
            agreed = tuple(Consent(kind, 0, "v0", "phone") for kind in kinds)
            member = Member(name, name.title(), f"card-{name}", consents=agreed)
            await self.database.transact(lambda tx, m=member: consent.accept_member(tx, m))

    async def begin(self, name: str = ANNA, channel: Channel = Channel.KIOSK) -> None:
        by = "olga" if channel is Channel.STAFF else ""
        self.enrolment.ask(SCREEN, Asked(name, channel, by))
        await self.enrolment.agree(SCREEN, "face-1", adult=True)
        await until(lambda: self.asked and self.asked[-1][1] > 0, "the camera is asked")

    def pose(self, hint: Hint, vector: bytearray | None = None, model: str = MODEL) -> PoseReading:
        """The camera sends a frame."""
        pose = PoseReading(model, hint, vector if vector is not None else bytearray())
        observation = Observation(CAMERA, self.clock.now(), pose)
        self.enrolment.pose(CAMERA, pose, observation.seen)
        observation.wipe()
        return pose

    def photograph(self, who: int, *frames: int) -> None:
        for frame in frames or range(5):
            self.pose(Hint.GOOD, looks(who, frame))

    async def ended(self) -> Capture:
        """The enrolment at its end, when nothing of it goes on any more."""
        asked = len(self.asked)
        await until(lambda: self._at.ended, "the end")
        await until(lambda: len(self.asked) >= asked and self.asked[-1][1] == 0, "no more leave")
        place = self.enrolment._places[SCREEN]
        if place.task is not None:
            await place.task
        return self._at

    @property
    def _at(self) -> Capture:
        capture = self.enrolment.at(SCREEN)
        assert capture is not None
        return capture

    async def enrol(self, name: str, who: int) -> Capture:
        await self.begin(name)
        self.photograph(who)
        return await self.ended()

    def agreed(self, name: str = ANNA) -> bool:
        return ConsentKind.FACE in consent.agreed_by(self.database.reading, name)

    def template(self, name: str = ANNA) -> templates.Template | None:
        return templates.one(self.database.reading, self.database.vault, name, MODEL)

    def photos(self, name: str = ANNA) -> int:
        found = self.template(name)
        return len(found.vectors) // (DIMENSIONS * 4) if found else 0

    def told(self) -> list[tuple[str, dict[str, object]]]:
        waiting = self.database.backlog.events(Stream.CRIT, 0, 1000)
        return [(event.type, msgspec.json.decode(event.body)) for event in waiting]

    def types(self) -> list[str]:
        return [type_ for type_, _ in self.told()]


def opened(tmp_path: Path) -> Iterator[Box]:
    """For a fixture: the box, whose database is closed in the end."""
    box = Box(tmp_path / "state")
    yield box
    box.database.close()
