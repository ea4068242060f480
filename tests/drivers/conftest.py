"""What several tests of sensors use."""

from collections.abc import Iterator

import pytest

from tests.drivers.pty import SerialDevice


@pytest.fixture
def radar() -> Iterator[SerialDevice]:
    """A radar on a serial line, unplugged in the end."""
    made = SerialDevice()
    yield made
    made.unplug()
