"""Members on the shop's Wi-Fi: whose a login is, how long it says so, how long a phone is known."""

from collections.abc import Callable
from functools import partial

import pytest

from edge import consent, erasure
from edge.presence import evidence
from edge.presence.fusion import Thresholds, decide
from edge.presence.prior import even
from edge.presence.visits import OFF_NETWORK_S
from edge.records import CodeReading, ConsentKind, Moment, Observation
from edge.storage import bindings
from edge.storage.bindings import PER_MEMBER_MAX
from edge.visiting import Evidence, VisitState
from tests.clocks import DAY_MS, Time
from tests.pages import everything
from tests.unit.wifi_shop import (
    ALIVE,
    KNOWN,
    OTHER,
    PHONE,
    SILENCE_S,
    STOP,
    SUGGESTED,
    Shop,
    opened,
    person,
)

shop = pytest.fixture(opened)


# --- whose it is


async def test_a_login_from_their_own_phone_identifies_a_member_and_binds_it(shop: Shop) -> None:
    await shop.has(person(), person("boris", "79990000000"))
    await shop.owns()
    reading = await shop.hears()
    assert shop.here == KNOWN
    assert not any(reading.address), "wiped, whatever became of it"
    opened, identified = shop.events()
    assert (opened[0], identified[0]) == ("visit.opened.v1", "visit.identified.v1")
    assert identified[1]["reasons"] == ["Wi-Fi login at hall (+18.4)"]
    assert shop.bound() == shop.time.wall_ms + 14 * DAY_MS


async def test_a_known_phone_is_only_suggested_under_another_login_or_none(shop: Shop) -> None:
    await shop.has(person())
    await shop.owns()
    await shop.hears()
    await shop.after(SILENCE_S)
    assert shop.here == []
    for number, login in enumerate(("", "30:39:26:86:CC:EA", "guest")):
        await shop.hears(login, session=f"again-{number}")
        assert shop.here == SUGGESTED
        assert shop.desk.here()[0].reasons == ("Wi-Fi phone known at hall (+17.7)",)
        await shop.after(SILENCE_S)
    told = [type_ for type_, _ in shop.events()]
    assert told.count("visit.identified.v1") == 1, "by the login, never by the phone"


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
    assert shop.here == [(VisitState.SUGGESTED, "boris")]


@pytest.mark.parametrize(
    ("sign", "state"),
    [
        (partial(evidence.from_login, proved=True), VisitState.IDENTIFIED),
        (partial(evidence.from_login, proved=False), VisitState.SUGGESTED),
        (evidence.from_phone, VisitState.SUGGESTED),
    ],
)
def test_a_login_identifies_even_in_a_large_chain_and_another_or_no_login_never(
    sign: Callable[[str, str, Moment], Evidence], state: VisitState
) -> None:
    moment = Time().now()
    for members in (1, 1_000, 100_000):
        outcome = decide([sign("anna", "hall", moment)], even(members), Thresholds(), moment)
        assert outcome.state is state


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
    await shop.owns()
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
    await shop.owns()
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
    mark = shop.database.vault.address_mark(PHONE)
    assert mark in everything(shop.directory / "state"), "else the look below would prove nothing"
    assert await shop.database.transact(lambda tx: consent.expire_bindings(tx, now)) == 1
    assert shop.rows("binding") == 0
    assert await erasure.scrub_once(shop.database)
    assert mark not in everything(shop.directory / "state")


async def test_only_by_a_clock_that_can_be_trusted_a_phone_is_known_bound_or_unbound(
    shop: Shop,
) -> None:
    await shop.has(person())
    await shop.hears()
    shop.time.trusted = False
    await shop.after(SILENCE_S)
    await shop.hears("", session="s2")
    assert shop.here == [], "its fourteen days may be over"
    shop.time.trusted = True
    await shop.hears("", session="s2")
    assert shop.here == SUGGESTED, "they are not"
    shop.time.trusted = False
    await shop.after(30 * 86_400)
    now = shop.time.now()
    assert await shop.database.transact(lambda tx: consent.expire_bindings(tx, now)) == 0
    await shop.hears("", session="s3")
    assert shop.here == []
    await shop.hears(address=OTHER, session="s4")
    assert shop.here == SUGGESTED, "the login itself needs no clock"
    assert shop.rows("binding") == 1
    shop.time.trusted = True
    shop.time.wall_ms -= 60 * DAY_MS  # it ran far ahead: what was made then would not end
    now = shop.time.now()
    assert await shop.database.transact(lambda tx: consent.expire_bindings(tx, now)) == 1


async def test_by_a_clock_that_cannot_be_trusted_no_phone_counts_as_proved(shop: Shop) -> None:
    await shop.has(person())
    await shop.owns()
    shop.time.trusted = False
    await shop.hears()
    assert shop.here == SUGGESTED, "its fourteen days may be over"
    shop.time.trusted = True
    await shop.hears(phase=ALIVE)
    assert shop.here == KNOWN, "they are not"


async def test_a_member_has_few_phones_and_the_oldest_goes(shop: Shop) -> None:
    await shop.has(person())
    for number in range(PER_MEMBER_MAX + 3):
        await shop.hears(address=bytes((2, 0, 0, 0, 0, number)), session=f"s{number}")
    assert shop.rows("binding") == PER_MEMBER_MAX
    reading, vault = shop.database.reading, shop.database.vault
    oldest, newest = bytes((2, 0, 0, 0, 0, 0)), bytes((2, 0, 0, 0, 0, PER_MEMBER_MAX + 2))
    assert bindings.find(reading, vault, bytearray(oldest)) is None
    assert bindings.find(reading, vault, bytearray(newest)) is not None
