"""Member, unknown or "show your card": every doubt asks, and nothing broken is ever a member."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from edge.face_models import DLIB, REID0095
from edge.presence.face_calibration import Calibration
from edge.presence.face_decision import NOBODY, Outcome, Rules, decide
from edge.presence.gallery import Look
from tests.unit.test_face_calibration import cell, own, table

RULES = Rules(Calibration(table()), people=500)
STRICT = RULES.threshold(Look("m", 0, 0, 3, DLIB), 3, RULES.target_fpir)
ASKED = RULES.threshold(Look("m", 0, 0, 3, DLIB), 3, RULES.target_fpir * 10)
RANK = {Outcome.UNKNOWN: 0, Outcome.ASK: 1, Outcome.MEMBER: 2}


def look(score: float, member: str = "m", *, margin: float = 0.2, photos: int = 3) -> Look:
    return Look(member, score, score - margin, photos, DLIB)


SURE = look(STRICT + 0.01)
THREE = [SURE, SURE, SURE]
anything = st.floats(allow_nan=True, allow_infinity=True)
looks = st.one_of(
    st.none(),
    st.builds(
        Look,
        st.sampled_from(["m", "n", ""]),
        anything,
        anything,
        st.integers(-2, 20),
        st.sampled_from([DLIB, REID0095, ""]),
    ),
)


def test_three_agreeing_frames_of_an_enrolled_member_are_that_member() -> None:
    decision = decide(SURE, THREE, "", RULES)
    assert (decision.outcome, decision.member, decision.frames) == (Outcome.MEMBER, "m", 3)
    assert decision.margin == pytest.approx(0.2)
    assert decision.llr == RULES.worth(SURE, 3) > 0


def test_a_second_member_who_may_be_the_one_takes_from_what_the_first_is_worth() -> None:
    rules = Rules(Calibration(table(*(own(cell(*key)) for key in ((1, 1), (3, 1), (3, 3))))), 500)
    alone = Look("m", 0.4, -math.inf, 3, DLIB)
    worths = [rules.worth(replace(alone, runner_up=second), 3) for second in (0.1, 0.3, 0.38)]
    assert rules.worth(alone, 3) == worths[0] > worths[1] > worths[2]
    ratio = rules.calibration.ratio
    counted = math.log(1 + 0.3 / 500 * math.exp(ratio(0.3, 3, 3)))
    assert worths[1] == pytest.approx(ratio(0.4, 3, 3) - counted)


def test_those_enrolled_who_are_far_behind_are_not_the_one() -> None:
    """As far as members never score so low; these do a third of the time."""
    keys = ((1, 1), (3, 1), (3, 3))
    measured = Calibration(table(*(own(cell(*key), mean=0.3, spread=0.2) for key in keys)))
    none, everybody = (Rules(measured, 500, enrolled=count) for count in (0, 500))
    for second, above in ((-0.4, 0.9998), (0.2, 0.6915)):
        mine = Look("m", 0.35, second, 3, DLIB)
        left = math.exp(none.worth(mine, 3) - everybody.worth(mine, 3))
        rival = 0.3 / 500 * math.exp(measured.ratio(second, 3, 3))
        assert left == pytest.approx((1 - 0.3 * above + rival) / (1 + rival), abs=0.005)


@pytest.mark.parametrize(
    ("fused", "frames", "doubt"),
    [
        (SURE, THREE, "flat"),
        (look(STRICT + 0.01, margin=0.03), THREE, ""),
        (SURE, THREE[:2], ""),
        (SURE, [SURE, SURE, None], ""),
        (SURE, [SURE, SURE, look(0.9, "other")], ""),
        (SURE, [*THREE, *[look(0.9, "other")] * 3], ""),
        (look(STRICT + 0.3, photos=2), THREE, ""),
        (look((ASKED + STRICT) / 2), THREE, ""),
    ],
    ids=["doubt", "margin", "two", "one broken", "disagree", "half", "two photos", "below"],
)
def test_any_doubt_asks_for_the_card(fused: Look, frames: list[Look | None], doubt: str) -> None:
    decision = decide(fused, frames, doubt, RULES)
    assert (decision.outcome, decision.member) == (Outcome.ASK, "m")


def test_a_doubt_about_whom_is_worth_nothing() -> None:
    assert decide(SURE, THREE, "screen", RULES).llr == 0
    assert decide(look(STRICT + 0.01, margin=0.01), THREE, "", RULES).llr == 0
    assert decide(SURE, THREE[:2], "", RULES).llr > 0


def test_below_both_thresholds_is_nobody_known() -> None:
    decision = decide(look(ASKED - 0.001), [look(ASKED)] * 3, "", RULES)
    assert (decision.outcome, decision.member, decision.llr) == (Outcome.UNKNOWN, None, 0)
    assert decide(None, [None], "", RULES) == NOBODY


def test_a_raised_threshold_asks_where_it_greeted_before() -> None:
    raised = Rules(RULES.calibration, RULES.people, raised=1.0)
    assert decide(SURE, THREE, "", raised).outcome is Outcome.ASK
    assert decide(SURE, THREE, "", raised).llr < decide(SURE, THREE, "", RULES).llr
    lowered = Rules(RULES.calibration, RULES.people, raised=-1)
    assert decide(look(STRICT - 0.001), THREE, "", lowered).outcome is Outcome.ASK


@given(looks, st.lists(looks, max_size=8), st.sampled_from(["", "flat"]), st.integers(-1, 10**6))
def test_whatever_comes_is_decided_and_nothing_broken_is_a_member(
    fused: Look | None, frames: list[Look | None], doubt: str, people: int
) -> None:
    decision = decide(fused, frames, doubt, Rules(RULES.calibration, people))
    assert 0 <= decision.llr < math.inf
    if decision.outcome is Outcome.MEMBER:
        assert fused is not None
        assert math.isfinite(fused.score)
        assert (fused.model, doubt, decision.member) == (DLIB, "", fused.member)
        assert sum(1 for one in frames if one is not None and one.member == fused.member) >= 3
        assert fused.photos >= 3
        assert people >= 1
    else:
        assert decision.outcome is Outcome.ASK or decision.member is None


@given(st.floats(-1, 2), st.floats(0, 1), st.integers(1, 5), st.integers(0, 6))
def test_a_higher_score_never_makes_it_less(
    score: float, more: float, photos: int, frames: int
) -> None:
    assume(score + more > score)
    low, high = (
        decide(look(s, photos=photos), [look(s, photos=photos)] * frames, "", RULES)
        for s in (score, score + more)
    )
    assert RANK[low.outcome] <= RANK[high.outcome]
    assert low.llr <= high.llr


@given(st.floats(allow_nan=True))
def test_a_target_without_sense_greets_nobody(target: float) -> None:
    assume(not 0 < target < 1)
    rules = Rules(RULES.calibration, 500, target)
    assert decide(look(0.9), [look(0.9)] * 3, "", rules).outcome is not Outcome.MEMBER
