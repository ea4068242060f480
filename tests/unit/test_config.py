"""The configuration: what it gives, and the exact sentence for everything that can be wrong."""

import os
from pathlib import Path

import pytest

from edge.config import CONFIG_BYTES_MAX, SENSORS_MAX, Config, load
from edge.errors import ConfigError
from edge.sections import KioskSection, RecognitionMode
from kiosk.settings import SCREENS_MAX

BOX = """\
[box]
tenant = "shop"
store = "s1"
box = "b1"
"""

CAMERA = '[sensors.door]\nkind = "face"\ndevice = "v4l2:/dev/video0"\n'
SCANNER = """\
[sensors.scanner]
kind = "code"
device = "/dev/ttyACM0"
"""


@pytest.fixture
def write(tmp_path: Path):
    def write(text: str, name: str = "box.toml") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def refused(path: Path, overlay: Path | None = None) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load(path, overlay)
    assert caught.value.remedy, "an error says what to do"
    return caught.value


def test_a_small_file_is_enough(write):
    config = load(write(BOX))
    assert isinstance(config, Config)
    assert config.box.tenant == "shop"
    assert config.recognition.mode is RecognitionMode.ON_REQUEST
    assert config.sensors == {}
    assert config.staff_pin_path == Path("/var/lib/storebox/staff_pin")


def test_options_of_a_sensor_are_split_off(write):
    config = load(write(BOX + SCANNER + "baud_rate = 19200\n"))
    assert config.sensors["scanner"].device == "/dev/ttyACM0"
    assert config.options == {"scanner": {"baud_rate": 19200}}


CASES = {
    "unknown section": (
        BOX + "[kisok]\nport = 1\n",
        "line 5: unknown key 'kisok'.",
        "Did you mean 'kiosk'?",
    ),
    "unknown key": (
        BOX + "[kiosk]\nhost = '127.0.0.1'\nprot = 1\n",
        "line 7: unknown key 'prot' in [kiosk].",
        "Did you mean 'port'?",
    ),
    "unknown key, dotted": (
        BOX + "[state]\n[kiosk]\n'odd' = 1\n",
        "line 6: unknown key 'odd' in [kiosk].",
        f"Known keys: {', '.join(sorted(KioskSection.__struct_fields__))}.",
    ),
    "the split-off options are no key": (
        BOX + "[options]\n",
        "line 5: unknown key 'options'.",
        "Known keys: box, broker, clock, codes, faces, kiosk, platform, privacy, recognition,"
        " retention, satellite, sensors, shop_broker, state.",
    ),
    "wrong type": (
        BOX + "[kiosk]\nport = 'eight'\n",
        "line 6: kiosk.port must be a whole number from 0 to 65535.",
        "Correct it.",
    ),
    "wrong type of a section": (
        "box = 3\n",
        "line 1: box must be a table.",
        "Correct it.",
    ),
    "out of range": (
        BOX + "[kiosk]\nport = 65536\n",
        "line 6: kiosk.port must be a whole number from 0 to 65535.",
        "Correct it.",
    ),
    "not one of the choices": (
        BOX + "[recognition]\nmode = 'always'\n",
        "line 6: recognition.mode must be one of: on_request, zone, off.",
        "Correct it.",
    ),
    "inside a list": (
        BOX + "[clock]\nsource = 'scenario'\nholds = ['a', 'b c']\n",
        "line 7: clock.holds must be a list, each entry at most 41 letters, digits,"
        " '.', '_' or '-', the first a letter or digit.",
        "Correct it.",
    ),
    "opening hours of a radar": (
        BOX + "[sensors.r]\nkind = 'wifi'\ndevice = 'wlan1'\nhours = ['mon 9-10']\n",
        "line 8: sensors.r.hours must be a list, each entry days and times such as"
        ' "mon-sat 09:00-21:00", "sun 10:00-18:00" or "daily 08:00-24:00".',
        "Correct it.",
    ),
    "time zone of a radar": (
        BOX + "[sensors.r]\nkind = 'wifi'\ndevice = 'wlan1'\ntimezone = 'Mars/X'\n",
        "line 8: there is no time zone 'Mars/X'.",
        "Use a name as 'timedatectl list-timezones' shows them, such as Europe/Moscow.",
    ),
    "a list of the wrong length": (
        BOX + "[kiosk]\nscreens = []\n",
        "line 6: no screens are named.",
        "Name 1 to 16 of them.",
    ),
    "too many screens": (
        BOX + f"[kiosk]\nscreens = {[f's{n}' for n in range(SCREENS_MAX + 1)]}\n",
        "line 6: 17 screens are named.",
        "Name 1 to 16 of them.",
    ),
    "text by a pattern": (
        BOX + "language = 'de'\n",
        "line 5: box.language must be one of: ru, en.",
        "Correct it.",
    ),
    "a choice, for which a number was given": (
        BOX + "[clock]\nsource = 3\n",
        "line 6: clock.source must be one of: system, scenario.",
        "Correct it.",
    ),
    "a value in a table": (
        BOX + "[kiosk.places]\nwarehouse = 3\n",
        "line 5: kiosk.places must be a table, each value text.",
        "Correct it.",
    ),
    "a probability": (
        BOX + "[recognition]\nidentified = 1.0\n",
        "line 6: recognition.identified must be a number between 0 and 1.",
        "Correct it.",
    ),
    "a limit that may be left out": (
        BOX + SCANNER.replace("code", "wifi") + "rssi_gate_dbm = 3\n",
        "line 8: sensors.scanner.rssi_gate_dbm must be a whole number from -120 to 0.",
        "Correct it.",
    ),
    "missing key": (
        "[box]\ntenant = 'shop'\nstore = 's1'\n",
        "line 1: [box] needs 'box'.",
        "Add it.",
    ),
    "missing section": ("[kiosk]\n", ": the file needs 'box'.", "Add it."),
    "missing key of a sensor": (
        BOX + SCANNER + "[sensors.door]\ndevice = '/dev/video0'\n",
        "line 8: [sensors.door] needs 'kind'.",
        "Add it.",
    ),
    "common key of a sensor out of range": (
        BOX + SCANNER + "silence_s = 1\n",
        "line 8: sensors.scanner.silence_s must be a number from 3 to 600.",
        "Correct it.",
    ),
    "a sensor that is no table": (
        BOX + "[sensors]\nscanner = 'code'\n",
        "line 6: sensors.scanner must be a table.",
        "Correct it.",
    ),
    "sensors that are no table": (
        "sensors = 1\n" + BOX,
        "line 1: sensors must be a table of tables.",
        "Correct it.",
    ),
    "name of a sensor": (
        BOX + "[sensors.'front door']\nkind = 'code'\ndevice = 'x'\n",
        "line 5: 'front door' cannot be a sensor's name.",
        "Use at most 41 letters, digits, '.', '_' or '-', the first a letter or digit.",
    ),
    "name of a sensor with a dot": (
        BOX + "[sensors.'front.door']\nkind = 'code'\n",
        "line 5: [sensors.front.door] needs 'device'.",
        "Add it.",
    ),
    "option of a sensor, unknown": (
        BOX + SCANNER + "baud = 9600\n",
        "line 8: unknown key 'baud' in [sensors.scanner].",
        "Did you mean 'baud_rate'?",
    ),
    "option of a sensor, wrong type": (
        BOX + SCANNER + "baud_rate = 'fast'\n",
        "line 8: sensors.scanner.baud_rate must be a whole number from 300 to 921600.",
        "Correct it.",
    ),
    "option of a sensor in an inline table": (
        BOX + "[sensors]\nscanner = {kind = 'code', device = 'x', baud_rate = 1}\n",
        "line 6: sensors.scanner.baud_rate must be a whole number from 300 to 921600.",
        "Correct it.",
    ),
    "a screen that is not there": (
        BOX + SCANNER + "screen = 'second'\n",
        "line 8: there is no screen 'second'.",
        "Name one of [kiosk] screens: main.",
    ),
    "zone without a legal basis": (
        BOX + "[recognition]\nmode = 'zone'\n",
        'line 6: [recognition] mode = "zone" without a legal_basis.',
        "Name the legal basis on which people in the zone are matched, or use on_request.",
    ),
    "a zone of no kind that there is": (
        BOX + CAMERA + "[sensors.door.zones.entry]\nkind = 'entri'\narea = [[0,0], [1,0], [1,1]]\n",
        "line 9: sensors.door.zones.entry.kind must be one of: entry, queue, department.",
        "Correct it.",
    ),
    "a misspelt key of a zone": (
        BOX + CAMERA + "[sensors.door.zones.z]\nkind = 'entry'\narea = [[0,0], [1,0], [1,1]]\n"
        "recognize = true\n",
        "line 11: unknown key 'recognize' in [sensors.door.zones.z].",
        "Did you mean 'recognise'?",
    ),
    "a line without two sides": (
        BOX + CAMERA + "[sensors.door.lines.door]\nfrom = [0.1, 0.5]\nto = [0.9, 0.5]\n"
        "inside = 'left'\n",
        "line 8: sensors.door.lines.door: left is along the line and on neither side of it.",
        "Correct it.",
    ),
    "thresholds the wrong way round": (
        BOX + "[recognition]\nidentified = 0.7\n",
        "line 5: [recognition] suggested is above identified.",
        "Make it the lower one.",
    ),
}


@pytest.mark.parametrize(("text", "what", "remedy"), CASES.values(), ids=CASES)
def test_each_mistake_is_named_with_its_line(write, text: str, what: str, remedy: str):
    path = write(text)
    error = refused(path)
    assert error.what == (f"{path}{what}" if what.startswith(":") else f"{path} {what}")
    assert error.remedy == remedy


HOTSPOT = '[sensors.hotspot]\nkind = "radius"\ndevice = "{}"\n'
SHOP_BROKER, SATELLITE = "[shop_broker]\nport = 1\n", "[satellite]\nprimary = 'b0'\n"


@pytest.mark.parametrize(
    ("others", "device", "there"),
    [
        (SHOP_BROKER, "satellite:b2/hotspot", "this box"),
        ("", "satellite:b2/hotspot", "this box"),
        (SATELLITE, "udp:192.168.88.2:1813", "b0, the primary,"),
        (SATELLITE, "replay:/tmp/logins", "b0, the primary,"),
    ],
)
def test_who_is_on_the_wifi_never_crosses_the_shops_broker(write, others, device, there):
    path = write(BOX + others + HOTSPOT.format(device))
    error = refused(path)
    assert error.what.startswith(
        f"{path} line {5 + others.count(chr(10)) + 2}: a sensor of kind 'radius' cannot stand at"
        " a satellite"
    )
    assert f"send to {there} and configure the sensor there" in error.remedy


def test_only_what_names_people_must_stand_at_its_own_box(write):
    far = SCANNER.replace("/dev/ttyACM0", "satellite:b2/scanner")
    assert load(write(BOX + SHOP_BROKER + far)).sensors
    assert load(write(BOX + SATELLITE + SCANNER)).sensors
    assert load(write(BOX + SHOP_BROKER + HOTSPOT.format("udp:192.168.88.2:1813"))).sensors


def test_an_unknown_kind_of_sensor_lists_the_kinds(write):
    path = write(BOX + SCANNER.replace('"code"', '"sonar"'))
    error = refused(path)
    assert error.what == f"{path} line 6: There is no sensor kind 'sonar'."
    assert "code" in error.remedy
    assert "worker" not in error.remedy, "the worker is no kind of sensor"


@pytest.mark.parametrize(
    ("mistake", "what"),
    [
        ("[kiosk\n", "line 5: this is not TOML: Expected ']' at the end of a table declaration."),
        ("a = [1,\n\n", "line 6: this is not TOML: Invalid value."),
        ("[box]\n", "line 5: this is not TOML: Cannot declare ('box',) twice."),
    ],
    ids=["in a line", "at the end", "a table twice"],
)
def test_text_that_is_no_toml_names_the_line(write, mistake: str, what: str):
    path = write(BOX + mistake)
    assert refused(path).what == f"{path} {what}"


def test_text_that_is_nested_without_end(write):
    assert "nested too deeply" in refused(write("a = " + "[" * 50_000)).what


@pytest.mark.parametrize("zone", ["Europe/Moskow", "Europe", "../Moscow", "Europe/Mos\\u0000"])
def test_a_time_zone_that_is_not_there(write, zone: str):
    path = write(BOX + f'[kiosk]\ntimezone = "{zone}"\n')
    error = refused(path)
    assert error.what.startswith(f"{path} line 6: there is no time zone 'Europe") or ".." in zone
    assert "Europe/Moscow" in error.remedy


def test_the_time_zone_of_a_shop(write):
    assert load(write(BOX + "[kiosk]\ntimezone = 'Europe/Moscow'\n")).kiosk.timezone


@pytest.mark.parametrize(
    ("section", "key"),
    [
        *(("broker", f"{what}_file") for what in ("password", "token", "ca", "cert", "key")),
        ("kiosk", "staff_pin_file"),
    ],
)
def test_a_file_that_is_named_is_looked_for_only_when_asked(write, tmp_path, section, key):
    named = tmp_path / "named"
    path = write(BOX + f'[{section}]\n{key} = "{named}"\n')
    load(path)
    for wrong in (lambda: None, named.mkdir):
        wrong()
        with pytest.raises(ConfigError) as caught:
            load(path, files=True)
        assert caught.value.what == f"{path} line 6: {section}.{key}: there is no file {named}."
        assert caught.value.remedy
    named.rmdir()
    named.write_text("x")
    load(path, files=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_named_file_that_may_not_be_read(write, tmp_path):
    named = tmp_path / "named"
    named.touch(mode=0)
    path = write(BOX + f'[broker]\nca_file = "{named}"\n')
    with pytest.raises(ConfigError, match=r"line 6: broker\.ca_file: .* may not be read"):
        load(path, files=True)


def test_a_file_that_is_not_there(tmp_path: Path):
    error = refused(tmp_path / "none.toml")
    assert error.what == f"There is no configuration at {tmp_path / 'none.toml'}."
    assert "--config" in error.remedy


def test_a_file_that_is_no_text(write, tmp_path: Path):
    path = tmp_path / "box.toml"
    path.write_bytes(b"\xff\xfe")
    assert "cannot be read" in refused(path).what


def test_a_file_that_is_a_directory(tmp_path: Path):
    assert "cannot be read" in refused(tmp_path).what


def test_a_file_that_is_too_large(write):
    path = write(BOX + "#" * CONFIG_BYTES_MAX)
    assert "larger than" in refused(path).what


def test_too_many_sensors(write):
    tables = [f"[sensors.s{n}]\nkind='code'\ndevice='x'\n" for n in range(SENSORS_MAX + 1)]
    assert f"more than {SENSORS_MAX} sensors" in refused(write(BOX + "".join(tables))).what


def test_an_overlay_wins_key_by_key(write):
    base = write(BOX + "[kiosk]\nhost = '127.0.0.2'\nport = 1000\n" + SCANNER)
    overlay = write(
        "[kiosk]\nport = 2000\n[sensors.scanner]\ndevice = 'simulated:scans'\n", "overlay.toml"
    )
    config = load(base, overlay)
    assert (config.kiosk.host, config.kiosk.port) == ("127.0.0.2", 2000)
    assert config.sensors["scanner"].kind == "code"
    assert config.sensors["scanner"].device == "simulated:scans"
    assert config.box.tenant == "shop"


def test_a_mistake_in_the_overlay_names_the_overlay(write):
    base = write(BOX + "[kiosk]\nport = 1000\n")
    overlay = write("\n[kiosk]\nport = 'x'\n", "overlay.toml")
    error = refused(base, overlay)
    assert error.what == f"{overlay} line 3: kiosk.port must be a whole number from 0 to 65535."


def test_a_mistake_below_the_overlay_names_the_base(write):
    base = write(BOX + "[kiosk]\nport = 'x'\n")
    overlay = write("[kiosk]\nhost = '127.0.0.1'\n", "overlay.toml")
    assert refused(base, overlay).what.startswith(f"{base} line 6: ")
