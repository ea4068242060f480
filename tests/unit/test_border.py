"""From pictures of the air to a gate: which phone, which signals, which number."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.cli.airview import bars, histogram_of
from edge.operation.border import (
    CHANNELS_USUAL,
    GATE_DBM_MAX,
    GATE_DBM_MIN,
    NEAR_SEARCHES,
    SAMPLES_MIN,
    Choosing,
    Chosen,
    Walk,
    proposed_channels,
    proposed_gate,
)
from sensors.radar.survey import BINS, Air, Phone, Survey

signals = st.lists(st.integers(-100, -20), min_size=SAMPLES_MIN, max_size=200)
MINE = Chosen("mine", "abc", randomised=True)


def phone(name: str, second_dbm: int | None, model: str = "abc", **more: bool) -> Phone:
    told = {"randomised": True, "inside": True, "fixed": False, **more}
    strengths = (second_dbm, second_dbm, second_dbm)
    return Phone(name, model, **told, frames=1, **dict(zip(
        ("last_dbm", "strongest_dbm", "second_dbm"), strengths, strict=True
    )), silent_s=0.0)  # fmt: skip


def picture(*phones: Phone) -> Survey:
    return Survey(1, 1.0, None, (), phones, (0,) * BINS)


# --- the gate


@given(signals)
def test_nine_of_ten_searches_pass(found: list[int]) -> None:
    gate = proposed_gate(found)
    assert gate is not None
    assert GATE_DBM_MIN <= gate.gate_dbm <= GATE_DBM_MAX
    passed = sum(signal >= gate.gate_dbm for signal in found)
    if min(found) >= GATE_DBM_MIN and max(found) <= GATE_DBM_MAX:
        assert passed >= 0.9 * len(found)
        stronger = sum(signal > gate.gate_dbm for signal in found)
        assert stronger < 0.9 * len(found) + 1, "and no decibel less than that"


@given(signals, st.randoms(use_true_random=False))
def test_the_order_of_the_walk_does_not_matter(found: list[int], dice: random.Random) -> None:
    shuffled = list(found)
    dice.shuffle(shuffled)
    assert proposed_gate(shuffled) == proposed_gate(found)


def test_one_shadow_does_not_open_the_gate_to_the_street() -> None:
    walk = [-62, -63, -61, -64, -60, -62, -65, -63, -61, -62, -64, -63]
    clear, shadowed = proposed_gate(walk), proposed_gate([*walk[:-1], -90])
    assert clear is not None
    assert shadowed is not None
    assert (clear.gate_dbm, shadowed.gate_dbm) == (-64, -65)


def test_a_few_searches_are_no_walk() -> None:
    assert proposed_gate([-60] * (SAMPLES_MIN - 1)) is None


# --- the phone


def test_the_phone_at_the_radar_is_chosen_after_some_searches() -> None:
    choosing = Choosing()
    near = picture(phone("mine", -30), phone("else", -60, "xyz"))
    found = [choosing.add(near) for _ in range(NEAR_SEARCHES)]
    assert found == [None] * (NEAR_SEARCHES - 1) + [MINE]


def test_a_phone_that_changes_its_address_while_it_is_held_is_chosen() -> None:
    choosing = Choosing()
    found = [choosing.add(picture(phone(f"at-{turn}", -30))) for turn in range(NEAR_SEARCHES)]
    assert found[-1] == Chosen(f"at-{NEAR_SEARCHES - 1}", "abc", randomised=True)


@pytest.mark.parametrize(
    "phones",
    [
        (phone("far", -56),),
        (phone("mine", -30), phone("else", -35, "xyz")),
        (phone("printer", -30, fixed=True),),
        (phone("silent", None),),
        (),
    ],
    ids=["too far", "two alike", "fixed", "silent", "nobody"],
)
def test_in_doubt_nobody_is_chosen(phones: tuple[Phone, ...]) -> None:
    choosing = Choosing()
    assert [choosing.add(picture(*phones)) for _ in range(10)] == [None] * 10


# --- the walk


def test_the_walk_follows_the_phone_through_its_addresses() -> None:
    walk = Walk(MINE)
    assert walk.add(picture(phone("mine", -50), phone("else", -20, "xyz"))) == -50
    assert walk.add(picture(phone("new", -55))) == -55
    assert walk.add(picture(phone("new", None), phone("glob", -20, randomised=False))) is None
    assert walk.signals == [-50, -55]
    assert not walk.mixed


def test_a_phone_with_its_own_address_is_followed_by_it_alone() -> None:
    walk = Walk(Chosen("mine", "abc", randomised=False))
    walk.add(picture(phone("mine", -50, randomised=False), phone("like", -40)))
    assert walk.signals == [-50]


def test_a_second_phone_of_the_model_is_noticed() -> None:
    walk = Walk(MINE)
    for _ in range(10):
        walk.add(picture(phone("mine", -60), phone("other", -70)))
    assert walk.mixed


# --- channels and the picture


@pytest.mark.parametrize(
    ("heard", "proposed"),
    [
        ({}, CHANNELS_USUAL),
        ({6: 100}, CHANNELS_USUAL),
        ({1: 50, 2: 60, 6: 30, 11: 40}, (2, 11)),  # 6 hears what 2 hears; nothing else is free
        ({36: 100, 1: 50, 6: 40, 11: 3}, (1, 6, 36)),
    ],
)
def test_the_busiest_channels_apart(heard: dict[int, int], proposed: tuple[int, ...]) -> None:
    airs = [Air("wlan1", channel, frames, 1.0) for channel, frames in heard.items()]
    assert proposed_channels([*airs, Air("wlan1", None, 999, 1.0)]) == proposed


def test_the_bars_show_the_gate_in_its_place() -> None:
    drawn = bars(histogram_of([-42] * 40 + [-71] * 10), -60)
    assert drawn[0].startswith(" -45 dBm  " + "█" * 40 + " 40")
    assert drawn[-1].startswith(" -75 dBm  " + "█" * 10 + " 10")
    gate = next(place for place, line in enumerate(drawn) if "gate -60 dBm" in line)
    assert drawn[gate - 1].startswith(" -60 dBm")
    assert bars([0] * BINS, -60) == ["nothing heard yet"]
