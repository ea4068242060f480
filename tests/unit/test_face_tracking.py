"""Following faces by their boxes, sleeping while nothing moves, knowing a poster from a person."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hardware.camera import Picture
from hardware.faces.aligning import TEMPLATE
from hardware.faces.face import Box, Face
from sensors.face.gate import WAKES_AFTER_MS, MotionGate
from sensors.face.tracker import DIES_AFTER_MS, TRACKS_MAX, Tracker, once
from sensors.face.unmoved import FIXED_AFTER_MS, KNOWN_AFTER_MS, PLACES_MAX, Places

STEP_MS = 125
EMPTY = np.full((240, 320, 3), 80, np.uint8)


def box(left: int, top: int = 50, width: int = 100) -> Box:
    return Box(left, top, left + width, top + width)


def face(left: int, top: int = 50, width: int = 100) -> Face:
    landmarks = (TEMPLATE * (width / 112) + np.array([left, top])).astype(np.float32)
    return Face(box(left, top, width), 0.95, landmarks)


def boxes() -> st.SearchStrategy[Box]:
    side = st.integers(0, 500)
    return st.builds(lambda x, y, w: box(x, y, w), side, side, st.integers(1, 200))


def faces() -> st.SearchStrategy[Face]:
    side = st.integers(0, 500)
    return st.builds(lambda x, y, w: face(x, y, w), side, side, st.integers(1, 200))


@given(boxes(), boxes())
def test_overlap_is_symmetric_and_at_most_one(one: Box, other: Box) -> None:
    assert one.overlap(other) == other.overlap(one)
    assert 0 <= one.overlap(other) <= 1
    assert one.overlap(one) == 1


# --- tracks


def test_one_hit_is_nobody_two_are_a_track() -> None:
    tracker = Tracker()
    assert tracker.follow([face(0)], 0) == []
    (track,) = tracker.follow([face(10)], STEP_MS)
    assert (track.number, track.just_begun) == (1, True)
    (track,) = tracker.follow([face(20)], 2 * STEP_MS)
    assert (track.number, track.just_begun) == (1, False)


def test_people_side_by_side_keep_their_numbers() -> None:
    tracker = Tracker()
    tracker.follow([face(0), face(300)], 0)
    first = {track.number: track.box.left for track in tracker.follow([face(10), face(290)], 125)}
    assert sorted(first) == [1, 2]
    after = tracker.follow([face(280), face(20)], 2 * STEP_MS)
    assert {track.number: track.box.left for track in after} == {
        number: left + 10 if left == 10 else left - 10 for number, left in first.items()
    }


def test_people_who_pass_each_other_keep_their_numbers() -> None:
    """At two looks a second, and closest when their faces are side by side: motion tells them."""
    tracker = Tracker()
    for look in range(12):
        rightwards, leftwards = face(40 * look, 0, 60), face(440 - 40 * look, 45, 60)
        order = [rightwards, leftwards] if look % 2 else [leftwards, rightwards]
        seen = {track.number: track.box.top for track in tracker.follow(order, 250 * look)}
        if look:
            assert sorted(seen) == [1, 2]
            if look == 1:
                first = seen
            assert seen == first


def test_somebody_who_walks_fast_is_one_track() -> None:
    """Boxes of two looks do not even touch; where the face was going they do."""
    tracker = Tracker()
    numbers = [
        track.number
        for look in range(8)
        for track in tracker.follow([face(70 * look, 50, 80)], STEP_MS * look)
    ]
    assert set(numbers) == {1}


def test_a_face_that_was_away_for_too_long_is_somebody_new() -> None:
    tracker = Tracker()
    for at_ms in (0, STEP_MS):
        tracker.follow([face(0)], at_ms)
    (kept,) = tracker.follow([face(0)], STEP_MS + DIES_AFTER_MS)
    assert kept.number == 1
    assert tracker.bury(STEP_MS + 2 * DIES_AFTER_MS) == []
    assert tracker.bury(STEP_MS + 2 * DIES_AFTER_MS + 1) == [kept]
    assert tracker.alive == []
    later_ms = 10 * DIES_AFTER_MS
    tracker.follow([face(0)], later_ms)
    (new,) = tracker.follow([face(0)], later_ms + STEP_MS)
    assert new.number == 2


@given(st.lists(st.lists(faces(), max_size=6), max_size=12))
def test_numbers_rise_and_nobody_is_two_people(pictures: list[list[Face]]) -> None:
    tracker = Tracker()
    begun = 0
    for place, found in enumerate(pictures):
        tracker.bury(place * STEP_MS)
        tracks = tracker.follow(found, place * STEP_MS)
        assert len({track.number for track in tracks}) == len(tracks) <= len(found)
        assert all(track.number for track in tracks)
        new = sorted(track.number for track in tracks if track.just_begun)
        assert new == list(range(begun + 1, begun + 1 + len(new)))
        begun += len(new)
        assert len(tracker.alive) <= TRACKS_MAX


def test_a_face_that_is_found_twice_is_one() -> None:
    found = [face(100, 50, 120), face(110, 60, 100), face(300, 50, 50)]
    assert once(found) == [found[0], found[2]]
    tracker = Tracker()
    for look in range(3):
        assert len(tracker.follow(found, look * STEP_MS)) == (2 if look else 0)


def test_a_crowd_has_a_limit_and_who_finds_no_room_is_counted() -> None:
    tracker = Tracker()
    crowd = [face(200 * place) for place in range(50)]
    tracker.follow(crowd, 0)
    assert len(tracker.follow(crowd, STEP_MS)) == TRACKS_MAX
    assert tracker.left_out == 50 - TRACKS_MAX
    tracker.follow(crowd[:3], 2 * STEP_MS)
    assert tracker.left_out == 0


# --- the gate


def test_the_gate_sleeps_while_nothing_moves_and_wakes_for_a_face() -> None:
    gate = MotionGate()
    opened = [gate.open(EMPTY, place * STEP_MS) for place in range(20)]
    assert opened[0]
    assert not any(opened[6:])
    visited = EMPTY.copy()
    visited[100:150, 100:140] = 200
    assert gate.open(visited, 20 * STEP_MS)
    assert gate.open(EMPTY, 21 * STEP_MS), "it holds for a moment"


def test_a_noisy_sensor_does_not_keep_the_gate_open() -> None:
    chance = np.random.default_rng(1)
    gate = MotionGate()
    noisy = [np.clip(EMPTY + chance.normal(0, 6, EMPTY.shape), 0, 255) for _ in range(12)]
    opened = [gate.open(picture.astype(np.uint8), 125 * n) for n, picture in enumerate(noisy)]
    assert not any(opened[6:])


def test_the_gate_looks_up_now_and_then() -> None:
    gate = MotionGate()
    opened = [at_ms for at_ms in range(0, 4 * WAKES_AFTER_MS, STEP_MS) if gate.open(EMPTY, at_ms)]
    pauses = [after - before for before, after in pairwise(opened)]
    assert max(pauses) == WAKES_AFTER_MS


# --- what never moves


def scene(seed: int) -> Picture:
    """Something with structure."""
    small = np.random.default_rng(seed).integers(0, 256, (15, 20, 3), np.uint8)
    return np.ascontiguousarray(np.kron(small, np.ones((16, 16, 1), np.uint8)))


def test_a_poster_is_known_after_ten_seconds_and_a_thing_after_two_minutes() -> None:
    places, wall = Places(), scene(1)
    first = places.at(wall, box(60), 0)
    for at_ms in range(0, FIXED_AFTER_MS + 1, 5_000):
        lighter = np.clip(wall.astype(int) + at_ms // 10_000, 0, 255).astype(np.uint8)
        shaken = box(60 + at_ms % 3, 50 + at_ms % 2)
        place = places.at(lighter, shaken, at_ms)
        assert place is first, "light and the detector's trembling are no motion"
        assert place.known == (at_ms >= KNOWN_AFTER_MS)
        assert place.fixed == (at_ms >= FIXED_AFTER_MS)


def test_who_moves_is_never_known() -> None:
    places, views = Places(), [scene(seed) for seed in range(4)]
    for look in range(400):
        place = places.at(views[look // 8 % 4], box(60), look * STEP_MS)
        assert not place.known, "something else is seen every second"


def test_somebody_before_a_poster_is_not_it_and_it_is_known_afterwards() -> None:
    places, wall, visitor = Places(), scene(1), scene(2)
    for at_ms in range(0, FIXED_AFTER_MS + 1, 5_000):
        poster = places.at(wall, box(60), at_ms)
    assert poster.fixed
    for at_ms in range(FIXED_AFTER_MS, FIXED_AFTER_MS + 5_000, 1_000):
        assert not places.at(visitor, box(62), at_ms).known
    assert places.at(wall, box(60), FIXED_AFTER_MS + 6_000) is poster


def test_a_place_has_one_budget_for_each_leave() -> None:
    place = Places().at(scene(1), box(60), 0)
    place.under(1)
    place.frames = 5
    place.under(1)
    assert place.spent
    place.under(2)
    assert not place.spent


def test_places_are_bounded() -> None:
    places, wall = Places(), scene(1)
    for number in range(3 * PLACES_MAX):
        places.at(wall, box(3 * number, number, 2), number)
    assert len(places) <= PLACES_MAX
