"""The configuration as each room wants it. Rooms may not read the file themselves.

Called by the daemon while it puts the box together; pure apart from reading the hash of the PIN.
"""

from pathlib import Path
from typing import Any

from edge.config import Config
from edge.errors import BadModel
from edge.face_files import chosen
from edge.operation import recognition
from edge.operation.retention import Limits
from edge.operation.syncing import Identity
from edge.presence.desk import PresenceDesk, PresenceSettings
from edge.presence.fusion import Thresholds
from edge.presence.places import SensorPlace
from edge.sections import BrokerSection, RecognitionMode
from edge.sensor_spec import SensorSpec
from kiosk.pin import read_pin
from kiosk.settings import KioskSettings
from sensors.declaration import declared
from sync.broker import BrokerSettings
from sync.commands import Authority
from sync.link import LinkSettings
from sync.messages import Address
from sync.replica import ReplicaSettings
from sync.signing import TrustedKeys
from sync.uplink import Pace

SENSOR_SOCKETS = Path("/run/storebox/sensors")
"""Where `systemd/storebox-sensor@.socket` listens."""


def sensor_specs(config: Config) -> tuple[SensorSpec, ...]:
    """The configured sensors."""
    return tuple(
        SensorSpec(
            name=name,
            kind=sensor.kind,
            device=sensor.device,
            options=_options(config, name),
            screen=sensor.screen,
            silence_s=sensor.silence_s,
        )
        for name, sensor in config.sensors.items()
    )


def _options(config: Config, name: str) -> dict[str, Any]:
    """Of one sensor; what it leaves open and the shop knows is given to it."""
    options = config.options[name]
    declaration = declared(config.sensors[name].kind)
    if declaration.is_radar and config.kiosk.timezone:
        return {"timezone": config.kiosk.timezone, **options}
    if {"models", "model"} <= set(declaration.options.__struct_fields__):
        return {"models": config.faces.models, "model": face_model(config), **options}
    return options


def face_model(config: Config) -> str:
    """The id of the model that describes faces now: what is configured, or for "auto" the best.

    A model that cannot be found is named as it is configured: its sensor says what is wrong.
    """
    try:
        return chosen(Path(config.faces.models), config.faces.model)
    except BadModel:
        return config.faces.model


def socket_path(config: Config, name: str) -> str:
    """Where systemd listens for a sensor; empty if the core is to start the worker itself."""
    given = config.sensors[name].socket
    usual = SENSOR_SOCKETS / f"{name}.sock"
    return given or (str(usual) if usual.is_socket() else "")


def presence(config: Config) -> PresenceSettings:
    """For the presence desk."""
    section = config.recognition
    return PresenceSettings(
        thresholds=Thresholds(section.identified, section.suggested),
        visit_silence_s=section.visit_silence_s,
        faces=recognition.face_settings(config),
        sensors=_places(config),
    )


def _places(config: Config) -> dict[str, SensorPlace]:
    """Where each sensor stands. A camera with lines to count at sees an entrance."""
    return {
        name: SensorPlace(sensor.screen, _counts_at_door(sensor.kind, config.options[name]))
        for name, sensor in config.sensors.items()
    }


def _counts_at_door(kind: str, options: dict[str, Any]) -> bool:
    return kind == "face" and bool(options.get("lines"))


def retention(config: Config) -> Limits:
    """How long things are kept."""
    kept = config.retention
    return Limits(kept.visits_days, kept.orders_days, kept.consent_log_days)


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
        operator=config.privacy.operator,
        contact=config.privacy.contact,
        templates_sent_up=config.recognition.send_templates,
    )


def address(config: Config) -> Address:
    """Under which name this box speaks."""
    return Address(config.box.tenant, config.box.store, config.box.box)


def broker_of(config: Config, section: BrokerSection, purpose: str = "") -> BrokerSettings:
    """How to reach the broker of a section; `purpose` tells a second connection from the first."""
    box = config.box
    return BrokerSettings(
        host=section.host,
        port=section.port,
        client_id=f"storebox-{box.tenant}-{box.store}-{box.box}{purpose}",
        username=section.username,
        password_file=_named(section.password_file),
        token_file=_named(section.token_file),
        tls=section.tls,
        ca_file=_named(section.ca_file),
        cert_file=_named(section.cert_file),
        key_file=_named(section.key_file),
        protocol=section.protocol,
        keepalive_s=section.keepalive_s,
    )


def replica(config: Config, presence: PresenceDesk) -> ReplicaSettings:
    """For the copy of the platform's datasets. SyncError if the key file cannot be used."""
    return ReplicaSettings(address(config), _keys(config), face_model=presence.face_model)


def authority(config: Config) -> Authority:
    """Whose commands are obeyed. SyncError if the key file cannot be used."""
    return Authority(address(config), _keys(config))


def lease_s(config: Config) -> float:
    """How long faces may be matched without hearing the platform."""
    return config.platform.lease_h * 3600.0


def identity(config: Config) -> Identity:
    """What `storebox sync status` says of the box itself."""
    return Identity(
        box=str(address(config)),
        clock_source=config.clock.source.value,
        keys=bool(config.platform.key_file),
        lease_s=lease_s(config),
    )


def _keys(config: Config) -> TrustedKeys:
    return TrustedKeys.read(_named(config.platform.key_file))


def link(config: Config) -> LinkSettings:
    """For the line to the platform."""
    broker = config.broker
    return LinkSettings(
        address=address(config),
        broker=broker_of(config, broker),
        first_retry_s=broker.first_retry_s,
        retry_max_s=broker.retry_max_s,
        pace=Pace(visit_flush_s=broker.visit_flush_s, bulk_flush_s=broker.bulk_flush_s),
    )


def _named(file: str) -> Path | None:
    return Path(file) if file else None
