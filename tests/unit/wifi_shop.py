"""A desk on a real database in a shop with a hotspot, for tests of members on its Wi-Fi."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from edge import consent
from edge.counters import Counters
from edge.presence.desk import PresenceDesk, PresenceSettings
from edge.records import (
    AssociationPhase,
    AssociationReading,
    Consent,
    ConsentKind,
    Member,
    Moment,
    Observation,
    Stream,
)
from edge.storage import bindings
from edge.storage.database import Database
from edge.storage.transaction import Transaction
from edge.visiting import VisitState
from tests.clocks import Time

LOGIN, TYPED = "79161234567", "8 (916) 123-45-67"
PHONE, OTHER = bytes.fromhex("30392686ccea"), bytes.fromhex("da7a5c11e601")
START, ALIVE, STOP = AssociationPhase
BOTH = (ConsentKind.PROGRAMME, ConsentKind.WIFI)
SILENCE_S = 900


def person(name: str = "anna", *logins: str, kinds: tuple[ConsentKind, ...] = BOTH) -> Member:
    consents = tuple(Consent(kind, 0, "v1", "till") for kind in kinds)
    return Member(name, name.title(), f"card-{name}", consents=consents, logins=logins or (LOGIN,))


async def proved(database: Database, member: str, address: bytes, now: Moment) -> None:
    """The phone was seen to be the member's own, in a visit before the test begins."""

    def change(tx: Transaction) -> None:
        made = consent.binding(tx, tx.vault, member, bytearray(address), now)
        assert made is not None
        consent.bind(tx, made)
        consent.prove(tx, made.mark, member, now)

    await database.transact(change)


class Shop:
    """A desk on a real database, with a clock that the test sets."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.database = Database.open(directory / "state", directory / "journal")
        self.time = Time()
        self.counters = Counters()
        self.begin()

    def begin(self) -> None:
        settings = PresenceSettings(visit_silence_s=SILENCE_S)
        self.desk = PresenceDesk(self.database, self.time, settings, self.counters)

    async def has(self, *people: Member) -> None:
        for one in people:
            await self.database.transact(lambda tx, one=one: consent.accept_member(tx, one))
        self.desk.reload()

    async def owns(self, member: str = "anna", address: bytes = PHONE) -> None:
        """This phone was proved to be theirs."""
        await proved(self.database, member, address, self.time.now())

    async def hears(
        self,
        login: str = TYPED,
        address: bytes = PHONE,
        phase: AssociationPhase = START,
        session: str = "s1",
    ) -> AssociationReading:
        await self.time.pass_(1000)
        reading = AssociationReading(login, bytearray(address), "hall", session, phase)
        await self.desk.observe([Observation("hotspot", self.time.now(), reading)])
        return reading

    async def after(self, seconds: float) -> None:
        await self.time.pass_(round(seconds * 1000))
        await self.desk.pass_time()

    @property
    def here(self) -> list[tuple[VisitState, str | None]]:
        return [(visit.state, visit.member) for visit in self.desk.here()]

    def rows(self, table: str) -> int:
        found = self.database.reading.execute(f"SELECT count(*) FROM {table}").fetchone()
        return int(found[0])

    def bound(self) -> int | None:
        return bindings.until_ms(self.database.reading, "anna")

    def events(self) -> list[tuple[str, dict[str, object]]]:
        waiting = self.database.backlog.events(Stream.VISIT, 0, 100)
        return [(event.type, msgspec.json.decode(event.body)) for event in waiting]


KNOWN = [(VisitState.IDENTIFIED, "anna")]
SUGGESTED = [(VisitState.SUGGESTED, "anna")]


def opened(tmp_path: Path) -> Iterator[Shop]:
    """For a fixture: the shop, whose database is closed in the end."""
    shop = Shop(tmp_path)
    yield shop
    shop.database.close()
