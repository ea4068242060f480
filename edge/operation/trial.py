"""Trying one sensor for a few seconds: is it well, and does it see anything?

Called by `storebox sensors test`. With a running daemon its counts are watched; without one the
worker is started alone and its messages are counted here. It gets leave to describe faces only in
a marked zone, and a radar leave to survey, as its counts take minutes. Only counts leave this
module: never a code, a vector, a hash or a pseudonym.
"""

import contextlib
import socket
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from edge.config import Config
from edge.control import ask
from edge.errors import BadWireFrame, Refused
from edge.operation import lone
from edge.operation.lone import POLL_S, STARTING_S_MAX
from edge.operation.pictures import asked, frames_of
from edge.records import SensorStatus
from edge.sections import RecognitionMode
from sensors import wire
from sensors.declaration import declared

FRAMES = "frames"
FINISHED = "finished"
"""The state of a sensor whose recording is at its end (`sensors/core_link.py`)."""

Progress = Callable[[float], None]
"""Told how much of the time has passed, 0..1."""


class Trial(Struct, frozen=True):
    """How one sensor did: what it saw by kind of reading, what it refused by reason."""

    sensor: str
    kind: str
    seconds: float
    ok: bool
    state: str
    remedy: str
    observed: dict[str, int]
    dropped: dict[str, int]


def watched(control: Path, name: str, seconds: float, progress: Progress) -> Trial:
    """Watch what the running daemon counts. NotReachable without one, Refused if it is unknown."""
    before = after = _status(control, name)
    heard = _heard(control, after)
    began_s = time.monotonic()
    while (passed_s := time.monotonic() - began_s) < seconds:
        progress(passed_s / seconds)
        time.sleep(min(POLL_S, seconds - passed_s))
        after = _status(control, name)
        heard = max(heard, _heard(control, after))
    restarted = after.restarts > before.restarts
    ok = after.ok and not restarted
    state = "it was restarted meanwhile" if restarted and after.ok else after.state
    seen = Counter({"observations": after.observations - before.observations, FRAMES: heard})
    refused = Counter(after.dropped)
    refused.subtract(before.dropped)
    health = wire.Health(ok, state, after.remedy)
    return _judged((name, after.kind), seconds, health, +seen, +refused)


def _heard(control: Path, sensor: SensorStatus) -> int:
    """Frames that a radar has heard since it is looked at: a count takes it minutes."""
    if not declared(sensor.kind).is_radar:
        return 0
    with contextlib.suppress(Refused):  # a satellite's, or none that runs
        return frames_of(asked(control, sensor.name))
    return 0


def _status(control: Path, name: str) -> SensorStatus:
    sensors = msgspec.convert(ask(control, "sensors"), tuple[SensorStatus, ...])
    for sensor in sensors:
        if sensor.name == name:
            return sensor
    raise Refused(
        f"The daemon has no sensor '{name}'.", f"It has: {', '.join(s.name for s in sensors)}."
    )


def alone(config: Config, name: str, seconds: float, progress: Progress) -> Trial:
    """Run the sensor's worker without the daemon and read what it sends.

    A trial asks nobody in front of the camera: only in a marked zone are faces described. Else
    a camera is judged by the people it counts, and a radar by the frames of its survey.
    """
    section = config.sensors[name]
    watch = _Watch(seconds, progress)
    with lone.worker(config, name) as connection:
        try:
            connection.sendall(wire.encode(lone.configuration(config, name)))
            if declared(section.kind).is_radar:
                connection.sendall(wire.encode(wire.Leave(wire.Action.SURVEY, None)))
            if config.recognition.mode is RecognitionMode.ZONE:
                connection.sendall(wire.encode(wire.Leave(wire.Action.EMBED, None)))
            watch.read(connection)
        except BadWireFrame as error:
            watch.health = wire.Health(False, error.what, error.remedy)
        except (BrokenPipeError, ConnectionResetError):
            watch.ended()
    return _judged((name, section.kind), seconds, watch.health, +watch.observed, watch.dropped)


def _judged(
    sensor: tuple[str, str],
    seconds: float,
    health: wire.Health,
    observed: Counter[str],
    dropped: Counter[str],
) -> Trial:
    """A sensor that saw nothing has not passed: a cut cable is silent too."""
    name, kind = sensor
    ok, state, remedy = health.ok, health.state, health.remedy
    if ok and not observed:
        ok = False
        if state == FINISHED:
            state = "its recording is at its end, and nothing more is to be observed"
            remedy = "Start the daemon again to play it from the beginning, or name another device."
        else:
            state = f"{state}, but it observed nothing"
            remedy = (
                "Give it something to see meanwhile (scan a code, step before the camera, bring a"
                " phone); --seconds 30 takes longer."
            )
    return Trial(name, kind, seconds, ok, state, remedy, dict(observed), dict(dropped))


class _Watch:
    """Counts what comes up from one worker until the time is over or it hangs up."""

    def __init__(self, seconds: float, progress: Progress) -> None:
        self._seconds = seconds
        self._progress = progress
        self._started = False
        self._until_s = time.monotonic() + STARTING_S_MAX
        self.observed: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self.health = wire.Health(False, "it did not start", "Start it again; check the device.")

    def read(self, connection: socket.socket) -> None:
        for message in lone.messages(connection, lambda: self._until_s):
            self._take(message)
            if self._started:
                self._progress(1 - (self._until_s - time.monotonic()) / self._seconds)

    def ended(self) -> None:
        """The worker hung up: its last word says why, or it had none."""
        if self.health.ok or not self._started:
            self.health = wire.Health(
                False, "its process ended", "Look at its messages: journalctl -u 'storebox*'"
            )

    def _take(self, message: Any) -> None:
        match message:
            case wire.Health(state="starting"):
                pass
            case wire.Health() as health:
                self.health = health
                self._start()
            case wire.Seen(observations=observations):
                self._start()
                for observation in observations:
                    self.observed[observation.kind] += 1
                    observation.wipe()
            case wire.Surveyed(survey=survey):
                self.observed[FRAMES] = frames_of(survey)
            case wire.Dropped(counts=counts):
                self.dropped.update(counts)

    def _start(self) -> None:
        if not self._started:
            self._started = True
            self._until_s = time.monotonic() + self._seconds
