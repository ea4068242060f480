"""Following faces by their boxes, and sleeping while nothing moves."""

from itertools import pairwise

import numpy as np
from hardware.face_tracking import (
    DIES_AFTER_MS,
    TRACKS_MAX,
    WAKES_AFTER_MS,
    FaceTracker,
    MotionGate,
    Track,
)
from hypothesis import given
from hypothesis import strategies as st

from hardware.face_engine import Box, upsample

STEP_MS = 200
EMPTY = np.full((240, 320, 3), 80, np.uint8)


def box(left: int, top: int = 50, width: int = 100) -> Box:
    return Box(left, top, left + width, top + width)


def boxes() -> st.SearchStrategy[Box]:
    side = st.integers(0, 500)
    return st.builds(lambda x, y, w: box(x, y, w), side, side, st.integers(1, 200))


@given(boxes(), boxes())
def test_overlap_is_symmetric_and_at_most_one(one: Box, other: Box) -> None:
    assert one.overlap(other) == other.overlap(one)
    assert 0 <= one.overlap(other) <= 1
    assert one.overlap(one) == 1


def test_one_hit_is_nobody_two_are_a_track() -> None:
    tracker = FaceTracker()
    assert tracker.follow([box(0)], 0) == []
    (track,) = tracker.follow([box(10)], STEP_MS)
    assert (track.number, track.just_begun) == (1, True)
    (track,) = tracker.follow([box(20)], 2 * STEP_MS)
    assert (track.number, track.just_begun) == (1, False)


def test_people_side_by_side_keep_their_numbers() -> None:
    tracker = FaceTracker()
    tracker.follow([box(0), box(300)], 0)
    first = {track.number: track.box.left for track in tracker.follow([box(10), box(290)], STEP_MS)}
    assert sorted(first) == [1, 2]
    after = tracker.follow([box(280), box(20)], 2 * STEP_MS)
    assert {track.number: track.box.left for track in after} == {
        number: left + 10 if left == 10 else left - 10 for number, left in first.items()
    }


def test_a_face_that_was_away_for_too_long_is_somebody_new() -> None:
    tracker = FaceTracker()
    for at_ms in (0, STEP_MS):
        tracker.follow([box(0)], at_ms)
    (kept,) = tracker.follow([box(0)], STEP_MS + DIES_AFTER_MS)
    assert kept.number == 1
    assert tracker.any_alive(STEP_MS + 2 * DIES_AFTER_MS)
    assert not tracker.any_alive(STEP_MS + 2 * DIES_AFTER_MS + 1)
    later_ms = 10 * DIES_AFTER_MS
    tracker.follow([box(0)], later_ms)
    (new,) = tracker.follow([box(0)], later_ms + STEP_MS)
    assert new.number == 2


@given(st.lists(st.lists(boxes(), max_size=6), max_size=12))
def test_numbers_rise_and_nobody_is_two_people(pictures: list[list[Box]]) -> None:
    tracker = FaceTracker()
    begun = 0
    for place, found in enumerate(pictures):
        tracks = tracker.follow(found, place * STEP_MS)
        assert len({track.number for track in tracks}) == len(tracks) <= len(found)
        new = sorted(track.number for track in tracks if track.just_begun)
        assert new == list(range(begun + 1, begun + 1 + len(new)))
        begun += len(new)


def test_another_leave_starts_another_allowance() -> None:
    track = Track(1, box(0), 0)
    track.described = 5
    track.under(0)
    assert track.described == 5
    track.under(1)
    assert track.described == 0
    track.described = 3
    track.under(1)
    assert track.described == 3


def test_a_crowd_has_a_limit() -> None:
    tracker = FaceTracker()
    crowd = [box(200 * place) for place in range(TRACKS_MAX + 5)]
    tracker.follow(crowd, 0)
    assert len(tracker.follow(crowd, STEP_MS)) == TRACKS_MAX


def test_the_gate_sleeps_while_nothing_moves_and_wakes_for_a_face() -> None:
    gate = MotionGate()
    opened = [gate.open(EMPTY, place * STEP_MS) for place in range(20)]
    assert opened[0]
    assert not any(opened[5:])
    visited = EMPTY.copy()
    visited[100:150, 100:140] = 200
    assert gate.open(visited, 20 * STEP_MS)
    assert gate.open(EMPTY, 21 * STEP_MS), "it holds for a moment"


def test_the_gate_looks_up_now_and_then() -> None:
    gate = MotionGate()
    opened = [at_ms for at_ms in range(0, 4 * WAKES_AFTER_MS, STEP_MS) if gate.open(EMPTY, at_ms)]
    pauses = [after - before for before, after in pairwise(opened)]
    assert max(pauses) == WAKES_AFTER_MS


def test_small_pictures_are_doubled_before_the_search() -> None:
    assert [upsample(*size) for size in ((92, 112), (320, 240), (480, 360), (1920, 1080))] == [
        2,
        1,
        0,
        0,
    ]
