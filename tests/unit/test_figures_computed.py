"""What figures come to: visitors by cameras and Wi-Fi together, shares, and means."""

import random

from hypothesis import given
from hypothesis import strategies as st

from edge.figures import Measure
from edge.presence.figures import (
    BY_PHONES,
    CAMERA_MISS,
    Visitors,
    Z,
    derived,
    queue_means,
    summed,
    visitors,
    with_lines,
)
from edge.presence.people import COVERED

DOOR = frozenset({"door"})


def wifi(people: int, low: int, high: int, radar: str = "radar") -> dict[tuple[Measure, str], int]:
    return {
        (Measure.WIFI, radar): people,
        (Measure.WIFI_LOW, radar): low,
        (Measure.WIFI_HIGH, radar): high,
    }


def test_of_a_camera_with_lines_entries_count_and_of_another_who_came_into_view() -> None:
    counted = {
        (Measure.ENTRIES, "door"): 40,
        (Measure.PEOPLE, "door"): 90,
        (Measure.PEOPLE, "back"): 10,
    }
    assert with_lines(counted) == DOOR
    found = visitors(counted, DOOR)
    assert found is not None
    assert (found.people, found.by) == (50, "cameras")


def test_the_surer_one_weighs_more_and_both_are_surer_than_either() -> None:
    camera = {(Measure.ENTRIES, "door"): 100}
    alone, radar = visitors(camera, DOOR), visitors(wifi(60, 20, 100), DOOR)
    both = visitors(camera | wifi(60, 20, 100), DOOR)
    assert alone is not None
    assert radar is not None
    assert both is not None
    assert radar.people < both.people < alone.people
    assert alone.people - both.people < both.people - radar.people
    assert both.high - both.low <= alone.high - alone.low < radar.high - radar.low
    assert both.by == "cameras and Wi-Fi"


def test_one_of_several_radars_speaks_the_surest() -> None:
    found = visitors(wifi(30, 10, 50) | wifi(24, 20, 28, "back"), DOOR)
    assert found == Visitors(24, 20, 28, "Wi-Fi")


def test_a_radar_that_has_not_learned_speaks_only_where_no_camera_counts() -> None:
    phones = {
        (Measure.PHONES, "radar"): 12,
        (Measure.PHONES_LEAST, "radar"): 4,
        (Measure.PHONES_HIGH, "radar"): 20,
    }
    assert visitors(phones, DOOR) == Visitors(12, 4, 20, BY_PHONES)
    with_camera = visitors(phones | {(Measure.ENTRIES, "door"): 7}, DOOR)
    assert with_camera is not None
    assert (with_camera.people, with_camera.by) == (7, "cameras")
    learning = visitors(phones | wifi(9, 5, 12) | {(Measure.ENTRIES, "door"): 7}, DOOR)
    assert learning == with_camera, "of half the time it knows nothing of the other half"
    assert visitors({}, DOOR) is None


def test_hours_add_up_and_of_phones_there_were_as_many_as_in_one() -> None:
    parts = [Visitors(12, 4, 20, BY_PHONES), None, Visitors(9, 6, 15, BY_PHONES)]
    assert summed(parts) == Visitors(21, 6, 35, BY_PHONES)
    mixed = summed([*parts, Visitors(10, 8, 12, "cameras")])
    assert mixed == Visitors(31, 14, 47, f"{BY_PHONES}, cameras")
    assert summed([None]) is None


@given(st.integers(0, 500), st.integers(0, 500), st.integers(0, 200), st.integers(0, 200))
def test_the_number_lies_in_its_interval(seen: int, people: int, below: int, above: int) -> None:
    counted = {(Measure.ENTRIES, "door"): seen}
    counted |= wifi(people, max(0, people - below), people + above)
    found = visitors(counted, DOOR)
    assert found is not None
    assert 0 <= found.low <= found.people <= found.high
    assert min(seen, people) <= found.people <= max(seen, people)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    """Of cameras and radars that err as they are said to."""
    draw = random.Random(6)
    held, rounds, truth = 0, 2_000, 120
    spread = 15.0
    for _ in range(rounds):
        bias = draw.gauss(0, 0.05)
        missed = sum(draw.choice((-1, 1)) for _ in range(truth) if draw.random() < CAMERA_MISS)
        seen = round(truth * (1 + bias)) + missed
        radar = draw.gauss(truth, spread)
        half = Z * spread
        counted = {(Measure.ENTRIES, "door"): seen}
        counted |= wifi(round(radar), round(radar - half), round(radar + half))
        found = visitors(counted, DOOR)
        assert found is not None
        held += found.low <= truth <= found.high
    assert COVERED - 0.02 <= held / rounds <= COVERED + 0.04


def test_shares_have_something_to_be_shares_of() -> None:
    nothing = derived({})
    assert nothing.conversion is nothing.recognised_share is nothing.dwell_mean_s is None
    found = derived(
        {
            (Measure.VISITS, ""): 20,
            (Measure.RECOGNISED, ""): 5,
            (Measure.RETURNING, ""): 2,
            (Measure.ORDERS, "RUB"): 3,
            (Measure.ORDERS, "EUR"): 1,
            (Measure.DWELL, "2-5"): 10,
            (Measure.DWELL, "5-10"): 5,
            (Measure.DWELL_S, ""): 3_000,
            (Measure.OFFERS_SHOWN, "member_price"): 8,
            (Measure.OFFERS_USED, "member_price"): 2,
        }
    )
    assert (found.conversion, found.recognised_share, found.returning_share) == (0.2, 0.25, 0.4)
    assert (found.dwell_mean_s, found.offers_used_share) == (200, 0.25)


def test_a_mean_length_of_few_visits_of_many_is_none() -> None:
    numbers = {(Measure.VISITS, ""): 20, (Measure.DWELL_S, ""): 900}
    assert derived({**numbers, (Measure.DWELL, "1-2"): 10}).dwell_mean_s == 90
    assert derived({**numbers, (Measure.DWELL, "1-2"): 9}).dwell_mean_s is None


def test_a_queue_is_its_area_by_its_time() -> None:
    counted = {
        (Measure.QUEUE_AREA, "door/kiosk"): 450,
        (Measure.QUEUE_S, "door/kiosk"): 300,
        (Measure.QUEUE_S, "door/shelf"): 300,
    }
    assert queue_means(counted) == {"door/kiosk": 1.5, "door/shelf": 0.0}
