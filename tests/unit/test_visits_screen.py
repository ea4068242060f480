"""Signs at a screen and corrections by staff: what overrules a face, splits a visit, is told."""

from pathlib import Path

import pytest

from edge.errors import Refused
from edge.presence.lookalikes import LOOKALIKE_DAYS
from edge.records import ConsentKind, GoneReading, TrackReading
from edge.storage import mistaken
from edge.visiting import SignKind
from tests.unit.visits_shop import (
    DOOR,
    GUESS,
    HALL,
    KIOSK,
    KNOWN,
    NOBODY,
    SCANNER,
    Shop,
    looks,
    opened,
)

shop = pytest.fixture(opened)


# --- signs at a screen


async def test_a_card_is_of_the_one_who_stands_there(shop: Shop) -> None:
    await shop.has("anna", "boris")
    await shop.comes_in(1, "anna")
    await shop.see(TrackReading(1), *looks(1, "anna"), sensor=KIOSK)
    assert shop.here == [(KNOWN, "anna")]
    await shop.scans("boris", SCANNER)
    assert sorted(shop.here) == [(KNOWN, "anna"), (KNOWN, "boris")]
    anna, boris = shop.desk.here()
    assert (anna.member, boris.member) == ("anna", "boris")
    (corrected,) = shop.told("corrected")
    assert (corrected["visit"], corrected["into"]) == (anna.id, boris.id)
    assert (corrected["member"], corrected["by"]) == ("anna", "card")
    assert [body["member"] for body in shop.told("identified")] == ["anna", "anna", "boris"]
    await shop.see(*looks(1, "anna", frames=5)[3:], sensor=KIOSK)
    assert sorted(shop.here) == [(KNOWN, "anna"), (KNOWN, "boris")], "the card holds"
    assert boris.id in [visit.id for visit in shop.desk.here()]


async def test_a_card_changes_whose_a_visit_is_that_rests_on_a_face(shop: Shop) -> None:
    await shop.has("anna", "boris")
    await shop.see(TrackReading(1), *looks(1, "anna"), sensor=KIOSK)
    (before,) = shop.desk.here()
    await shop.scans("boris", SCANNER)
    (after,) = shop.desk.here()
    assert (after.id, after.member) == (before.id, "boris")
    (corrected,) = shop.told("corrected")
    assert (corrected["member"], corrected["into"]) == ("anna", None)
    assert "face at kiosk" in str(corrected["reasons"])


async def test_with_two_people_there_a_card_is_of_neither(shop: Shop) -> None:
    await shop.has("anna", "boris")
    await shop.see(TrackReading(1), TrackReading(2), *looks(1, "anna"), sensor=KIOSK)
    await shop.scans("boris", SCANNER)
    assert shop.told("corrected") == []
    assert sorted(shop.here) == [(KNOWN, "anna"), (KNOWN, "boris")]


async def test_who_has_gone_does_not_stand_there_any_more(shop: Shop) -> None:
    await shop.has("anna", "boris")
    await shop.see(TrackReading(1), *looks(1, "anna"), sensor=KIOSK)
    await shop.see(GoneReading(1, 4_000), sensor=KIOSK)
    await shop.scans("boris", SCANNER)
    assert shop.told("corrected") == []
    assert sorted(shop.here) == [(KNOWN, "anna"), (KNOWN, "boris")]


async def test_a_couple_with_two_cards_before_one_camera_are_two(shop: Shop) -> None:
    await shop.has("anna", "boris")
    await shop.see(TrackReading(1), sensor=KIOSK)
    await shop.scans("anna", SCANNER)
    await shop.scans("boris", SCANNER)
    assert sorted(shop.here) == [(KNOWN, "anna"), (KNOWN, "boris")]


async def test_a_typed_code_proves_who_it_is(shop: Shop) -> None:
    await shop.has("anna")
    await shop.desk.proved("main", "anna")
    (visit,) = shop.desk.here()
    assert (visit.state, visit.member) == (KNOWN, "anna")
    assert visit.reasons == ("code at the screen main (+20.7)",)
    with pytest.raises(Refused):
        await shop.desk.proved("main", "nobody", SignKind.CODE)


# --- staff


async def test_staff_say_it_is_not_them(shop: Shop) -> None:
    await shop.has("anna")
    await shop.comes_in(1, "anna")
    (visit,) = shop.desk.here()
    await shop.desk.correct(visit.id, member=None, by="olga")
    assert shop.here == [(NOBODY, None)]
    assert shop.counted == 1
    (corrected,) = shop.told("corrected")
    assert (corrected["visit"], corrected["member"]) == (visit.id, "anna")
    assert (corrected["into"], corrected["by"]) == (None, "olga")
    assert "corrected" in shop.steps(visit.id)


async def test_whom_staff_denied_is_barred_from_the_visit_also_after_a_restart(
    tmp_path: Path,
) -> None:
    shop = Shop(tmp_path)
    await shop.has("anna")
    await shop.see(TrackReading(1), *looks(1, "anna"), sensor=DOOR)
    await shop.desk.correct(shop.desk.here()[0].id, member=None, by="olga")
    await shop.see(*looks(1, "anna", frames=5)[3:], sensor=DOOR)
    assert shop.here == [(NOBODY, None)]
    again = shop.reopened(tmp_path)
    (entry,) = again.desk._book._visits.entries.values()
    assert entry.barred == {"anna"}
    again.database.close()


async def test_staff_say_who_it_is(shop: Shop) -> None:
    await shop.has("anna", "boris")
    await shop.comes_in(1, "anna")
    (visit,) = shop.desk.here()
    await shop.desk.correct(visit.id, member="boris", by="olga")
    (after,) = shop.desk.here()
    assert (after.id, after.state, after.member) == (visit.id, KNOWN, "boris")
    assert after.reasons == ("staff said so (olga) (+20.7)",)
    assert [body["member"] for body in shop.told("identified")] == ["anna", "boris"]
    assert [body["member"] for body in shop.told("corrected")] == ["anna"]


async def test_staff_confirm_a_suggestion(shop: Shop) -> None:
    await shop.has("anna")
    await shop.see(TrackReading(1), *looks(1, "anna", frames=2), sensor=DOOR)
    (visit,) = shop.desk.here()
    assert visit.state is GUESS
    await shop.desk.correct(visit.id, member="anna", by="olga")
    assert shop.here == [(KNOWN, "anna")]
    assert shop.told("corrected") == []
    assert mistaken.until(shop.database.reading) == {}


async def test_a_phone_that_is_lent_is_not_listened_to_any_more(shop: Shop) -> None:
    await shop.has("anna")
    await shop.owns("anna")
    await shop.logs_in("anna")
    (visit,) = shop.desk.here()
    await shop.desk.correct(visit.id, member=None, by="olga")
    await shop.logs_in("anna", after_s=60)
    assert shop.here == [(NOBODY, None)]
    await shop.scans("anna")
    assert (KNOWN, "anna") in shop.here, "a card says more than a phone"


async def test_a_phone_goes_on_apart_from_the_person_who_is_not_its_owner(shop: Shop) -> None:
    await shop.has("anna")
    await shop.comes_in(1)
    await shop.logs_in("anna")
    (visit,) = shop.desk.here()
    await shop.desk.correct(visit.id, member=None, by="olga")
    assert {(each.id == visit.id, each.member) for each in shop.desk.here()} == {
        (True, None),
        (False, "anna"),
    }
    (corrected,) = shop.told("corrected")
    assert corrected["into"] == shop.told("identified")[-1]["visit"]
    assert shop.counted == 2


@pytest.mark.parametrize("wrong", ["v-1", "00000000-00000009"])
async def test_what_cannot_be_corrected_is_refused(shop: Shop, wrong: str) -> None:
    await shop.has("anna")
    with pytest.raises(Refused, match="has ended"):
        await shop.desk.correct(wrong, member=None, by="olga")
    await shop.comes_in(1)
    with pytest.raises(Refused, match="does not know"):
        await shop.desk.correct(shop.desk.here()[0].id, member="nobody", by="olga")


# --- who looks like a member


async def twin_was_corrected(shop: Shop) -> None:
    await shop.has("anna")
    await shop.comes_in(1, "anna")
    await shop.desk.correct(shop.desk.here()[0].id, member=None, by="olga")
    await shop.goes_out(2)


async def test_after_a_correction_the_face_alone_only_suggests(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    await twin_was_corrected(shop)
    await shop.comes_in(3, "anna")
    assert shop.here == [(GUESS, "anna")], "the twin comes again"
    again = shop.reopened(tmp_path)
    await again.see(TrackReading(4), *looks(4, "anna"), sensor=HALL)
    assert (KNOWN, "anna") not in again.here
    await again.owns("anna")
    await again.logs_in("anna")
    assert (KNOWN, "anna") in again.here, "with another sign it is she"
    await again.see(after_s=86_400 * LOOKALIKE_DAYS)
    await again.see(TrackReading(5), *looks(5, "anna"), sensor=HALL)
    assert (KNOWN, "anna") in again.here, "by then it is forgotten"
    again.database.close()


async def test_the_mark_goes_with_the_consent_to_faces(shop: Shop) -> None:
    await twin_was_corrected(shop)
    assert set(mistaken.until(shop.database.reading)) == {"anna"}
    await shop.has("anna", kinds=(ConsentKind.PROGRAMME, ConsentKind.FACE))
    assert set(mistaken.until(shop.database.reading)) == {"anna"}, "her profile was sent again"
    await shop.has("anna", kinds=(ConsentKind.PROGRAMME,))
    assert mistaken.until(shop.database.reading) == {}
