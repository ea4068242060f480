"""Signs at a screen and corrections by staff: what overrules a face, splits a visit, is told."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import Refused
from edge.presence.mistaken import LOOKALIKE_DAYS, PHONE_DAYS
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
    WIFI,
    Shop,
    login,
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
    await shop.logs_in("anna")
    (visit,) = shop.desk.here()
    await shop.desk.correct(visit.id, member=None, by="olga")
    await shop.logs_in("anna", after_s=60)
    assert shop.here == [(NOBODY, None)]
    await shop.scans("anna")
    assert (KNOWN, "anna") in shop.here, "a card says more than a phone"


async def test_a_phone_goes_on_apart_from_the_person_who_is_not_its_owner(shop: Shop) -> None:
    """It came in with somebody else, so that it only suggests, and is nobody to be counted."""
    await shop.has("anna")
    await shop.comes_in(1)
    await shop.logs_in("anna")
    (visit,) = shop.desk.here()
    await shop.desk.correct(visit.id, member=None, by="olga")
    apart = next(each for each in shop.desk.here() if each.id != visit.id)
    assert sorted(shop.here) == [(NOBODY, None), (GUESS, "anna")]
    assert shop.told("corrected")[0]["into"] == apart.id
    assert len(shop.told("identified")) == 1, "before it was corrected"
    assert shop.counted == 1
    await shop.scans("anna")
    assert sorted(shop.here) == [(NOBODY, None), (KNOWN, "anna")]
    assert shop.desk.here()[1].id == apart.id, "her phone is hers, and both are one visit"
    assert shop.counted == 2


async def test_it_does_not_after_a_restart_nor_by_a_new_session_of_that_day(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    await shop.has("anna")
    await shop.comes_in(1)
    await shop.logs_in("anna")
    await shop.desk.correct(shop.desk.here()[0].id, member=None, by="olga")
    shop = shop.reopened(tmp_path)
    await shop.logs_in("anna", after_s=60)
    await shop.see(login("anna", "another"), sensor=WIFI, after_s=60)
    await shop.time_passes(1800)
    await shop.logs_in("anna")
    assert len(shop.told("identified")) == 1, "before it was corrected"
    await shop.see(after_s=86_400 * PHONE_DAYS)
    await shop.logs_in("anna")
    assert (KNOWN, "anna") in shop.here, "by then it is forgotten"
    shop.database.close()


async def test_a_card_that_spoke_for_somebody_else_has_to_be_shown_again(shop: Shop) -> None:
    await shop.has("anna")
    await shop.comes_in(1)
    await shop.scans("anna")
    (visit,) = shop.desk.here()
    await shop.desk.correct(visit.id, member=None, by="olga")
    assert sorted(shop.here) == [(NOBODY, None), (GUESS, "anna")]
    await shop.scans("anna")
    assert sorted(shop.here) == [(NOBODY, None), (KNOWN, "anna")]


async def test_who_was_denied_by_mistake_has_their_phone_back(shop: Shop) -> None:
    await shop.has("anna")
    await shop.comes_in(1)
    await shop.logs_in("anna")
    (visit,) = shop.desk.here()
    await shop.desk.correct(visit.id, member=None, by="olga")
    await shop.desk.correct(visit.id, member="anna", by="olga")
    await shop.logs_in("anna", after_s=60)
    assert (shop.here, shop.counted) == ([(KNOWN, "anna")], 1)


SIGNS: dict[str, Callable[[Shop, int], Awaitable[None]]] = {
    "comes in": lambda shop, n: shop.comes_in(n, "anna"),
    "unseen": lambda shop, n: shop.comes_in(n),
    "phone": lambda shop, n: shop.logs_in("anna"),
    "phone again": lambda shop, n: shop.see(login("anna", f"s{n}"), sensor=WIFI),
    "card": lambda shop, n: shop.scans("anna"),
    "at the kiosk": lambda shop, n: shop.see(TrackReading(n), *looks(n, "anna"), sensor=KIOSK),
    "card there": lambda shop, n: shop.scans("anna", SCANNER),
}
"""What may speak for Anna before staff say that it is not she."""
QUIET = ("phone", "phone again", "unseen", "nothing", "restart")
"""What may happen after that, none of which is a new sign that she gave on purpose."""


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.sampled_from(sorted(SIGNS)), min_size=1, max_size=5),
    st.lists(st.sampled_from(QUIET), min_size=1, max_size=4),
)
def test_nobody_is_named_again_by_what_staff_did_not_believe(
    before: list[str], after: list[str]
) -> None:
    asyncio.run(denied_and_quiet(before, after))


async def denied_and_quiet(before: list[str], after: list[str]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        shop = Shop(Path(directory))
        await shop.has("anna")
        for number, what in enumerate(before, 1):
            await SIGNS[what](shop, number)
        for visit in shop.desk.here():
            if visit.state is KNOWN:
                await shop.desk.correct(visit.id, member=None, by="olga")
        assert (KNOWN, "anna") not in shop.here
        phone = {"phone", "phone again"} & {*before}
        for number, what in enumerate(after, 50):
            if what == "restart":
                shop = shop.reopened(Path(directory))
            elif what == "nothing":
                await shop.time_passes(400)
            elif phone or what == "unseen":
                await SIGNS[what](shop, number)
            assert (KNOWN, "anna") not in shop.here, what
        await shop.scans("anna")
        assert (KNOWN, "anna") in shop.here
        shop.database.close()


@pytest.mark.parametrize("wrong", ["v-1", "00000000-00000009"])
async def test_what_cannot_be_corrected_is_refused(shop: Shop, wrong: str) -> None:
    await shop.has("anna")
    with pytest.raises(Refused, match="has ended"):
        await shop.desk.correct(wrong, member=None, by="olga")
    await shop.comes_in(1)
    with pytest.raises(Refused, match="does not know"):
        await shop.desk.correct(shop.desk.here()[0].id, member="nobody", by="olga")


# --- who looks like a member


MARK = {("anna", ConsentKind.FACE)}


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
    await again.logs_in("anna")
    assert (KNOWN, "anna") in again.here, "with another sign it is she"
    await again.see(after_s=86_400 * LOOKALIKE_DAYS)
    await again.see(TrackReading(5), *looks(5, "anna"), sensor=HALL)
    assert (KNOWN, "anna") in again.here, "by then it is forgotten"
    again.database.close()


async def test_the_mark_goes_with_the_consent_to_faces(shop: Shop) -> None:
    await twin_was_corrected(shop)
    assert set(mistaken.until(shop.database.reading)) == MARK
    await shop.has("anna", kinds=(ConsentKind.PROGRAMME, ConsentKind.FACE))
    assert set(mistaken.until(shop.database.reading)) == MARK, "her profile was sent again"
    await shop.has("anna", kinds=(ConsentKind.PROGRAMME,))
    assert mistaken.until(shop.database.reading) == {}
