"""The configuration file can be used, and so can the files that it names."""

from edge.config import load
from edge.errors import ConfigError
from edge.operation.finding import Context, Finding, bad, good


def check(context: Context) -> Finding:
    """Whether it was read without an error, and what it names can be read as well."""
    if isinstance(context.configured, ConfigError):
        return bad(__name__, context.configured.what, context.configured.remedy)
    load(context.path, files=True)
    return good(__name__, f"{context.path} is in order.")
