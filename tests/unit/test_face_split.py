"""Tracks end, whatever is shown; and one whose vectors become somebody else's is two people's.

The people are squares: their red says whose vector they have, so that it is known who is whom.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.face_models import REID0095, another_below
from edge.records import FRAMES_FUSED_MAX, FaceReading, GoneReading, TrackReading
from hardware.camera import Picture
from hardware.faces.face import Vector
from sensors import wire
from sensors.face.describing import COMPARED_MAX
from sensors.face.options import FaceOptions, Inside, Line, Zone, ZoneKind
from sensors.face.sameness import Sameness, Verdict
from sensors.face.tracker import DIES_AFTER_MS
from tests.drivers.gone import gone_once
from tests.drivers.test_face_watching import ASKED, STANDING, Scene
from tests.unit.test_face_searching import LOOK_MS, VIEW, Squares

ANNA, BORIS, NOISE = 0, 1, 2
LIMIT = another_below(REID0095) or 0.0
EVERYWHERE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))


@cache
def of_face(who: int) -> Vector:
    """The vector of one made-up person; those of two are at right angles, nearly."""
    vector = np.random.default_rng(who).normal(size=256)
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


class People(Squares):
    """Whoever is red by 20 * n is person n; of NOISE no two frames are alike. `made` is kept."""

    model, dimensions = REID0095, 256

    def __init__(self) -> None:
        super().__init__()
        self.made: list[Vector] = []
        self._chance = np.random.default_rng(9)

    def embed(self, chip: Picture, *, mirrored: bool = False) -> Vector:
        who = round(float(chip[:, :, 2].mean()) / 20)
        near = self._chance.normal(scale=0.02 if who != NOISE else 5.0, size=256)
        vector = of_face(who) + near
        self.made.append(np.asarray(vector / np.linalg.norm(vector), np.float32))
        return self.made[-1]


def shown(*people: tuple[int, int, int], look: int = 0) -> Picture:
    """The view with these people in it: who, left, top."""
    view, chance = VIEW.copy(), np.random.default_rng(look)
    for who, left, top in people:
        view[top : top + 80, left : left + 80] = chance.integers(155, 255, (80, 80, 3))
        view[top : top + 80, left : left + 80, 2] = 20 * who
    return view


class Door(Scene):
    """A scene of made-up people."""

    def __init__(self, **options: object) -> None:
        self.people = People()
        super().__init__(self.people, FaceOptions(**options))
        self._looks = 0

    def stands(self, who: int, looks: int, *, left: int = 400) -> None:
        for _ in range(looks):
            self._looks += 1
            place = (who, left + self._looks % 3, 300 + self._looks % 2)
            self.show(shown(place, look=self._looks), LOOK_MS)

    def is_empty(self, looks: int) -> None:
        for _ in range(looks):
            self.show(VIEW.copy(), LOOK_MS)

    def of(self, track: int) -> set[int]:
        """Whom the frames that were told of a track show."""
        faces = [face for face in self.readings(FaceReading) if face.track == track]
        frames = [
            np.frombuffer(each, "<f4") for face in faces for each in (face.vector, face.fused)
        ]
        return {max((ANNA, BORIS), key=lambda who: float(of_face(who) @ one)) for one in frames}


@pytest.fixture
def door() -> Iterator[Door]:
    made = Door()
    yield made
    made.close()


def between(one: float) -> Vector:
    """A vector whose cosine to Anna's is `one`."""
    away = of_face(BORIS) - (of_face(BORIS) @ of_face(ANNA)) * of_face(ANNA)
    away /= np.linalg.norm(away)
    return np.asarray(one * of_face(ANNA) + np.sqrt(1 - one * one) * away, np.float32)


# --- two people


@pytest.mark.parametrize("looks", [3, 8, 40])
def test_who_follows_within_a_second_at_the_same_place_is_somebody_else(
    door: Door, looks: int
) -> None:
    """However far the first one was described; the second one has frames of their own."""
    door.tell(STANDING)
    door.stands(ANNA, looks)
    door.is_empty(4)
    door.stands(BORIS, 12)
    door.is_empty(DIES_AFTER_MS // LOOK_MS + 2)
    assert [each.track for each in door.readings(TrackReading)] == [1, 2]
    assert [each.track for each in door.readings(GoneReading)] == [1, 2]
    assert (door.of(1), door.of(2)) == ({ANNA}, {BORIS})
    assert door.drops()["face_odd"] == 1
    assert not any(vector.any() for vector in door.people.made), "all vectors are overwritten"
    first, second = door.readings(GoneReading)
    assert first.dwell_ms + second.dwell_ms <= (looks + 4 + 12) * LOOK_MS
    assert second.dwell_ms >= 10 * LOOK_MS


def test_whoever_is_lost_for_a_moment_and_found_again_is_the_same(door: Door) -> None:
    door.tell(STANDING)
    for _ in range(2 * COMPARED_MAX):
        door.stands(ANNA, 6)
        door.is_empty(4)
    assert [each.track for each in door.readings(TrackReading)] == [1]
    assert len(door.readings(FaceReading)) == FRAMES_FUSED_MAX
    assert FRAMES_FUSED_MAX < len(door.people.made) <= FRAMES_FUSED_MAX + COMPARED_MAX


def test_one_bad_frame_splits_nobody_and_counts_for_nobody(door: Door) -> None:
    door.tell(STANDING)
    for who in (ANNA, BORIS, ANNA, BORIS, ANNA):
        door.stands(who, 2 if who is BORIS else 4)
    assert [each.track for each in door.readings(TrackReading)] == [1]
    assert door.of(1) == {ANNA}
    assert door.drops()["face_odd"] >= 1


def test_bad_frames_that_are_unlike_each_other_split_nobody(door: Door) -> None:
    door.tell(STANDING)
    door.stands(ANNA, 6)
    door.stands(NOISE, 60)
    assert [each.track for each in door.readings(TrackReading)] == [1]
    assert door.of(1) == {ANNA}
    assert len(door.people.made) <= FRAMES_FUSED_MAX + COMPARED_MAX


def test_without_leave_nobody_is_compared(door: Door) -> None:
    for who in (ANNA, BORIS):
        door.stands(who, 10)
    assert [each.track for each in door.readings(TrackReading)] == [1]
    assert door.people.made == []


@pytest.mark.parametrize("looks", [4, 40])
def test_who_comes_after_the_one_who_asked_is_told_to_nobody(door: Door, looks: int) -> None:
    door.tell(ASKED)
    door.stands(ANNA, looks)
    door.is_empty(4)
    door.stands(BORIS, 30)
    assert {face.track for face in door.readings(FaceReading)} == {1}
    assert len(door.people.made) <= FRAMES_FUSED_MAX
    assert door.of(1) == {ANNA}


def test_how_unlike_two_frames_must_be() -> None:
    sameness = Sameness(LIMIT)
    assert sameness.judge(between(LIMIT + 0.01), of_face(ANNA), 0) is Verdict.SAME
    assert sameness.judge(between(LIMIT - 0.01), of_face(ANNA), 7) is Verdict.ODD
    assert sameness.judge(of_face(BORIS), of_face(ANNA), 9) is Verdict.ANOTHER
    assert (sameness.since_ms, sameness.empty) == (7, True)
    assert sameness.judge(of_face(BORIS), of_face(ANNA), 0) is Verdict.ODD
    kept = sameness._odd
    assert kept is not None
    sameness.wipe()
    assert (sameness.empty, kept.any()) == (True, False)
    assert Sameness(None).judge(of_face(BORIS), of_face(ANNA), 0) is Verdict.SAME


# --- every track ends

SCENES = st.lists(
    st.tuples(
        st.lists(
            st.tuples(st.integers(0, 3), st.integers(0, 1199), st.integers(0, 639)), max_size=4
        ),
        st.sampled_from([LOOK_MS, LOOK_MS, LOOK_MS, 400, 1_500, 12_000]),
        st.sampled_from([None, None, None, STANDING, ASKED, wire.Leave("embed", 0.0)]),
        st.integers(1, 6),
    ),
    max_size=8,
)


@settings(max_examples=25)
@given(SCENES)
def test_whatever_is_shown_everybody_who_was_told_has_gone_in_the_end(
    scenes: Sequence[tuple[list[tuple[int, int, int]], int, wire.Leave | None, int]],
) -> None:
    drawn = {
        "lines": {"across": Line((0.0, 0.5), (1.0, 0.5), Inside.BELOW)},
        "zones": {"all": Zone(ZoneKind.QUEUE, EVERYWHERE, recognise=True)},
    }
    with closing(Door(**drawn)) as door:
        for number, (people, step_ms, leave, looks) in enumerate(scenes):
            if leave is not None:
                door.tell(leave)
            for look in range(looks):
                door.show(shown(*people, look=10 * number + look), step_ms)
        door.ends()
        gone_once(door.readings(object))
        assert all(gone.dwell_ms <= door.now_ms for gone in door.readings(GoneReading))
        assert not any(vector.any() for vector in door.people.made)
