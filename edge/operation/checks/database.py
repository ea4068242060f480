"""The database opens with its key, is of this version, and SQLite finds no damage in it."""

from edge.operation.finding import Context, Finding, good
from edge.storage.inspection import verify


def check(context: Context) -> Finding:
    """Whether it opens and passes `quick_check`."""
    version = verify(context.state)
    return good(__name__, f"The database is whole (schema {version}).")
