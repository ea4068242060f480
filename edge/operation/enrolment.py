"""Enrolment of faces, put together from the configuration and connected to its neighbours.

Called by the daemon while it puts the box together. It decides nothing.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from edge.clock import Clock
from edge.config import Config
from edge.counters import Counters
from edge.errors import ConfigError
from edge.intake import Intake
from edge.lease import Lease
from edge.operation import settings
from edge.presence.desk import Faces, PresenceDesk
from edge.presence.enrolling import Enrolling, Sealing
from edge.presence.enrolment import Enrolment, EnrolmentSettings
from edge.presence.template_seal import read_key
from edge.sections import Profile, RecognitionMode
from edge.sensor_spec import SensorSpec
from edge.storage.database import Database
from sensors.wire import Action

log = logging.getLogger(__name__)

CAMERA = "face"
"""The kind of sensor that can describe a face."""


def enrolment_settings(config: Config, specs: Sequence[SensorSpec]) -> EnrolmentSettings:
    """Whether faces may be enrolled, and where: at screens to which a camera belongs."""
    section = config.recognition
    accredited = section.profile is not Profile.RU or bool(section.accreditation_ref.strip())
    matched = section.mode is not RecognitionMode.OFF
    cameras = (spec.screen for spec in specs if spec.kind == CAMERA and spec.screen)
    screens = frozenset(cameras) & frozenset(config.kiosk.screens)
    return EnrolmentSettings(allowed=matched and accredited, screens=screens)


def sealing(config: Config) -> Sealing | None:
    """For whom templates are sealed on their way up; None if they stay here. A key that cannot be
    used closes no shop: then they stay, and the log says so.
    """
    if not config.recognition.send_templates:
        return None
    try:
        key = read_key(Path(config.platform.encryption_key_file))
    except ConfigError as error:
        log.error("No template is sent up: %s", error)
        return None
    return Sealing(key, str(settings.address(config)))


@dataclass(frozen=True, slots=True)
class Ground:
    """What it stands on."""

    database: Database
    clock: Clock
    counters: Counters
    lease: Lease
    intake: Intake


def put_together(
    config: Config, ground: Ground, presence: PresenceDesk, specs: Sequence[SensorSpec]
) -> Enrolment:
    """Enrolment beside the presence desk, which hands it the frames."""
    database, clock, counters = ground.database, ground.clock, ground.counters
    known, up = presence.recognition, sealing(config)
    enrolling = Enrolling(database, clock, known, counters=counters, sealing=up)
    at = enrolment_settings(config, specs)
    if presence.face_mode is Faces.OFF:  # no table: whom nobody could recognise is not enrolled
        at = replace(at, allowed=False)
    enrolment = Enrolment(database, clock, at, enrolling=enrolling, counters=counters)
    presence.enrol_with(enrolment)
    enrolment.add_people_listener(presence.reload)
    presence.add_listener(enrolment.people_changed)
    _connect(enrolment, ground.lease, ground.intake)
    return enrolment


def _connect(enrolment: Enrolment, lease: Lease, intake: Intake) -> None:
    """Cameras look when somebody is enrolled, and only as long as the lease holds: an erasure could
    be waiting.
    """

    async def changed(holds: bool) -> None:
        enrolment.allow(holds)

    enrolment.look_with(lambda screen, seconds: intake.grant(Action.ENROL, seconds, screen))
    enrolment.allow(lease.holds)
    lease.on_change(changed)
