"""Radars that send lines of JSON, over a serial line or the shop's MQTT broker.

Run by `sensors/worker.py`. `device` is `serial:PATH`, `mqtt:HOST[:PORT]`, or `replay:PATH`, a
file of such lines. The format is described in `sensors/PROBE_LINES.md`. A line without sequence
number or elements tells only that somebody is there. Nothing is ever sent.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from edge.errors import WrongDevice
from hardware.allowance import TOO_FAST, Allowance
from hardware.probe_lines import (
    BATCH_BYTES_MAX,
    LINE_BYTES_MAX,
    ProbeLine,
    Refusal,
    Repeats,
    fingerprint_of,
    lines,
)
from sensors.core_link import CoreLink
from sensors.declaration import Needs, Sensor
from sensors.radar.options import Pace, RadarOptions
from sensors.radar.radar import Radar
from sensors.radar.record import Heard
from sensors.recorded import opened, recording

SERIAL_PREFIX, MQTT_PREFIX = "serial:", "mqtt:"
MQTT_PORT = 1883
TOPICS = "radar/+/probe"
RADIOS_MAX = 64
"""Radios of one sensor that may send; more names than that are made up."""
PER_S_MAX = 5000
"""Of one radio: several times what one on a full channel can hear; more is made up."""
BURST_MAX = 10_000
"""What may have waited in a radar or at the broker and comes at once."""


class ProbeLinesOptions(RadarOptions, frozen=True, kw_only=True):
    """Options of `[sensors.NAME]` with kind "probe_lines", besides those of every radar.

    `baud_rate` is of a serial line. `username` and `secret_file` are for a broker: the file holds
    the password; the core reads it.
    """

    baud_rate: Annotated[int, Meta(ge=9600, le=4_000_000)] = 115_200
    username: Annotated[str, Meta(max_length=128)] = ""
    secret_file: str = ""


SENSOR = Sensor(
    kind="probe_lines",
    options=ProbeLinesOptions,
    needs=Needs(devices=("char-ttyACM", "char-ttyUSB"), peers=("the broker, if by MQTT",)),
)


def observe(core: CoreLink, device: str, options: ProbeLinesOptions) -> None:
    """Report the probe requests in the lines until the core hangs up."""
    radar = Radar(core, options)
    if (path := recording(device)) is not None:
        replay(core, radar, path, options.pace)
        return
    if device.startswith(SERIAL_PREFIX):
        listen(core, radar, device.removeprefix(SERIAL_PREFIX), options.baud_rate)
    elif device.startswith(MQTT_PREFIX):
        subscribe(core, radar, device.removeprefix(MQTT_PREFIX), options)
    else:
        raise WrongDevice(
            f"'{device}' brings no lines.", "Write serial:PATH, mqtt:HOST or replay:PATH."
        )


def listen(core: CoreLink, radar: Radar, path: str, baud_rate: int) -> None:
    """Report what a radar on a serial line sends."""
    from hardware.serial_port import LineCutter, SerialPort
    from sensors.radar.stream import now_ms, pieces

    probes = Probes(radar)
    cutter = LineCutter(LINE_BYTES_MAX, b"\r\n")
    for piece in pieces(core, radar, partial(SerialPort, path, baud_rate, "radar")):
        if piece is None:
            cutter.end()
            continue
        for line in cutter.feed(piece, 0.0):
            probes.take(line, LINE_BYTES_MAX, now_ms())


def subscribe(core: CoreLink, radar: Radar, where: str, options: ProbeLinesOptions) -> None:
    """Report what radars say at a broker. A radar speaks for itself only: its topic names it."""
    from hardware.endpoint import endpoint
    from hardware.mqtt_lines import Credentials, MqttLines
    from sensors.radar.stream import now_ms, pieces

    broker = endpoint(where, MQTT_PORT)
    credentials = Credentials(options.username, core.secret)
    probes = Probes(radar)
    for said in pieces(core, radar, partial(MqttLines, broker, TOPICS, credentials)):
        for topic, payload in said or ():
            only = topic.removeprefix("radar/").removesuffix("/probe")
            probes.take(payload, BATCH_BYTES_MAX, now_ms(), only=only)


def replay(core: CoreLink, radar: Radar, path: Path, pace: Pace) -> None:
    """Report what a file of lines holds, each line by its own `t`."""
    from sensors.radar.recording import played

    probes = Probes(radar)
    for at_ms, line in played(core, radar, recorded_lines(path), pace):
        probes.report(line, at_ms)


def recorded_lines(path: Path) -> Iterator[tuple[int | None, ProbeLine | Refusal]]:
    """The lines of a file by their clock. DeviceNotFound if it cannot be read."""
    with opened(path) as file:
        while text := file.readline(BATCH_BYTES_MAX + 1):
            for line in lines(text, BATCH_BYTES_MAX) if text.strip() else ():
                yield round(line.t * 1000) if isinstance(line, ProbeLine) else None, line


class Probes:
    """Turns lines into records for the radar, and counts those it refuses."""

    def __init__(self, radar: Radar) -> None:
        self._radar = radar
        self._repeats = Repeats()
        self._allowances: dict[str, Allowance] = {}

    def take(self, text: bytes, bytes_max: int, at_ms: int, only: str | None = None) -> None:
        """A line or a batch that has arrived; with `only`, of that radio alone."""
        for line in lines(text, bytes_max):
            if only is not None and isinstance(line, ProbeLine) and line.s != only:
                self._radar.refuse("line_of_another_radio")
            else:
                self.report(line, at_ms)

    def report(self, line: ProbeLine | Refusal, at_ms: int) -> None:
        """One line."""
        if isinstance(line, Refusal):
            self._radar.refuse(line.value)
            return
        if line.s not in self._allowances and len(self._allowances) >= RADIOS_MAX:
            self._radar.refuse("too_many_radios")
            return
        allowance = self._allowances.setdefault(line.s, Allowance(PER_S_MAX, BURST_MAX))
        if not allowance.spend(at_ms):
            self._radar.refuse(TOO_FAST)
            return
        if self._repeats.knows(line):
            self._radar.refuse(Refusal.REPEATED.value)
            return
        fingerprint = fingerprint_of(line)
        if isinstance(fingerprint, Refusal):
            self._radar.refuse(fingerprint.value)
            return
        self._radar.hear(Heard(at_ms, line.s, line.source, line.r, line.c, line.q, fingerprint))
