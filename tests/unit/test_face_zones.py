"""Lines that people walk over and zones that they stay in, by tracks without a name."""

import math
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.records import CrossingReading, QueueReading, StayReading
from sensors.face.choosing import Choosing
from sensors.face.lines import CLEAR, Lines, Spot, depth_of
from sensors.face.options import FaceOptions, Inside, Line, Zone, ZoneKind, enclosed
from sensors.face.tracker import Track
from sensors.face.zones import LEFT_AFTER_MS, SETTLES_AFTER_MS, Zones, within
from tests.unit.test_face_tracking import face

DOOR = Line((0.2, 0.5), (0.8, 0.5), Inside.BELOW)
LEFT_HALF = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
RIGHT_HALF = ((0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0))


def walked(line: Line, spots: list[Spot], track: int = 1) -> list[bool]:
    lines = Lines({"door": line})
    crossed = [reading for spot in spots for reading in lines.follow(track, spot)]
    assert all(reading.line == "door" for reading in crossed)
    return [reading.inwards for reading in crossed]


def shares() -> st.SearchStrategy[float]:
    return st.floats(0, 1)


def spots() -> st.SearchStrategy[Spot]:
    return st.tuples(shares(), shares())


# --- lines


@pytest.mark.parametrize(
    ("inside", "inwards"),
    [
        (Inside.BELOW, [(0.5, 0.2), (0.5, 0.8)]),
        (Inside.ABOVE, [(0.5, 0.8), (0.5, 0.2)]),
    ],
)
def test_inwards_is_towards_the_side_that_was_named(inside: Inside, inwards: list[Spot]) -> None:
    for begin, to in (((0.2, 0.5), (0.8, 0.5)), ((0.8, 0.5), (0.2, 0.5))):
        line = Line(begin, to, inside)
        assert walked(line, inwards) == [True]
        assert walked(line, inwards[::-1]) == [False]


def test_a_slanted_line_has_its_sides_too() -> None:
    line = Line((0.3, 0.2), (0.6, 0.9), Inside.LEFT)
    assert walked(line, [(0.9, 0.5), (0.1, 0.5)]) == [True]


def test_who_dithers_on_the_line_is_counted_once() -> None:
    dither = [(0.5, 0.5 + CLEAR * 0.9 * math.sin(step)) for step in range(40)]
    assert walked(DOOR, [(0.5, 0.4), *dither, (0.5, 0.6)]) == [True]
    assert walked(DOOR, [(0.5, 0.4), *dither, (0.5, 0.4)]) == []


def test_who_walks_around_the_end_is_not_counted() -> None:
    assert walked(DOOR, [(0.5, 0.4), (0.95, 0.4), (0.95, 0.6), (0.5, 0.6)]) == []


def test_who_turns_back_is_counted_out_again() -> None:
    there = [(0.5, 0.3), (0.5, 0.7)]
    assert walked(DOOR, there * 3) == [True, False, True, False, True]


def test_tracks_are_told_apart_and_forgotten() -> None:
    lines = Lines({"door": DOOR})
    assert lines.follow(1, (0.5, 0.4)) == []
    assert lines.follow(2, (0.5, 0.6)) == []
    assert lines.follow(1, (0.5, 0.6)) == [CrossingReading("door", True, 1)]
    lines.forget(2)
    assert lines.follow(2, (0.5, 0.4)) == []


@given(st.lists(spots(), max_size=40))
def test_nobody_comes_in_twice_without_going_out(path: list[Spot]) -> None:
    """On a line across the whole picture, crossings alternate and say where somebody ends up."""
    across = Line((0.0, 0.5), (1.0, 0.5), Inside.BELOW)
    crossed = walked(across, path)
    assert all(one != other for one, other in pairwise(crossed))
    clear = [spot for spot in path if abs(depth_of(across, spot)) >= CLEAR]
    if clear:
        moved = (depth_of(across, clear[-1]) > 0) - (depth_of(across, clear[0]) > 0)
        assert sum(1 if inwards else -1 for inwards in crossed) == moved


@given(st.lists(spots(), max_size=20))
def test_the_other_side_counts_the_other_way(path: list[Spot]) -> None:
    other = Line(DOOR.begin, DOOR.to, Inside.ABOVE)
    assert walked(other, path) == [not inwards for inwards in walked(DOOR, path)]


# --- zones


def test_a_spot_is_in_one_of_two_halves() -> None:
    for place in range(101):
        spot = (place / 100 * 0.999, 0.3)
        assert within(LEFT_HALF, spot) != within(RIGHT_HALF, spot)


@given(spots(), st.integers(3, 16), st.floats(0, 6))
def test_a_polygon_holds_what_its_edges_enclose(spot: Spot, corners: int, turn: float) -> None:
    area = tuple(
        (0.5 + 0.4 * math.cos(turn + 2 * math.pi * n / corners),
         0.5 + 0.4 * math.sin(turn + 2 * math.pi * n / corners))
        for n in range(corners)
    )  # fmt: skip
    far = math.hypot(spot[0] - 0.5, spot[1] - 0.5)
    if far < 0.4 * math.cos(math.pi / corners) - 1e-6:
        assert within(area, spot)
    if far > 0.4 + 1e-6:
        assert not within(area, spot)
    assert within(area, spot) == within(area[::-1], spot)


def zones() -> Zones:
    return Zones(
        {"till": Zone(ZoneKind.QUEUE, LEFT_HALF), "shoes": Zone(ZoneKind.DEPARTMENT, RIGHT_HALF)}
    )


def test_a_stay_is_told_when_it_ends() -> None:
    known, told = zones(), []
    for at_ms in range(0, 10_001, 125):
        spot = (0.8, 0.5) if at_ms <= 6_000 else (0.2, 0.5)
        known.follow(1, spot, at_ms)
        told += [r for r in known.settle({1: at_ms}, at_ms) if isinstance(r, StayReading)]
    assert told == [StayReading("shoes", 6_000, 1)]
    assert known.forget(1) == [StayReading("till", 10_000 - 6_125, 1)]
    assert known.forget(1) == []


def test_a_step_over_the_border_and_back_is_one_stay() -> None:
    known, told = zones(), []
    for at_ms in range(0, 8_001, 125):
        spot = (0.49, 0.5) if 3_000 < at_ms < 3_000 + LEFT_AFTER_MS - 125 else (0.51, 0.5)
        known.follow(1, spot, at_ms)
        told += [r for r in known.settle({1: at_ms}, at_ms) if isinstance(r, StayReading)]
    assert [stay for stay in told if stay.zone == "shoes"] == []
    assert StayReading("shoes", 8_000, 1) in known.forget(1)


def test_who_is_out_of_sight_for_a_moment_has_not_left() -> None:
    known = zones()
    known.follow(1, (0.2, 0.5), 0)
    assert known.settle({1: 0}, 900) == []


def test_the_length_of_a_queue_is_told_once_it_holds() -> None:
    known, told = zones(), []
    for at_ms in range(0, 20_001, 125):
        alive: dict[int, int] = {}
        for track, (from_ms, to_ms) in {
            1: (0, 15_000),
            2: (5_000, 10_000),
            3: (7_000, 7_250),
        }.items():
            if from_ms <= at_ms <= to_ms:
                known.follow(track, (0.2, 0.5), at_ms)
                alive[track] = at_ms
            elif at_ms > to_ms:
                known.forget(track)
        told += [(at_ms, r) for r in known.settle(alive, at_ms) if isinstance(r, QueueReading)]
    assert [(r.zone, r.length) for _, r in told] == [
        ("till", 1),
        ("till", 2),
        ("till", 1),
        ("till", 0),
    ]
    assert told[0][0] == SETTLES_AFTER_MS


# --- whom leave is for


def in_view(*widths: int) -> list[tuple[Track, Spot]]:
    tracks = [Track(face(0, 0, width), 0, 0, n + 1) for n, width in enumerate(widths)]
    return [(track, (0.2 if n % 2 else 0.8, 0.5)) for n, track in enumerate(tracks)]


def test_without_zones_the_whole_view_is_one() -> None:
    seen = in_view(50, 90)
    assert Choosing({}).in_zone(seen) == [track for track, _ in seen]


def test_only_marked_zones_are_recognised_in() -> None:
    seen = in_view(50, 90)
    drawn = {
        "door": Zone(ZoneKind.ENTRY, LEFT_HALF, recognise=True),
        "shoes": Zone(ZoneKind.DEPARTMENT, RIGHT_HALF),
    }
    assert Choosing(drawn).in_zone(seen) == [seen[1][0]]
    unmarked = {"shoes": Zone(ZoneKind.DEPARTMENT, RIGHT_HALF)}
    assert Choosing(unmarked).in_zone(seen) == []


def test_on_request_it_is_the_nearest_one_and_nobody_else() -> None:
    choosing, seen = Choosing({}), in_view(50, 90, 70)
    near = seen[1][0]
    assert choosing.who_asked(1, seen) == [near]
    seen[0][0].face = face(0, 0, 200)
    assert choosing.who_asked(1, seen) == [near], "somebody steps nearer meanwhile"
    choosing.served(near)
    choosing.forget(near)
    assert choosing.who_asked(1, [seen[0], seen[2]]) == [], "whoever asked has gone"
    assert choosing.who_asked(2, [seen[0], seen[2]]) == [seen[0][0]]


def test_who_was_lost_before_being_described_may_be_found_again() -> None:
    choosing, seen = Choosing({}), in_view(90, 50)
    assert choosing.who_asked(1, seen) == [seen[0][0]]
    choosing.forget(seen[0][0])
    assert choosing.who_asked(1, seen[1:]) == [seen[1][0]]


def test_who_was_lost_is_not_looked_for_in_somebody_who_stands_elsewhere() -> None:
    choosing, (asked, by) = Choosing({}), in_view(90, 50)
    by[0].face = face(400, 0, 80)
    assert choosing.who_asked(1, [asked, by]) == [asked[0]]
    choosing.forget(asked[0])
    assert choosing.who_asked(1, [by]) == [], "whoever asked has gone undescribed"
    assert choosing.who_asked(2, [by]) == [by[0]], "another one asks"


def test_on_request_it_is_who_stands_in_the_queue() -> None:
    drawn = {"till": Zone(ZoneKind.QUEUE, LEFT_HALF)}
    seen = in_view(200, 50, 190)
    assert Choosing(drawn).who_asked(1, seen) == [seen[1][0]]


# --- what can be drawn


def test_what_encloses_nothing_is_no_zone() -> None:
    assert enclosed(LEFT_HALF) == pytest.approx(0.5)
    for area in ([[0, 0], [1, 1], [0.5, 0.5]], [[0, 0], [1, 1]], [[0, 0], [2, 0], [1, 1]]):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({"zones": {"z": {"kind": "entry", "area": area}}}, FaceOptions)


@pytest.mark.parametrize(
    "wrong",
    [
        {"from": [0.5, 0.5], "to": [0.5, 0.52], "inside": "left"},
        {"from": [0.1, 0.5], "to": [0.9, 0.5], "inside": "left"},
        {"from": [0.1, 0.5], "to": [0.9, 0.5], "inside": "north"},
        {"from": [0.1, 0.5], "to": [0.9, 1.5], "inside": "left"},
        {"from": [0.1, 0.5], "to": [0.9, 0.5]},
    ],
)
def test_a_line_without_two_sides_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"lines": {"door": wrong}}, FaceOptions)
