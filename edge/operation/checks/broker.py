"""The broker of the platform can be reached, and lets this box in."""

import socket

from edge.operation.finding import Context, Finding, bad, good

CONNECT_S = 3.0


def check(context: Context) -> Finding:
    """Whether the daemon is connected; if not, what it was told, or whether TCP works at all."""
    broker = context.config.broker
    place = f"{broker.host}:{broker.port}"
    status = context.alive
    if status is not None and status.link.connected:
        return good(__name__, f"Connected to the broker at {place}.")
    try:
        socket.create_connection((broker.host, broker.port), timeout=CONNECT_S).close()
    except OSError as error:
        reason = error.strerror or str(error)
        return bad(
            __name__,
            f"The broker at {place} cannot be reached: {reason}. Events wait on the box.",
            "Check the network cable and the router, and [broker] host and port."
            " Nothing is lost meanwhile.",
        )
    if status is None:
        return good(__name__, f"The broker at {place} takes connections; nobody logged in.")
    return bad(
        __name__,
        f"The broker at {place} is there, but the box is not connected:"
        f" {(status.link.reason or 'it is trying').rstrip('.')}.",
        status.link.remedy or "Look at the daemon's log: journalctl -u storebox",
    )
