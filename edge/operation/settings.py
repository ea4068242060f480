"""The configuration as each room wants it. Rooms may not read the file themselves.

Called by the daemon while it puts the box together; pure apart from reading the hash of the PIN.
"""

from pathlib import Path

from edge.config import Config
from edge.intake import SensorSpec
from edge.presence.desk import Faces, PresenceSettings
from edge.presence.fusion import Thresholds
from edge.sections import RecognitionMode
from kiosk.pin import read_pin
from kiosk.settings import KioskSettings
from sync.link import LinkSettings
from sync.messages import Address
from sync.mqtt import BrokerSettings

SENSOR_SOCKETS = Path("/run/storebox/sensors")
"""Where `systemd/storebox-sensor@.socket` listens."""


def sensor_specs(config: Config) -> tuple[SensorSpec, ...]:
    """The configured sensors."""
    return tuple(
        SensorSpec(
            name=name,
            kind=sensor.kind,
            device=sensor.device,
            options=config.options[name],
            screen=sensor.screen,
            silence_s=sensor.silence_s,
        )
        for name, sensor in config.sensors.items()
    )


def socket_path(config: Config, name: str) -> str:
    """Where systemd listens for a sensor; empty if the core is to start the worker itself."""
    given = config.sensors[name].socket
    usual = SENSOR_SOCKETS / f"{name}.sock"
    return given or (str(usual) if usual.is_socket() else "")


def presence(config: Config) -> PresenceSettings:
    """For the presence desk."""
    recognition = config.recognition
    return PresenceSettings(
        thresholds=Thresholds(recognition.identified, recognition.suggested),
        visit_silence_s=recognition.visit_silence_s,
        faces=Faces(recognition.mode.value),
    )


def kiosk(config: Config) -> KioskSettings:
    """For the screens. ConfigError if the PIN file is named but cannot be used."""
    section, pin = config.kiosk, config.staff_pin_path
    return KioskSettings(
        store=config.box.store,
        store_name=section.store_name,
        places=section.places,
        currency=config.box.currency,
        language=config.box.language,
        timezone=section.timezone,
        screens=section.screens,
        host_names=section.host_names,
        remote_screens=section.remote_screens,
        recognition=config.recognition.mode is not RecognitionMode.OFF,
        staff_pin_hash=read_pin(pin) if section.staff_pin_file or pin.exists() else "",
        idle_s=section.idle_s,
    )


def link(config: Config) -> LinkSettings:
    """For the line to the platform."""
    box, broker = config.box, config.broker
    return LinkSettings(
        address=Address(box.tenant, box.store, box.box),
        broker=BrokerSettings(
            host=broker.host,
            port=broker.port,
            client_id=f"storebox-{box.tenant}-{box.store}-{box.box}",
            username=broker.username,
            password_file=Path(broker.password_file) if broker.password_file else None,
            ca_file=Path(broker.ca_file) if broker.ca_file else None,
            keepalive_s=broker.keepalive_s,
        ),
        first_retry_s=broker.first_retry_s,
        retry_max_s=broker.retry_max_s,
        visit_flush_s=broker.visit_flush_s,
        bulk_flush_s=broker.bulk_flush_s,
    )
