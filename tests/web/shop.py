"""A shop for the tests of the screens: real database, desks and server; the test is the scanner,
the door camera, and whoever moves the clock.
"""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import TracebackType

from fastapi import FastAPI
from msgspec import Struct
from msgspec.structs import replace

from edge import consent
from edge.clock import ScenarioClock
from edge.counters import Counters
from edge.operation.phone_codes import PhoneCodes
from edge.ordering.desk import OrderingDesk
from edge.presence.desk import PresenceDesk, PresenceSettings
from edge.presence.enrolling import Enrolling
from edge.presence.enrolment import Enrolment, EnrolmentSettings
from edge.presence.withdrawals import Withdrawals
from edge.records import (
    CodeReading,
    Consent,
    ConsentKind,
    Hint,
    Member,
    Observation,
    PoseReading,
    Reading,
    TrackReading,
)
from edge.sales import (
    Product,
    Stock,
)
from edge.storage import goods
from edge.storage.connections import Room
from edge.storage.database import Database, Transaction
from kiosk.app import create
from kiosk.pin import hash_pin
from kiosk.server import Serving, serve
from kiosk.session import Screens
from kiosk.settings import KioskSettings
from sync.calls import Calls
from sync.messages import Address
from tests import faces

START_MS = 1_785_578_400_000  # 1 August 2026, 10:00 UTC
MINUTE_MS = 60_000
STORE = "msk-12"
PIN = "482915"
CARD = "2780010000017"
SNEAKER = "4600000000015"  # blue, 42
SOLD_OUT = "4600000000053"  # red, 40
HOSTILE = "4600000000091"
HOSTILE_TITLE = "<script>document.title='owned'</script><img src=x onerror=alert(1)>\"'& ball"
BORIS_CARD = "2780010000024"
BORIS = Member("m2", "Борисов Борис", BORIS_CARD, "Silver")
ANNA = Member("m1", "Петрова Анна Сергеевна", CARD, "Gold", "Running")


class Box(Struct):
    """Which box the orders are numbered for."""

    number: int = 7
    currency: str = "RUB"


SETTINGS = KioskSettings(
    store=STORE,
    store_name="Спорт и Город",
    places={"msk-03": "ТЦ «Атриум», Земляной Вал, 33", "msk-07": "ТЦ «Метрополис»"},
    timezone="Europe/Moscow",
    staff_pin_hash=hash_pin(PIN),
)


class Shop(AbstractAsyncContextManager["Shop"]):
    """One open shop. `async with Shop(directory) as shop`."""

    def __init__(
        self, directory: Path, settings: KioskSettings = SETTINGS, *, room: Room | None = None
    ) -> None:
        self.settings = settings
        self.database = Database.open(directory, room=room)
        self.clock = ScenarioClock(START_MS, frozenset())
        recognising = PresenceSettings(faces=faces.settings())
        self.presence = PresenceDesk(self.database, self.clock, recognising, Counters())
        self.presence.recognise_with(self._ask_faces)
        self.ordering = OrderingDesk(self.database, self.clock, Box())
        self.enrolment = self._enrolment()
        self.screens = Screens(self.ordering, self.presence, self.clock, settings, self.enrolment)
        address = Address("chain", STORE, "box-1")
        self.calls = Calls(self.database, self.clock, address=address, counters=Counters())
        self.camera_asked = asyncio.Event()
        self.serving: Serving | None = None
        self._watching: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Shop":
        await self.database.transact(_fill)
        self._watching = asyncio.create_task(self.screens.run())
        self.serving = await serve(self.application(), "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.serving:
            await self.serving.close()
        if self._watching:
            self._watching.cancel()
            await asyncio.wait([self._watching])
        await self.enrolment.close()
        self.database.close()

    def application(self, settings: KioskSettings | None = None) -> FastAPI:
        """The application over this shop's desks; with its own screens for other settings."""
        screens = self.screens
        if settings is not None:
            screens = Screens(self.ordering, self.presence, self.clock, settings)
        phones = PhoneCodes(self.calls, self.database)
        withdrawals = Withdrawals(self.database, self.clock, self.presence.reload)
        return create(screens, self.presence, withdrawals, phones=phones)

    async def restart_server(self) -> None:
        """The server goes away and comes back on the same port."""
        assert self.serving is not None
        await self.serving.close()
        self.serving = await serve(self.application(), "127.0.0.1", self.serving.port)

    @property
    def url(self) -> str:
        assert self.serving is not None
        return f"http://127.0.0.1:{self.serving.port}"

    def _enrolment(self) -> Enrolment:
        """Faces can be enrolled at the main screen."""
        counters, known = Counters(), self.presence.recognition
        enrolling = Enrolling(self.database, self.clock, known, counters=counters)
        at = EnrolmentSettings(allowed=True, screens=frozenset({"main"}))
        enrolment = Enrolment(self.database, self.clock, at, enrolling=enrolling, counters=counters)
        enrolment.look_with(self._ask_faces)
        enrolment.add_people_listener(self.presence.reload)
        self.presence.enrol_with(enrolment)
        return enrolment

    async def pose(self, hint: Hint, value: float | None = None, frame: int = 1) -> None:
        """The camera of the main screen sends one frame of an enrolment."""
        vector = faces.seen(value, frame).tobytes() if value is not None else b""
        reading = PoseReading(faces.MODEL, hint, bytearray(vector))
        await self.presence.observe([Observation("camera-main", self.clock.now(), reading)])

    async def photograph(self, value: float, *frames: int) -> None:
        """The camera takes good frames of somebody: five, or these."""
        for frame in frames or range(1, 6):
            await self.pose(Hint.GOOD, value, frame)

    async def _ask_faces(self, screen: str, seconds: float) -> Sequence[str]:
        self.camera_asked.set()
        return [f"camera-{screen}"]

    def pass_time(self, seconds: float) -> None:
        self.clock.move(self.clock.now().wall_ms + round(seconds * 1000))

    async def scan(self, text: str) -> None:
        """The scanner of the main screen reads a code, as the core hands it on."""
        reading = Observation("scanner", self.clock.now(), CodeReading(text))
        for scan in await self.presence.observe([reading]):
            await self.screens.scanned("main", scan.text, scan.member)

    async def enrol(self, member: Member = ANNA, value: float = 0.1) -> Member:
        """A member with face consent and template."""
        kinds = (ConsentKind.FACE, ConsentKind.PROGRAMME)
        agreed = tuple(Consent(kind, START_MS, "v1", "desk") for kind in kinds)
        known = replace(member, consents=agreed)

        def change(tx: Transaction) -> None:
            consent.accept_member(tx, known)
            consent.accept_template(tx, faces.template(member.id, value))

        await self.database.transact(change)
        self.presence.reload()
        return known

    async def join(self, member: Member = ANNA, *also: ConsentKind) -> Member:
        """A member who has agreed to the programme, and to what is named, alone."""
        kinds = (ConsentKind.PROGRAMME, *also)
        agreed = tuple(Consent(kind, START_MS, "v1", "desk") for kind in kinds)
        known = replace(member, consents=agreed)
        await self.database.transact(lambda tx: consent.accept_member(tx, known))
        self.presence.reload()
        return known

    async def withdraw(self, member: Member) -> None:
        """The member leaves the programme."""
        moment = self.clock.now()
        await self.database.transact(lambda tx: consent.forget_member(tx, member.id, moment))
        self.presence.reload()

    async def see(self, track: int, value: float | None, camera: str = "door") -> None:
        """Somebody stands before a camera: three frames of a face, or none."""
        readings: list[Reading] = [TrackReading(track)]
        if value is not None:
            readings += [faces.reading(track, value, frame + 1) for frame in range(3)]
        seen = self.clock.now()
        await self.presence.observe([Observation(camera, seen, r) for r in readings])


def _fill(tx: Transaction) -> None:
    number = 0
    for colour, other in (("синий", "blue"), ("красный", "red")):
        for size in ("40", "41", "42", "43", "44"):
            number += 1
            gtin = SNEAKER if (other, size) == ("blue", "42") else f"46000000{number:05d}"
            gtin = SOLD_OUT if (other, size) == ("red", "40") else gtin
            titles = {"ru": "Кроссовки беговые «Ветер 3»", "en": "Wind 3 running shoes"}
            sku = f"WIND3-{other.upper()}-{size}"
            product = Product(sku, gtin, "WIND3", titles, 1299000, 1099000, colour, size)
            goods.put_product(tx, product)
            for place, quantity, age_ms in _figures(other, size):
                goods.put_stock(tx, Stock(sku, place, quantity, START_MS - age_ms))
    hostile = {"ru": HOSTILE_TITLE, "en": HOSTILE_TITLE}
    goods.put_product(tx, Product("EVIL-1", HOSTILE, "EVIL", hostile, 99950))
    socks = {"ru": "Носки спортивные, 3 пары", "en": "Sports socks, 3 pairs"}
    goods.put_product(tx, Product("SOCKS-3", "036000291452", "SOCKS", socks, 59000))


def _figures(colour: str, size: str) -> list[tuple[str, int, int]]:
    if (colour, size) == ("red", "40"):
        return [(STORE, 0, MINUTE_MS), ("warehouse", 0, MINUTE_MS)]
    here = 0 if size in ("43", "44") else int(size) - 39
    return [
        (STORE, here, 4 * MINUTE_MS),
        ("msk-03", 2, 17 * MINUTE_MS),
        ("msk-07", 0, 26 * 60 * MINUTE_MS),
        ("warehouse", 48, 3 * 60 * MINUTE_MS),
    ]
