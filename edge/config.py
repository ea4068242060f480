"""The configuration file: TOML in, one frozen `Config` out, or an error that names the line.

Read once at start by the daemon and by the commands that need it; `storebox config check` looks
for the files it names, too. It opens no device and no connection, and writes nothing.
"""

import os
import tomllib
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from edge.clock import is_timezone
from edge.errors import ConfigError
from edge.mistakes import Sources, explained, line_of, named_tables, no_toml, suggestion
from edge.sections import (
    BoxSection,
    BrokerSection,
    ClockSection,
    CodesSection,
    FacesSection,
    KioskSection,
    Name,
    PlatformSection,
    PrivacySection,
    Profile,
    RecognitionMode,
    RecognitionSection,
    RetentionSection,
    SatelliteSection,
    SensorSection,
    StateSection,
)
from kiosk.settings import SCREENS_MAX
from sensors.declaration import declared

DEFAULT_PATH = Path("/etc/storebox/storebox.toml")
CONFIG_BYTES_MAX = 256 * 1024
SENSORS_MAX = 32


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    box: BoxSection
    state: StateSection = StateSection()
    clock: ClockSection = ClockSection()
    recognition: RecognitionSection = RecognitionSection()
    faces: FacesSection = FacesSection()
    codes: CodesSection = CodesSection()
    broker: BrokerSection = BrokerSection()
    shop_broker: BrokerSection | None = None
    """The shop's own broker, if this box is the primary of satellites."""
    satellite: SatelliteSection = SatelliteSection()
    platform: PlatformSection = PlatformSection()
    kiosk: KioskSection = KioskSection()
    privacy: PrivacySection = PrivacySection()
    retention: RetentionSection = RetentionSection()
    sensors: dict[Name, SensorSection] = {}
    options: dict[str, dict[str, Any]] = {}
    """Options by sensor name, split off `[sensors.NAME]` and validated; not a key of the file."""

    @property
    def staff_pin_path(self) -> Path:
        """Where the hash of the staff's PIN lies."""
        return Path(self.kiosk.staff_pin_file or Path(self.state.directory, "staff_pin"))


def load(path: Path, overlay: Path | None = None, *, files: bool = False) -> Config:
    """Read `path`, and `overlay` over it. ConfigError names file and line of what is wrong.

    With `files` also a file that is named but cannot be read is wrong. The box itself starts
    without one, so that a lost password does not close the shop.
    """
    text = _text(path)
    tree = _parsed(path, text)
    sources: Sources = ((path, text),)
    if overlay is not None:
        over = _text(overlay)
        tree = _merged(tree, _parsed(overlay, over))
        sources = ((overlay, over), *sources)
    config = _validated(sources, tree)
    if files:
        _check_files(sources, config)
    return config


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > CONFIG_BYTES_MAX:
            raise ConfigError(f"{path} is larger than {CONFIG_BYTES_MAX} bytes.", "Is it the file?")
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(
            f"There is no configuration at {path}.", "Name one with --config FILE."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}.", "Check its permissions.") from error


def _parsed(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise no_toml(path, text, error) from error
    except RecursionError as error:
        raise ConfigError(f"{path} is nested too deeply.", "Is it the file?") from error


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    result = dict(below)
    for key, value in above.items():
        under = result.get(key)
        both = isinstance(under, dict) and isinstance(value, dict)
        result[key] = _merged(under, value) if both and isinstance(under, dict) else value
    return result


def _validated(sources: Sources, tree: dict[str, Any]) -> Config:
    options: dict[str, dict[str, Any]] = {}
    sections = tree.get("sensors", {})
    common = set(SensorSection.__struct_fields__)
    if isinstance(sections, dict):
        for name, section in sections.items():
            _check_section(sources, name, section)
            options[name] = {k: v for k, v in section.items() if k not in common}
    try:
        if "options" in tree:
            raise msgspec.ValidationError("Object contains unknown field `options`")
        config = msgspec.convert({**tree, "options": options}, Config)
    except msgspec.ValidationError as error:
        raise explained(sources, str(error), Config) from error
    for name, sensor in config.sensors.items():
        _check_sensor(sources, name, sensor, options[name])
    _check_whole(sources, config)
    return config


def _check_section(sources: Sources, name: str, section: Any) -> None:
    """The keys that all sensors share, one sensor at a time: msgspec's paths leave names out."""
    try:
        msgspec.convert(name, Name)
    except msgspec.ValidationError as error:
        raise ConfigError(
            f"{line_of(sources, ['sensors', name])}: '{name}' cannot be a sensor's name.",
            "Use at most 41 letters, digits, '.', '_' or '-', the first a letter or digit.",
        ) from error
    try:
        msgspec.convert(section, SensorSection)
    except msgspec.ValidationError as error:
        raise explained(sources, str(error), SensorSection, ("sensors", name)) from error


def _check_sensor(
    sources: Sources, name: str, sensor: SensorSection, options: dict[str, Any]
) -> None:
    try:
        expected = declared(sensor.kind).options
    except ConfigError as error:
        where = line_of(sources, ["sensors", name, "kind"])
        raise ConfigError(f"{where}: {error.what}", error.remedy) from error
    known = set(expected.__struct_fields__)
    for key in options:
        if key not in known:
            where = line_of(sources, ["sensors", name, key])
            choices = known | set(SensorSection.__struct_fields__)
            raise ConfigError(
                f"{where}: unknown key '{key}' in [sensors.{name}].", suggestion(key, choices)
            )
    _check_timezone(sources, ["sensors", name], options.get("timezone"))
    _check_drawn(sources, name, expected, options)
    try:
        msgspec.convert(options, expected)
    except msgspec.ValidationError as error:
        raise explained(sources, str(error), expected, ("sensors", name)) from error


def _check_drawn(
    sources: Sources, name: str, expected: type[Struct], options: dict[str, Any]
) -> None:
    """Named tables among the options, such as zones, one at a time: see `_check_section`."""
    for field in msgspec.structs.fields(expected):
        kind = named_tables(field.type)
        tables = options.get(field.name)
        if kind is None or not isinstance(tables, dict):
            continue
        for table, value in tables.items():
            try:
                msgspec.convert(value, kind)
            except msgspec.ValidationError as error:
                where = ("sensors", name, field.name, table)
                raise explained(sources, str(error), kind, where) from error


def _check_whole(sources: Sources, config: Config) -> None:
    _check_recognition(sources, config)
    _check_kiosk(sources, config.kiosk)
    for name, sensor in config.sensors.items():
        _check_local(sources, name, sensor, config.satellite.primary)
        if sensor.device.startswith("satellite:") and config.shop_broker is None:
            raise ConfigError(
                f"{line_of(sources, ['sensors', name, 'device'])}: a sensor of a satellite without"
                " a [shop_broker].",
                "Say under [shop_broker] where the shop's own broker is.",
            )
        if sensor.screen and sensor.screen not in config.kiosk.screens:
            where = line_of(sources, ["sensors", name, "screen"])
            raise ConfigError(
                f"{where}: there is no screen '{sensor.screen}'.",
                f"Name one of [kiosk] screens: {', '.join(config.kiosk.screens)}.",
            )
    if len(config.sensors) > SENSORS_MAX:
        raise ConfigError(
            f"{line_of(sources, ['sensors'])}: more than {SENSORS_MAX} sensors.",
            "Use a second box.",
        )


def _check_local(sources: Sources, name: str, sensor: SensorSection, primary: str | None) -> None:
    """Logins and addresses of phones never cross a broker, not even the shop's own."""
    at_satellite = primary is not None or sensor.device.startswith("satellite:")
    if at_satellite and declared(sensor.kind).local_only:
        there = f"{primary}, the primary," if primary is not None else "this box"
        raise ConfigError(
            f"{line_of(sources, ['sensors', name, 'device'])}: a sensor of kind '{sensor.kind}'"
            " cannot stand at a satellite: what it hears of people's phones would cross the shop's"
            " broker.",
            f"Let the access points send to {there} and configure the sensor there, with a device"
            " such as udp:ADDRESS:1813.",
        )


def _check_recognition(sources: Sources, config: Config) -> None:
    recognition = config.recognition
    matched = recognition.mode is not RecognitionMode.OFF
    if recognition.mode is RecognitionMode.ZONE and not recognition.legal_basis:
        raise ConfigError(
            f'{line_of(sources, ["recognition", "mode"])}: [recognition] mode = "zone"'
            " without a legal_basis.",
            "Name the legal basis on which people in the zone are matched, or use on_request.",
        )
    if matched and recognition.profile is Profile.RU and not recognition.accreditation_ref.strip():
        raise ConfigError(
            f'{line_of(sources, ["recognition", "profile"])}: [recognition] profile = "ru" without'
            " an accreditation_ref.",
            "In Russia faces may be matched only by who is accredited (572-FZ): name the"
            ' accreditation, or set mode = "off".',
        )
    if recognition.send_templates and not config.platform.encryption_key_file:
        raise ConfigError(
            f"{line_of(sources, ['recognition', 'send_templates'])}: [recognition] send_templates"
            " without a key to seal them with.",
            "Name the platform's public key in [platform] encryption_key_file.",
        )
    if recognition.suggested > recognition.identified:
        raise ConfigError(
            f"{line_of(sources, ['recognition', 'suggested'])}: [recognition] suggested is above"
            " identified.",
            "Make it the lower one.",
        )


def _check_kiosk(sources: Sources, kiosk: KioskSection) -> None:
    count = len(kiosk.screens)
    if not 1 <= count <= SCREENS_MAX:
        raise ConfigError(
            f"{line_of(sources, ['kiosk', 'screens'])}: {count or 'no'} screens are named.",
            f"Name 1 to {SCREENS_MAX} of them.",
        )
    _check_timezone(sources, ["kiosk"], kiosk.timezone)


def _check_timezone(sources: Sources, section: list[str], zone: object) -> None:
    if isinstance(zone, str) and zone and not is_timezone(zone):
        raise ConfigError(
            f"{line_of(sources, [*section, 'timezone'])}: there is no time zone '{zone}'.",
            "Use a name as 'timedatectl list-timezones' shows them, such as Europe/Moscow.",
        )


def _check_files(sources: Sources, config: Config) -> None:
    named: dict[tuple[str, ...], tuple[str, str]] = {
        ("broker", "password_file"): (config.broker.password_file, "Write the password into it."),
        ("broker", "token_file"): (config.broker.token_file, "Write the token into it."),
        ("broker", "ca_file"): (config.broker.ca_file, "Put the broker's certificate there."),
        ("broker", "cert_file"): (config.broker.cert_file, "Run: storebox enrol"),
        ("broker", "key_file"): (config.broker.key_file, "Run: storebox enrol"),
        ("recognition", "calibration"): (
            config.recognition.calibration,
            "Make it with: storebox faces calibrate",
        ),
        ("platform", "encryption_key_file"): (
            config.platform.encryption_key_file,
            "Put the platform's public key there.",
        ),
        ("kiosk", "staff_pin_file"): (config.kiosk.staff_pin_file, "Run: storebox pin set"),
    }
    for sensor, options in config.options.items():
        file = str(options.get("secret_file", ""))
        named["sensors", sensor, "secret_file"] = (file, "Write the device's secret into it.")
    for keys, (name, remedy) in named.items():
        path, called = Path(name), ".".join(keys)
        if name and not path.is_file():
            where = line_of(sources, keys)
            raise ConfigError(f"{where}: {called}: there is no file {name}.", remedy)
        if name and not os.access(path, os.R_OK):
            raise ConfigError(
                f"{line_of(sources, keys)}: {called}: {name} may not be read.",
                "Let it belong to the user that runs storebox, or try this with sudo.",
            )
