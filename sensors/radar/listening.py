"""The loop over local radios: up to three ears, one radar. Hops, notices silence, starts anew.

Called by `sensors/wifi.py` for live devices. `hardware/monitor.py` captures a radio, and
`hardware/radio.py` sets it; one that fails does not end the others. It never looks into a frame.
"""

import re
import time
from collections.abc import Callable, Sequence

from edge.errors import ConfigError, DeviceError, DeviceGone
from hardware.dot11 import RADIOTAP, ProbeParser
from hardware.monitor import MonitorInterface, wait
from hardware.radio import Radio
from sensors.core_link import CoreLink
from sensors.radar.radar import Radar

RADIOS_MAX = 3
"""2.4 GHz has three channels that do not overlap; a small box has no more USB sockets either."""
FRAMES_PER_TURN = 256
"""Frames of one radio handled before the others and the core are heard: some milliseconds."""
WAIT_S = 1.0
LOOK_S = 2.0
"""So often it is looked whether a radio has heard anything."""
SILENCES_TOLD = 2
"""A radio that is silent again after it was restarted is somebody's business."""
SILENCE_S_MAX = 900.0
"""A radio that stays silent is restarted less and less often, down to this."""
AWAY_S_MAX = 12.0
"""So long all radios may be away: a driver that is reset is back in seconds. Then what was counted
before is reported, and this process ends."""
REOPEN_S = 5.0
"""So long a radio that went away is left alone before it is looked for again."""

_INTERFACE_NAME = re.compile(r"[^\s/\0]{1,15}")  # dev_valid_name() of the kernel
Assigned = tuple[tuple[str, tuple[int, ...]], ...]


def share(names: Sequence[str], channels: Sequence[int]) -> Assigned:
    """Each radio with the channels that it listens to in turn; none means: as it is set.

    ConfigError if a name is none, radios are named twice, are too many, or more than there are
    channels.
    """
    radios = [name.strip() for name in names]
    for name in radios:
        if not _INTERFACE_NAME.fullmatch(name):
            raise ConfigError(f"'{name}' is no interface name.", "`ip link` shows their names.")
    if len(radios) > RADIOS_MAX or len(set(radios)) < len(radios):
        raise ConfigError(
            f"The device names {len(radios)} radios, or one of them twice.",
            f"Name one to {RADIOS_MAX} different ones, separated by commas.",
        )
    if channels and len(channels) < len(radios):
        raise ConfigError(
            f"There are {len(radios)} radios and only {len(channels)} channels.",
            "Name at least one channel for each radio: channels = [1, 6, 11].",
        )
    count = len(radios)
    return tuple((name, tuple(channels[place::count])) for place, name in enumerate(radios))


def listen(
    core: CoreLink, radar: Radar, radios: Assigned, hop_s: float, silence_restart_s: float
) -> None:
    """Report what live radios hear until the core hangs up. DeviceError when none is left."""
    ears = [Ear(name, channels, hop_s, silence_restart_s) for name, channels in radios]
    heard_s: float | None = None
    try:
        for ear in ears:
            ear.open(time.monotonic())
        while True:
            if any(ear.capture for ear in ears):
                heard_s = time.monotonic()
            elif heard_s is None or time.monotonic() - heard_s >= AWAY_S_MAX:
                radar.finish(int((heard_s or 0.0) * 1000))
                raise ears[0].trouble or DeviceGone("No radio is left.", "Check the radios.")
            _tell(core, ears)
            captures = [ear.capture for ear in ears if ear.capture]
            wait(captures, core.fileno(), min(ear.patience_s for ear in ears))
            now_s = time.monotonic()
            radar.tick(int(now_s * 1000))
            for ear in ears:
                ear.turn(core, radar, now_s)
            core.poll()
    finally:
        for ear in ears:
            ear.close()


def _tell(core: CoreLink, ears: Sequence["Ear"]) -> None:
    troubles = [ear.trouble for ear in ears if ear.trouble]
    if troubles:
        core.unhealthy(troubles[0].what, troubles[0].remedy)
    else:
        core.healthy("listening")


class Ear:
    """One radio: what captures it, where it listens, and for how long it has heard nothing.

    `capture` is None while the radio is away; `trouble` is what a person should know of it.
    """

    def __init__(
        self, name: str, channels: tuple[int, ...], hop_s: float, silence_restart_s: float
    ) -> None:
        self.name = name
        self.capture: MonitorInterface | None = None
        self._channels = channels
        self._place = 0
        self._hop_s = hop_s
        self._silence_s = silence_restart_s
        self._radio = Radio(name)
        self._parse = ProbeParser(RADIOTAP).parse
        self._gone: DeviceError | None = None
        self._refused: dict[int | None, DeviceError] = {}
        self._silences = 0
        self._received = 0
        self._heard_s = self._looked_s = self._hopped_s = self._reopen_s = 0.0

    @property
    def trouble(self) -> DeviceError | None:
        """The gravest thing that is wrong with it."""
        if self._gone:
            return self._gone
        if self._silences >= SILENCES_TOLD:
            return DeviceError(
                f"The radio {self.name} hears nothing, though it was restarted {self._silences}"
                " times.",
                "Plug it out and in again, try another USB socket, and look at `dmesg`.",
            )
        return next(iter(self._refused.values()), None)

    @property
    def patience_s(self) -> float:
        """How long it can be left alone."""
        return self._hop_s if len(self._channels) > 1 else WAIT_S

    @property
    def _channel(self) -> int | None:
        return self._channels[self._place] if self._channels else None

    def open(self, now_s: float, *, afresh: bool = False) -> None:
        """Set the radio as far as one may, and capture it; `trouble` says what went wrong."""
        self._attempt(self._radio.restart if afresh else self._radio.arrange)
        try:
            self.capture = MonitorInterface(self.name)
        except DeviceError as error:
            self._gone = self._refused.get(self._channel, error)
            self._reopen_s = now_s + REOPEN_S
            return
        self._gone = None
        self._received = self.capture.received()
        self._heard_s = self._looked_s = self._hopped_s = now_s

    def turn(self, core: CoreLink, radar: Radar, now_s: float) -> None:
        """Take what it has heard since the last turn; hop, restart or look for it if it is time."""
        if self.capture is None:
            if now_s >= self._reopen_s:
                self.open(now_s)
            return
        try:
            self._hear(self.capture, radar, int(now_s * 1000))
        except DeviceGone as error:
            self._lose(error, now_s)
            return
        if len(self._channels) > 1 and now_s - self._hopped_s >= self._hop_s:
            self._hop(now_s)
        if self._silence_s and now_s - self._looked_s >= min(LOOK_S, self._silence_s):
            self._look(self.capture, core, now_s)

    def _hear(self, capture: MonitorInterface, radar: Radar, now_ms: int) -> None:
        parse, name = self._parse, self.name
        for _ in range(FRAMES_PER_TURN):
            frame = capture.frame()
            if frame is None:
                break
            radar.take(parse(frame), name, now_ms)
        if lost := capture.lost():
            radar.lost(name, lost)

    def _hop(self, now_s: float) -> None:
        self._hopped_s = now_s
        self._place = (self._place + 1) % len(self._channels)
        channel = self._channels[self._place]
        self._attempt(lambda _: self._radio.tune(channel))

    def _look(self, capture: MonitorInterface, core: CoreLink, now_s: float) -> None:
        """Any frame at all will do: a quiet night has beacons, a radio gone deaf has not."""
        self._looked_s = now_s
        received = capture.received()
        if received != self._received:
            self._received, self._heard_s, self._silences = received, now_s, 0
            return
        patience_s = min(self._silence_s * 2 ** max(0, self._silences - 1), SILENCE_S_MAX)
        if now_s - self._heard_s < max(patience_s, self._silence_s):
            return
        self._silences += 1
        self.close()
        self.open(now_s, afresh=True)
        if self._channel not in self._refused:
            core.dropped("radio_restarted")

    def _attempt(self, setting: Callable[[int | None], None]) -> None:
        """Set the radio; what the kernel refuses is told, and the radio is heard as it is."""
        channel = self._channel
        try:
            setting(channel)
        except DeviceError as error:
            self._refused[channel] = error
        else:
            self._refused.pop(channel, None)

    def _lose(self, error: DeviceError, now_s: float) -> None:
        self.close()
        self._gone = error
        self._reopen_s = now_s + REOPEN_S

    def close(self) -> None:
        """Let go of the radio; it stays as it is set."""
        if self.capture is not None:
            self.capture.close()
            self.capture = None
        self._radio.close()
