"""The staff PIN: what may be one, how it is kept, and how slow guessing is."""

import asyncio
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from edge.clock import ScenarioClock
from edge.errors import ConfigError, Refused
from kiosk.pin import (
    BACK_OFF_S,
    BACK_OFF_S_MAX,
    CHECKS_WAITING_MAX,
    FORGIVEN_S,
    TRIES_MAX,
    TRIES_TOTAL_MAX,
    Gate,
    Outcome,
    hash_pin,
    read_pin,
    set_pin,
)

RIGHT = "2468x"
HASH = hash_pin(RIGHT)


@pytest.fixture
def clock() -> ScenarioClock:
    return ScenarioClock(0, frozenset())


@pytest.fixture
def gate(clock: ScenarioClock) -> Gate:
    return Gate(HASH, clock)


async def try_wrong(gate: Gate, times: int, client: str = "tablet") -> list[Outcome]:
    return [(await gate.check(client, "0000x")).outcome for _ in range(times)]


@pytest.mark.parametrize("pin", ["", "123", "1111", "0000000", "x" * 65])
def test_what_is_no_pin(pin):
    with pytest.raises(Refused):
        hash_pin(pin)


def test_the_file_is_private_and_holds_no_pin(tmp_path: Path):
    path = tmp_path / "staff.pin"
    set_pin(path, RIGHT)
    set_pin(path, RIGHT)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert RIGHT not in path.read_text()
    assert read_pin(path).startswith("$argon2id$")
    assert [entry.name for entry in tmp_path.iterdir()] == ["staff.pin"]


def test_a_file_that_cannot_be_used_says_so(tmp_path: Path):
    with pytest.raises(ConfigError, match="cannot be read"):
        read_pin(tmp_path / "none")
    (tmp_path / "bad").write_text("1234")
    with pytest.raises(ConfigError, match="no argon2 hash"):
        read_pin(tmp_path / "bad")


async def test_five_wrong_pins_and_then_even_the_right_one_waits(gate, clock):
    assert await try_wrong(gate, TRIES_MAX) == [Outcome.WRONG] * TRIES_MAX
    verdict = await gate.check("tablet", RIGHT)
    assert (verdict.outcome, verdict.wait_s) == (Outcome.WAIT, BACK_OFF_S)
    assert (await gate.check("another", RIGHT)).outcome is Outcome.RIGHT
    clock.move(round(BACK_OFF_S * 1000))
    assert (await gate.check("tablet", RIGHT)).outcome is Outcome.RIGHT
    assert await try_wrong(gate, 1) == [Outcome.WRONG]


async def test_waiting_doubles_up_to_a_limit_and_is_forgiven(gate, clock):
    waits = []
    await try_wrong(gate, TRIES_MAX)
    for _ in range(7):
        wait_s = (await gate.check("tablet", RIGHT)).wait_s
        waits.append(wait_s)
        clock.move(clock.now().wall_ms + round(wait_s * 1000))
        await try_wrong(gate, 1)
    assert waits[:3] == [BACK_OFF_S, 2 * BACK_OFF_S, 4 * BACK_OFF_S]
    assert waits[-1] == BACK_OFF_S_MAX
    clock.move(clock.now().wall_ms + round(FORGIVEN_S * 1000))
    assert await try_wrong(gate, TRIES_MAX) == [Outcome.WRONG] * TRIES_MAX


async def test_many_clients_together_are_slowed_too(gate):
    for number in range(TRIES_TOTAL_MAX):
        await try_wrong(gate, 1, client=f"tablet-{number}")
    assert (await gate.check("fresh", RIGHT)).outcome is Outcome.WAIT


async def test_guesses_at_the_same_time_do_not_slip_through(clock):
    with ThreadPoolExecutor(2) as workers:
        gate = Gate(HASH, clock, workers)
        tries = [gate.check("tablet", f"000{n}x") for n in range(30)]
        outcomes = [verdict.outcome for verdict in await asyncio.gather(*tries)]
    assert outcomes.count(Outcome.WRONG) <= CHECKS_WAITING_MAX
    assert Outcome.RIGHT not in outcomes


async def test_without_a_pin_nobody_gets_in(clock):
    gate = Gate("", clock)
    assert not gate.is_set
    assert (await gate.check("tablet", "")).outcome is Outcome.WRONG
