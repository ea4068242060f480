"""Tightening on site: it follows strangers upwards, within a bound, and never below the table."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.presence.face_calibration import Calibration
from edge.presence.gallery import Look
from edge.presence.strangers import (
    BIN,
    EXPECTED,
    HALF_LIFE_MS,
    RAISE_MAX,
    TRACKS_MAX,
    TRACKS_MIN,
    Seen,
    excess,
    raised,
    with_track,
)
from tests.unit.test_face_calibration import table

DAY_MS = 86_400_000
anything = st.floats(allow_nan=True, allow_infinity=True)


def settled(excesses: list[float], now_ms: int = 0) -> Seen:
    seen = Seen()
    for one in excesses:
        seen = with_track(seen, one, now_ms)
    return seen


def test_strangers_as_expected_raise_nothing() -> None:
    seen = settled([-0.05] * 900 + [0.02] * 95)
    assert raised(seen).by == 0
    assert not raised(seen).at_limit


def test_strangers_who_score_higher_raise_the_threshold_by_as_much() -> None:
    seen = settled([-0.05] * 850 + [0.045] * 150)
    assert raised(seen).by == pytest.approx(0.04 + BIN * (1 - 100 / 150), abs=1e-9)


def test_few_tracks_raise_nothing() -> None:
    assert raised(settled([0.3] * (TRACKS_MIN - 1))).by == 0
    assert raised(settled([0.3] * TRACKS_MIN)).by == RAISE_MAX


def test_a_staged_crowd_raises_it_to_the_limit_and_that_is_told() -> None:
    found = raised(settled([0.4] * 5000))
    assert (found.by, found.at_limit, found.tracks) == (RAISE_MAX, True, 5000)


@given(st.lists(anything, max_size=60), st.integers(0, 2**50))
def test_it_never_loosens_and_never_exceeds_its_bound(scores: list[float], now_ms: int) -> None:
    seen = settled([-0.3] * 280 + scores, now_ms)
    assert 0 <= raised(seen).by <= RAISE_MAX
    assert sum(seen.counts) <= TRACKS_MAX


@given(st.lists(st.floats(-0.5, 0.5), min_size=1, max_size=50), st.floats(0, 0.3))
def test_higher_scores_never_make_it_lower(scores: list[float], more: float) -> None:
    base = [-0.2] * TRACKS_MIN
    assert (
        raised(settled(base + scores)).by <= raised(settled(base + [s + more for s in scores])).by
    )


def test_counts_fade_with_time_and_a_clock_put_back_changes_nothing() -> None:
    seen = settled([0.05] * 1000, now_ms=5 * DAY_MS)
    before = sum(seen.counts)
    back = with_track(seen, -0.1, 0)
    assert sum(back.counts) == before + 1
    later = with_track(seen, -0.1, 5 * DAY_MS + HALF_LIFE_MS)
    assert sum(later.counts) == before // 2 + 1
    much_later = with_track(seen, -0.1, 5 * DAY_MS + 1000 * HALF_LIFE_MS)
    assert sum(much_later.counts) == 1


def test_the_newest_weigh_most_in_a_busy_shop() -> None:
    seen = settled([0.07] * 3000)
    assert raised(seen).by > 0.05
    for _ in range(3):
        seen = settled_on(seen, TRACKS_MAX)
    assert sum(seen.counts) <= TRACKS_MAX
    assert raised(seen).by == 0


def settled_on(seen: Seen, count: int) -> Seen:
    for _ in range(count):
        seen = with_track(seen, -0.1, 0)
    return seen


def test_what_is_kept_are_small_numbers_that_survive_a_start() -> None:
    seen = settled([0.03] * 400)
    raw = msgspec.json.encode(seen)
    assert msgspec.json.decode(raw, type=Seen) == seen
    assert len(raw) < 1000
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(raw.replace(b"400", b"-1"), type=Seen)


def test_counts_of_another_size_say_nothing() -> None:
    assert raised(Seen((400,))).by == 0
    assert sum(with_track(Seen((400,)), 0.1, 1).counts) == 1


def test_the_excess_is_what_lies_above_one_stranger_in_ten() -> None:
    calibration = Calibration(table())
    expected = calibration.threshold(3, 3, 500, EXPECTED)
    look = Look("m", expected + 0.03, 0, 3)
    assert excess(look, 3, calibration, 500) == pytest.approx(0.03)
