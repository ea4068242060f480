"""The `storebox` command as a technician and a script use it, with the daemon dead: a process, its
output, its exit code.
"""

import re
import subprocess
import sys

import pytest

from edge.clock import SystemClock
from edge.config import load
from kiosk.pin import Gate, Outcome, read_pin
from tests.conftest import ROOT
from tests.scenarios import built
from tests.system.cli.box import CODE, FAILED, NOT_REACHABLE, NOUNS, OK, USAGE

# --- help and usage


def test_help_names_every_command_and_comes_at_once():
    words = [sys.executable, "-X", "importtime", "-m", "edge.cli.main", "--help"]
    result = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == OK
    for noun in NOUNS:
        assert re.search(rf"^  {noun} ", result.stdout, re.MULTILINE), noun
    loaded = {line.rsplit("|", 1)[-1].strip() for line in result.stderr.splitlines()}
    assert "typer" in loaded
    slow = {"sqlcipher3", "cryptography", "fastapi", "numpy", "paho", "argon2", "rich", "uvicorn"}
    assert not loaded & slow, "help imports what only commands need"


@pytest.mark.parametrize(
    "arguments",
    [
        ["fly"],
        ["sensors", "fly"],
        ["sensors", "test"],
        ["sensors", "test", "nobody"],
        ["sensors", "test", "scanner", "--seconds", "soon"],
        ["sensors", "test", "scanner", "--seconds", "100000"],
        ["outbox", "show", "--limit", "0"],
        ["members", "show"],
        ["status", "--yaml"],
        ["pin", "set", "1234"],
    ],
)
async def test_a_wrong_command_line_is_2(storebox, arguments):
    result = await storebox(*arguments)
    assert result.code == USAGE
    assert result.err


# --- configuration


async def test_config_check(storebox, path):
    result = await storebox("config", "check")
    assert (result.code, result.out) == (OK, f"{path} is in order. Sensors: scanner.\n")
    result = await storebox("config", "check", str(path), "--json")
    assert result.json == {"ok": True, "file": str(path), "sensors": ["scanner"]}


async def test_config_check_takes_the_file_as_every_command_does(storebox, path, tmp_path):
    other = path.rename(tmp_path / "other.toml")
    for words in (["--config", str(other)], ["-c", str(other)], [str(other), "-c", str(path)]):
        result = await storebox("config", "check", *words)
        assert (result.code, result.out) == (OK, f"{other} is in order. Sensors: scanner.\n")


async def test_config_check_looks_for_named_files(storebox, path, tmp_path):
    path.write_text(path.read_text().replace("port = 1\n", 'ca_file = "none.pem"\n'))
    result = await storebox("config", "check")
    assert result.code == FAILED
    assert result.err.startswith(f"{path} line 12: broker.ca_file: there is no file none.pem.")
    checks = {check["id"]: check for check in (await storebox("doctor", "--json")).json["checks"]}
    assert "none.pem" in checks["configuration"]["cause"]
    assert "Not checked" not in checks["sensors"]["cause"], "the rest can be checked all the same"


async def test_config_check_of_a_wrong_file(storebox, path):
    path.write_text(path.read_text().replace("kind =", "knid ="))
    result = await storebox("config", "check")
    assert result.code == FAILED
    assert result.err == f"{path} line 13: [sensors.scanner] needs 'kind'. Add it.\n"
    result = await storebox("config", "check", "--json")
    assert result.code == FAILED
    assert result.json["ok"] is False
    assert result.json["cause"] == f"{path} line 13: [sensors.scanner] needs 'kind'."


FACTS = [
    ["status"],
    ["sensors", "list"],
    ["sensors", "test", "scanner"],
    ["outbox", "show"],
    ["members", "list"],
    ["members", "show", "m1"],
    ["visits", "list"],
    ["visits", "show", "v1"],
    ["visits", "rates"],
    ["pin", "set"],
]


@pytest.mark.parametrize("arguments", FACTS, ids=" ".join)
async def test_without_a_usable_configuration_every_command_says_one_sentence(
    storebox, path, arguments
):
    path.write_text("[box]\ntenant = 3\n")
    result = await storebox(*arguments)
    assert result.code == FAILED
    assert result.err == (
        f"storebox: {path} line 2: box.tenant must be at most 41 letters, digits, '.', '_' or '-',"
        " the first a letter or digit. Correct it.\n"
    )


# --- the daemon is dead


async def test_status_of_a_dead_daemon_is_3(storebox):
    for arguments in (["status"], ["status", "--json"]):
        result = await storebox(*arguments)
        assert result.code == NOT_REACHABLE
        assert "does not run" in result.err
        assert result.err.count("\n") == 1


async def test_sensors_list_of_a_dead_daemon_shows_what_is_configured(storebox):
    result = await storebox("sensors", "list", "--json")
    assert result.code == NOT_REACHABLE
    (sensor,) = result.json["sensors"]
    assert (sensor["name"], sensor["kind"], sensor["ok"]) == ("scanner", "code", False)


@pytest.mark.parametrize("noun", [["members", "list"], ["outbox", "show"], ["visits", "list"]])
async def test_a_new_box_with_nothing_to_read_is_3(storebox, noun, tmp_path):
    result = await storebox(*noun)
    assert result.code == NOT_REACHABLE
    assert not (tmp_path / "state").exists(), "looking makes no files"


async def test_facts_are_read_from_the_database_of_a_dead_daemon(storebox, filled):
    before = sorted(file.name for file in filled.iterdir() if file.suffix in (".db", ".key"))
    result = await storebox("members", "list", "--json")
    assert result.code == OK
    assert "Reading the database instead." in result.err
    assert [member["id"] for member in result.json["members"]] == ["m1", "m2"]
    result = await storebox("visits", "list", "--json")
    assert [visit["id"] for visit in result.json["visits"]] == ["v1"]
    result = await storebox("visits", "show", "v1", "--json")
    assert result.json["visit"]["member"] == "m1"
    assert [step["text"] for step in result.json["steps"]] == ["card scanned at till"]
    result = await storebox("visits", "show", "v1")
    assert "card scanned at till" in result.out
    result = await storebox("visits", "show", "v9")
    assert result.code == FAILED
    assert "knows no visit 'v9'" in result.err
    result = await storebox("visits", "rates", "--json")
    assert [rate["told"] for rate in result.json["rates"]] == [0, 0, 0], "years ago"
    result = await storebox("outbox", "show", "--json", "-n", "2")
    assert [event["type"] for event in result.json["events"]] == ["order.placed.v1"] * 2
    assert sorted(f.name for f in filled.iterdir() if f.suffix in (".db", ".key")) == before


async def test_the_line_of_a_dead_daemon(storebox, filled):
    shown = await storebox("sync", "status")
    told = await storebox("sync", "status", "--json")
    assert (shown.code, told.code) == (OK, OK)
    assert "Reading the database instead." in shown.err
    assert "NOT connected. The daemon does not run." in shown.out
    assert "systemctl start storebox" in shown.out
    assert "never heard yet" in shown.out
    assert "not known while the daemon does not run" in shown.out
    assert " yes" not in shown.out, "nobody knows what would be accepted"
    assert {lag["depth"]["stream"]: lag["depth"]["waiting"] for lag in told.json["streams"]} == {
        "crit": 3,
        "visit": 0,
        "bulk": 0,
    }
    assert told.json["commands"] == {"keys": False, "last": 0, "newest": []}


async def test_a_damaged_database_is_one_sentence(storebox, filled):
    (filled / "master.key").write_bytes(bytes(32))
    result = await storebox("members", "list")
    assert result.code == FAILED
    assert "cannot be read" in result.err


# --- trying a sensor alone


async def test_a_sensor_is_started_alone(storebox):
    result = await storebox("sensors", "test", "scanner", "--seconds", "1", "--json")
    assert result.code == OK, result.err
    assert result.json["observed"] == {"code": 2}
    assert result.json["ok"] is True
    assert "Starting the sensor alone." in result.err
    assert CODE not in result.out + result.err, "what was scanned is nobody's business here"


@pytest.mark.parametrize(
    ("recognition", "observed"),
    [
        ('mode = "off"', {"track", "gone"}),
        ('mode = "on_request"', {"track", "gone"}),
        ('mode = "zone"\nlegal_basis = "a sign at the door"', {"track", "gone", "face"}),
    ],
    ids=["off", "on_request", "zone"],
)
async def test_a_camera_describes_no_face_outside_of_a_zone(storebox, path, recognition, observed):
    """Who passes by while a technician tries the camera has agreed to nothing."""
    camera = f'[sensors.door]\nkind = "face"\ndevice = "simulated:{built()}/door.json"\n'
    clock = '[clock]\nsource = "scenario"\n'
    path.write_text(f"{path.read_text()}{camera}{clock}[recognition]\n{recognition}\n")
    result = await storebox("sensors", "test", "door", "--seconds", "4", "--json")
    assert result.code == OK, result.err
    assert set(result.json["observed"]) == observed


async def test_a_sensor_whose_device_is_not_there(storebox, path, tmp_path):
    path.write_text(path.read_text().replace(f"simulated:{tmp_path}/scans.jsonl", "/dev/none"))
    result = await storebox("sensors", "test", "scanner", "--seconds", "1", "--json")
    assert result.code == FAILED
    assert result.json["ok"] is False
    assert "/dev/none" in result.json["state"]
    assert result.json["remedy"]


async def test_a_sensor_on_a_socket_that_nobody_serves(storebox, path, tmp_path):
    path.write_text(path.read_text() + f'socket = "{tmp_path}/none.sock"\n')
    result = await storebox("sensors", "test", "scanner", "--seconds", "1")
    assert result.code == FAILED
    assert "Nobody listens on the socket of sensor scanner" in result.err


# --- the rest


async def test_doctor_with_a_dead_daemon_and_no_line(storebox, filled):
    result = await storebox("doctor", "--json")
    assert result.code == FAILED
    checks = {check["id"]: check for check in result.json["checks"]}
    assert len(checks) >= 10
    assert all(check.keys() == {"id", "ok", "cause", "remedy"} for check in checks.values())
    assert checks["database"]["ok"]
    assert checks["key_file"]["ok"]
    assert not checks["daemon"]["ok"]
    assert not checks["broker"]["ok"]
    shown = await storebox("doctor")
    assert shown.code == FAILED
    assert checks["broker"]["cause"] in shown.out
    assert "storebox pin set" in shown.out


async def test_doctor_with_a_broken_configuration_names_the_one_cause(storebox, path):
    path.write_text("[box]\ntenant = 3\n")
    result = await storebox("doctor", "--json")
    assert result.code == FAILED
    assert not any(check["ok"] for check in result.json["checks"])
    shown = await storebox("doctor")
    assert shown.code == FAILED
    first, *others = (line for line in shown.out.splitlines()[1:] if re.match(r"\S+ ", line))
    assert first.startswith("FAILED ")
    assert "line 2: box.tenant must be" in first
    unmade = [line for line in others if line.startswith("not checked ")]
    assert len(unmade) == len(result.json["checks"]) - 1
    assert shown.out.count("FAILED") == 1
    assert shown.out.endswith(f"1 failed, {len(unmade)} could not be made because of that.\n")


async def test_the_pin_is_read_from_standard_input(storebox, path):
    result = await storebox("pin", "set", stdin="2580\n")
    assert result.code == OK, result.err
    assert "2580" not in result.out + result.err
    stored = load(path).staff_pin_path
    assert stored.stat().st_mode & 0o777 == 0o600
    gate = Gate(read_pin(stored), SystemClock())
    assert (await gate.check("here", "2580")).outcome is Outcome.RIGHT
    assert (await gate.check("here", "2581")).outcome is Outcome.WRONG


@pytest.mark.parametrize("pin", ["", "1", "1111"])
async def test_a_pin_that_anybody_guesses_is_refused(storebox, path, pin):
    result = await storebox("pin", "set", stdin=pin + "\n")
    assert result.code == FAILED
    assert result.err.count("\n") == 1
    assert not load(path).staff_pin_path.exists()


async def test_a_pin_that_cannot_be_kept_is_one_sentence(storebox, path, tmp_path):
    (tmp_path / "file").write_text("")
    path.write_text(path.read_text().replace(f"{tmp_path}/state", f"{tmp_path}/file/state"))
    result = await storebox("pin", "set", stdin="2580\n")
    assert result.code == FAILED
    assert f"{tmp_path}/file/state" in result.err
    assert "fault of storebox" not in result.err


async def test_version(storebox):
    result = await storebox("version", "--json")
    assert result.code == OK
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", result.json["version"])
    shown = await storebox("version")
    assert result.json["version"] in shown.out
    option = await storebox("--version")
    assert (option.code, option.out) == (OK, shown.out)


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ('directory = "{}/state"', 'directory = "{}/file/state"'),
        ("[state]", '[state]\njournal = "{}/file/journal"'),
        ("[state]", '[state]\njournal = "{}"'),
        ("[kiosk]", '[kiosk]\ntimezone = "Nowhere/Land"'),
    ],
    ids=["state directory", "journal below a file", "journal a directory", "time zone"],
)
async def test_run_with_what_cannot_be_is_one_sentence(storebox, path, tmp_path, given, wrong):
    (tmp_path / "file").write_text("")
    text = path.read_text()
    assert given.format(tmp_path) in text
    path.write_text(text.replace(given.format(tmp_path), wrong.format(tmp_path)))
    result = await storebox("run", "--dev")
    assert result.code == FAILED
    assert "fault of storebox" not in result.err
    assert result.err.count("\n") == 1


async def test_run_without_a_configuration_is_one_sentence(storebox, tmp_path):
    result = await storebox("run", "--config", str(tmp_path / "none.toml"))
    assert result.code == FAILED
    assert f"There is no configuration at {tmp_path / 'none.toml'}." in result.err
