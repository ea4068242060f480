"""What one sender may bring: a burst and then a rate, whatever its numbers are."""

from hypothesis import given
from hypothesis import strategies as st

from hardware.allowance import Allowance

PER_S, BURST = 200, 400


def test_what_a_sender_may_send_is_limited_and_comes_back() -> None:
    allowance = Allowance(PER_S, BURST)
    assert sum(allowance.spend(1_000_000) for _ in range(1000)) == BURST
    assert not allowance.spend(1_000_000)
    assert sum(allowance.spend(1_000_500) for _ in range(1000)) == PER_S // 2
    assert sum(allowance.spend(9_999_000) for _ in range(1000)) == BURST


def test_a_clock_that_goes_back_gives_nothing() -> None:
    allowance = Allowance(PER_S, BURST)
    assert sum(allowance.spend(5000) for _ in range(1000)) == BURST
    assert not allowance.spend(0)
    assert sum(allowance.spend(1000) for _ in range(1000)) == PER_S


@given(
    st.integers(1, 5000),
    st.integers(1, 200),
    st.lists(st.integers(0, 10_000), min_size=1, max_size=50),
)
def test_nobody_brings_more_than_burst_and_rate_allow(
    per_s: int, burst: int, pauses_ms: list[int]
) -> None:
    allowance = Allowance(per_s, burst)
    now_ms = taken = 0
    for number, pause_ms in enumerate(pauses_ms):
        now_ms += pause_ms if number else 0
        taken += sum(allowance.spend(now_ms) for _ in range(burst + 1))
        assert burst <= taken <= burst + now_ms * per_s / 1000 + 1e-6
