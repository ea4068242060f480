"""Consent to the Wi-Fi: what its withdrawal leaves, and that login and address are nowhere."""

import pytest

from edge import consent, erasure
from edge.errors import ConsentMissing, StorageError
from edge.records import CodeReading, ConsentKind, Observation
from edge.storage import bindings, erased, members
from edge.storage.bindings import Binding
from edge.storage.transaction import Transaction
from edge.visiting import VisitState
from tests.pages import everything
from tests.unit.wifi_shop import (
    ALIVE,
    KNOWN,
    LOGIN,
    OTHER,
    PHONE,
    SILENCE_S,
    START,
    STOP,
    TYPED,
    Shop,
    opened,
    person,
)

shop = pytest.fixture(opened)


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
    assert shop.here == [(VisitState.ANONYMOUS, None)]
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
    assert shop.counters.get("facts_refused") == 0, "it is asked before, the schema only guards"


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
    await shop.owns()
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
    await shop.owns()
    await shop.hears()
    shop.begin()
    assert shop.here == KNOWN
    await withdraw_wifi(shop)
    shop.desk.reload()
    assert shop.here == [(VisitState.ANONYMOUS, None)]


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
