"""Members on the shop's Wi-Fi: a login identifies, binds their phone, and goes with the consent."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import consent, erasure
from edge.counters import Counters
from edge.errors import ConsentMissing, StorageError
from edge.logins import normalised
from edge.presence import evidence
from edge.presence.desk import PresenceDesk, PresenceSettings
from edge.presence.fusion import Thresholds, decide
from edge.presence.visits import OFF_NETWORK_S
from edge.records import (
    AssociationPhase,
    AssociationReading,
    CodeReading,
    Consent,
    ConsentKind,
    Member,
    Observation,
    Stream,
    VisitState,
)
from edge.storage import bindings, erased, members
from edge.storage.bindings import PER_MEMBER_MAX, Binding
from edge.storage.database import Database
from edge.storage.transaction import Transaction
from tests.clocks import DAY_MS, Time
from tests.pages import everything

LOGIN, TYPED = "79161234567", "8 (916) 123-45-67"
PHONE, OTHER = bytes.fromhex("30392686ccea"), bytes.fromhex("da7a5c11e601")
START, ALIVE, STOP = AssociationPhase
BOTH = (ConsentKind.PROGRAMME, ConsentKind.WIFI)
SILENCE_S = 900


def person(name: str = "anna", *logins: str, kinds: tuple[ConsentKind, ...] = BOTH) -> Member:
    consents = tuple(Consent(kind, 0, "v1", "till") for kind in kinds)
    return Member(name, name.title(), f"card-{name}", consents=consents, logins=logins or (LOGIN,))


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


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    opened = Shop(tmp_path)
    yield opened
    opened.database.close()


KNOWN = [(VisitState.IDENTIFIED, "anna")]

# --- whose it is


async def test_a_login_identifies_its_member_and_binds_the_phone(shop: Shop) -> None:
    await shop.has(person(), person("boris", "79990000000"))
    reading = await shop.hears()
    assert shop.here == KNOWN
    assert not any(reading.address), "wiped, whatever became of it"
    opened, identified = shop.events()
    assert (opened[0], identified[0]) == ("visit.opened.v1", "visit.identified.v1")
    assert identified[1]["reasons"] == ["Wi-Fi login at hall (+18.4)"]
    assert shop.bound() == shop.time.wall_ms + 14 * DAY_MS


async def test_a_known_phone_identifies_under_another_login_or_none(shop: Shop) -> None:
    await shop.has(person())
    await shop.hears()
    await shop.after(SILENCE_S)
    assert shop.here == []
    for number, login in enumerate(("", "30:39:26:86:CC:EA", "guest")):
        await shop.hears(login, session=f"again-{number}")
        assert shop.here == KNOWN
        await shop.after(SILENCE_S)
    assert shop.events()[-2][1]["reasons"] == ["Wi-Fi phone known at hall (+17.7)"]


async def test_who_is_no_member_leaves_nothing(shop: Shop) -> None:
    await shop.has(person())
    reading = await shop.hears("79990000000", OTHER)
    await shop.hears("", OTHER)
    await shop.hears("", OTHER, STOP)
    assert shop.here == []
    assert shop.events() == []
    assert shop.rows("binding") == 0
    assert not any(reading.address)
    assert shop.counters.snapshot() == {"associations_of_nobody": 2}


@pytest.mark.parametrize("kind", [ConsentKind.FACE, ConsentKind.MARKETING])
async def test_without_the_consent_to_wifi_nothing_is_kept_or_told(
    shop: Shop, kind: ConsentKind
) -> None:
    await shop.has(person(kinds=(ConsentKind.PROGRAMME, kind)))
    await shop.hears()
    assert shop.here == []
    assert (shop.rows("login"), shop.rows("binding")) == (0, 0)


async def test_a_login_that_two_share_is_nobodys(shop: Shop) -> None:
    await shop.has(person(), person("boris", "+7 916 123 45 67"))
    await shop.hears()
    assert shop.here == []
    assert shop.rows("binding") == 0


async def test_a_phone_that_is_handed_on_is_its_new_owners(shop: Shop) -> None:
    await shop.has(person(), person("boris", "79990000000"))
    await shop.hears()
    await shop.hears("79990000000", session="s2")
    assert shop.bound() is None
    await shop.after(SILENCE_S)
    await shop.hears("", session="s3")
    assert shop.here == [(VisitState.IDENTIFIED, "boris")]


@pytest.mark.parametrize(
    "typed", ["+79161234567", "79161234567", "9161234567", TYPED, " +7 (916)123.45.67"]
)
def test_a_number_is_the_same_however_it_is_typed(typed: str) -> None:
    assert normalised(typed) == LOGIN


@given(st.text(max_size=64))
def test_normalising_twice_is_normalising_once(login: str) -> None:
    once = normalised(login)
    assert normalised(once) == once


def test_what_is_no_number_stays_what_it_is() -> None:
    assert normalised(" Anna@Example.org ") == "anna@example.org"
    assert normalised("+8 1234567890") == "81234567890", "Japan's"
    assert normalised("room-12") == "room-12"


@pytest.mark.parametrize("sign", [evidence.from_login, evidence.from_phone])
def test_an_association_alone_identifies_even_in_a_large_chain(sign: object) -> None:
    moment = Time().now()
    outcome = decide([sign("anna", "hall", moment)], 100_000, Thresholds())  # type: ignore[operator]
    assert outcome.state is VisitState.IDENTIFIED


# --- how long it says so


async def test_one_stay_is_one_visit_with_other_signs_and_other_phones(shop: Shop) -> None:
    await shop.has(person())
    await shop.hears()
    await shop.hears(address=OTHER, session="tablet")
    await shop.desk.observe([Observation("scanner", shop.time.now(), CodeReading("card-anna"))])
    await shop.after(600)
    await shop.hears(phase=ALIVE)
    await shop.after(600)
    assert shop.here == KNOWN
    assert [type_ for type_, _ in shop.events()].count("visit.opened.v1") == 1
    await shop.after(SILENCE_S)
    assert shop.here == []


async def test_a_visit_that_rests_on_the_wifi_ends_soon_after_the_last_phone_left(
    shop: Shop,
) -> None:
    await shop.has(person())
    await shop.hears()
    await shop.hears(address=OTHER, session="tablet")
    await shop.hears(phase=STOP)
    await shop.after(OFF_NETWORK_S)
    assert shop.here == KNOWN, "the other one is still there"
    await shop.hears(phase=STOP, session="tablet")
    await shop.after(1)
    assert shop.here == []


async def test_a_phone_that_only_slept_goes_on_with_the_visit(shop: Shop) -> None:
    await shop.has(person())
    await shop.hears()
    await shop.hears(phase=STOP)
    await shop.after(OFF_NETWORK_S - 10)
    await shop.hears("", session="s2")
    await shop.after(OFF_NETWORK_S + 10)
    assert shop.here == KNOWN
    assert [type_ for type_, _ in shop.events()].count("visit.opened.v1") == 1


async def test_a_card_holds_a_visit_though_the_phone_has_left(shop: Shop) -> None:
    await shop.has(person())
    await shop.hears()
    await shop.desk.observe([Observation("scanner", shop.time.now(), CodeReading("card-anna"))])
    await shop.hears(phase=STOP)
    await shop.after(OFF_NETWORK_S + 10)
    assert shop.here == KNOWN


# --- how long a phone is known


async def test_a_binding_ends_after_14_days_and_each_login_renews_it(shop: Shop) -> None:
    await shop.has(person())
    await shop.hears()
    await shop.after(13 * 86_400)
    await shop.hears("", session="s2")  # a phone that is known is no login
    first_ms = shop.bound()
    await shop.hears(session="s3")
    assert first_ms is not None
    assert shop.bound() == shop.time.wall_ms + 14 * DAY_MS
    assert first_ms < shop.time.wall_ms + 2 * DAY_MS
    await shop.after(14 * 86_400)
    await shop.hears("", session="s4")
    assert shop.here == [], "not believed for a moment longer, though the row is still there"
    assert shop.rows("binding") == 1
    now = shop.time.now()
    assert await shop.database.transact(lambda tx: consent.expire_bindings(tx, now)) == 1
    assert shop.rows("binding") == 0


async def test_only_a_clock_that_can_be_trusted_ends_or_makes_a_binding(shop: Shop) -> None:
    await shop.has(person())
    await shop.hears()
    shop.time.trusted = False
    await shop.after(30 * 86_400)
    now = shop.time.now()
    assert await shop.database.transact(lambda tx: consent.expire_bindings(tx, now)) == 0
    await shop.hears("", session="s2")
    assert shop.here == KNOWN
    await shop.hears(address=OTHER, session="s3")
    assert shop.here == KNOWN, "the login itself needs no clock"
    assert shop.rows("binding") == 1
    shop.time.trusted = True
    shop.time.wall_ms -= 60 * DAY_MS  # it ran far ahead: what was made then would not end
    now = shop.time.now()
    assert await shop.database.transact(lambda tx: consent.expire_bindings(tx, now)) == 1


async def test_a_member_has_few_phones_and_the_oldest_goes(shop: Shop) -> None:
    await shop.has(person())
    for number in range(PER_MEMBER_MAX + 3):
        await shop.hears(address=bytes((2, 0, 0, 0, 0, number)), session=f"s{number}")
    assert shop.rows("binding") == PER_MEMBER_MAX
    reading, vault = shop.database.reading, shop.database.vault
    oldest, newest = bytes((2, 0, 0, 0, 0, 0)), bytes((2, 0, 0, 0, 0, PER_MEMBER_MAX + 2))
    assert bindings.find(reading, vault, bytearray(oldest)) is None
    assert bindings.find(reading, vault, bytearray(newest)) is not None


# --- consent and withdrawal


async def withdraw_wifi(shop: Shop) -> None:
    now = shop.time.now()
    await shop.database.transact(
        lambda tx: consent.withdraw(tx, "anna", ConsentKind.WIFI, now), scrub=True
    )


async def withdraw_programme(shop: Shop) -> None:
    now = shop.time.now()
    await shop.database.transact(
        lambda tx: consent.withdraw(tx, "anna", ConsentKind.PROGRAMME, now), scrub=True
    )


async def erase(shop: Shop) -> None:
    now = shop.time.now()
    counts = await shop.database.transact(lambda tx: erasure.erase(tx, "anna", now), scrub=True)
    assert (counts["logins"], counts["bindings"]) == (1, 1)


async def platform_withdraws(shop: Shop) -> None:
    await shop.has(person(kinds=(ConsentKind.PROGRAMME,)))
    assert await erasure.scrub_once(shop.database), "the rows themselves say that bytes are left"


@pytest.mark.parametrize("leaves", [withdraw_wifi, withdraw_programme, erase, platform_withdraws])
async def test_withdrawal_leaves_no_row_no_key_and_no_byte(shop: Shop, leaves: object) -> None:
    await shop.has(person())
    await shop.hears()
    reading, vault = shop.database.reading, shop.database.vault
    found = bindings.find(reading, vault, bytearray(PHONE))
    assert found is not None
    traces = [found.mark, found.address_sealed, vault.login_mark(LOGIN)]
    before = everything(shop.directory / "state")
    assert all(trace in before for trace in traces), "else the look below would prove nothing"
    await leaves(shop)  # type: ignore[operator]
    shop.desk.reload()
    assert (shop.rows("binding"), shop.rows("login")) == (0, 0)
    after = everything(shop.directory / "state")
    assert [trace for trace in traces if trace in after] == []
    assert shop.here == [(VisitState.ARRIVED, None)]
    for login in (TYPED, ""):
        await shop.hears(login, phase=ALIVE)
    assert [member for _, member in shop.here] == [None]
    assert shop.rows("binding") == 0


async def test_a_login_that_waits_for_the_disk_is_not_written_after_the_withdrawal(
    shop: Shop,
) -> None:
    await shop.has(person())
    tables = ("visit", "binding")
    for table in tables:
        refuse = f"BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'no'); END"
        made = f"CREATE TRIGGER refuse_{table} {refuse}"
        await shop.database.transact(lambda tx, made=made: tx.execute(made))
    await shop.hears()
    assert shop.rows("binding") == 0
    await withdraw_wifi(shop)
    for table in tables:
        gone = f"DROP TRIGGER refuse_{table}"
        await shop.database.transact(lambda tx, gone=gone: tx.execute(gone))
    await shop.after(1)
    assert shop.rows("visit") == 1
    assert shop.rows("binding") == 0


async def test_consent_is_asked_where_a_binding_is_used_and_by_the_schema(shop: Shop) -> None:
    await shop.has(person(kinds=(ConsentKind.PROGRAMME,)))
    now, reading, vault = shop.time.now(), shop.database.reading, shop.database.vault
    assert consent.binding(reading, vault, "anna", bytearray(PHONE), now) is None
    made = Binding(vault.address_mark(PHONE), "anna", b"sealed", now.wall_ms + 1)
    with pytest.raises(ConsentMissing):
        await shop.database.transact(lambda tx: consent.bind(tx, made))
    with pytest.raises(StorageError, match="FOREIGN KEY"):
        await shop.database.transact(lambda tx: bindings.put(tx, made))

    def around_the_rule(tx: Transaction) -> None:
        tx.execute("INSERT INTO login (mark, member) VALUES (x'00', 'anna')")

    with pytest.raises(StorageError, match="FOREIGN KEY"):
        await shop.database.transact(around_the_rule)


async def test_a_login_that_the_platform_takes_away_is_nobodys(shop: Shop) -> None:
    await shop.has(person())
    await shop.has(person("anna", "79990000000"))
    await shop.hears()
    assert shop.here == []
    await shop.hears("+7 999 000-00-00", session="s2")
    assert shop.here == KNOWN


async def test_after_a_restart_a_visit_by_card_survives_the_end_of_the_wifi_consent(
    shop: Shop,
) -> None:
    await shop.has(person())
    await shop.desk.observe([Observation("scanner", shop.time.now(), CodeReading("card-anna"))])
    shop.begin()
    await withdraw_wifi(shop)
    shop.desk.reload()
    assert shop.here == KNOWN
    shop.begin()
    await shop.after(SILENCE_S)


async def test_after_a_restart_a_visit_by_wifi_does_not_survive_it(shop: Shop) -> None:
    await shop.has(person())
    await shop.hears()
    shop.begin()
    assert shop.here == KNOWN
    await withdraw_wifi(shop)
    shop.desk.reload()
    assert shop.here == [(VisitState.ARRIVED, None)]


# --- what is where


async def test_neither_login_nor_address_is_anywhere(
    shop: Shop, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    await shop.has(person())
    for session, phase in (("s1", START), ("s1", ALIVE), ("s1", STOP)):
        await shop.hears(session=session, phase=phase)
    await shop.hears("guest", OTHER, session="s2")
    told = str(capfd.readouterr()) + caplog.text + str(shop.counters.snapshot())
    files = everything(shop.directory / "state") + (shop.directory / "journal").read_bytes()
    for secret in (PHONE, OTHER):
        spellings = (secret.hex(), secret.hex(":"), secret.hex("-"), str(secret)[2:-1])
        for spelling in (*spellings, *(each.upper() for each in spellings)):
            assert spelling not in told
            assert spelling.encode() not in files
        assert secret not in files
    for number in (LOGIN, TYPED, LOGIN[1:]):
        assert number not in told
        assert number.encode() not in files


async def test_erasing_somebody_bound_is_noted_as_erased(shop: Shop) -> None:
    await shop.has(person())
    await shop.hears()
    await erase(shop)
    assert erased.contains(shop.database.reading, shop.database.vault, "anna")
    assert not members.exists(shop.database.reading, "anna")
