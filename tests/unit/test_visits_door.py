"""Visits in a shop with a camera at the door: who opens one, who ends it, who is counted once."""

import pytest

from edge.presence.doorway import ADOPTED_S, AHEAD_S, UNSEEN_MAX_S
from edge.records import (
    AssociationPhase,
    AssociationReading,
    CodeReading,
    CrossingReading,
    GoneReading,
    TrackReading,
)
from edge.visiting import SignKind
from tests.unit.visits_shop import (
    DOOR,
    HALL,
    KNOWN,
    NOBODY,
    TILL,
    WIFI,
    Shop,
    login,
    looks,
    opened,
    stay,
)

shop = pytest.fixture(opened)
LOGIN_S = ADOPTED_S[SignKind.ASSOCIATION]


# --- nobody known


async def test_who_only_passes_by_or_stands_elsewhere_is_no_visit(shop: Shop) -> None:
    await shop.see(TrackReading(1), GoneReading(1, 900), sensor=DOOR)
    await shop.see(TrackReading(1), stay(1, "shoes", 20), sensor=HALL)
    assert shop.here == []
    await shop.comes_in(2)
    assert shop.here == [(NOBODY, None)]
    assert shop.counted == 1


async def test_a_sensor_that_does_not_number_its_tracks_counts_all_the_same(shop: Shop) -> None:
    await shop.see(CrossingReading("entry", True), sensor=DOOR)
    await shop.see(CrossingReading("entry", True), sensor=DOOR)
    assert len(shop.here) == 2
    await shop.see(CrossingReading("entry", False), sensor=DOOR)
    assert len(shop.here) == 1


async def test_a_line_elsewhere_opens_and_ends_nothing(shop: Shop) -> None:
    await shop.comes_in(1)
    await shop.see(TrackReading(1), CrossingReading("aisle", False, 1), sensor=HALL)
    await shop.see(CrossingReading("aisle", True, 2), sensor=HALL)
    assert shop.here == [(NOBODY, None)]


async def test_whoever_leaves_ends_the_visit_of_who_came_first(shop: Shop) -> None:
    await shop.comes_in(1)
    await shop.comes_in(2, after_s=100)
    first, second = (visit.id for visit in shop.desk.here())
    await shop.goes_out(3, after_s=198)
    assert [visit.id for visit in shop.desk.here()] == [second]
    (closed,) = shop.told("closed")
    assert (closed["visit"], closed["recognised"]) == (first, False)
    assert closed["dwell_s"] is None, "it may be the other one who left"
    await shop.goes_out(4, after_s=100)
    assert (shop.told("closed")[1]["visit"], shop.told("closed")[1]["dwell_s"]) == (second, 300)


async def test_whom_nobody_saw_leave_makes_nobody_elses_stay_longer(shop: Shop) -> None:
    await shop.comes_in(1)
    for track in range(2, 40, 2):
        await shop.comes_in(track, after_s=300)
        await shop.goes_out(track + 1, after_s=60)
    assert {body["dwell_s"] for body in shop.told("closed")} <= {None}
    assert shop.counted == 20


async def test_a_member_who_is_not_seen_any_more_has_no_dwell(shop: Shop) -> None:
    await shop.has("anna")
    await shop.comes_in(1, "anna")
    await shop.time_passes(1000)
    (closed,) = shop.told("closed")
    assert (closed["recognised"], closed["dwell_s"]) == (True, None)


async def test_who_turns_round_in_the_door_ends_their_own_visit(shop: Shop) -> None:
    await shop.comes_in(1)
    first = shop.desk.here()[0].id
    await shop.see(TrackReading(2), CrossingReading("entry", True, 2), sensor=DOOR, after_s=60)
    await shop.see(CrossingReading("entry", False, 2), sensor=DOOR)
    assert [visit.id for visit in shop.desk.here()] == [first]


async def test_whom_nobody_saw_leave_has_no_dwell(shop: Shop) -> None:
    await shop.comes_in(1)
    await shop.time_passes(UNSEEN_MAX_S - 120)
    assert len(shop.here) == 1
    await shop.time_passes(180)
    assert shop.here == []
    (closed,) = shop.told("closed")
    assert (closed["dwell_s"], closed["counted"]) == (None, True)


async def test_a_member_who_leaves_unseen_does_not_shorten_anybodys_stay(shop: Shop) -> None:
    """The departure of the member is paired with the member, though their visit has ended."""
    await shop.has("anna")
    await shop.comes_in(1, "anna")
    await shop.comes_in(2, after_s=60)
    await shop.goes_out(3, after_s=10)
    assert shop.here == [(KNOWN, "anna")], "she was seen a minute ago: it was the other one"
    await shop.comes_in(4, after_s=60)
    await shop.time_passes(900)
    assert shop.here == [(NOBODY, None)]
    await shop.goes_out(5)
    assert shop.here == [(NOBODY, None)], "it was the member"
    await shop.goes_out(6)
    assert shop.here == []


async def test_with_nobody_here_a_departure_ends_nothing(shop: Shop) -> None:
    await shop.goes_out(1)
    assert (shop.here, shop.types()) == ([], [])


# --- members


async def test_a_face_in_the_door_is_counted_when_it_comes_in(shop: Shop) -> None:
    await shop.has("anna")
    await shop.comes_in(1)
    await shop.see(TrackReading(2), *looks(2, "anna"), sensor=DOOR)
    assert shop.here == [(NOBODY, None), (KNOWN, "anna")], "she may still be outside"
    assert shop.counted == 1
    await shop.see(CrossingReading("entry", True, 2), sensor=DOOR)
    assert shop.counted == 2
    assert shop.told("merged") == []


async def test_a_member_who_is_seen_leaving_ends_their_own_visit(shop: Shop) -> None:
    await shop.has("anna")
    await shop.comes_in(1)
    await shop.comes_in(2, "anna")
    await shop.goes_out(3, "anna", after_s=600)
    assert shop.here == [(NOBODY, None)]
    (closed,) = shop.told("closed")
    assert (closed["member"], closed["recognised"], closed["counted"]) == ("anna", True, True)
    assert closed["dwell_s"] == 601
    assert shop.desk._book._visits.doorway.balance.counts() == (2, 1)


async def test_a_login_takes_over_the_last_one_who_came_in(shop: Shop) -> None:
    await shop.has("anna")
    await shop.owns("anna")
    await shop.comes_in(1)
    await shop.comes_in(2, after_s=20)
    first, last = shop.desk.here()
    await shop.logs_in("anna", after_s=60)
    assert shop.here == [(NOBODY, None), (KNOWN, "anna")]
    assert [visit.id for visit in shop.desk.here()] == [first.id, last.id]
    assert [body["counted"] for body in shop.told("opened")] == [True, True, False]
    assert shop.counted == 2
    (merged,) = shop.told("merged")
    assert merged["into"] == last.id
    assert "adopted" in shop.steps(last.id)
    assert [body["visit"] for body in shop.told("identified")] == [last.id]


@pytest.mark.parametrize(("later_s", "counted"), [(LOGIN_S - 10, 1), (LOGIN_S + 10, 2)])
async def test_a_login_is_not_of_who_came_in_long_ago(
    shop: Shop, later_s: float, counted: int
) -> None:
    await shop.has("anna")
    await shop.owns("anna")
    await shop.comes_in(1)
    await shop.logs_in("anna", after_s=later_s)
    assert shop.counted == counted


async def test_a_card_is_of_who_came_in_within_half_an_hour(shop: Shop) -> None:
    await shop.has("anna", "boris")
    await shop.comes_in(1)
    await shop.scans("anna", after_s=1700)
    assert (shop.here, shop.counted) == ([(KNOWN, "anna")], 1)
    await shop.scans("boris")
    assert shop.here == [(KNOWN, "anna"), (KNOWN, "boris")]
    assert shop.counted == 2, "the camera missed him: he counts by himself"


@pytest.mark.parametrize(("later_s", "counted"), [(5, 1), (AHEAD_S[SignKind.ASSOCIATION] + 5, 2)])
async def test_a_phone_may_be_in_before_its_owner(shop: Shop, later_s: float, counted: int) -> None:
    await shop.has("anna")
    await shop.owns("anna")
    await shop.logs_in("anna")
    await shop.comes_in(1, after_s=later_s)
    assert shop.counted == counted
    assert len(shop.here) == counted


async def test_a_known_phone_alone_suggests_and_counts_nobody_twice(shop: Shop) -> None:
    await shop.has("anna")
    await shop.owns("anna")
    await shop.logs_in("anna")
    await shop.see(AssociationReading("", bytearray(), "hall", "anna", AssociationPhase.STOP),
                   sensor=WIFI)  # fmt: skip
    await shop.time_passes(900)
    assert shop.here == []
    await shop.comes_in(1)
    known = login("", session="again")
    known.address[:] = login("anna").address
    await shop.see(known, sensor=WIFI)
    assert [member for _, member in shop.here] == [None, "anna"]
    assert shop.counted == 2, "her first visit, and who came in now"
    await shop.scans("anna")
    assert (shop.here, shop.counted) == ([(KNOWN, "anna")], 2)


async def test_who_was_taken_for_a_member_turns_out_to_be_another(shop: Shop) -> None:
    """The wrong one of two was taken over: both are counted, and upstream hears of it."""
    await shop.has("anna", "boris")
    await shop.owns("anna")
    await shop.see(TrackReading(1), CrossingReading("entry", True, 1), sensor=DOOR)
    door = shop.desk.here()[0].id
    await shop.logs_in("anna")
    assert shop.here == [(KNOWN, "anna")]
    await shop.see(*looks(1, "boris"), sensor=DOOR)
    assert sorted(shop.here) == [(KNOWN, "anna"), (KNOWN, "boris")]
    whose = {visit.id: visit.member for visit in shop.desk.here()}
    assert whose[door] == "boris", "the visit is of who was seen"
    (corrected,) = shop.told("corrected")
    assert (corrected["visit"], corrected["member"]) == (door, "anna")
    assert (corrected["by"], corrected["reasons"]) == ("face", ["Wi-Fi login at hall (+18.4)"])
    assert [body["member"] for body in shop.told("identified")] == ["anna", "boris", "anna"]
    assert shop.counted == 2


async def test_one_member_at_two_cameras_is_one_visit(shop: Shop) -> None:
    await shop.has("anna")
    await shop.comes_in(1, "anna")
    await shop.see(TrackReading(1), *looks(1, "anna"), sensor=HALL, after_s=30)
    assert (shop.here, shop.counted) == ([(KNOWN, "anna")], 1)
    assert shop.types().count("visit.opened.v1") == 1


async def test_an_arrival_is_counted_once_when_its_visit_goes_into_an_older_one(shop: Shop) -> None:
    """She was on the Wi-Fi before she was at the door, and shows her card later."""
    await shop.has("anna")
    await shop.see(login("anna"), sensor=WIFI)
    await shop.comes_in(1, after_s=5)
    await shop.see(CodeReading("card-anna"), sensor=TILL)
    assert shop.counted == 1
    assert shop.desk._book._visits.doorway.balance.counts() == (1, 0)
