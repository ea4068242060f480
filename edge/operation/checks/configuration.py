"""The configuration file can be used."""

from edge.errors import ConfigError
from edge.operation.finding import Context, Finding, bad, good


def check(context: Context) -> Finding:
    """Whether it was read without an error."""
    if isinstance(context.configured, ConfigError):
        return bad(__name__, context.configured.what, context.configured.remedy)
    return good(__name__, f"{context.path} is in order.")
