"""What events add to the figures: pure, each event once, and nothing gets lost between cells."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.figures import (
    CELL_MS,
    DWELL_BUCKETS,
    DWELL_EDGES_MIN,
    SPAN_MS_MAX,
    Measure,
    bucket,
    cell_changes,
    spread,
)
from edge.records import Moment

AT = 1_000_000 * CELL_MS
NOW = Moment(AT + 1_234, 77, "a", True)
RADAR = {
    "sensor": "radar",
    "from_ms": AT - CELL_MS,
    "until_ms": AT + CELL_MS,
    "entries": 0,
    "exits": 0,
    "people": 0,
    "passers": 9,
    "visitors": 8,
    "visitors_low": 5,
    "visitors_high": 12,
    "calibrated": True,
}


def added(type_: str, body: object, *, returning: bool = False) -> dict[tuple[str, str], int]:
    """What an event adds in all its cells together."""
    sums: Counter[tuple[str, str]] = Counter()
    for change in cell_changes(type_, body, NOW, returning=returning):
        sums[change.measure.value, change.subject] += change.value
    return dict(sums)


@pytest.mark.parametrize(
    ("type_", "body", "expected"),
    [
        ("visit.opened.v1", {"visit": "v", "sensor": "door"}, {("visits_opened", ""): 1}),
        ("visit.merged.v1", {"visit": "v", "into": "w"}, {("visits_merged", ""): 1}),
        (
            "visit.closed.v1",
            {"visit": "v", "member": None, "dwell_s": 130},
            {("visits", ""): 1, ("dwell", "2-5"): 1, ("dwell_s", ""): 130},
        ),
        ("visit.closed.v1", {"visit": "v", "member": "m", "dwell_s": 5, "counted": False}, {}),
        (
            "visit.closed.v1",
            {"visit": "v", "member": "m", "dwell_s": None},
            {("visits", ""): 1, ("recognised", ""): 1},
        ),
        (
            "visit.closed.v1",
            {"visit": "v", "member": "m", "dwell_s": None, "recognised": False},
            {("visits", ""): 1},
        ),
        (
            "order.placed.v1",
            {
                "number": "07-000001",
                "currency": "RUB",
                "total_minor": 300,
                "member": "m",
                "lines": [
                    {"sku": "a", "quantity": 2, "unit_price_minor": 100, "offer": True},
                    {"sku": "b", "quantity": 1, "unit_price_minor": 100},
                ],
            },
            {
                ("orders", "RUB"): 1,
                ("orders_members", "RUB"): 1,
                ("order_total", "RUB"): 300,
                ("pieces", "RUB"): 3,
                ("offers_used", "member_price"): 1,
            },
        ),
        ("offer.shown.v1", {"sku": "a", "kind": "coupon"}, {("offers_shown", "coupon"): 1}),
        ("offer.shown.v1", {"sku": "a"}, {("offers_shown", "member_price"): 1}),
        ("consent.given.v1", {"kind": "programme", "by": "Olga"}, {("joined", "Olga"): 1}),
        ("consent.given.v1", {"kind": "face", "by": "Olga"}, {}),
        ("face.enrolled.v1", {"by": "Olga", "extended": 0}, {("enrolments", "Olga"): 1}),
        ("face.enrolled.v1", {"by": "", "extended": 1}, {}),
        ("code.scanned.v1", {"sensor": "s", "outcome": "member"}, {("scans", "member"): 1}),
        ("box.diagnosed.v1", {"counters": {}}, {}),
        ("order.placed.v1", {"number": "1"}, {}),
    ],
)
def test_what_each_event_adds(
    type_: str, body: object, expected: dict[tuple[str, str], int]
) -> None:
    assert added(type_, body) == expected


def test_a_member_who_was_here_before_returns() -> None:
    body = {"visit": "v", "member": "m", "dwell_s": None}
    assert added("visit.closed.v1", body, returning=True)["returning", ""] == 1


def test_what_a_radar_had_not_learned_yet_is_kept_apart() -> None:
    learned = added("footfall.counted.v1", RADAR)
    assert (learned["wifi", "radar"], learned["wifi_low", "radar"]) == (8, 5)
    raw = added("footfall.counted.v1", RADAR | {"calibrated": False})
    assert (raw["phones", "radar"], raw["phones_high", "radar"]) == (8, 12)
    assert not {"wifi", "wifi_low", "wifi_high"} & {measure for measure, _ in raw}


def test_a_queue_has_its_mean_and_its_largest_in_each_cell() -> None:
    body = {
        "sensor": "door",
        "zone": "kiosk",
        "from_ms": AT - CELL_MS,
        "until_ms": AT + CELL_MS,
        "visits": 6,
        "dwell_mean_s": 20.0,
        "queue_mean": 1.5,
        "queue_max": 4,
    }
    changes = cell_changes("zone.counted.v1", body, NOW)
    largest = [each.value for each in changes if each.measure is Measure.QUEUE_MAX]
    assert largest == [4, 4]
    sums = added("zone.counted.v1", body)
    assert sums["queue_area", "door/kiosk"] / sums["queue_s", "door/kiosk"] == 1.5
    assert sums["zone_dwell_s", "door/kiosk"] == 120


@given(st.integers(0, 10**6), st.integers(0, 10**9), st.integers(1, SPAN_MS_MAX))
def test_what_is_spread_over_cells_adds_up_and_lies_in_the_window(
    value: int, from_ms: int, lasted_ms: int
) -> None:
    parts = list(spread(value, from_ms, from_ms + lasted_ms))
    assert sum(part for _, part in parts) == value
    assert all(part >= 0 for _, part in parts)
    assert all(cell % CELL_MS == 0 for cell, _ in parts)
    assert parts[0][0] <= from_ms < parts[0][0] + CELL_MS
    assert parts[-1][0] < from_ms + lasted_ms <= parts[-1][0] + CELL_MS


@pytest.mark.parametrize("from_ms", [0, AT + 60_000, AT + 2 * CELL_MS])
def test_a_window_over_which_the_clock_was_set_goes_to_its_end(from_ms: int) -> None:
    body = RADAR | {"from_ms": from_ms, "until_ms": AT + 60_000}
    changes = cell_changes("footfall.counted.v1", body, NOW)
    assert {each.from_ms for each in changes} == {AT}
    assert {each.measure: each.value for each in changes}[Measure.WIFI] == 8


def test_the_buckets_meet_at_their_edges() -> None:
    assert len(DWELL_BUCKETS) == len(DWELL_EDGES_MIN) + 1
    assert [bucket(edge * 60) for edge in DWELL_EDGES_MIN] == list(DWELL_BUCKETS[1:])
    assert [bucket(edge * 60 - 1) for edge in DWELL_EDGES_MIN] == list(DWELL_BUCKETS[:-1])
