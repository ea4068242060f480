"""When a box tries again: spread, slower each time, and never in a hurry after a refusal."""

import pytest

from edge.errors import BrokerRefused, BrokerUnreachable
from sync.retries import ELSEWHERE, TAKEN_OVER, Retries

LOST = BrokerUnreachable("gone")


def retries(seed=1, first_s=30.0):
    return Retries(first_s, 300.0, taken_over_s=300.0, seed=seed)


def test_a_fleet_that_lost_its_broker_comes_back_evenly_over_the_first_pause():
    firsts = sorted(retries(seed).pause_s(LOST) for seed in range(3000))
    assert 0 <= firsts[0] < 0.5
    assert 29.5 < firsts[-1] <= 30
    per_second = [sum(second <= each < second + 1 for each in firsts) for second in range(30)]
    assert max(per_second) <= 1.5 * 3000 / 30


def test_each_further_pause_may_be_twice_as_long_up_to_the_longest():
    longest = [0.0] * 8
    for seed in range(200):
        each = retries(seed)
        for number in range(8):
            longest[number] = max(longest[number], each.pause_s(LOST))
    for number, expected in enumerate((30, 60, 120, 240, 300, 300, 300, 300)):
        assert 0.9 * expected < longest[number] <= expected


def test_a_good_connection_makes_the_next_retry_a_first_one():
    each = retries()
    for _ in range(20):
        each.pause_s(LOST)
    each.succeeded()
    assert each.pause_s(LOST) <= 30


@pytest.mark.parametrize("code", [0x84, 0x85, 0x86, 0x87, 0x97, 0])
def test_after_a_refusal_nobody_hurries(code):
    each = retries(first_s=0.1)
    for _ in range(50):
        assert 150 <= each.pause_s(BrokerRefused("no", code=code)) <= 300


def test_two_boxes_of_one_name_do_not_throw_each_other_out_all_day():
    assert 270 <= retries().pause_s(BrokerRefused("taken over", code=TAKEN_OVER)) <= 330


@pytest.mark.parametrize("code", ELSEWHERE)
def test_a_broker_that_sends_us_elsewhere_is_no_reason_for_a_long_pause(code):
    assert retries(first_s=0.1).pause_s(BrokerRefused("there", code=code)) <= 0.1
