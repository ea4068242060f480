"""Setting a Wi-Fi radio: monitor mode, up or down, channel. What `ip link` and `iw` would do.

Called by `sensors/radar/listening.py` for live radios, only where something is to be changed.
What has to be done is decided by the pure `steps`. It sets what a radio listens to and has no
way to make one send.

Sources: linux/nl80211.h (GET_INTERFACE, SET_INTERFACE, SET_WIPHY), netdevice(7).
"""

import errno
import fcntl
import socket
import struct
import sys
from enum import StrEnum
from typing import NamedTuple

from edge.errors import DeviceError, DeviceNotFound, WrongDevice
from hardware.closing import Closing
from hardware.netlink import Attributes, Family

_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
_IFF_RUNNING = 0x40
_INTERFACE_FLAGS = struct.Struct("=16sH22x")
_GET_INTERFACE, _SET_INTERFACE, _SET_WIPHY = 5, 6, 2
_INDEX, _MODE, _MHZ = 3, 5, 38  # NL80211_ATTR_IFINDEX, _IFTYPE, _WIPHY_FREQ
_MONITOR = 6  # NL80211_IFTYPE_MONITOR
_NO_RADIO = (errno.ENOENT, errno.ENODEV, errno.EOPNOTSUPP, errno.EPROTONOSUPPORT)


class RadioState(NamedTuple):
    """How a radio is set. `connected` means that something is sent and received through it.

    `monitor` is None where the kernel knows an interface, but no radio; `mhz` is None without a
    channel.
    """

    up: bool
    connected: bool
    monitor: bool | None
    mhz: int | None


class Step(StrEnum):
    """One thing to be done, in the words of `ip` and `iw`."""

    DOWN = "down"
    MONITOR = "type monitor"
    UP = "up"
    CHANNEL = "channel"


def steps(state: RadioState, mhz: int | None, *, afresh: bool = False) -> tuple[Step, ...]:
    """What brings a radio into monitor mode, up, and on the channel `mhz` (None: any).

    Nothing that is so already, unless `afresh`: USB radios fall silent while all looks well.
    """
    if state.monitor is None:  # no radio as far as the kernel knows: it has a switch and no more
        switched = (Step.DOWN, Step.UP) if afresh else ()
        return (*switched, Step.CHANNEL) if mhz is not None else switched
    wanted: list[Step] = []
    if afresh or not state.monitor:  # the kernel changes the mode only while it is down
        wanted += [Step.DOWN] if afresh or state.up else []
        wanted += [Step.MONITOR, Step.UP]
    elif not state.up:
        wanted.append(Step.UP)
    if mhz is not None and (wanted or state.mhz != mhz):
        wanted.append(Step.CHANNEL)
    return tuple(wanted)


def mhz_of(channel: int) -> int:
    """The middle of a channel of 2.4 or 5 GHz (IEEE 802.11-2020, annex E)."""
    if channel == 14:
        return 2484
    return 2407 + 5 * channel if channel < 14 else 5000 + 5 * channel


class Radio(Closing):
    """One radio to be set; a context manager. Nothing is asked of the kernel before it is used.

    All methods raise DeviceNotFound if there is no such interface, WrongDevice if it is no radio
    that can be set so, DeviceError if the kernel refuses.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._nl80211: Family | None = None

    def state(self) -> RadioState:
        """How it is set now. Needs no privilege."""
        try:
            flags = self._flags()
            up, connected = bool(flags & _IFF_UP), bool(flags & _IFF_RUNNING)
            try:
                found = self._ask(_GET_INTERFACE, {})
            except OSError as error:
                if error.errno not in _NO_RADIO:
                    raise
                return RadioState(up, connected, None, None)
        except OSError as error:
            raise self._refusal(error, "info") from error
        return RadioState(up, connected, *mode_and_mhz(found))

    def arrange(self, channel: int | None) -> None:
        """Bring it into monitor mode, up and on `channel`, doing only what is missing."""
        self._set(channel, afresh=False)

    def restart(self, channel: int | None) -> None:
        """Down, monitor mode, up and back on `channel`."""
        self._set(channel, afresh=True)

    def tune(self, channel: int) -> None:
        """Listen on another channel."""
        self._do((Step.CHANNEL,), channel)

    def _set(self, channel: int | None, *, afresh: bool) -> None:
        state = self.state()
        if state.monitor is False and state.connected:  # perhaps the box's own way to the world
            raise WrongDevice(
                f"The radio {self.name} carries a network connection.",
                "Name another radio in `device`, or end the connection first: "
                f"ip link set {self.name} down.",
            )
        mhz = None if channel is None else mhz_of(channel)
        self._do(steps(state, mhz, afresh=afresh), channel)

    def _do(self, wanted: tuple[Step, ...], channel: int | None) -> None:
        for step in wanted:
            try:
                self._take(step, channel)
            except OSError as error:
                words = f"{step} {channel}" if step is Step.CHANNEL else str(step)
                raise self._refusal(error, words) from error

    def _take(self, step: Step, channel: int | None) -> None:
        match step:
            case Step.DOWN | Step.UP:
                self._switch(on=step is Step.UP)
            case Step.MONITOR:
                self._ask(_SET_INTERFACE, {_MODE: _u32(_MONITOR)})
            case Step.CHANNEL:
                assert channel is not None, "a step of a plan with a channel"
                self._ask(_SET_WIPHY, {_MHZ: _u32(mhz_of(channel))})

    def _ask(self, command: int, attributes: Attributes) -> Attributes:
        """By index, asked anew each time: a radio that is plugged in again has another."""
        index = socket.if_nametoindex(self.name)
        if self._nl80211 is None:
            self._nl80211 = Family("nl80211")
        return self._nl80211.ask(command, {_INDEX: _u32(index)} | attributes)

    def _flags(self) -> int:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as asking:
            packed = _INTERFACE_FLAGS.pack(self.name.encode(), 0)
            answer = fcntl.ioctl(asking, _SIOCGIFFLAGS, packed)
        return int(_INTERFACE_FLAGS.unpack(answer)[1])

    def _switch(self, *, on: bool) -> None:
        flags = self._flags()
        wanted = flags | _IFF_UP if on else flags & ~_IFF_UP
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as asking:
            packed = _INTERFACE_FLAGS.pack(self.name.encode(), wanted)
            fcntl.ioctl(asking, _SIOCSIFFLAGS, packed)

    def _refusal(self, error: OSError, words: str) -> DeviceError:
        if self.name not in (name for _, name in socket.if_nameindex()):
            return DeviceNotFound(
                f"There is no interface {self.name}.",
                "Check the radio with `ip link` and correct `device`.",
            )
        what = f"The radio {self.name} cannot be set ({words}): {error.strerror or error}."
        match error.errno:
            case errno.EPERM | errno.EACCES:
                remedy = (
                    "Give the sensor CAP_NET_ADMIN; its systemd unit does. Or run: "
                    f"ip link set {self.name} down; iw dev {self.name} set type monitor; "
                    f"ip link set {self.name} up; iw dev {self.name} set channel NUMBER."
                )
            case errno.EBUSY:
                remedy = "Let no other program (NetworkManager, wpa_supplicant) use this radio."
            case errno.EINVAL:
                remedy = "`iw phy` says which channels it has, `iw reg get` which are allowed."
            case number if number in _NO_RADIO:
                return WrongDevice(
                    what, "Use a Wi-Fi radio whose driver `iw list` knows, or name no channels."
                )
            case _:
                remedy = f"`iw dev {self.name} set {words}` may say why."
        return DeviceError(what, remedy)

    def close(self) -> None:
        """Hang up on the kernel; the radio stays as it is."""
        if self._nl80211 is not None:
            self._nl80211.close()
            self._nl80211 = None


def mode_and_mhz(found: Attributes) -> tuple[bool, int | None]:
    """Of the kernel's answer to NL80211_CMD_GET_INTERFACE: whether it monitors, and where."""
    mode = int.from_bytes(found.get(_MODE, b""), sys.byteorder)
    return mode == _MONITOR, int.from_bytes(found.get(_MHZ, b""), sys.byteorder) or None


def _u32(value: int) -> bytes:
    return struct.pack("=I", value)
