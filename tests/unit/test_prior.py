"""Who is expected before any sign: a share that is a share, and nobody who is expected too much."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.presence.fusion import Thresholds
from edge.presence.prior import (
    DAY_MS,
    HALF_LIFE_MS,
    MEMBER_MAX,
    MEMBER_SHARE,
    SHARE_MAX,
    TIMES_EVEN_MAX,
    WINDOW_MS,
    even,
    from_visits,
)

NOW_MS = 1_790_000_000_000
NAMES = [f"m{number}" for number in range(6)]
ages = st.integers(-DAY_MS, 2 * WINDOW_MS)
visits = st.lists(
    st.tuples(st.one_of(st.none(), st.sampled_from(NAMES)), ages.map(lambda age: NOW_MS - age)),
    max_size=60,
)
counts = st.integers(len(NAMES), 100_000)


@given(visits, counts)
def test_a_prior_is_one_and_is_bounded(visits: list[tuple[str | None, int]], members: int) -> None:
    prior = from_visits(visits, members, NOW_MS)
    assert prior.members == members
    assert 0 < prior.share <= SHARE_MAX + 1e-9
    for name in [*NAMES, "never seen"]:
        assert 0 < prior.of(name) <= MEMBER_MAX < Thresholds().suggested
        assert prior.of(name) <= SHARE_MAX * TIMES_EVEN_MAX / members
        assert prior.of(name) >= 0.5 * 0.1 / members * 0.999


@given(visits, counts, st.sampled_from(NAMES))
def test_one_more_visit_never_makes_a_member_less_likely_than_another(
    visits: list[tuple[str | None, int]], members: int, name: str
) -> None:
    before = from_visits(visits, members, NOW_MS)
    after = from_visits([*visits, (name, NOW_MS)], members, NOW_MS)
    for other in {*NAMES, "never seen"} - {name}:
        assert after.of(name) * before.of(other) >= before.of(name) * after.of(other) * 0.999


@given(visits, counts)
def test_the_order_of_visits_does_not_matter(
    visits: list[tuple[str | None, int]], members: int
) -> None:
    one, other = (from_visits(each, members, NOW_MS) for each in (visits, visits[::-1]))
    assert one.share == pytest.approx(other.share)
    assert all(one.of(name) == pytest.approx(other.of(name)) for name in NAMES)


def test_nothing_known_is_an_even_prior() -> None:
    assert from_visits([], 1_000, NOW_MS).of("m1") == even(1_000).of("m1") == MEMBER_SHARE / 1_000
    assert from_visits([("m1", NOW_MS - WINDOW_MS - 1)], 9, NOW_MS) == from_visits([], 9, NOW_MS)


def test_a_shop_without_members_expects_nobody() -> None:
    assert from_visits([("m1", NOW_MS)], 0, NOW_MS).of("m1") == 0


def test_who_comes_every_week_is_expected_more_and_who_came_long_ago_less() -> None:
    weekly = [("m1", NOW_MS - week * 7 * DAY_MS) for week in range(8)]
    once = [("m2", NOW_MS - 2 * HALF_LIFE_MS), ("m3", NOW_MS)]
    prior = from_visits([*weekly, *once, *[(None, NOW_MS)] * 30], 1_000, NOW_MS)
    assert prior.of("m1") > prior.of("m3") > prior.of("m2") > prior.of("never seen") > 0
    came = [prior.of(name) - prior.of("never seen") for name in ("m2", "m3")]
    assert came[0] == pytest.approx(came[1] / 4)


def test_a_shop_of_strangers_has_a_small_share_and_one_of_members_a_large_one() -> None:
    strangers = from_visits([(None, NOW_MS)] * 2_000, 500, NOW_MS)
    members = from_visits([(f"m{n % 500}", NOW_MS) for n in range(2_000)], 500, NOW_MS)
    few = from_visits([(None, NOW_MS)] * 10, 500, NOW_MS)
    assert strangers.share == pytest.approx(0.1)
    assert members.share == pytest.approx(0.6)
    assert strangers.share < few.share < MEMBER_SHARE
