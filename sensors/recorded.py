"""Recordings as devices: `replay:PATH` and `simulated:PATH`, and how their files are opened.

Used by the sensors that can play one. It opens files for reading only and knows no format but that
of captures, which it leaves to `hardware/capture_file.py`.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from edge.errors import BadFrame, DeviceNotFound
from sensors.core_link import CoreLink

if TYPE_CHECKING:
    from hardware.capture_file import Record

PREFIXES = ("replay:", "simulated:")


def recording(device: str) -> Path | None:
    """The file that `device` plays; None if it is no recording."""
    for prefix in PREFIXES:
        if device.startswith(prefix):
            return Path(device.removeprefix(prefix))
    return None


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A recording for reading, for the block. DeviceNotFound if it cannot be read."""
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise DeviceNotFound(
            f"The recording {path} cannot be read: {error.strerror}.",
            "Check the path and its permissions.",
        ) from error


def captured(core: CoreLink, path: Path) -> Iterator[tuple[int, "Record"]]:
    """The records of a capture by their clock; one that is damaged counts as far as it is whole."""
    from hardware.capture_file import records

    try:
        for record in records(path):
            yield record.offset_ms, record
    except BadFrame as error:
        core.dropped("capture_damaged")
        print(f"{core.configuration.sensor}: {error}", file=sys.stderr, flush=True)
