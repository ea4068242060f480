"""The judge of the made-up shop says what it should of a day that was written by hand."""

import numpy as np
import pytest

from edge.records import ConsentKind, Moment
from edge.visiting import Stage, Visit, VisitState
from tests.shop.judge import Share, Verdict, judge
from tests.shop.people import Person, Town
from tests.shop.play import Believed, Named, Told
from tests.shop.scenes import Stay

ALL = frozenset(ConsentKind)
REASON = ("face at door: 5 frames, score 0.71 (+14.0)",)


@pytest.fixture
def small() -> Town:
    """A member, a member without a face, somebody else, and the member's twin."""
    people = [
        Person(0, consents=ALL, photos=5, twin=3),
        Person(1, consents=frozenset({ConsentKind.PROGRAMME, ConsentKind.WIFI})),
        Person(2),
        Person(3, twin=0),
    ]
    return Town(people)


def row(number: int, member: str | None = None, *, counted: bool = True) -> Visit:
    at = Moment(number * 1000, number * 1000, "b", True)
    state = VisitState.IDENTIFIED if member else VisitState.ANONYMOUS
    return Visit(f"v{number}", state, at, at, "door", member, stage=Stage.LEFT, counted=counted)


def name(who: int | None, member: str = "m000000", visit: str = "v1", at_ms: int = 1500) -> Named:
    return Named(visit, member, at_ms, who, REASON)


def judged(town: Town, told: Told, *stays: Stay) -> Verdict:
    return judge(town, stays or [Stay(0, "visit", 1000, 61_000, good=True)], told)


def test_a_right_name_is_right_and_recalled(small: Town) -> None:
    verdict = judged(small, Told([row(1, "m000000")], {"v1": 0}, [name(0)]))
    assert (verdict.named, verdict.mended) == (Share(1, 1), Share(1, 1))
    assert (verdict.by_face, verdict.by_any, verdict.recognised) == (Share(1, 1),) * 3
    assert verdict.day_errors == [0.0]
    assert not verdict.wrong


@pytest.mark.parametrize(
    ("who", "mechanism"),
    [(2, "face: adult, no face enrolled"), (3, "face: a twin"), (None, "face: nobody's reading")],
)
def test_a_wrong_name_is_wrong_and_says_how(small: Town, who: int | None, mechanism: str) -> None:
    names = [name(who, at_ms=500), name(who, at_ms=600)]
    verdict = judged(small, Told([row(1, "m000000")], {}, names))
    assert verdict.named == Share(0, 1)
    assert dict(verdict.wrong) == {mechanism: 1}
    assert verdict.by_face == Share(0, 1)


def test_a_name_by_nobodys_reading_is_right_if_they_are_in(small: Town) -> None:
    assert judged(small, Told([], {}, [name(None, at_ms=30_000)])).named == Share(1, 1)
    assert judged(small, Told([], {}, [name(None, at_ms=70_000)])).named == Share(0, 1)


def test_what_staff_corrected_stays_a_wrong_name_but_not_in_the_end(small: Town) -> None:
    verdict = judged(small, Told([row(1)], {"v1": 2}, [name(2)]))
    assert (verdict.named, verdict.mended) == (Share(0, 1), Share(0, 0))


def test_a_face_long_after_the_door_is_no_face_at_the_door(small: Town) -> None:
    verdict = judged(small, Told([row(1, "m000000")], {}, [name(0, at_ms=40_000)]))
    assert (verdict.by_face, verdict.by_any) == (Share(0, 1), Share(1, 1))


def test_who_comes_back_before_their_visit_has_ended_is_not_named_anew(small: Town) -> None:
    told = Told([row(90, "m000000")], {}, [name(0, visit="v90", at_ms=500)])
    verdict = judged(small, told, Stay(0, "visit", 60_000, 100_000, good=True))
    assert (verdict.recognised, verdict.by_face) == (Share(1, 1), Share(0, 0))


def test_a_name_by_a_sign_that_was_not_agreed_to_is_found(small: Town) -> None:
    assert judged(small, Told([], {}, [name(1, "m000001")])).without_consent == 1
    assert judged(small, Told([], {}, [name(0)])).without_consent == 0


def test_visits_are_counted_once_and_only_if_they_count(small: Town) -> None:
    rows = [row(1), row(2), row(3, counted=False), row(4)]
    opened: dict[str, int | None] = {"v1": 0, "v2": 0, "v3": 1, "v4": 2}
    told = Told(rows, opened, merged={"v2": "v1"})
    stays = [Stay(0, "visit", 1000, 5000), Stay(2, "passing", 4000, 4000)]
    verdict = judged(small, told, *stays)
    assert (verdict.counted, verdict.came) == (2, 1)
    assert dict(verdict.others) == {"passing": 1}
    assert verdict.day_errors == [1.0]


def test_beliefs_are_held_against_the_truth_by_tenths(small: Town) -> None:
    believed = {
        "v1": Believed("v1", "m000000", 0.95, 0),
        "v2": Believed("v2", "m000000", 0.91, 3),
        "v3": Believed("v3", "m000000", 1.0, 0),
        "v4": Believed("v4", "m000001", 0.2, 2),
    }
    low, high = judged(small, Told(believed=believed)).reliability()
    assert (low.tenth, low.count, round(low.gap, 3)) == (2, 1, 0.2)
    assert (high.tenth, high.count, round(high.gap, 3)) == (9, 3, round(2.86 / 3 - 2 / 3, 3))
    assert not high.enough


def test_a_gap_that_is_clearly_too_wide_needs_no_hundred_visits(small: Town) -> None:
    believed = {f"v{n}": Believed(f"v{n}", "m000000", 0.05, 0) for n in range(20)}
    (decile,) = judged(small, Told(believed=believed)).reliability()
    assert decile.enough
    assert decile.gap < -0.9


def test_days_add_up(small: Town) -> None:
    one = judged(small, Told([row(1, "m000000")], {"v1": 0}, [name(0)]))
    one.join(judged(small, Told([row(1, "m000000")], {"v1": 2}, [name(2)])))
    assert one.named == Share(1, 2)
    assert len(one.day_errors) == 2


def test_the_interval_is_wilsons() -> None:
    low, high = Share(999, 1000).interval()
    assert (round(low, 4), round(high, 4)) == (0.9944, 0.9998)
    assert np.isnan(Share().rate)
