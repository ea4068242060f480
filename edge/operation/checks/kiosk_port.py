"""The kiosk's pages are served, or could be: nobody else sits on the port."""

import socket
from urllib.parse import urlsplit

from edge.operation.finding import Context, Finding, bad, good

CONNECT_S = 3.0


def check(context: Context) -> Finding:
    """Whether the daemon's page port answers; without a daemon, whether the port is free."""
    if context.alive is not None:
        return _served(context.alive.kiosk)
    kiosk = context.config.kiosk
    place = f"{kiosk.host}:{kiosk.port}"
    try:
        family = socket.AF_INET6 if ":" in kiosk.host else socket.AF_INET
        socket.create_server((kiosk.host, kiosk.port), family=family).close()
    except OSError as error:
        return bad(
            __name__,
            f"The kiosk cannot listen on {place}: {error.strerror or error}.",
            f"Find who uses it (ss -ltnp 'sport = :{kiosk.port}') and stop it,"
            " or change [kiosk] host or port.",
        )
    return good(__name__, f"The port of the kiosk, {place}, is free.")


def _served(address: str) -> Finding:
    parts = urlsplit(address)
    try:
        socket.create_connection((parts.hostname, parts.port or 80), timeout=CONNECT_S).close()
    except OSError as error:
        return bad(
            __name__,
            f"The kiosk does not answer at {address}: {error.strerror or error}.",
            "Restart the daemon: systemctl restart storebox",
        )
    return good(__name__, f"The kiosk answers at {address}.")
