"""From signs to a decision: the laws of the posterior, and what may identify at all."""

import math
from collections.abc import Callable, Iterable
from random import Random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from edge.presence import evidence
from edge.presence.face_decision import FaceDecision, Outcome
from edge.presence.fusion import (
    HALF_LIVES_S,
    Decision,
    Thresholds,
    decide,
    faded,
    posteriors,
    strongest,
)
from edge.presence.gallery import vector_of
from edge.presence.prior import MEMBER_MAX, Prior, even, from_visits
from edge.records import Moment
from edge.visiting import REASON_BEGINS, Evidence, SignKind, Strength, VisitState
from tests import faces

NOW = Moment(1_000_000_000, 1_000_000_000, "boot", True)
SURE_ENOUGH = Thresholds()
NAMES = ["m1", "m2", "m3"]
MEMBERS = st.integers(3, 100_000)
ages_ms = st.integers(-1_000, 400 * 3_600_000)
moments = st.builds(
    lambda age, boot, trusted: Moment(NOW.wall_ms - age, NOW.mono_ms - age, boot, trusted),
    ages_ms,
    st.sampled_from(["boot", "before"]),
    st.booleans(),
)
one_sign = st.builds(
    Evidence,
    member=st.sampled_from(NAMES),
    kind=st.sampled_from(SignKind),
    llr=st.floats(-20, 20),
    strength=st.sampled_from(Strength),
    reason=st.sampled_from(["because", "therefore"]),
    seen=moments,
)
SIGNS = st.lists(one_sign, max_size=8)
priors = st.builds(
    lambda members, share, mine: Prior(members, share / members, {"m1": mine}),
    MEMBERS,
    st.floats(0.05, 0.6),
    st.floats(1e-7, MEMBER_MAX),
)
RANK = {state: rank for rank, state in enumerate(VisitState)}


def decided(signs: Iterable[Evidence], prior: Prior, now: Moment = NOW) -> Decision:
    return decide(signs, prior, SURE_ENOUGH, now)


def later(hours: float, now: Moment = NOW) -> Moment:
    ms = round(hours * 3_600_000)
    return replace(now, wall_ms=now.wall_ms + ms, mono_ms=now.mono_ms + ms)


def sign(llr: float, strength: Strength, member: str = "m1") -> Evidence:
    return Evidence(member, SignKind.FACE, llr, strength, "because", NOW)


@given(SIGNS, priors)
def test_probabilities_are_probabilities(signs: list[Evidence], prior: Prior) -> None:
    scores = posteriors(strongest(signs), prior)
    assert all(0 <= score <= 1 for score in scores.values())
    assert sum(scores.values()) <= 1 + 1e-9


@given(SIGNS, priors, st.randoms())
def test_order_does_not_matter(signs: list[Evidence], prior: Prior, dice: Random) -> None:
    shuffled = dice.sample(signs, len(signs))
    assert decided(signs, prior) == decided(shuffled, prior)


@given(SIGNS, priors)
def test_nobody_without_a_sign_is_ever_the_outcome(signs: list[Evidence], prior: Prior) -> None:
    outcome = decided(signs, prior)
    named = {each.member for each in signs}
    assert {outcome.member, outcome.guessed} <= named | {None}
    assert decided([], prior) == Decision(VisitState.ANONYMOUS, None, 0.0, ())


@given(SIGNS, one_sign, priors)
def test_a_weak_sign_alone_or_among_weak_ones_never_identifies(
    signs: list[Evidence], added: Evidence, prior: Prior
) -> None:
    weak = [replace(each, strength=Strength.WEAK) for each in [*signs, added]]
    assert decided(weak, prior).state is not VisitState.IDENTIFIED


@given(SIGNS, st.integers(0, 7), st.floats(0, 20), priors)
def test_a_larger_ratio_never_says_less_for_its_member(
    signs: list[Evidence], which: int, more: float, prior: Prior
) -> None:
    assume(signs)
    one = signs[which % len(signs)]
    raised = replace(one, llr=one.llr + more)
    others = [each for each in signs if each is not one]
    before = posteriors(strongest([*others, one]), prior)[one.member]
    after = posteriors(strongest([*others, raised]), prior)[one.member]
    assert after >= before * (1 - 1e-9)
    then, now = decided([*others, one], prior), decided([*others, raised], prior)
    if then.member == one.member:
        assert (now.member, RANK[now.state] >= RANK[then.state]) == (one.member, True)


@given(one_sign, st.floats(0, 500), st.floats(0, 500))
def test_fading_never_raises_and_never_turns_a_sign_round(
    one: Evidence, hours: float, more: float
) -> None:
    first, then = (faded(one, later(at)).llr for at in (hours, hours + more))
    assert abs(then) <= abs(first) + 1e-9
    assert abs(first) <= abs(one.llr)
    assert first * one.llr >= 0
    assert then * first >= 0


@given(one_sign, priors, st.floats(0, 500))
def test_a_sign_for_a_member_never_identifies_later_what_it_did_not_at_first(
    one: Evidence, prior: Prior, hours: float
) -> None:
    assume(one.llr >= 0)
    assert decided([one], prior, later(hours)).guess <= decided([one], prior).guess + 1e-9


@given(priors, st.sampled_from(["m1", "m2"]))
def test_no_prior_alone_comes_near_a_suggestion(prior: Prior, member: str) -> None:
    outcome = decided([sign(0.0, Strength.EXPLICIT, member)], prior)
    assert outcome.state is VisitState.ANONYMOUS
    assert outcome.guess <= MEMBER_MAX + 1e-9


@pytest.mark.parametrize("kind", SignKind)
def test_after_its_half_life_a_sign_has_half_its_ratio(kind: SignKind) -> None:
    half_h = HALF_LIVES_S[kind] / 3600
    old = replace(sign(12.0, Strength.EXPLICIT), kind=kind)
    assert faded(old, NOW) == old
    if kind is SignKind.STAFF:
        assert faded(old, later(10_000)) == old
        return
    assert faded(old, later(half_h)).llr == pytest.approx(12 - math.log(2), abs=1e-4)
    assert faded(old, later(30 * half_h)).llr < 1e-3


def test_over_a_start_of_the_box_a_sign_ages_by_the_clock_if_it_can_be_trusted() -> None:
    old = sign(12.0, Strength.EXPLICIT)
    after = replace(later(4), boot="next", mono_ms=5)
    assert faded(old, after).llr == faded(old, later(4)).llr
    half = faded(old, later(HALF_LIVES_S[SignKind.FACE] / 3600)).llr
    assert faded(old, replace(after, trusted=False)).llr == pytest.approx(half)


def test_a_member_who_stays_all_day_is_still_known_in_the_evening() -> None:
    card = evidence.from_card("m1", "till", NOW)
    face = replace(
        evidence.from_login("m1", "hall", NOW, proved=True), kind=SignKind.FACE, llr=16.0
    )
    for one in (card, face):
        assert decided([one], even(1_000), later(12)).state is VisitState.IDENTIFIED


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


def test_a_known_phone_adds_to_another_sign_but_not_to_the_login_on_it() -> None:
    phone = evidence.from_phone("m1", "hall", NOW)
    login = evidence.from_login("m1", "hall", NOW, proved=True)
    face = sign(9.0, Strength.AGREEMENT)
    alone, both = decided([face], even(10_000)), decided([face, phone], even(10_000))
    assert (alone.state, both.state) == (VisitState.ANONYMOUS, VisitState.IDENTIFIED)
    assert decided([login, phone], even(10_000)) == decided([login], even(10_000))
    assert decided([phone], even(10_000)).state is VisitState.SUGGESTED


@pytest.mark.parametrize("make", [evidence.from_code, evidence.from_staff, evidence.from_card])
def test_what_is_said_explicitly_identifies_even_in_a_large_chain(
    make: Callable[[str, str, Moment], Evidence],
) -> None:
    one = make("m1", "till", NOW)
    assert one.strength is Strength.EXPLICIT
    assert one.reason.startswith(REASON_BEGINS[one.kind])
    assert decided([one], even(100_000)).state is VisitState.IDENTIFIED


def test_a_regular_needs_less_and_who_never_came_a_little_more() -> None:
    prior = from_visits([("m1", NOW.wall_ms)] * 40, 1_000, NOW.wall_ms)
    guesses = [decided([sign(7.0, Strength.AGREEMENT, who)], prior).guess for who in NAMES[:2]]
    plain = decided([sign(7.0, Strength.AGREEMENT)], even(1_000)).guess
    assert guesses[0] > plain > guesses[1] > plain / 3


def test_who_is_not_told_is_still_a_guess() -> None:
    outcome = decided([sign(6.0, Strength.AGREEMENT)], even(1_000))
    assert (outcome.state, outcome.member, outcome.posterior) == (VisitState.ANONYMOUS, None, 0.0)
    assert outcome.guessed == "m1"
    assert outcome.guess == pytest.approx(0.108, abs=0.01)


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
