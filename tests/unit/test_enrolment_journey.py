"""From the card to the next visit and back: camera and scanner at their sockets, the real intake,
desks and screens between them. No page is drawn (`tests/web/test_faces.py` does that).
"""

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import pytest

from edge import consent
from edge.clock import SystemClock
from edge.counters import Counters
from edge.intake import Intake
from edge.ordering.desk import OrderingDesk
from edge.presence.capture import Stage
from edge.presence.desk import PresenceDesk, PresenceSettings
from edge.presence.enrolling import Enrolling
from edge.presence.enrolment import Enrolment, EnrolmentSettings
from edge.presence.faces import Faces as Mode
from edge.records import (
    CodeReading,
    Consent,
    ConsentKind,
    Hint,
    Member,
    Observation,
    PoseReading,
    Reading,
    Stream,
    TrackReading,
)
from edge.sections import BoxSection
from edge.sensor_spec import SensorSpec
from edge.storage import templates
from edge.storage.database import Database
from kiosk.faces import FORGOTTEN, Faces
from kiosk.session import Screens
from kiosk.settings import KioskSettings
from kiosk.twins import NO
from sensors import wire
from tests import faces
from tests.pages import everything
from tests.waiting import until

CARD, HERS = "2780010000017", 0.1
ANNA = Member("anna", "Анна", CARD, consents=(Consent(ConsentKind.PROGRAMME, 0, "v1", "phone"),))
SPECS = [
    SensorSpec("camera", "face", "simulated:x", {}, "main"),
    SensorSpec("scanner", "code", "simulated:x", {}, "main"),
]


class Peer:
    """A sensor's end of a connection: a driver at the wire."""

    def __init__(self, intake: Intake, name: str, clock: SystemClock) -> None:
        self.name, self._clock = name, clock
        self._socket, self._theirs = socket.socketpair()
        self._socket.setblocking(False)
        self._reader = wire.FrameReader(down=True)
        self._tasks = [asyncio.create_task(intake.serve(name, self._theirs))]

    async def sees(self, *readings: Reading) -> None:
        now = self._clock.now()
        seen = wire.Seen([Observation(self.name, now, reading) for reading in readings])
        await asyncio.get_running_loop().sock_sendall(self._socket, wire.encode(seen))

    def obey(self, asked: Callable[[], bool]) -> None:
        """Do with leave what a camera does: poses to enrol somebody, faces to recognise them, as
        soon as the desk would look at them (`asked`).
        """
        self._tasks.append(asyncio.create_task(self._obey(asked)))

    async def _obey(self, asked: Callable[[], bool]) -> None:
        tracks = 0
        while chunk := await asyncio.get_running_loop().sock_recv(self._socket, 65536):
            for message in self._reader.feed(chunk):
                match message:
                    case wire.Leave(wire.Action.ENROL, seconds) if seconds:
                        await self.sees(PoseReading(faces.MODEL, Hint.CENTRE, bytearray()))
                        await self.sees(*map(pose, range(1, 6)))
                    case wire.Leave(wire.Action.EMBED, seconds) if seconds:
                        tracks += 1
                        await until(asked, "somebody asked")
                        looks = [faces.reading(tracks, HERS, frame) for frame in range(1, 6)]
                        await self.sees(TrackReading(tracks), *looks)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        self._socket.close()
        self._theirs.close()


def pose(frame: int) -> PoseReading:
    return PoseReading(faces.MODEL, Hint.GOOD, bytearray(faces.seen(HERS, frame).tobytes()))


class Box:
    """One box with a camera and a scanner at its one screen."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.database, clock, counters = Database.open(directory), SystemClock(), Counters()
        settings = PresenceSettings(faces=faces.settings(Mode.ON_REQUEST))
        self.presence = PresenceDesk(self.database, clock, settings, counters)
        self.intake = Intake(clock, SPECS)
        known = self.presence.recognition
        self.enrolment = Enrolment(
            self.database,
            clock,
            EnrolmentSettings(allowed=True, screens=frozenset({"main"})),
            enrolling=Enrolling(self.database, clock, known, counters=counters),
            counters=counters,
        )
        grant = self.intake.grant
        self.presence.recognise_with(lambda at, s: grant(wire.Action.EMBED, s, at))
        self.enrolment.look_with(lambda at, s: grant(wire.Action.ENROL, s, at))
        self.presence.enrol_with(self.enrolment)
        self.enrolment.add_people_listener(self.presence.reload)
        ordering = OrderingDesk(self.database, clock, BoxSection("t", "s", "b"))
        kiosk = KioskSettings()
        self.screens = Screens(ordering, self.presence, clock, kiosk, self.enrolment)
        self.faces = Faces(self.screens, self.enrolment)
        self.camera = Peer(self.intake, "camera", clock)
        self.scanner = Peer(self.intake, "scanner", clock)
        requests = self.presence._requests
        self.camera.obey(lambda: requests.may_match("camera", clock.now()))
        self.pump = asyncio.create_task(self._pump())

    async def _pump(self) -> None:
        async for batch in self.intake.batches():
            for scan in await self.presence.observe(batch):
                await self.screens.scanned("main", scan.text, scan.member)

    async def close(self) -> None:
        await self.enrolment.close()
        self.intake.close()
        await self.pump
        await self.camera.close()
        await self.scanner.close()
        await self.presence.close()
        self.database.close()

    async def show_card(self) -> None:
        await self.scanner.sees(CodeReading(CARD))
        await until(lambda: self.screens.state("main").card, "the card was read")

    @property
    def here(self) -> str:
        return self.screens.state("main").member

    @property
    def stage(self) -> Stage | None:
        capture = self.enrolment.at("main")
        return capture.stage if capture else None

    def types(self) -> list[str]:
        return [event.type for event in self.database.backlog.events(Stream.CRIT, 0, 100)]


@pytest.fixture
async def box(tmp_path: Path) -> AsyncIterator[Box]:
    opened = Box(tmp_path / "state")
    yield opened
    await opened.close()


async def test_a_member_is_recognised_after_enrolling_and_not_after_withdrawing(
    box: Box, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await box.database.transact(lambda tx: consent.accept_member(tx, ANNA))
    await box.screens.its_me("main")
    assert box.here == "", "nobody is known by a face yet"

    await box.show_card()
    await box.faces.open("main")
    await box.faces.answer("main", NO)
    version = box.faces.text("ru").version
    await box.faces.agree("main", version, agreed=True, adult=True)
    await until(lambda: box.stage is Stage.DONE, "enrolled")
    assert box.types() == ["consent.given.v1", "face.enrolled.v1"]
    await box.screens.finish("main")
    assert (box.here, box.stage) == ("", None)

    await box.screens.its_me("main")
    assert box.here == ANNA.id, "recognised on the next visit"
    assert not box.faces.offer("main").withdraw, "by the face alone nothing is changed"
    await box.screens.finish("main")

    await box.show_card()
    began_s = time.monotonic()
    await box.faces.withdraw("main")
    assert time.monotonic() - began_s < 1, "gone within a second"
    assert box.screens.state("main").notice == (FORGOTTEN,)
    assert templates.owners(box.database.reading) == frozenset()
    assert box.types()[-1] == "consent.withdrawn.v1"
    await box.screens.finish("main")
    await box.screens.its_me("main")
    assert box.here == "", "and not recognised any more"

    pile = everything(box.directory) + caplog.text.encode()
    for frame in range(1, 6):
        vector = faces.seen(HERS, frame)
        for kind in ("<f4", "<f2"):
            assert vector.astype(kind).tobytes()[32:64] not in pile
    assert np.any(vector), "else the look proves nothing"
