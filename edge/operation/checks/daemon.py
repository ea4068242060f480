"""The daemon runs and answers on its control socket."""

from edge.errors import NotReachable
from edge.operation.finding import Context, Finding, bad, good


def check(context: Context) -> Finding:
    """Whether it answered just now."""
    if isinstance(context.daemon, NotReachable):
        return bad(__name__, context.daemon.what, context.daemon.remedy)
    return good(__name__, f"storebox {context.daemon.version} runs as {context.daemon.box}.")
