"""The configuration file: TOML in, one frozen `Config` out, or an error that names the line.

Read once at start by the daemon and by the commands that need it; `storebox config check` is
nothing but this. It opens no device and no connection.
"""

import difflib
import re
import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from edge.errors import ConfigError
from sensors.declaration import declared

DEFAULT_PATH = Path("/etc/storebox/storebox.toml")
CONFIG_BYTES_MAX = 256 * 1024
SENSORS_MAX = 32

Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,40}$")]
Port = Annotated[int, Meta(ge=0, le=65535)]
Probability = Annotated[float, Meta(gt=0, lt=1)]


class BoxSection(Struct, frozen=True, forbid_unknown_fields=True):
    """`[box]`: which box this is. The three names are the prefix of its MQTT topics."""

    tenant: Name
    store: Name
    box: Name
    number: Annotated[int, Meta(ge=1, le=99)] = 1
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")] = "RUB"
    language: Annotated[str, Meta(pattern="^(ru|en)$")] = "ru"


class StateSection(Struct, frozen=True, forbid_unknown_fields=True):
    """`[state]`: where the box keeps what must survive a restart.

    `journal` names a file in which every promise to a producer is written down (event ids with
    a hash of their bodies); proofs of "nothing lost" compare it with the platform's log.
    """

    directory: str = "/var/lib/storebox"
    control_socket: str = "/run/storebox/control.sock"
    journal: str = ""


class ClockSource(StrEnum):
    """Where time comes from."""

    SYSTEM = "system"
    SCENARIO = "scenario"


class ClockSection(Struct, frozen=True, forbid_unknown_fields=True):
    """`[clock]`: real time, or the time of a recording (`start_ms`; `holds` also move it)."""

    source: ClockSource = ClockSource.SYSTEM
    start_ms: int = 0
    holds: tuple[Name, ...] = ()


class RecognitionMode(StrEnum):
    """When face templates may be computed."""

    ON_REQUEST = "on_request"
    ZONE = "zone"
    OFF = "off"


class RecognitionSection(Struct, frozen=True, forbid_unknown_fields=True):
    """`[recognition]`: when faces may be matched, and how sure the box must be."""

    mode: RecognitionMode = RecognitionMode.ON_REQUEST
    legal_basis: str = ""
    identified: Probability = 0.99
    suggested: Probability = 0.8
    visit_silence_s: Annotated[int, Meta(ge=10, le=86400)] = 900


class BrokerSection(Struct, frozen=True, forbid_unknown_fields=True):
    """`[broker]`: the MQTT broker of the platform. The password is read from a file."""

    host: str = "127.0.0.1"
    port: Port = 1883
    username: str = ""
    password_file: str = ""
    ca_file: str = ""
    keepalive_s: Annotated[int, Meta(ge=5, le=600)] = 60
    visit_flush_s: Annotated[float, Meta(ge=0, le=60)] = 1.0
    bulk_flush_s: Annotated[float, Meta(ge=0, le=600)] = 30.0
    first_retry_s: Annotated[float, Meta(ge=0.05, le=300)] = 1.0
    retry_max_s: Annotated[float, Meta(ge=0.1, le=3600)] = 300.0


class KioskSection(Struct, frozen=True, forbid_unknown_fields=True):
    """`[kiosk]`: where the pages are served, which screens there are, what places are called.

    `staff_pin_file` holds an argon2 hash of the PIN; `places` names other stores by their code.
    """

    host: str = "127.0.0.1"
    port: Port = 8480
    staff_pin_file: str = ""
    screens: tuple[Name, ...] = ("main",)
    store_name: str = "storebox"
    places: dict[str, str] = {}
    timezone: str = ""
    idle_s: Annotated[float, Meta(ge=10, le=3600)] = 60
    host_names: tuple[str, ...] = ()
    remote_screens: bool = False


class SensorSection(Struct, frozen=True):
    """`[sensors.NAME]`: one sensor. All further keys are the options of its kind."""

    kind: str
    device: str
    screen: str = ""
    socket: str = ""
    silence_s: Annotated[float, Meta(ge=3, le=600)] = 15.0


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    box: BoxSection
    state: StateSection = StateSection()
    clock: ClockSection = ClockSection()
    recognition: RecognitionSection = RecognitionSection()
    broker: BrokerSection = BrokerSection()
    kiosk: KioskSection = KioskSection()
    sensors: dict[Name, SensorSection] = {}
    options: dict[str, dict[str, Any]] = {}
    """Options by sensor name, split off `[sensors.NAME]` and validated; not a key of the file."""

    @property
    def staff_pin_path(self) -> Path:
        """Where the hash of the staff's PIN lies."""
        return Path(self.kiosk.staff_pin_file or Path(self.state.directory, "staff_pin"))


def load(path: Path, overlay: Path | None = None) -> Config:
    """Read `path`, and `overlay` over it. ConfigError names file and line of what is wrong."""
    text = _text(path)
    tree = _parsed(path, text)
    sources: _Sources = ((path, text),)
    if overlay is not None:
        over = _text(overlay)
        tree = _merged(tree, _parsed(overlay, over))
        sources = ((overlay, over), *sources)
    return _validated(sources, tree)


_Sources = tuple[tuple[Path, str], ...]
"""Files with their texts, the one that wins first: where to look for the line of an error."""


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
        raise ConfigError(f"{path} is not valid TOML: {error}.", "Correct that line.") from error


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    result = dict(below)
    for key, value in above.items():
        under = result.get(key)
        both = isinstance(under, dict) and isinstance(value, dict)
        result[key] = _merged(under, value) if both and isinstance(under, dict) else value
    return result


def _validated(sources: _Sources, tree: dict[str, Any]) -> Config:
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
        raise _explained(sources, str(error), Config) from error
    for name, sensor in config.sensors.items():
        _check_sensor(sources, name, sensor, options[name])
    _check_whole(sources, config)
    return config


def _check_section(sources: _Sources, name: str, section: Any) -> None:
    """The keys that all sensors share, one sensor at a time: msgspec's paths leave names out."""
    try:
        msgspec.convert(name, Name)
    except msgspec.ValidationError as error:
        raise ConfigError(
            f"{_place(sources, ['sensors', name])}: '{name}' cannot be a sensor's name.",
            "Use at most 41 letters, digits, '.', '_' or '-', the first a letter or digit.",
        ) from error
    try:
        msgspec.convert(section, SensorSection)
    except msgspec.ValidationError as error:
        raise _explained(sources, str(error), SensorSection, ("sensors", name)) from error


def _check_sensor(
    sources: _Sources, name: str, sensor: SensorSection, options: dict[str, Any]
) -> None:
    try:
        expected = declared(sensor.kind).options
    except ConfigError as error:
        place = _place(sources, ["sensors", name, "kind"])
        raise ConfigError(f"{place}: {error.what}", error.remedy) from error
    known = set(expected.__struct_fields__)
    for key in options:
        if key not in known:
            where = _place(sources, ["sensors", name, key])
            choices = known | set(SensorSection.__struct_fields__)
            raise ConfigError(
                f"{where}: unknown key '{key}' in [sensors.{name}].", _suggestion(key, choices)
            )
    try:
        msgspec.convert(options, expected)
    except msgspec.ValidationError as error:
        raise _explained(sources, str(error), expected, ("sensors", name)) from error


def _check_whole(sources: _Sources, config: Config) -> None:
    recognition = config.recognition
    if recognition.mode is RecognitionMode.ZONE and not recognition.legal_basis:
        raise ConfigError(
            f'{_place(sources, ["recognition", "mode"])}: [recognition] mode = "zone"'
            " without a legal_basis.",
            "Name the legal basis on which people in the zone are matched, or use on_request.",
        )
    if recognition.suggested > recognition.identified:
        raise ConfigError(
            f"{_place(sources, ['recognition', 'suggested'])}: [recognition] suggested is above"
            " identified.",
            "Make it the lower one.",
        )
    for name, sensor in config.sensors.items():
        if sensor.screen and sensor.screen not in config.kiosk.screens:
            where = _place(sources, ["sensors", name, "screen"])
            raise ConfigError(
                f"{where}: there is no screen '{sensor.screen}'.",
                f"Name one of [kiosk] screens: {', '.join(config.kiosk.screens)}.",
            )
    if len(config.sensors) > SENSORS_MAX:
        raise ConfigError(
            f"{_place(sources, ['sensors'])}: more than {SENSORS_MAX} sensors.",
            "Use a second box.",
        )


def _explained(
    sources: _Sources, reason: str, root: type[Struct], prefix: tuple[str, ...] = ()
) -> ConfigError:
    """msgspec's message turned into file, line, key and what to do."""
    below, what = _split(reason)
    keys = [*prefix, *below]
    section = ".".join(keys)
    unknown = re.search(r"unknown field `(.+?)`", what)
    if unknown:
        key = unknown.group(1)
        where = _place(sources, [*keys, key])
        named = f" in [{section}]" if section else ""
        return ConfigError(
            f"{where}: unknown key '{key}'{named}.", _suggestion(key, _fields(root, below))
        )
    missing = re.search(r"missing required field `(.+?)`", what)
    if missing:
        named = f"[{section}] needs" if section else "the file needs"
        return ConfigError(f"{_place(sources, keys)}: {named} '{missing.group(1)}'.", "Add it.")
    return ConfigError(f"{_place(sources, keys)}: {section}: {what}.", "Correct it.")


def _split(reason: str) -> tuple[list[str], str]:
    """`Expected int - at $.kiosk.port` -> (["kiosk", "port"], "Expected int").

    Places inside a list (`holds[0]`) are left out: a line is found by its key.
    """
    what, _, place = reason.partition(" - at `$")
    return re.findall(r"\.([^.\[\]`]+)", place), what


def _fields(root: type[Struct], keys: list[str]) -> set[str]:
    kind: Any = root
    for key in keys:
        field = next((f for f in msgspec.structs.fields(kind) if f.name == key), None)
        if field is None or not isinstance(field.type, type):
            return set()
        kind = field.type
    return (
        set(kind.__struct_fields__) - {"options"} if hasattr(kind, "__struct_fields__") else set()
    )


def _suggestion(key: str, known: set[str]) -> str:
    close = difflib.get_close_matches(key, sorted(known), n=1)
    if close:
        return f"Did you mean '{close[0]}'?"
    return f"Known keys: {', '.join(sorted(known))}."


def _place(sources: _Sources, keys: list[str]) -> str:
    """`FILE line N` of the deepest of `keys` that can be found in the texts."""
    found = [(*_line(text, keys), path) for path, text in sources]
    _, line, path = max(found, key=lambda place: place[0])
    return f"{path} line {line}" if line else str(sources[-1][0])


def _line(text: str, keys: list[str]) -> tuple[int, int]:
    """How many of `keys` lead to the best line, and its number; (0, 0) if none does."""
    table: list[str] = []
    best = (0, 0)
    for number, line in enumerate(text.splitlines(), start=1):
        header = _header(line)
        key = re.match(r'\s*"?([A-Za-z0-9_.-]+)"?\s*=', line)
        if header:
            table = here = header
        elif key:
            here = [*table, *key.group(1).split(".")]
        else:
            continue
        if keys[: len(here)] == here and len(here) > best[0]:
            best = (len(here), number)
    return best


def _header(line: str) -> list[str]:
    """The keys of a table's header (`[sensors."front.door"]`), as TOML itself reads them."""
    if not line.lstrip().startswith("["):
        return []
    try:
        tree: Any = tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return []  # the continuation of a list
    keys: list[str] = []
    while tree:
        tree = tree[-1] if isinstance(tree, list) else tree
        for key, below in tree.items():
            keys.append(key)
            tree = below
    return keys
