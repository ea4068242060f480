"""From signs to a decision: the laws of the posterior, and what may identify at all."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.presence import evidence
from edge.presence.fusion import Thresholds, decide, posteriors
from edge.presence.gallery import DistanceGallery, Match, vector_of
from edge.records import VECTOR_DIMENSIONS, Evidence, Moment, Strength, VisitState
from edge.storage.members import Template

NOW = Moment(1_000, 1_000, "boot", True)
MEMBERS = st.integers(1, 100_000)
SIGNS = st.lists(
    st.builds(
        Evidence,
        member=st.sampled_from(["m1", "m2", "m3"]),
        kind=st.sampled_from(["face", "card"]),
        llr=st.floats(-20, 20),
        strength=st.sampled_from(Strength),
        reason=st.just("because"),
        seen=st.just(NOW),
    ),
    max_size=6,
)


def sign(llr: float, strength: Strength, member: str = "m1") -> Evidence:
    return Evidence(member, "face", llr, strength, "because", NOW)


def match(distance: float, member: str = "m1", runner_up: float = 0.9) -> Match:
    return Match(member, distance, runner_up)


@given(SIGNS, st.integers(3, 100_000))
def test_probabilities_are_probabilities(signs: list[Evidence], members: int) -> None:
    scores = posteriors(signs, members)
    assert all(0 <= score <= 1 for score in scores.values())
    assert sum(scores.values()) <= 1 + 1e-9


@given(SIGNS, MEMBERS)
def test_order_does_not_matter(signs: list[Evidence], members: int) -> None:
    forwards = decide(signs, members, Thresholds())
    backwards = decide(signs[::-1], members, Thresholds())
    assert (forwards.state, forwards.member) == (backwards.state, backwards.member)


@given(st.floats(-10, 10), st.integers(2, 10_000))
def test_the_larger_the_shop_the_less_a_sign_says(llr: float, members: int) -> None:
    small = posteriors([sign(llr, Strength.AGREEMENT)], members)["m1"]
    large = posteriors([sign(llr, Strength.AGREEMENT)], members * 2)["m1"]
    assert large < small


def test_a_card_identifies_even_in_a_large_chain() -> None:
    outcome = decide([evidence.from_card("m1", "kiosk", NOW)], 10_000, Thresholds())
    assert outcome.state is VisitState.IDENTIFIED
    assert "card scanned at kiosk" in outcome.reasons[0]


def test_a_weak_sign_never_identifies_however_strong() -> None:
    outcome = decide([sign(50, Strength.WEAK)], 10, Thresholds())
    assert outcome.state is VisitState.SUGGESTED


def test_two_equal_members_are_nobody() -> None:
    signs = [sign(9, Strength.AGREEMENT, "m1"), sign(9, Strength.AGREEMENT, "m2")]
    assert decide(signs, 10, Thresholds()).state is VisitState.ARRIVED


def test_repeating_a_sign_is_no_news() -> None:
    once = decide([sign(5, Strength.AGREEMENT)], 10, Thresholds())
    often = decide([sign(5, Strength.AGREEMENT)] * 9, 10, Thresholds())
    assert once == often


@pytest.mark.parametrize(
    ("matches", "strength"),
    [
        ([match(0.3)] * 2, Strength.WEAK),
        ([match(0.3)] * 3, Strength.AGREEMENT),
        ([match(0.3)] * 3 + [match(0.5, "m2")] * 3, Strength.WEAK),
    ],
)
def test_a_face_agrees_over_three_frames_of_a_track(
    matches: list[Match], strength: Strength
) -> None:
    outcome = evidence.from_track(matches, "door", NOW)
    assert outcome is not None
    assert outcome.strength is strength


def test_a_close_second_makes_a_face_worthless() -> None:
    outcome = evidence.from_track([match(0.40, runner_up=0.42)] * 3, "door", NOW)
    assert outcome is not None
    assert outcome.llr == 0


@given(st.floats(0, 2), st.floats(0, 2))
def test_a_larger_distance_never_says_more(one: float, other: float) -> None:
    near, far = sorted((one, other))
    assert evidence.face_llr(near) >= evidence.face_llr(far)


def template(member: str, value: float) -> Template:
    vectors = np.full((2, VECTOR_DIMENSIONS), value, "<f4")
    return Template(member, "model", vectors.tobytes())


def test_the_nearest_picture_of_each_member_counts() -> None:
    gallery = DistanceGallery([template("m1", 0.0), template("m2", 0.1)])
    probe = np.full(VECTOR_DIMENSIONS, 0.08, np.float32)
    found = gallery.nearest(probe)
    assert found is not None
    assert found.member == "m2"
    assert found.distance == pytest.approx(0.02 * VECTOR_DIMENSIONS**0.5, rel=1e-4)
    assert found.runner_up == pytest.approx(0.08 * VECTOR_DIMENSIONS**0.5, rel=1e-4)


def test_an_empty_gallery_and_a_broken_vector_match_nobody() -> None:
    probe = np.zeros(VECTOR_DIMENSIONS, np.float32)
    assert DistanceGallery().nearest(probe) is None
    assert DistanceGallery([template("m1", 0.0)]).nearest(probe * np.nan) is None


def test_wiping_the_reading_wipes_the_vector() -> None:
    raw = bytearray(np.ones(VECTOR_DIMENSIONS, "<f4").tobytes())
    vector = vector_of(raw)
    raw[:] = bytes(len(raw))
    assert not vector.any()
    with pytest.raises(ValueError, match="127"):
        vector_of(bytearray(127 * 4))
