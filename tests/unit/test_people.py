"""How many people a radar's count stands for: the relation, and what teaches it."""

import random
from math import log1p

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.presence.calibration import PAUSE_MS, Calibration
from edge.presence.people import SAMPLES_MIN, Sample, Signs, learned, smoothed, uncalibrated
from edge.records import CountReading, Moment
from edge.storage.radar_samples import KEPT_MAX, RadarSample

SEED = 20_261_127
counts = st.floats(0, 5000)


def sample(phones: float, noise: float = 0.0) -> Sample:
    """In this shop people = 2 + 6 ln(1 + phones)."""
    return Sample(Signs(phones, 4 * phones), 2 + 6 * log1p(phones) + noise)


def noisy(count: int, dice: random.Random) -> list[Sample]:
    return [sample(dice.randint(0, 60), dice.gauss(0, 1.5)) for _ in range(count)]


def test_a_relation_is_learned() -> None:
    relation = learned([sample(n) for n in range(60)])
    assert relation is not None
    for phones in (0, 3, 17, 80):
        truth = 2 + 6 * log1p(phones)
        assert abs(relation.estimate(Signs(phones, 4 * phones)).people - truth) <= 1


def test_too_little_teaches_nothing() -> None:
    assert learned([sample(n) for n in range(SAMPLES_MIN - 1)]) is None
    assert learned([sample(n) for n in range(SAMPLES_MIN)]) is not None


def test_a_few_wrong_windows_do_not_bend_it() -> None:
    right = [sample(n % 60) for n in range(200)]
    wrong = [Sample(Signs(n, 4 * n), 400.0) for n in range(12)]
    relation = learned([*right, *wrong])
    assert relation is not None
    assert abs(relation.estimate(Signs(20, 80)).people - (2 + 6 * log1p(20))) <= 1


def test_nine_of_ten_are_in_the_interval() -> None:
    dice = random.Random(SEED)
    relation = learned(noisy(400, dice))
    assert relation is not None
    judged = noisy(400, dice)
    held = [
        relation.estimate(one.signs).low <= one.people <= relation.estimate(one.signs).high
        for one in judged
    ]
    assert sum(held) >= 0.9 * len(held), f"seed {SEED}"


def test_nobody_has_no_width_below_nothing() -> None:
    relation = learned([Sample(Signs(n % 4, n % 4), 0.0) for n in range(40)])
    assert relation is not None
    estimate = relation.estimate(Signs(0, 0))
    assert (estimate.people, estimate.low) == (0, 0)


def test_all_alike_is_no_failure() -> None:
    relation = learned([Sample(Signs(5, 5), 7.0)] * 50)
    assert relation is not None
    assert relation.estimate(Signs(5, 5)).people == 7


def test_before_anything_is_learned_it_says_so() -> None:
    estimate = uncalibrated(10, 8, 12)
    assert (estimate.people, estimate.low, estimate.high) == (10, 4, 18)
    assert not estimate.calibrated


@given(counts, counts, counts, counts)
def test_smoothing_stays_between(a: float, b: float, c: float, d: float) -> None:
    steady = smoothed(Signs(a, b), Signs(c, d))
    assert min(a, c) * 0.999 - 1e-6 <= steady.phones <= max(a, c) * 1.001 + 1e-6
    assert min(b, d) * 0.999 - 1e-6 <= steady.addresses <= max(b, d) * 1.001 + 1e-6


# --- what teaches it


def window(phones: int) -> CountReading:
    return CountReading(
        lasted_ms=600_000,
        frames=10,
        addresses=phones,
        devices=phones,
        devices_low=phones,
        devices_high=phones,
        private=phones,
        private_addresses=phones,
    )


def moment(number: int, boot: str = "boot0001") -> Moment:
    return Moment(10**12 + number * 600_000, number * 600_000, boot, True)


def test_cameras_teach_a_radar() -> None:
    calibration = Calibration("radar", ())
    for number in range(SAMPLES_MIN):
        phones = 5 + number % 20
        estimate, taught = calibration.take(window(phones), moment(number), 2 * phones)
        assert not estimate.calibrated
        assert taught is not None
        assert (taught.sensor, taught.people) == ("radar", 2 * phones)
    estimate, _ = calibration.take(window(15), moment(SAMPLES_MIN), 0)
    assert estimate.calibrated
    assert 24 <= estimate.people <= 36


def test_a_camera_that_saw_nobody_teaches_nothing() -> None:
    _, taught = Calibration("radar", ()).take(window(9), moment(0), 0)
    assert taught is None


def test_frames_of_presence_only_teach_nothing_and_say_nothing() -> None:
    bare = CountReading(
        lasted_ms=600_000,
        frames=30,
        addresses=0,
        devices=0,
        devices_low=0,
        devices_high=0,
        presence_only=30,
    )
    estimate, taught = Calibration("radar", ()).take(bare, moment(0), 12)
    assert taught is None
    assert not estimate.calibrated


def test_what_was_learned_is_known_after_a_restart() -> None:
    known = [RadarSample("radar", n, n % 30, n % 30, 3.0 * (n % 30)) for n in range(100)]
    estimate, _ = Calibration("radar", known).take(window(10), moment(0), 0)
    assert estimate.calibrated


@pytest.mark.parametrize("later", [moment(PAUSE_MS // 600_000 + 1), moment(1, "boot0002")])
def test_after_a_pause_nothing_is_smoothed(later: Moment) -> None:
    calibration = Calibration("radar", ())
    calibration.take(window(100), moment(0), 0)
    _, taught = calibration.take(window(10), later, 5)
    assert taught is not None
    assert taught.phones == pytest.approx(10)


def test_a_shop_that_changed_is_learned_anew() -> None:
    """The newest samples count: twice the people for each phone, long enough."""
    calibration = Calibration("radar", ())
    for factor in (1, 2):
        for number in range(KEPT_MAX):
            phones = 5 + number % 20
            calibration.take(window(phones), moment(number), factor * phones)
    estimate, _ = calibration.take(window(15), moment(KEPT_MAX), 0)
    assert estimate.low <= 30 <= estimate.high
    assert estimate.people > 25
