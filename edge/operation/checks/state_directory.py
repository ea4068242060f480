"""The state directory is there, and nobody else can look into it."""

from edge.operation.finding import Context, Finding, bad, good


def check(context: Context) -> Finding:
    """Whether it is a directory with mode 0700."""
    directory = context.state
    if not directory.is_dir():
        return bad(
            __name__,
            f"There is no state directory {directory}.",
            "Start storebox once (systemctl start storebox); it makes the directory.",
        )
    mode = directory.stat().st_mode & 0o777
    if mode & 0o077:
        return bad(
            __name__,
            f"Others may look into the state directory {directory} (mode {mode:o}).",
            f"Run: chmod 700 {directory}",
        )
    return good(__name__, f"{directory} is there and private.")
