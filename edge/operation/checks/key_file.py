"""The master key is where the database needs it, whole, and readable by its owner only."""

from edge.operation.finding import Context, Finding, bad, good
from edge.storage.vault import KEY_BYTES


def check(context: Context) -> Finding:
    """Whether the key file is there with mode 0600 and the right length; it is not read."""
    path = context.state / "master.key"
    if not path.exists():
        return bad(
            __name__,
            f"There is no key file {path}.",
            "On a new box the daemon's first start makes it. If there is a database already,"
            " restore the key from the backup.",
        )
    details = path.stat()
    mode = details.st_mode & 0o777
    if mode & 0o077:
        return bad(
            __name__,
            f"The key file {path} can be read by others (mode {mode:o}).",
            f"Run: chmod 600 {path}",
        )
    if details.st_size != KEY_BYTES:
        return bad(
            __name__,
            f"The key file {path} holds {details.st_size} bytes instead of {KEY_BYTES}.",
            "Restore it from the backup; without it the database cannot be read.",
        )
    return good(__name__, f"{path} is there and private.")
