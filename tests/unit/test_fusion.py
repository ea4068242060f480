"""From signs to a decision: the laws of the posterior, and what may identify at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.presence import evidence
from edge.presence.face_decision import FaceDecision, Outcome
from edge.presence.fusion import Thresholds, decide, posteriors
from edge.presence.gallery import vector_of
from edge.presence.prior import even
from edge.records import Moment
from edge.visiting import Evidence, Strength, VisitState
from tests import faces

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


@given(SIGNS, st.integers(3, 100_000))
def test_probabilities_are_probabilities(signs: list[Evidence], members: int) -> None:
    scores = posteriors(signs, even(members))
    assert all(0 <= score <= 1 for score in scores.values())
    assert sum(scores.values()) <= 1 + 1e-9


@given(SIGNS, MEMBERS)
def test_order_does_not_matter(signs: list[Evidence], members: int) -> None:
    forwards = decide(signs, even(members), Thresholds(), NOW)
    backwards = decide(signs[::-1], even(members), Thresholds(), NOW)
    assert (forwards.state, forwards.member) == (backwards.state, backwards.member)


@given(st.floats(-10, 10), st.integers(2, 10_000))
def test_the_larger_the_shop_the_less_a_sign_says(llr: float, members: int) -> None:
    small = posteriors([sign(llr, Strength.AGREEMENT)], even(members))["m1"]
    large = posteriors([sign(llr, Strength.AGREEMENT)], even(members * 2))["m1"]
    assert large < small


def test_a_card_identifies_even_in_a_large_chain() -> None:
    outcome = decide([evidence.from_card("m1", "kiosk", NOW)], even(10_000), Thresholds(), NOW)
    assert outcome.state is VisitState.IDENTIFIED
    assert "card scanned at kiosk" in outcome.reasons[0]


def test_a_weak_sign_never_identifies_however_strong() -> None:
    outcome = decide([sign(50, Strength.WEAK)], even(10), Thresholds(), NOW)
    assert outcome.state is VisitState.SUGGESTED


def test_two_equal_members_are_nobody() -> None:
    signs = [sign(9, Strength.AGREEMENT, "m1"), sign(9, Strength.AGREEMENT, "m2")]
    assert decide(signs, even(10), Thresholds(), NOW).state is VisitState.ANONYMOUS


def test_repeating_a_sign_is_no_news() -> None:
    once = decide([sign(5, Strength.AGREEMENT)], even(10), Thresholds(), NOW)
    often = decide([sign(5, Strength.AGREEMENT)] * 9, even(10), Thresholds(), NOW)
    assert once == often


def decision(outcome: Outcome, member: str | None = "m1") -> FaceDecision:
    return FaceDecision(outcome, member, 0.5, 0.2, 17.0, 3)


@pytest.mark.parametrize(
    ("outcome", "strength", "state"),
    [
        (Outcome.MEMBER, Strength.AGREEMENT, VisitState.IDENTIFIED),
        (Outcome.ASK, Strength.WEAK, VisitState.SUGGESTED),
    ],
)
def test_who_is_to_be_asked_is_suggested_at_most(
    outcome: Outcome, strength: Strength, state: VisitState
) -> None:
    sign = evidence.from_face(decision(outcome), "door", NOW)
    assert sign is not None
    assert sign.strength is strength
    assert decide([sign], even(1_000), Thresholds(), NOW).state is state


def test_a_face_of_nobody_known_is_no_sign() -> None:
    assert evidence.from_face(decision(Outcome.UNKNOWN, None), "door", NOW) is None
    assert evidence.from_face(decision(Outcome.UNKNOWN), "door", NOW) is None


def test_wiping_the_reading_wipes_the_vector() -> None:
    raw = bytearray(faces.face(1).tobytes())
    vector = vector_of(raw, faces.MODEL)
    assert vector is not None
    raw[:] = bytes(len(raw))
    assert not vector.any()


@pytest.mark.parametrize("bad", [b"", b"x" * 511, bytes(512), b"\xff" * 512, bytes(1024)])
def test_what_is_no_vector_is_none(bad: bytes) -> None:
    assert vector_of(bytearray(bad), faces.MODEL) is None
    assert vector_of(bytearray(faces.face(1).tobytes()), "unknown") is None
