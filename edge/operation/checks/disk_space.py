"""There is room on the disk for what must not be dropped."""

import shutil
from pathlib import Path

from edge.operation.finding import Context, Finding, bad, good

FREE_BYTES_MIN = 200 << 20
"""Room for a week of orders and events off line, and for the backup made before an update."""


def check(context: Context) -> Finding:
    """Whether the file system of the state directory has enough free space."""
    place = _nearest(context.state)
    free_mib = shutil.disk_usage(place).free >> 20
    if free_mib < FREE_BYTES_MIN >> 20:
        return bad(
            __name__,
            f"Only {free_mib} MiB are free at {place}; {FREE_BYTES_MIN >> 20} MiB are needed.",
            f"Free some space: journalctl --vacuum-size=50M; du -xh {place} | sort -h | tail",
        )
    return good(__name__, f"{free_mib} MiB are free at {place}.")


def _nearest(directory: Path) -> Path:
    """The directory, or what stands above it while it has not been made."""
    return next(place for place in (directory, *directory.absolute().parents) if place.exists())
