"""sd_notify against a real datagram socket, as systemd would hold it."""

import os
import socket
from pathlib import Path

import pytest

from edge.notify import ALIVE, READY, notify, status, watchdog_s


def test_without_systemd_nothing_is_sent():
    assert notify(READY, environment={}) is False


@pytest.mark.parametrize("abstract", [False, True])
def test_states_arrive_in_one_message(tmp_path: Path, abstract: bool):
    name = f"@storebox-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.settimeout(10)
        systemd.bind("\0" + name[1:] if abstract else name)
        assert notify(READY, status("all\n well"), environment={"NOTIFY_SOCKET": name})
        assert systemd.recv(4096) == b"READY=1\nSTATUS=all well"


def test_systemd_gone_is_an_error(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        notify(ALIVE, environment={"NOTIFY_SOCKET": str(tmp_path / "none")})


def test_a_long_status_is_cut():
    assert len(status("x" * 5000)) < 300


@pytest.mark.parametrize(
    ("environment", "period_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdogs_period(environment: dict[str, str], period_s: float | None):
    assert watchdog_s(environment) == period_s
