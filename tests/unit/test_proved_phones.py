"""A number says whose a login is, and not who holds the phone: when a phone is proved to be the
member's own, what that is worth, and how it is lost.
"""

from pathlib import Path

import pytest
from msgspec.structs import replace

from edge import consent
from edge.consent import DOUBT_MS
from edge.records import (
    AssociationPhase,
    AssociationReading,
    CodeReading,
    ConsentKind,
    CrossingReading,
    TrackReading,
)
from edge.storage import bindings, holdings
from edge.visiting import SignKind
from tests.clocks import DAY_MS
from tests.unit.visits_shop import (
    DOOR,
    GUESS,
    HALL,
    KIOSK,
    KNOWN,
    NOBODY,
    SCANNER,
    WIFI,
    Shop,
    at,
    login,
    looks,
    opened,
)

shop = pytest.fixture(opened)
STAY_S = 1800


def proved(shop: Shop, address: bytearray | None = None) -> bool:
    """Whether Anna's phone (or this one) is proved to be its member's."""
    reading, vault = shop.database.reading, shop.database.vault
    found = bindings.find(reading, vault, address or login("anna").address)
    return found is not None and found.proved


def partners(
    session: str = "partner", phase: AssociationPhase = AssociationPhase.START
) -> AssociationReading:
    """Her partner's phone logs in with her number."""
    return AssociationReading("anna", bytearray(b"\x02other"), "hall", session, phase)


async def by_card(shop: Shop) -> None:
    await shop.scans("anna")


async def by_code(shop: Shop) -> None:
    await shop.desk.proved("main", "anna", SignKind.CODE)


async def by_staff(shop: Shop) -> None:
    (visit,) = shop.desk.here()
    await shop.desk.correct(visit.id, member="anna", by="olga")


async def by_face(shop: Shop) -> None:
    await shop.see(TrackReading(1), *looks(1, "anna"), sensor=HALL)


async def by_face_in_the_door(shop: Shop) -> None:
    """Whose visit had begun before it was described."""
    await shop.see(TrackReading(1), CrossingReading("entry", True, 1), sensor=DOOR)
    await shop.see(*looks(1, "anna"), sensor=DOOR)


async def was_proved(shop: Shop) -> None:
    """In a visit that is over."""
    await shop.has("anna", "boris")
    await shop.logs_in("anna")
    await shop.scans("anna")
    await shop.time_passes(STAY_S)
    assert (shop.here, proved(shop)) == ([], True)


# --- what a login is worth


async def test_a_login_from_a_phone_of_which_nothing_is_known_only_suggests(shop: Shop) -> None:
    await shop.has("anna")
    await shop.logs_in("anna")
    assert shop.here == [(GUESS, "anna")]
    (visit,) = shop.desk.here()
    reason = "Wi-Fi login at hall, phone not yet seen with a card or face (+18.4)"
    assert visit.reasons == (reason,)
    assert shop.told("identified") == []
    await shop.time_passes(STAY_S)
    await shop.logs_in("anna")
    assert shop.here == [(GUESS, "anna")], "as often as it comes"
    assert not proved(shop)


@pytest.mark.parametrize("sign", [by_card, by_code, by_staff, by_face, by_face_in_the_door])
async def test_another_sign_in_one_visit_proves_it_for_the_next(shop: Shop, sign) -> None:
    await shop.has("anna")
    await shop.logs_in("anna")
    await sign(shop)
    assert shop.here == [(KNOWN, "anna")], "the suggestion and the sign are one visit"
    assert proved(shop)
    await shop.time_passes(STAY_S)
    assert shop.here == []
    await shop.logs_in("anna")
    assert shop.here == [(KNOWN, "anna")]
    assert shop.desk.here()[0].reasons == ("Wi-Fi login at hall (+18.4)",)


async def test_the_login_may_come_after_the_other_sign(shop: Shop) -> None:
    await shop.has("anna")
    await shop.scans("anna")
    await shop.logs_in("anna")
    assert proved(shop), "its binding is written before it is proved"


async def test_all_of_it_may_reach_the_box_in_one_batch(shop: Shop) -> None:
    await shop.has("anna")
    batch = [at(shop, SCANNER, CodeReading("card-anna")), at(shop, WIFI, login("anna"))]
    await shop.desk.observe(batch)
    assert proved(shop)


async def test_a_face_that_is_not_sure_proves_nothing(shop: Shop) -> None:
    await shop.has("anna")
    await shop.logs_in("anna")
    await shop.see(TrackReading(1), *looks(1, "anna", frames=1), sensor=HALL)
    assert not proved(shop)


async def test_a_proof_goes_on_over_a_restart_and_is_found_over_one(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    await shop.has("anna")
    await shop.logs_in("anna")
    shop = shop.reopened(tmp_path)
    await shop.see(login("anna"), sensor=WIFI)  # the router goes on reporting it
    await shop.scans("anna")
    shop = shop.reopened(tmp_path)
    await shop.time_passes(STAY_S)
    await shop.logs_in("anna")
    assert shop.here == [(KNOWN, "anna")]
    shop.database.close()


async def test_a_known_phone_without_a_login_suggests_though_it_is_proved(shop: Shop) -> None:
    await was_proved(shop)
    known = login("", "again")
    known.address[:] = login("anna").address
    await shop.see(known, sensor=WIFI)
    assert shop.here == [(GUESS, "anna")]


# --- whose phone it is not


async def test_the_partners_phone_is_not_proved_by_her_card_in_another_visit(shop: Shop) -> None:
    await shop.has("anna")
    await shop.logs_in("anna")
    await shop.scans("anna")
    await shop.time_passes(STAY_S)
    for number in range(3):
        await shop.see(partners(session=f"partner-{number}"), sensor=WIFI)
        assert shop.here == [(GUESS, "anna")]
        await shop.time_passes(STAY_S)
        await shop.scans("anna")
        await shop.time_passes(STAY_S)
    assert (proved(shop), proved(shop, partners().address)) == (True, False)


async def test_a_phone_that_has_left_is_not_proved_by_who_comes_then(shop: Shop) -> None:
    await shop.has("anna")
    await shop.see(partners(), sensor=WIFI)
    await shop.see(partners(phase=AssociationPhase.STOP), sensor=WIFI)
    await shop.scans("anna")
    assert shop.here == [(KNOWN, "anna")]
    assert not proved(shop, partners().address)


async def test_her_own_phone_is_no_sign_of_another_kind(shop: Shop) -> None:
    await was_proved(shop)
    await shop.logs_in("anna")
    left = replace(login(""), session="anna", phase=AssociationPhase.STOP)
    await shop.see(left, sensor=WIFI)
    await shop.see(partners(), sensor=WIFI)
    await shop.see(TrackReading(1), *looks(1, "anna", frames=1), sensor=HALL)
    assert shop.here == [(KNOWN, "anna")]
    assert not proved(shop, partners().address)


async def test_of_two_phones_at_once_none_is_proved(shop: Shop) -> None:
    await shop.has("anna")
    await shop.logs_in("anna")
    await shop.see(partners(), sensor=WIFI)
    await shop.scans("anna")
    assert shop.here == [(KNOWN, "anna")]
    assert not proved(shop)
    assert not proved(shop, partners().address)


async def test_who_logs_in_on_it_with_another_number_has_it_unproved(shop: Shop) -> None:
    await was_proved(shop)
    handed_on = login("boris", "boris")
    for _ in range(2):
        await shop.see(replace(handed_on, address=login("anna").address), sensor=WIFI)
        assert shop.here == [(GUESS, "boris")]
        await shop.time_passes(STAY_S)
    await shop.logs_in("anna")
    assert shop.here == [(GUESS, "anna")]


# --- how it is lost


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_correction_takes_the_proof(tmp_path: Path, restarted: bool) -> None:
    shop = Shop(tmp_path)
    await was_proved(shop)
    await shop.logs_in("anna")
    if restarted:
        shop = shop.reopened(tmp_path)
    (visit,) = shop.desk.here()
    await shop.desk.correct(visit.id, member=None, by="olga")
    assert not proved(shop)
    await shop.scans("anna")
    await shop.see(login("anna", "again"), sensor=WIFI)
    assert not proved(shop), "not by anything on that day"
    await shop.time_passes(STAY_S)
    await shop.see(after_s=DOUBT_MS / 1000)
    await shop.logs_in("anna")
    assert shop.here == [(GUESS, "anna")], "nor by time"
    await shop.scans("anna")
    assert proved(shop)
    shop.database.close()


@pytest.mark.parametrize("before", [True, False])
async def test_somebody_elses_card_takes_the_proof(shop: Shop, before: bool) -> None:
    """Somebody who looks like her goes about with the phone that logged in, and is Boris."""
    await shop.has("anna", "boris")
    if before:
        await shop.owns("anna")
    await shop.logs_in("anna")
    await shop.see(TrackReading(7), *looks(7, "anna"), sensor=KIOSK)
    assert (shop.here, proved(shop)) == ([(KNOWN, "anna")], True)
    await shop.scans("boris", SCANNER)
    assert sorted(shop.here) == [(KNOWN, "boris"), (GUESS, "anna")]
    assert not proved(shop)
    await shop.see(login("anna"), sensor=WIFI)
    assert sorted(shop.here) == [(KNOWN, "boris"), (GUESS, "anna")]


async def test_a_face_that_tears_it_off_takes_no_proof(shop: Shop) -> None:
    await was_proved(shop)
    await shop.see(TrackReading(1), CrossingReading("entry", True, 1), sensor=DOOR)
    await shop.logs_in("anna")
    assert shop.here == [(KNOWN, "anna")], "taken for the last one to come in"
    await shop.see(*looks(1, "boris"), sensor=DOOR)
    assert sorted(shop.here) == [(KNOWN, "anna"), (KNOWN, "boris")]
    assert proved(shop), "who came in at the same time has nothing to do with her phone"


async def test_the_withdrawal_of_wifi_erases_it(shop: Shop) -> None:
    await was_proved(shop)
    now = shop.clock.now()
    kind = ConsentKind.WIFI
    await shop.database.transact(lambda tx: consent.withdraw(tx, "anna", kind, now), scrub=True)
    shop.desk.reload()
    await shop.has("anna")  # she agrees again, later
    await shop.logs_in("anna")
    assert (KNOWN, "anna") not in shop.here
    assert not proved(shop)


async def test_a_proof_needs_the_consent_when_it_is_written(shop: Shop) -> None:
    await shop.has("anna")
    await shop.logs_in("anna")
    now, mark = shop.clock.now(), shop.database.vault.address_mark(login("anna").address)
    await shop.database.transact(
        lambda tx: tx.execute("DELETE FROM consent WHERE kind = 'programme'")
    )
    await shop.database.transact(lambda tx: consent.prove(tx, mark, "anna", now))
    assert not proved(shop)


@pytest.mark.parametrize(("days", "state"), [(13, KNOWN), (14, GUESS)])
async def test_it_ends_with_the_binding(shop: Shop, days: int, state: object) -> None:
    await shop.has("anna")
    await shop.owns("anna")
    await shop.see(after_s=days * DAY_MS / 1000)
    await shop.logs_in("anna")
    assert shop.here == [(state, "anna")]
    assert proved(shop) is (state is KNOWN), "a login after that is bound anew, and unproved"


# --- what is shown


async def test_what_is_held_of_her_says_it(shop: Shop) -> None:
    await was_proved(shop)
    await shop.see(partners(), sensor=WIFI)
    vault, mark = shop.database.vault, shop.database.vault.address_mark(partners().address)
    for whole in (False, True):
        held = holdings.everything(shop.database.reading, vault, "anna", whole=whole)
        assert held is not None
        rows = {each.name: each.rows for each in held.held}
        phones = rows["phones on the Wi-Fi"]
        assert sorted(row["proved_theirs"] for row in phones) == [False, True]
        marks = [row.get("phone_keyed_mark") for row in rows["signs of open visits"]]
        assert marks == [mark.hex().upper() if whole else None]


async def test_who_is_nobody_is_not_said_to_be_anybody(shop: Shop) -> None:
    await shop.comes_in(1)
    await shop.see(partners(), sensor=WIFI)
    assert shop.here == [(NOBODY, None)]
