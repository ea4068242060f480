"""A pseudo-terminal as a serial line: the device's end is the test's."""

import os
import tty


class SerialDevice:
    """Something on a serial line, until it is unplugged."""

    def __init__(self) -> None:
        self._device, self._port = os.openpty()
        tty.setraw(self._port)
        self.path = os.ttyname(self._port)

    def sends(self, content: bytes) -> None:
        """Say something, however long."""
        while content:
            content = content[os.write(self._device, content[:1024]) :]

    def said_to(self) -> bytes:
        """What was written to the device."""
        os.set_blocking(self._device, False)
        try:
            return os.read(self._device, 100)
        except BlockingIOError:
            return b""

    def unplug(self) -> None:
        """Take it away; twice is once."""
        for fd in (self._device, self._port):
            if fd >= 0:
                os.close(fd)
        self._device = self._port = -1
