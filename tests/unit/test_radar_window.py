"""The radar between a route and the core: leave to survey, equipment of the shop, a new salt."""

import socket
from collections.abc import Iterator

import pytest

from edge.errors import ConfigError
from sensors import wire
from sensors.core_link import CoreLink
from sensors.radar.options import RadarOptions
from sensors.radar.radar import Radar
from sensors.radar.record import Heard

WINDOW_MS = 60_000
OPTIONS = RadarOptions(window_s=60, fixed_equipment=("3c:06:30:AA:bb:cc",))


@pytest.fixture
def link() -> Iterator[tuple[socket.socket, CoreLink]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(wire.encode(wire.Configure("radar", "x", {}, bytes(32), "boot", 0)))
        yield ours, CoreLink(theirs, "wifi", 1)


def heard(at_ms: int, source: str = "daa119000007") -> Heard:
    return Heard(at_ms, "wlan1", bytes.fromhex(source), -50, 6, 1, b"8 bytes!")


def said(core: socket.socket) -> list[object]:
    return wire.FrameReader(down=False).feed(core.recv(1 << 20))


def test_a_new_salt_is_taken_up_with_the_next_window(
    link: tuple[socket.socket, CoreLink],
) -> None:
    core, worker = link
    radar = Radar(worker, OPTIONS)
    radar.hear(heard(0))
    core.sendall(wire.encode(wire.Salt(b"short")))  # one that would be found by trying
    worker.poll()
    radar.hear(heard(WINDOW_MS - 1))
    with pytest.raises(ConfigError, match="salt of 5 bytes"):
        radar.hear(heard(WINDOW_MS))


def test_the_shops_own_is_counted_by_reason_and_by_nothing_else(
    link: tuple[socket.socket, CoreLink],
) -> None:
    core, worker = link
    radar = Radar(worker, OPTIONS)
    radar.hear(heard(0))
    for at_ms in range(1, 6):
        radar.hear(heard(at_ms, "3c0630aabbcc"))
    radar.finish(10)
    worker.poll()
    messages = said(core)
    (seen,) = [message for message in messages if isinstance(message, wire.Seen)]
    assert seen.observations[0].reading.frames == 1  # type: ignore[union-attr]
    assert wire.Dropped({"fixed": 5}) in messages


def test_what_is_heard_is_shown_with_leave_only(link: tuple[socket.socket, CoreLink]) -> None:
    core, worker = link
    radar = Radar(worker, OPTIONS)
    for at_ms in range(5):
        radar.hear(heard(at_ms))
    assert radar.surveying is False
    core.sendall(wire.encode(wire.Leave("survey", 60.0)))
    worker.poll()
    radar.tick(6)
    assert radar.surveying is True
    core.sendall(wire.encode(wire.Leave("survey", 0)))
    worker.poll()
    radar.tick(7)
    assert radar.surveying is False
