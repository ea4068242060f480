"""Pictures of the air, once a second: from the daemon's radar, or from the radar started alone.

Called by `storebox wifi`; the daemon answers with `survey_questions`. A picture lives in memory
for seconds and is neither stored nor logged nor sent anywhere but to the terminal.
"""

import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from edge.config import Config
from edge.control import Question, ask, question
from edge.errors import DeviceGone, NotReachable
from edge.intake import Intake
from edge.operation import lone
from edge.operation.lone import STARTING_S_MAX
from sensors import wire
from sensors.radar.survey import Survey

POLL_S = 0.5
"""Twice as often as pictures come, so that none is late by more."""

Remark = Callable[[str], None]
"""Told, in words, where the pictures come from."""


class _Which(Struct, frozen=True, forbid_unknown_fields=True):
    sensor: str


def frames_of(survey: Survey | None) -> int:
    """All that was heard since the survey began."""
    return sum(air.frames for air in survey.airs) if survey else 0


def survey_questions(intake: Intake) -> dict[str, Question]:
    """`survey`: the newest picture of one radar, which asking keeps surveying for some seconds."""
    return {"survey": question(_Which, lambda which: intake.survey(which.sensor))}


def pictures(config: Config, name: str, remark: Remark) -> Iterator[Survey]:
    """One picture a second until the caller has enough.

    Refused or DeviceGone if the radar shows none; BadWireFrame if it is of another version.
    """
    control = Path(config.state.control_socket)
    try:
        first = asked(control, name)
    except NotReachable as error:
        remark(f"{error.what} Starting the sensor alone.")
        yield from _alone(config, name)
        return
    yield from _watched(control, name, first)


def _watched(control: Path, name: str, newest: Survey | None) -> Iterator[Survey]:
    shown: Survey | None = None
    patience_s = time.monotonic() + STARTING_S_MAX
    while time.monotonic() < patience_s:
        if newest is not None and newest != shown:
            shown = newest
            patience_s = time.monotonic() + STARTING_S_MAX
            yield newest
        time.sleep(POLL_S)
        newest = asked(control, name)
    raise _nothing(name)


def asked(control: Path, name: str) -> Survey | None:
    """The daemon's newest picture. Refused if it runs no such radar itself."""
    return msgspec.convert(ask(control, "survey", sensor=name), Survey | None)


def _alone(config: Config, name: str) -> Iterator[Survey]:
    with lone.worker(config, name) as connection:
        try:
            connection.sendall(wire.encode(lone.configuration(config, name)))
            connection.sendall(wire.encode(wire.Leave(wire.Action.SURVEY, None)))
            yield from _read(connection, name)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise _nothing(name) from error


def _read(connection: socket.socket, name: str) -> Iterator[Survey]:
    patience_s = time.monotonic() + STARTING_S_MAX
    health = wire.Health(True, "")

    def until_s() -> float:
        return patience_s

    with contextlib.suppress(ConnectionResetError):  # its last word says why it hung up
        for message in lone.messages(connection, until_s):
            match message:
                case wire.Surveyed(survey=survey):
                    patience_s = time.monotonic() + STARTING_S_MAX
                    yield survey
                case wire.Health():
                    health = message
    if not health.ok:
        raise DeviceGone(health.state, health.remedy)
    raise _nothing(name)


def _nothing(name: str) -> DeviceGone:
    return DeviceGone(
        f"Sensor {name} shows nothing of what it hears.",
        f"`storebox sensors test {name}` says how it is; a recording that has ended is silent.",
    )
