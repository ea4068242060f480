"""A Wi-Fi radio in monitor mode: probe requests as the kernel hands them out.

Called by `sensors/wifi.py` for live radios. The socket is scapy's capture socket with its filter
in the kernel; frames are read from it as bytes, since scapy's dissection keeps up with a tenth
of what a radio can hear. Strictly passive: it has no way to send. `hardware/radio.py` sets radios.
"""

import errno
import fcntl
import logging
import select
import socket
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from edge.errors import DeviceError, DeviceGone, DeviceNotFound, WrongDevice
from hardware.closing import Closing

FILTER = "type mgt subtype probe-req"
"""Compiled by libpcap, applied in the kernel: nothing else reaches this process."""
RECEIVE_BUFFER_BYTES = 8 * 1024 * 1024
"""Room for a burst of 20 000 probe requests."""
FRAME_BYTES_MAX = 4096
INTERFACES = Path("/proc/thread-self/net/dev")
INTERFACE_NAME_BYTES_MAX = 15

_ARPHRD_RADIOTAP = 803
_SIOCGIFHWADDR = 0x8927
_SOL_PACKET, _PACKET_STATISTICS = 263, 6
_SO_RCVBUFFORCE = 33


class MonitorInterface(Closing):
    """One interface in monitor mode, open for reading; a context manager.

    DeviceNotFound if there is none of this name or it may not be opened or is down, WrongDevice
    if it gives no radiotap headers.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._require_radiotap()
        self._capture = self._opened()
        self._socket: socket.socket = self._capture.ins
        self._socket.setblocking(False)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES)
        except PermissionError:  # without CAP_NET_ADMIN the system's limit stays
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)

    def fileno(self) -> int:
        """To wait on."""
        return self._socket.fileno()

    def frame(self) -> bytes | None:
        """The next frame with its radiotap header, None if there is none now.

        DeviceGone if the interface went down or away.
        """
        try:
            return self._socket.recv(FRAME_BYTES_MAX)
        except BlockingIOError:
            return None
        except OSError as error:
            raise DeviceGone(
                f"The interface {self.name} stopped: {error.strerror}.",
                "Check that the radio is plugged in and the interface up and in monitor mode.",
            ) from error

    def lost(self) -> int:
        """How many frames the kernel had no room for since this was last asked."""
        statistics = self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8)
        return int(struct.unpack("=II", statistics)[1])

    def received(self) -> int:
        """How many frames of any kind the interface has heard, beacons of access points too.

        0 if it is gone. From /proc/net/dev, proc(5), of this thread's network namespace.
        """
        for line in INTERFACES.read_text(encoding="ascii", errors="replace").splitlines():
            name, _, figures = line.partition(":")
            if name.strip() == self.name:
                return int(figures.split()[1])
        return 0

    def close(self) -> None:
        """Give the interface back."""
        self._capture.close()

    def _require_radiotap(self) -> None:
        name = self.name.encode()
        if not 0 < len(name) <= INTERFACE_NAME_BYTES_MAX:
            raise DeviceNotFound(f"'{self.name}' is no interface name.", "See `ip link`.")
        try:
            with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as asking:
                answer = fcntl.ioctl(asking, _SIOCGIFHWADDR, struct.pack("16s24x", name))
        except OSError as error:
            raise self._unusable(error) from error
        if struct.unpack_from("=H", answer, 16)[0] != _ARPHRD_RADIOTAP:
            raise WrongDevice(
                f"The interface {self.name} is not in monitor mode with radiotap headers.",
                f"Run: ip link set {self.name} down; iw dev {self.name} set type monitor; "
                f"ip link set {self.name} up.",
            )

    def _opened(self) -> Any:
        """scapy's capture socket; it is loaded here because replays do without."""
        logging.getLogger("scapy").setLevel(logging.ERROR)
        from scapy.config import conf
        from scapy.error import Scapy_Exception
        from scapy.layers.dot11 import RadioTap

        try:
            capture: Any = conf.L2listen(iface=self.name, filter=FILTER, promisc=False)
        except OSError as error:
            raise self._unusable(error) from error
        except Scapy_Exception as error:
            raise DeviceError(
                f"The capture filter cannot be compiled: {error}.", "Install libpcap0.8."
            ) from error
        if capture.LL is not RadioTap:
            capture.close()
            raise WrongDevice(
                f"The interface {self.name} changed its link type.", "Set it to monitor mode again."
            )
        return capture

    def _unusable(self, error: OSError) -> DeviceNotFound:
        match error.errno:
            case errno.ENODEV | errno.ENXIO:
                what = f"There is no interface {self.name}."
                remedy = "Check the radio with `ip link` and correct `device`."
            case errno.EPERM | errno.EACCES:
                what = f"The interface {self.name} may not be captured."
                remedy = "Give the sensor CAP_NET_RAW; its systemd unit does."
            case errno.ENETDOWN:
                what = f"The interface {self.name} is down."
                remedy = f"Run: ip link set {self.name} up."
            case _:
                what = f"The interface {self.name} cannot be opened: {error.strerror}."
                remedy = "Check the radio with `ip link`."
        return DeviceNotFound(what, remedy)


def wait(interfaces: Iterable[MonitorInterface], core_fd: int, timeout_s: float) -> None:
    """Return when any has a frame, when `core_fd` has something to read, or after `timeout_s`."""
    select.select([core_fd, *(each.fileno() for each in interfaces)], [], [], timeout_s)
