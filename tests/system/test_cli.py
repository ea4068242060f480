"""The `storebox` command as a technician and a script use it: a process, its output, its exit code.

The daemon's side is the real control socket with the real questions over a real database.
"""

import asyncio
import json
import os
import re
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from edge.clock import SystemClock
from edge.config import Config, load
from edge.control import ControlServer
from edge.counters import Counters
from edge.operation import answers
from edge.records import (
    Consent,
    ConsentKind,
    Member,
    Moment,
    SensorStatus,
    Stream,
    Visit,
    VisitState,
)
from edge.storage import members, visits
from edge.storage.database import Database, Transaction
from kiosk.pin import Gate, Outcome, read_pin

ROOT = Path(__file__).resolve().parents[2]
OK, FAILED, USAGE, NOT_REACHABLE = 0, 1, 2, 3
NOUNS = {"run", "demo", "status", "doctor", "sensors", "outbox", "members", "visits", "config"}
NOUNS |= {"pin", "platform", "version"}
COMMAND_S_MAX = 60
NOW = Moment(1_700_000_000_000, 5_000, "boot", True)
CODE = "4006381333931"


@dataclass
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A configuration whose only sensor plays two scans from a file."""
    script = tmp_path / "scans.jsonl"
    script.write_text(
        json.dumps({"at_ms": 0, "text": CODE}) + "\n" + json.dumps({"at_ms": 10, "text": "x"})
    )
    path = tmp_path / "box.toml"
    path.write_text(
        f"""
[box]
tenant = "shop"
store = "s1"
box = "b1"
[state]
directory = "{tmp_path}/state"
control_socket = "{tmp_path}/control.sock"
[kiosk]
port = 0
[broker]
port = 1
[sensors.scanner]
kind = "code"
device = "simulated:{script}"
"""
    )
    return path


@pytest.fixture
def storebox(path: Path):
    """Runs the command with this configuration."""

    async def storebox(*arguments: str, stdin: str = "", **environment: str) -> Result:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "edge.cli.main",
            *arguments,
            cwd=ROOT,
            env={**os.environ, "STOREBOX_CONFIG": str(path), **environment},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(COMMAND_S_MAX):
                out, err = await process.communicate(stdin.encode())
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        result = Result(process.returncode or 0, out.decode(), err.decode())
        assert "Traceback" not in result.out + result.err
        assert "\x1b[" not in result.out + result.err, "no colour in a pipe"
        return result

    return storebox


def fill(tx: Transaction) -> None:
    agreed = (
        Consent(ConsentKind.PROGRAMME, NOW.wall_ms, "v1", "till"),
        Consent(ConsentKind.FACE, NOW.wall_ms, "v1", "till"),
    )
    members.put(tx, tx.vault, Member("m1", "Анна \x1b[31mП", "2900000000018", "gold", "", agreed))
    members.put(tx, tx.vault, Member("m2", "[red]Boris", "2900000000025", "", "", agreed[:1]))
    members.put_template(tx, tx.vault, members.Template("m1", "dlib", bytes(512)))
    visit = Visit("v1", VisitState.IDENTIFIED, NOW, NOW, "door", "m1", 0.998, ("a face",))
    visits.put(tx, visit)
    visits.put(tx, Visit("v0", VisitState.LEFT, NOW, NOW, "door"))
    for number in range(3):
        tx.emit(Stream.CRIT, "order.placed.v1", {"number": number, "pad": "y" * 2000}, NOW)


@pytest.fixture
async def filled(path: Path) -> Path:
    """The state directory of a box that has been used."""
    directory = Path(load(path).state.directory)
    database = Database.open(directory)
    try:
        await database.transact(fill)
    finally:
        database.close()
    return directory


@dataclass
class Line:
    connected: bool = False
    reason: str = "The broker refused the login."
    remedy: str = "Check the password file."
    since: Moment = NOW
    last_ack: Moment | None = None


@dataclass
class Box:
    """The parts that a daemon would be asked about."""

    config: Config
    line: Line = field(default_factory=Line)
    observations: int = 0
    per_question: int = 0

    def statuses(self) -> list[SensorStatus]:
        self.observations += self.per_question
        return [
            SensorStatus(
                "scanner", "code", "/dev/x", "listening", True, "", self.observations, {"noise": 2}
            )
        ]


@asynccontextmanager
async def daemon(path: Path):
    """A control socket that answers as the daemon does."""
    box = Box(load(path))
    database = Database.open(Path(box.config.state.directory))
    clock = SystemClock()
    parts = answers.Parts(
        config=box.config,
        clock=clock,
        counters=Counters(),
        database=database,
        sensors=box.statuses,
        link=lambda: box.line,
        kiosk=lambda: "http://127.0.0.1:8480/",
        started=clock.now(),
    )
    server = ControlServer(Path(box.config.state.control_socket), answers.questions(parts))
    await server.start()
    try:
        yield box
    finally:
        await server.close()
        database.close()


# --- help and usage


async def test_help_names_every_command_and_comes_at_once(storebox):
    result = await storebox("--help", PYTHONPROFILEIMPORTTIME="1")
    assert result.code == OK
    for noun in NOUNS:
        assert re.search(rf"^  {noun} ", result.out, re.MULTILINE), noun
    loaded = {line.rsplit("|", 1)[-1].strip() for line in result.err.splitlines()}
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
        f"storebox: {path} line 2: box.tenant: Expected `str`, got `int`. Correct it.\n"
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
    result = await storebox("outbox", "show", "--json", "-n", "2")
    assert [event["type"] for event in result.json["events"]] == ["order.placed.v1"] * 2
    assert sorted(f.name for f in filled.iterdir() if f.suffix in (".db", ".key")) == before


async def test_a_damaged_database_is_one_sentence(storebox, filled):
    (filled / "master.key").write_bytes(bytes(32))
    result = await storebox("members", "list")
    assert result.code == FAILED
    assert "cannot be read" in result.err


# --- the daemon answers


async def test_status(storebox, filled, path):
    async with daemon(path):
        result = await storebox("status", "--json")
        shown = await storebox("status")
    assert (result.code, shown.code) == (OK, OK)
    assert result.json.keys() == {
        *("version", "box", "uptime_s", "clock", "recognition", "sensors", "link", "outbox"),
        *("counters", "visits_open", "members", "datasets", "kiosk", "memory_rss_bytes"),
    }
    assert result.json["box"] == "shop/s1/b1"
    assert (result.json["visits_open"], result.json["members"]) == (1, 2)
    assert result.json["link"]["reason"] == "The broker refused the login."
    assert {row["stream"]: row["waiting"] for row in result.json["outbox"]} == {
        "crit": 3,
        "visit": 0,
        "bulk": 0,
    }
    assert result.json["memory_rss_bytes"] > 1 << 20
    assert "shop/s1/b1" in shown.out
    assert "The broker refused the login." in shown.out
    assert "Check the password file." in shown.out
    assert "noise 2" in shown.out


async def test_members_of_a_running_box(storebox, filled, path):
    async with daemon(path):
        listed = await storebox("members", "list", "--json")
        page = await storebox("members", "list", "--json", "--after", "m1", "-n", "1")
        one = await storebox("members", "show", "m1", "--json")
        table = await storebox("members", "show", "m1")
        other = await storebox("members", "show", "m2")
        unknown = await storebox("members", "show", "m3")
    assert listed.err == ""
    assert listed.json["members"][0] == {
        "id": "m1",
        "tier": "gold",
        "segment": "",
        "consents": ["face", "programme"],
        "has_template": True,
    }
    assert [member["id"] for member in page.json["members"]] == ["m2"]
    assert one.json["has_template"] is True
    assert one.json["visit"]["id"] == "v1"
    assert {consent["kind"] for consent in one.json["consents"]} == {"programme", "face"}
    assert "Анна �[31mП" in table.out, "a name cannot steer the terminal"
    assert "[red]Boris" in other.out, "a name is no markup"
    assert unknown.code == FAILED
    assert "no member 'm3'" in unknown.err


async def test_visits_and_outbox_of_a_running_box(storebox, filled, path):
    async with daemon(path):
        here = await storebox("visits", "list", "--json")
        ever = await storebox("visits", "list", "--all", "--json")
        shown = await storebox("visits", "list")
        outbox = await storebox("outbox", "show", "--json")
        table = await storebox("outbox", "show")
    assert [visit["id"] for visit in here.json["visits"]] == ["v1"]
    assert here.json["visits"][0]["reasons"] == ["a face"]
    assert [visit["id"] for visit in ever.json["visits"]] == ["v1", "v0"]
    assert "99.8%" in shown.out
    bodies = [event["body"] for event in outbox.json["events"]]
    assert len(bodies) == 3
    assert all(len(body) < 500 for body in bodies)
    assert "order.placed.v1" in table.out


async def test_sensors_of_a_running_box(storebox, path):
    async with daemon(path) as box:
        listed = await storebox("sensors", "list", "--json")
        silent = await storebox("sensors", "test", "scanner", "--seconds", "0.5", "--json")
        box.per_question = 1
        busy = await storebox("sensors", "test", "scanner", "--seconds", "0.5", "--json")
    assert listed.code == OK
    assert listed.json["sensors"][0]["state"] == "listening"
    assert (silent.code, silent.json["ok"]) == (FAILED, False)
    assert "observed nothing" in silent.json["state"]
    assert (busy.code, busy.json["ok"]) == (OK, True)
    assert busy.json["observed"]["observations"] > 0
    assert busy.json["dropped"] == {}, "what was dropped before the test is not the test's"


# --- trying a sensor alone


async def test_a_sensor_is_started_alone(storebox):
    result = await storebox("sensors", "test", "scanner", "--seconds", "1", "--json")
    assert result.code == OK, result.err
    assert result.json["observed"] == {"code": 2}
    assert result.json["ok"] is True
    assert "Starting the sensor alone." in result.err
    assert CODE not in result.out + result.err, "what was scanned is nobody's business here"


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


async def test_doctor_asks_the_running_daemon(storebox, filled, path):
    async with daemon(path):
        checks = {
            check["id"]: check for check in (await storebox("doctor", "--json")).json["checks"]
        }
    assert checks["daemon"]["ok"]
    assert checks["sensors"]["ok"]
    assert not checks["outbox_age"]["ok"], "the events are of 2023"


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


async def test_version(storebox):
    result = await storebox("version", "--json")
    assert result.code == OK
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", result.json["version"])
    assert result.json["version"] in (await storebox("version")).out


async def test_run_without_a_configuration_is_one_sentence(storebox, tmp_path):
    result = await storebox("run", "--config", str(tmp_path / "none.toml"))
    assert result.code == FAILED
    assert f"There is no configuration at {tmp_path / 'none.toml'}." in result.err
