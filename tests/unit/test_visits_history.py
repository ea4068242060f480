"""What is kept of a visit: its signs, its history, over restarts and withdrawals; and how it is
told to people."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from edge import consent
from edge.errors import Refused
from edge.figures import Measure
from edge.operation import visit_facts
from edge.presence.open_visit import SIGNS_MAX, STEPS_MAX, ZONES_MAX
from edge.records import ConsentKind, GoneReading, Moment, StayReading, TrackReading
from edge.storage import figures, visits
from edge.visiting import Stage
from tests.pages import everything
from tests.unit.visits_shop import (
    DOOR,
    GUESS,
    HALL,
    KIOSK,
    KNOWN,
    NOBODY,
    SCANNER,
    SENSORS,
    SETTINGS,
    TILL,
    Shop,
    looks,
    opened,
    stay,
)

shop = pytest.fixture(opened)


def rows(shop: Shop, table: str) -> int:
    found = shop.database.reading.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(found[0])


# --- stages and zones


async def test_a_visit_goes_from_the_door_to_the_kiosk_and_back(shop: Shop) -> None:
    await shop.has("anna")
    await shop.comes_in(1, "anna")
    (visit,) = shop.desk.here()
    assert (visit.stage, visit.reached) == (Stage.ARRIVED, Stage.ARRIVED)
    await shop.see(TrackReading(1), *looks(1, "anna"), sensor=HALL)
    assert shop.desk.here()[0].stage is Stage.BROWSING, "another camera"
    await shop.see(stay(1, "shoes", 40), stay(1, "shoes", 20), stay(1, "bags", 5), sensor=HALL)
    await shop.see(TrackReading(1), *looks(1, "anna"), sensor=KIOSK)
    assert shop.desk.here()[0].stage is Stage.AT_KIOSK
    await shop.time_passes(300)
    assert shop.desk.here()[0].stage is Stage.AT_KIOSK, "she still stands there"
    await shop.see(GoneReading(1, 300_000), sensor=KIOSK)
    await shop.time_passes(60)
    assert shop.desk.here()[0].stage is Stage.BROWSING
    await shop.goes_out(2, "anna")
    stages = [step for step in shop.steps(visit.id) if step in {*Stage}]
    assert stages == ["arrived", "browsing", "kiosk", "browsing", "left"]
    (closed,) = shop.told("closed")
    assert closed["zones"] == {"hall/shoes": 60, "hall/bags": 5}
    assert (closed["stage"], closed["recognised"]) == ("kiosk", True)
    assert shop.stored[0].zones == {"hall/shoes": 60_000, "hall/bags": 5_000}


async def test_who_is_here_for_a_minute_browses(shop: Shop) -> None:
    await shop.comes_in(1)
    await shop.time_passes(50)
    assert [visit.stage for visit in shop.desk.here()] == [Stage.ARRIVED]
    await shop.time_passes(15)
    assert [visit.stage for visit in shop.desk.here()] == [Stage.BROWSING]
    assert shop.stored[0].stage is Stage.BROWSING


async def test_a_card_at_a_screen_is_the_kiosk_and_one_at_the_till_is_not(shop: Shop) -> None:
    await shop.has("anna")
    await shop.scans("anna", TILL)
    assert shop.desk.here()[0].stage is Stage.ARRIVED
    await shop.scans("anna", SCANNER)
    assert shop.desk.here()[0].stage is Stage.AT_KIOSK


async def test_where_somebody_stayed_before_they_were_known_is_theirs(shop: Shop) -> None:
    await shop.has("anna")
    await shop.see(TrackReading(1), stay(1, "shoes", 30), sensor=HALL)
    await shop.see(*looks(1, "anna"), sensor=HALL)
    assert shop.desk.here()[0].zones == {"hall/shoes": 30_000}


async def test_where_a_track_stayed_that_was_somebody_elses_goes_with_it(shop: Shop) -> None:
    await shop.has("anna", "boris")
    await shop.comes_in(1, "anna")
    await shop.see(TrackReading(1), *looks(1, "anna"), stay(1, "screen", 30), sensor=KIOSK)
    await shop.scans("boris", SCANNER)
    zones = {visit.member: dict(visit.zones) for visit in shop.desk.here()}
    assert zones == {"anna": {}, "boris": {"kiosk/screen": 30_000}}


async def test_without_a_camera_at_the_door_a_track_is_seen_as_long_as_it_is(
    tmp_path: Path,
) -> None:
    away = {name: place for name, place in SENSORS.items() if name != DOOR}
    shop = Shop(tmp_path, replace(SETTINGS, sensors=away))
    await shop.see(TrackReading(1), sensor=HALL)
    await shop.see(GoneReading(1, 240_000), sensor=HALL, after_s=240)
    await shop.time_passes(900)
    (closed,) = shop.told("closed")
    assert closed["dwell_s"] == 240
    shop.database.close()


# --- what is kept


async def test_the_history_says_each_sign_and_what_was_believed_after_it(shop: Shop) -> None:
    await shop.has("anna")
    await shop.owns("anna")
    await shop.comes_in(1)
    (visit,) = shop.desk.here()
    await shop.logs_in("anna")
    await shop.scans("anna")
    told = visit_facts.story(shop.database.reading, visit.id)
    signs = [step for step in told.steps if step.what == "sign"]
    assert [(step.sign, step.text) for step in signs] == [
        ("association", "Wi-Fi login at hall"),
        ("card", "card scanned at till"),
    ]
    assert [step.llr for step in signs] == [18.4, 20.7]
    assert signs[0].posterior is not None
    assert signs[1].posterior is not None
    assert 0.99 < signs[0].posterior < signs[1].posterior
    what = [step.what for step in told.steps if step.visit == visit.id]
    assert what == ["arrived", "merged", "adopted", "identified", "sign"]
    assert (told.visit.state, told.visit.counted) == ("identified", True)
    with pytest.raises(Refused):
        visit_facts.story(shop.database.reading, "v9")


async def test_a_visit_goes_on_after_a_restart_with_its_signs(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    await shop.has("anna", "boris")
    await shop.comes_in(1, "anna")
    await shop.comes_in(2)
    before = shop.desk.here()
    for _ in range(2):
        shop = shop.reopened(tmp_path)
        assert shop.desk.here() == before
    await shop.comes_in(1, "boris")  # the sensor numbers its tracks from 1 again
    assert [member for _, member in shop.here] == ["anna", None, "boris"]
    await shop.logs_in("anna")
    anna = shop.desk.here()[0]
    assert [reason.split()[0] for reason in anna.reasons] == ["Wi-Fi", "face"]
    await shop.goes_out(9, after_s=60)
    await shop.goes_out(10, after_s=60)
    assert NOBODY not in [state for state, _ in shop.here], "it still began at the door"
    shop.database.close()


async def test_numbers_go_on_over_epochs_in_whatever_order_those_are(tmp_path: Path) -> None:
    """An id that is given twice would write one visit over another."""
    shop = Shop(tmp_path)
    for epoch in ("8a000000", "1b000000", "f0000000", "00000000"):
        renew = f"UPDATE meta SET value = '{epoch}' WHERE name = 'epoch'"
        await shop.database.transact(lambda tx, renew=renew: tx.execute(renew))
        for _ in range(2):
            shop = shop.reopened(tmp_path)
            await shop.comes_in(1)
    assert [int(visit.id.split("-")[1]) for visit in shop.stored] == list(range(1, 9))
    assert len({visit.id.split("-")[0] for visit in shop.stored}) == 4
    assert [visit.id for visit in shop.desk.here()] == [visit.id for visit in shop.stored]
    shop.database.close()


async def test_a_visit_of_before_a_reboot_is_closed(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    await shop.has("anna")
    await shop.comes_in(1, "anna")

    def rebooted(tx: object) -> None:
        (visit,) = visits.still_open(shop.database.reading)
        of_then = replace(visit.last_seen, boot="of then")
        visits.put(tx, replace(visit, opened=of_then, last_seen=of_then))  # type: ignore[arg-type]

    await shop.database.transact(rebooted)
    again = shop.reopened(tmp_path)
    await again.desk.pass_time()
    assert again.here == []
    assert [visit.stage for visit in again.stored] == [Stage.LEFT]
    again.database.close()


async def test_an_ended_visit_rests_on_nothing_and_keeps_its_history(shop: Shop) -> None:
    await shop.has("anna")
    await shop.comes_in(1, "anna")
    assert rows(shop, "visit_sign") == 1
    await shop.goes_out(2, "anna")
    assert rows(shop, "visit_sign") == 0
    assert "identified" in shop.steps(shop.stored[0].id)


async def test_what_is_beyond_the_limits_of_a_visit_is_counted(shop: Shop) -> None:
    await shop.has("anna")
    await shop.scans("anna")
    (visit,) = shop.desk.here()
    for number in range(STEPS_MAX // 10):
        many = [StayReading(f"z{number}-{each}", 1_000, 1) for each in range(10)]
        await shop.see(TrackReading(1), *looks(1, "anna", frames=3), *many, sensor=HALL)
    (entry,) = shop.desk._book._visits.entries.values()
    assert len(entry.visit.zones) == ZONES_MAX
    for number in range(STEPS_MAX):
        await shop.scans("anna", f"scanner-{number}", after_s=0)
    assert len(shop.desk.history(visit.id)) == STEPS_MAX
    assert rows(shop, "visit_sign") == len(entry.signs) == SIGNS_MAX
    await shop.time_passes(1000)
    assert shop.counters.get("steps_too_many") > 0


# --- what is forgotten


async def withdraw(shop: Shop, kind: ConsentKind) -> None:
    now = shop.clock.now()
    await shop.database.transact(lambda tx: consent.withdraw(tx, "anna", kind, now), scrub=True)


async def test_signs_and_steps_go_with_the_consent_they_rest_on(shop: Shop, tmp_path: Path) -> None:
    await shop.has("anna")
    await shop.comes_in(1, "anna")
    await shop.scans("anna")
    (visit,) = shop.desk.here()
    assert b"face at door" in everything(tmp_path), "else the look below would prove nothing"
    await withdraw(shop, ConsentKind.FACE)
    signs = visits.signs(shop.database.reading)[visit.id]
    assert [sign.kind for sign in signs.values()] == ["card"]
    assert b"face at door" not in everything(tmp_path)
    assert not [step for step in shop.desk.history(visit.id) if step.sign == "face"]
    shop.desk.reload()
    (after,) = shop.desk.here()
    assert (after.state, after.reasons) == (KNOWN, ("card scanned at till (+20.7)",))


async def test_what_is_left_is_decided_anew(shop: Shop) -> None:
    """A login made it sure; what is left without it only suggests."""
    await shop.has("anna")
    await shop.owns("anna")
    await shop.see(TrackReading(1), *looks(1, "anna", frames=2), sensor=DOOR)
    await shop.logs_in("anna")
    assert shop.here == [(KNOWN, "anna")]
    await withdraw(shop, ConsentKind.WIFI)
    shop.desk.reload()
    assert shop.here == [(GUESS, "anna")]
    assert shop.told("corrected") == [], "she took it back: nobody was wrong"


async def test_with_the_programme_all_goes(shop: Shop, tmp_path: Path) -> None:
    await shop.has("anna")
    await shop.comes_in(1, "anna")
    await shop.logs_in("anna")
    await withdraw(shop, ConsentKind.PROGRAMME)
    shop.desk.reload()
    await shop.desk.pass_time()
    assert rows(shop, "visit_sign") == 0
    assert not [s for v in shop.stored for s in shop.desk.history(v.id) if s.member]
    assert shop.here == [(NOBODY, None)]


async def test_what_was_withdrawn_while_it_waited_is_not_written(shop: Shop) -> None:
    await shop.has("anna")
    refuse = "CREATE TRIGGER refuse BEFORE INSERT ON visit BEGIN SELECT RAISE(ABORT, 'no'); END"
    await shop.database.transact(lambda tx: tx.execute(refuse))
    await shop.comes_in(1, "anna")
    (visit,) = shop.desk.here()
    assert visit.member == "anna"
    drop = "DELETE FROM consent WHERE member = 'anna' AND kind = 'face'"
    await shop.database.transact(lambda tx: tx.execute(drop))
    await shop.database.transact(lambda tx: tx.execute("DROP TRIGGER refuse"))
    await shop.desk.pass_time()
    assert [stored.member for stored in shop.stored] == [None]
    assert rows(shop, "visit_sign") == 0
    assert not [step for step in shop.desk.history(visit.id) if step.member]
    assert "visit.identified.v1" not in shop.types()


@pytest.mark.parametrize("kind", [ConsentKind.PROGRAMME, ConsentKind.FACE])
async def test_who_withdrew_before_it_was_written_left_as_anybody(
    shop: Shop, kind: ConsentKind
) -> None:
    await shop.has("anna")
    await shop.comes_in(1, "anna")
    drop = f"DELETE FROM consent WHERE member = 'anna' AND kind = '{kind}'"
    await shop.database.transact(lambda tx: tx.execute(drop))
    await shop.goes_out(2, "anna")
    (closed,) = shop.told("closed")
    assert (closed["member"], closed["recognised"], closed["counted"]) == (None, False, True)
    assert [visit.stage for visit in shop.stored] == [Stage.LEFT]
    cells = figures.cells(shop.database.reading, (0, 2**53))
    numbers = {cell.measure: cell.value for cell in cells}
    assert (numbers[Measure.VISITS], numbers.get(Measure.RECOGNISED, 0)) == (1, 0)


async def test_a_visit_of_who_withdrew_still_goes_into_another(shop: Shop) -> None:
    await shop.has("anna")
    await shop.comes_in(1)
    refuse = "CREATE TRIGGER refuse BEFORE INSERT ON visit BEGIN SELECT RAISE(ABORT, 'no'); END"
    await shop.database.transact(lambda tx: tx.execute(refuse))
    await shop.see(TrackReading(1), *looks(1, "anna"), sensor=HALL)
    drop = "DELETE FROM consent WHERE member = 'anna'"
    await shop.database.transact(lambda tx: tx.execute(drop))
    await shop.database.transact(lambda tx: tx.execute("DROP TRIGGER refuse"))
    await shop.desk.pass_time()
    assert len(shop.told("merged")) == 1
    assert shop.told("identified") == []
    assert "anna" not in str(shop.events())


async def test_a_correction_names_nobody_who_has_withdrawn(shop: Shop) -> None:
    await shop.has("anna", "boris")
    await shop.see(TrackReading(1), *looks(1, "anna"), sensor=KIOSK)
    await shop.scans("boris", SCANNER)
    assert [body["member"] for body in shop.told("corrected")] == ["anna"]
    await withdraw(shop, ConsentKind.FACE)
    assert shop.told("corrected") == []
    assert "anna" not in str(shop.events())


def test_moments_are_compared_by_the_steady_clock() -> None:
    from edge.presence.open_visit import age_s, earlier, later

    one, other = Moment(2_000, 1_000, "b", True), Moment(1_000, 3_000, "b", True)
    assert (earlier(one, other), later(one, other), age_s(one, other)) == (one, other, 2.0)
    old = Moment(500, 9_000, "a", True)
    assert (earlier(one, old), age_s(old, one)) == (old, float("inf"))
