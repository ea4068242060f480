"""Telling systemd how the daemon is: the protocol of sd_notify(3), in pure standard library.

Used by the daemon, and by the sensors with their heartbeat. Without systemd ($NOTIFY_SOCKET is
not set) nothing is sent, so that nobody needs to ask whether it is there. It never decides when
to be ready or alive.
"""

import os
import socket
from collections.abc import Mapping

READY = "READY=1"
"""Start-up is over: units ordered after us may start."""
STOPPING = "STOPPING=1"
"""An orderly stop has begun."""
ALIVE = "WATCHDOG=1"
"""Feeds the watchdog; at least twice per `watchdog_s`."""

STATUS_CHARACTERS_MAX = 200
"""`systemctl status` shows one line."""


def notify(*states: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Send states (`READY`, `status("...")`, ...) in one message; whether anybody listens.

    OSError when systemd's socket is named but does not take the message: a box that cannot
    report would be killed by its watchdog, so its journal should say why.
    """
    address = environment.get("NOTIFY_SOCKET", "")
    if not address or not states:
        return False
    if address.startswith("@"):  # an abstract socket, unix(7)
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as connection:
        connection.connect(address)
        connection.sendall("\n".join(states).encode())
    return True


def status(text: str) -> str:
    """The state that puts one line of text into `systemctl status`."""
    return f"STATUS={' '.join(text.split())[:STATUS_CHARACTERS_MAX]}"


def watchdog_s(environment: Mapping[str, str] = os.environ) -> float | None:
    """How often systemd wants to hear `ALIVE`; None if it does not care. sd_watchdog_enabled(3)."""
    period_us = environment.get("WATCHDOG_USEC", "")
    meant_for = environment.get("WATCHDOG_PID", str(os.getpid()))
    if not period_us.isdecimal() or int(period_us) == 0 or meant_for != str(os.getpid()):
        return None
    return int(period_us) / 1_000_000
