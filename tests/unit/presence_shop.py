"""A desk on a real database in a shop whose clock the test moves."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np

from edge import consent
from edge.clock import ScenarioClock
from edge.counters import Counters
from edge.presence.desk import Faces, PresenceDesk, PresenceSettings
from edge.records import (
    VECTOR_DIMENSIONS,
    Consent,
    ConsentKind,
    FaceReading,
    Member,
    Observation,
    Product,
    Reading,
    Stream,
)
from edge.storage import goods
from edge.storage.database import Database, Transaction
from edge.storage.members import Template

START_MS = 1_700_000_000_000
MODEL = "model"
CARD = "2780010000017"
ZONE = PresenceSettings(faces=Faces.ZONE, visit_silence_s=600)


class Shop:
    """A desk with a clock that the test moves."""

    def __init__(self, directory: Path, settings: PresenceSettings = ZONE) -> None:
        self.database = Database.open(directory)
        self.clock = ScenarioClock(START_MS, frozenset())
        self.counters = Counters()
        self.settings = settings
        self.desk = PresenceDesk(self.database, self.clock, settings, self.counters)

    def reopened(self, directory: Path) -> "Shop":
        self.database.close()
        return Shop(directory, self.settings)

    async def enrol(self, member: str = "m1", card: str = CARD, value: float = 0.1) -> None:
        kinds = (ConsentKind.FACE, ConsentKind.PROGRAMME)
        consents = tuple(Consent(kind, 0, "v1", "desk") for kind in kinds)
        vectors = np.full((3, VECTOR_DIMENSIONS), value, "<f4").tobytes()

        def change(tx: Transaction) -> None:
            consent.accept_member(tx, Member(member, "Анна", card, consents=consents))
            consent.accept_template(tx, Template(member, MODEL, vectors))
            goods.put_product(tx, Product("sku", "4600000000008", "m", {"ru": "Мяч"}, 100))

        await self.database.transact(change)
        self.desk.reload()

    async def see(self, *readings: Reading, sensor: str = "door", after_s: float = 1) -> None:
        self.clock.move(self.clock.now().wall_ms + round(after_s * 1000))
        seen = self.clock.now()
        await self.desk.observe([Observation(sensor, seen, reading) for reading in readings])

    def events(self, stream: Stream = Stream.VISIT) -> list[tuple[str, dict[str, object]]]:
        waiting = self.database.backlog.events(stream, 0, 100)
        return [(event.type, msgspec.json.decode(event.body)) for event in waiting]

    def types(self, stream: Stream = Stream.VISIT) -> list[str]:
        return [type_ for type_, _ in self.events(stream)]


def face(track: int = 1, value: float = 0.1) -> FaceReading:
    vector = np.full(VECTOR_DIMENSIONS, value, "<f4").tobytes()
    return FaceReading(track, MODEL, 1, bytearray(vector), bytearray(vector))


def opened(tmp_path: Path) -> Iterator[Shop]:
    """For a fixture: the shop, whose database is closed in the end."""
    shop = Shop(tmp_path)
    yield shop
    shop.database.close()
