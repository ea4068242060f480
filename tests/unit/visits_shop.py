"""A desk on a real database in a shop with a camera at the door, one at the kiosk, and Wi-Fi."""

from collections.abc import Iterator
from pathlib import Path

from edge import consent
from edge.presence.desk import PresenceSettings
from edge.presence.places import SensorPlace
from edge.records import (
    AssociationPhase,
    AssociationReading,
    CodeReading,
    Consent,
    ConsentKind,
    CrossingReading,
    FaceReading,
    GoneReading,
    Member,
    Observation,
    StayReading,
    TrackReading,
)
from edge.storage import visits
from edge.storage.database import Transaction
from edge.visiting import Visit, VisitState
from tests import faces
from tests.unit import presence_shop
from tests.unit.wifi_shop import proved

DOOR, HALL, KIOSK, SCANNER, TILL, WIFI = "door", "hall", "kiosk", "scanner", "till", "hotspot"
SENSORS = {
    DOOR: SensorPlace(entrance=True),
    HALL: SensorPlace(),
    KIOSK: SensorPlace("main"),
    SCANNER: SensorPlace("main"),
    TILL: SensorPlace(),
    WIFI: SensorPlace(),
}
SETTINGS = PresenceSettings(faces=faces.settings(), visit_silence_s=900, sensors=SENSORS)
FACES = {"anna": 0.1, "boris": 0.2, "vera": 0.3}
KINDS = (ConsentKind.FACE, ConsentKind.PROGRAMME, ConsentKind.WIFI)
KNOWN, GUESS, NOBODY = VisitState.IDENTIFIED, VisitState.SUGGESTED, VisitState.ANONYMOUS


class Shop(presence_shop.Shop):
    """The shop, and what people do in it."""

    def __init__(self, directory: Path, settings: PresenceSettings = SETTINGS) -> None:
        super().__init__(directory, settings)

    def reopened(self, directory: Path) -> "Shop":
        self.database.close()
        again = Shop(directory, self.settings)
        again.clock.move(self.clock.now().wall_ms)
        return again

    async def has(self, *names: str, kinds: tuple[ConsentKind, ...] = KINDS) -> None:
        """Members with a face each, a card `card-NAME` and the login `NAME`."""
        consents = tuple(Consent(kind, 0, "v1", "desk") for kind in kinds)

        def change(tx: Transaction) -> None:
            for name in names:
                person = Member(name, name.title(), f"card-{name}", "", "", consents, (name,))
                consent.accept_member(tx, person)
                if ConsentKind.FACE in kinds and name in FACES:
                    consent.accept_template(tx, faces.template(name, FACES[name]))

        await self.database.transact(change)
        self.desk.reload()

    async def owns(self, who: str) -> None:
        """The phone that `who` logs in with was proved to be theirs."""
        await proved(self.database, who, bytes(login(who).address), self.clock.now())

    async def comes_in(self, track: int, who: str = "", after_s: float = 1) -> None:
        """Somebody walks in at the door, and is described if it is said who."""
        described = looks(track, who) if who else []
        crossing = CrossingReading("entry", True, track)
        await self.see(TrackReading(track), *described, crossing, sensor=DOOR, after_s=after_s)
        await self.see(GoneReading(track, 2_000), sensor=DOOR)

    async def goes_out(self, track: int, who: str = "", after_s: float = 1) -> None:
        described = looks(track, who) if who else []
        crossing = CrossingReading("entry", False, track)
        await self.see(TrackReading(track), *described, crossing, sensor=DOOR, after_s=after_s)
        await self.see(GoneReading(track, 2_000), sensor=DOOR)

    async def scans(self, who: str, sensor: str = TILL, after_s: float = 1) -> None:
        await self.see(CodeReading(f"card-{who}"), sensor=sensor, after_s=after_s)

    async def logs_in(self, who: str, after_s: float = 1) -> None:
        await self.see(login(who), sensor=WIFI, after_s=after_s)

    async def time_passes(self, seconds: float) -> None:
        """Step by step, as a shop's time does."""
        for _ in range(max(1, round(seconds // 60))):
            step_ms = round(min(seconds, 60) * 1000)
            self.clock.move(self.clock.now().wall_ms + step_ms)
            await self.desk.pass_time()

    # --- what came of it

    @property
    def here(self) -> list[tuple[VisitState, str | None]]:
        return [(visit.state, visit.member) for visit in self.desk.here()]

    @property
    def stored(self) -> list[Visit]:
        """All visits in the file, the oldest first."""
        return visits.latest(self.database.reading)[::-1]

    @property
    def counted(self) -> int:
        """How many visits there have been, for the figures."""
        return sum(visit.counted for visit in self.stored)

    def told(self, type_: str) -> list[dict[str, object]]:
        return [body for name, body in self.events() if name == f"visit.{type_}.v1"]

    def steps(self, visit: str) -> list[str]:
        return [step.what for step in self.desk.history(visit)]


def looks(track: int, who: str, frames: int = 3) -> list[FaceReading]:
    """The described frames of one track."""
    return [faces.reading(track, FACES.get(who, 7.0), frame + 1) for frame in range(frames)]


def login(who: str, session: str = "") -> AssociationReading:
    mark = bytearray(who.encode()[:6].ljust(6, b"\x02"))
    return AssociationReading(who, mark, "hall", session or who, AssociationPhase.START)


def stay(track: int, zone: str, seconds: float) -> StayReading:
    return StayReading(zone, round(seconds * 1000), track)


def at(shop: Shop, sensor: str, reading: object) -> Observation:
    """A reading of this moment."""
    return Observation(sensor, shop.clock.now(), reading)  # type: ignore[arg-type]


def opened(tmp_path: Path) -> Iterator[Shop]:
    """For a fixture: the shop, whose database is closed in the end."""
    shop = Shop(tmp_path)
    yield shop
    shop.database.close()
