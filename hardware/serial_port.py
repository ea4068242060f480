"""A serial line that sends codes or frames: opening it, and cutting its bytes into codes.

Called by `sensors/code.py` and the radars on serial lines. Knows terminators and silence, not what
a code means. It sends nothing to the device, and what it holds of an unfinished code has a limit.
"""

import errno
import select

import serial

from edge.errors import DeviceGone, DeviceNotFound, WrongDevice
from hardware.closing import Closing

TERMINATORS = b"\r\n\t\x03"
"""CR, LF (so CR LF too: nothing stands between them), TAB, ETX."""
SILENCE_S = 0.05
"""A scanner without a terminator pauses at least this long; within a code it never does."""
READ_BYTES = 4096
_STX = b"\x02"


class SerialPort(Closing):
    """A serial device, open for this process alone; a context manager.

    DeviceNotFound if it is not there or may not be opened or is in use, WrongDevice if it is
    no serial device.
    """

    def __init__(self, path: str, baud_rate: int, called: str = "scanner") -> None:
        self.path = path
        self._called = called
        try:
            self._port = serial.Serial(path, baud_rate, timeout=0, exclusive=True)
        except serial.SerialException as error:
            raise self._unusable(error) from error
        except ValueError as error:
            raise WrongDevice(
                f"{path} does not take {baud_rate} baud.", f"Set baud_rate as the {called} has it."
            ) from error

    @property
    def awaited(self) -> str:
        """What is missing before it can bring anything: nothing that a serial line could know."""
        return ""

    def fileno(self) -> int:
        """To wait on."""
        return int(self._port.fileno())

    def wait(self, core_fd: int, timeout_s: float) -> bool:
        """Whether bytes came, before `core_fd` had something or `timeout_s` were over."""
        ready, _, _ = select.select([self._port.fileno(), core_fd], [], [], timeout_s)
        return self._port.fileno() in ready

    def read(self) -> bytes:
        """The bytes that are there. DeviceGone if the device was unplugged."""
        try:
            return bytes(self._port.read(READ_BYTES))
        except (serial.SerialException, OSError) as error:
            raise DeviceGone(
                f"The {self._called} at {self.path} was unplugged.", "Plug it in again."
            ) from error

    def close(self) -> None:
        """Give the device back; one that is gone is closed too."""
        self._port.close()

    def _unusable(self, error: serial.SerialException) -> DeviceNotFound | WrongDevice:
        match error.errno:
            case errno.ENOENT | errno.ENXIO | errno.ENODEV | errno.EIO:
                return DeviceNotFound(
                    f"There is no {self._called} at {self.path}.",
                    "Plug it in, or correct `device` (see /dev/serial/by-id).",
                )
            case errno.EACCES | errno.EPERM:
                return DeviceNotFound(
                    f"{self.path} may not be opened.",
                    "Add the sensor's user to the group of the device (often dialout).",
                )
            case errno.EAGAIN | errno.EBUSY:
                return DeviceNotFound(
                    f"{self.path} is in use by another program.",
                    f"Stop that program; ModemManager must be told to ignore the {self._called}.",
                )
        return WrongDevice(
            f"{self.path} is no serial device.",
            f"Name the {self._called}'s own device in `device`.",
        )


class LineCutter:
    """Bytes in, codes out: each ends at a terminator or at silence.

    Of a code longer than `line_bytes_max` only one byte more is kept: its length tells, and what
    follows it is read as ever.
    """

    def __init__(self, line_bytes_max: int, terminators: bytes = TERMINATORS) -> None:
        self._terminators = terminators
        self._kept_bytes_max = len(_STX) + line_bytes_max + 1
        self._line = bytearray()
        self._heard_s = 0.0

    @property
    def unfinished(self) -> bool:
        """Whether a code has begun and not ended."""
        return bool(self._line)

    def silence_left_s(self, now_s: float) -> float:
        """For how long nothing more must come until the unfinished code has ended."""
        return max(0.0, self._heard_s + SILENCE_S - now_s)

    def feed(self, chunk: bytes, now_s: float) -> list[bytes]:
        """The codes that `chunk`, read at `now_s`, ends."""
        ended: list[bytes] = []
        self._heard_s = now_s
        start = 0
        for at, byte in enumerate(chunk):
            if byte in self._terminators:
                self._add(chunk[start:at])
                ended += self.end()
                start = at + 1
        self._add(chunk[start:])
        return ended

    def end(self) -> list[bytes]:
        """The unfinished code, if there is one: silence has ended it."""
        line = bytes(self._line.removeprefix(_STX))
        self._line.clear()
        return [line] if line else []

    def _add(self, piece: bytes) -> None:
        self._line += piece[: self._kept_bytes_max - len(self._line)]
