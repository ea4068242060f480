"""The radar between a route and the core: leave to survey, equipment of the shop, a bad salt."""

import pytest

from edge.errors import ConfigError
from sensors import wire
from sensors.radar.record import Heard
from tests.drivers.linked import linked

WINDOW_MS = 60_000
OPTIONS = {"window_s": 60, "fixed_equipment": ["3c:06:30:AA:bb:cc"]}


def heard(at_ms: int, source: str = "daa119000007") -> Heard:
    return Heard(at_ms, "wlan1", bytes.fromhex(source), -50, 6, 1, b"8 bytes!")


def test_a_salt_that_would_be_found_by_trying_ends_the_radar_with_the_window() -> None:
    with linked(OPTIONS) as (radar, core):
        radar.hear(heard(0))
        core.say(wire.Salt(b"short"))
        core.hear_out()
        radar.hear(heard(WINDOW_MS - 1))
        with pytest.raises(ConfigError, match="salt of 5 bytes"):
            radar.hear(heard(WINDOW_MS))


def test_the_shops_own_is_counted_by_reason_and_by_nothing_else() -> None:
    with linked(OPTIONS) as (radar, core):
        radar.hear(heard(0))
        for at_ms in range(1, 6):
            radar.hear(heard(at_ms, "3c0630aabbcc"))
        radar.finish(10)
        core.hear_out()
    assert [count.frames for count in core.counts] == [1]
    assert core.dropped == {"fixed": 5}


def test_what_is_heard_is_shown_with_leave_only() -> None:
    with linked(OPTIONS) as (radar, core):
        for at_ms in range(5):
            radar.hear(heard(at_ms))
        assert radar.surveying is False
        core.say(wire.Leave(wire.Action.SURVEY, 60.0))
        core.hear_out()
        radar.tick(6)
        assert radar.surveying is True
        core.say(wire.Leave(wire.Action.SURVEY, 0))
        core.hear_out()
        radar.tick(7)
        assert radar.surveying is False
