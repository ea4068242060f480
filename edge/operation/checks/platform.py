"""The platform itself answers, beyond its broker."""

from edge.operation.finding import NOT_CHECKED, Context, Finding, bad, good
from sync.silence import SILENT, SILENT_REMEDY


def check(context: Context) -> Finding:
    """Whether it owes the daemon no answer for long; nobody else can tell."""
    status = context.alive
    if status is None:
        return bad(
            __name__,
            f"{NOT_CHECKED}only the running daemon hears the platform.",
            "Start the daemon: systemctl start storebox",
        )
    if not status.link.connected:
        return bad(
            __name__,
            f"{NOT_CHECKED}the box is not connected to the broker.",
            "See the check 'broker'.",
        )
    if status.link.silent:
        return bad(__name__, SILENT, SILENT_REMEDY)
    return good(__name__, "The platform owes this box no answer.")
