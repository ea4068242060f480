"""The scenario's clock: it moves only when all sources have passed, and wakes who waited."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.clock import END_OF_TIME_MS, ScenarioClock, SystemClock
from tests.drivers.confined import printed

START_MS = 1_000_000


def test_the_slowest_source_decides() -> None:
    clock = ScenarioClock(START_MS, frozenset({"radar", "camera"}))
    clock.report("radar", START_MS + 5000)
    assert clock.safe_ms == START_MS
    clock.report("camera", START_MS + 3000)
    assert clock.safe_ms == START_MS + 3000


def test_a_stranger_moves_nothing() -> None:
    clock = ScenarioClock(START_MS, frozenset({"radar"}))
    clock.report("somebody", START_MS + 5000)
    assert clock.safe_ms == START_MS


@given(st.lists(st.integers(0, 10_000)))
def test_time_never_goes_back(moves: list[int]) -> None:
    clock = ScenarioClock(START_MS, frozenset())
    seen = []
    for move in moves:
        clock.move(START_MS + move)
        seen.append(clock.now().wall_ms)
    assert seen == sorted(seen)


async def test_waiting_is_for_scenario_time() -> None:
    clock = ScenarioClock(START_MS, frozenset({"radar"}))
    waiting = asyncio.create_task(clock.wait(10))
    await asyncio.sleep(0)
    clock.move(START_MS + 9_999)
    await asyncio.sleep(0)
    assert not waiting.done()
    clock.move(START_MS + 10_000)
    await waiting


async def test_who_gave_up_waiting_is_skipped() -> None:
    clock = ScenarioClock(START_MS, frozenset())
    waiting = asyncio.create_task(clock.wait(1))
    await asyncio.sleep(0)
    waiting.cancel()
    clock.move(START_MS + 5000)
    assert clock.now().wall_ms == START_MS + 5000


def test_the_end_of_all_recordings_is_no_date() -> None:
    clock = ScenarioClock(START_MS, frozenset({"radar"}))
    clock.report("radar", END_OF_TIME_MS)
    assert clock.now().wall_ms == START_MS


def test_the_machines_monotonic_time_is_boot_time() -> None:
    first, second = SystemClock().now(), SystemClock().now()
    assert second.mono_ms >= first.mono_ms
    assert first.boot == second.boot


def test_a_clock_can_be_told_which_boot_it_is() -> None:
    assert SystemClock("boot-of-core").now().boot == "boot-of-core"


ASKING_FOR_THE_BOOT = "from edge.clock import boot_id; print(boot_id())"
PASSED = "6b0f9f35e3a14a0c8f1b1f4b5e5b7c11"
"""As systemd writes %b: without dashes."""


@pytest.mark.parametrize("confined", [False, True], ids=["open", "ProcSubset=pid"])
def test_the_boot_that_the_unit_passes_counts_first(confined: bool) -> None:
    told = printed(ASKING_FOR_THE_BOOT, confined=confined, STOREBOX_BOOT_ID=PASSED)
    assert told == PASSED[:8]


@pytest.mark.parametrize("passed", ["", "%b"])
def test_without_it_the_kernel_is_asked(passed: str) -> None:
    kernel = Path("/proc/sys/kernel/random/boot_id").read_text()
    told = printed(ASKING_FOR_THE_BOOT, confined=False, STOREBOX_BOOT_ID=passed)
    assert told == kernel[:8]
    assert told == kernel.replace("-", "")[:8], "systemd's form begins alike"


def test_without_both_there_still_is_one() -> None:
    assert len(printed(ASKING_FOR_THE_BOOT, confined=True, STOREBOX_BOOT_ID="")) == 8
