"""The configuration: what it gives, and the exact sentence for everything that can be wrong."""

from pathlib import Path

import pytest

from edge.config import CONFIG_BYTES_MAX, SENSORS_MAX, Config, KioskSection, RecognitionMode, load
from edge.errors import ConfigError

BOX = """\
[box]
tenant = "shop"
store = "s1"
box = "b1"
"""

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
        "Known keys: box, broker, clock, kiosk, recognition, sensors, state.",
    ),
    "wrong type": (
        BOX + "[kiosk]\nport = 'eight'\n",
        "line 6: kiosk.port: Expected `int`, got `str`.",
        "Correct it.",
    ),
    "wrong type of a section": (
        "box = 3\n",
        "line 1: box: Expected `object`, got `int`.",
        "Correct it.",
    ),
    "out of range": (
        BOX + "[kiosk]\nport = 65536\n",
        "line 6: kiosk.port: Expected `int` <= 65535.",
        "Correct it.",
    ),
    "not one of the choices": (
        BOX + "[recognition]\nmode = 'always'\n",
        "line 6: recognition.mode: Invalid enum value 'always'.",
        "Correct it.",
    ),
    "inside a list": (
        BOX + "[clock]\nsource = 'scenario'\nholds = ['a', 'b c']\n",
        "line 7: clock.holds: Expected `str` matching regex '^[A-Za-z0-9][A-Za-z0-9_.-]{0,40}$'.",
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
        "line 8: sensors.scanner.silence_s: Expected `float` >= 3.0.",
        "Correct it.",
    ),
    "a sensor that is no table": (
        BOX + "[sensors]\nscanner = 'code'\n",
        "line 6: sensors.scanner: Expected `object`, got `str`.",
        "Correct it.",
    ),
    "sensors that are no table": (
        "sensors = 1\n" + BOX,
        "line 1: sensors: Expected `object`, got `int`.",
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
        "line 8: sensors.scanner.baud_rate: Expected `int`, got `str`.",
        "Correct it.",
    ),
    "option of a sensor in an inline table": (
        BOX + "[sensors]\nscanner = {kind = 'code', device = 'x', baud_rate = 1}\n",
        "line 6: sensors.scanner.baud_rate: Expected `int` >= 300.",
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


def test_an_unknown_kind_of_sensor_lists_the_kinds(write):
    path = write(BOX + SCANNER.replace('"code"', '"sonar"'))
    error = refused(path)
    assert error.what == f"{path} line 6: There is no sensor kind 'sonar'."
    assert "code" in error.remedy
    assert "worker" not in error.remedy, "the worker is no kind of sensor"


def test_text_that_is_no_toml_names_the_place(write):
    path = write(BOX + "[kiosk\n")
    error = refused(path)
    assert error.what.startswith(f"{path} is not valid TOML: ")
    assert "line 5" in error.what


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
    assert error.what == f"{overlay} line 3: kiosk.port: Expected `int`, got `str`."


def test_a_mistake_below_the_overlay_names_the_base(write):
    base = write(BOX + "[kiosk]\nport = 'x'\n")
    overlay = write("[kiosk]\nhost = '127.0.0.1'\n", "overlay.toml")
    assert refused(base, overlay).what.startswith(f"{base} line 6: ")
