"""Each check of `storebox doctor`, in its good and its bad state, on real files and sockets."""

import asyncio
import json
import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from edge.config import Config, load
from edge.errors import ConfigError, NotReachable
from edge.operation.checks import disk_space, outbox_age
from edge.operation.doctor import examine, gather, names
from edge.operation.facts import ClockState, LinkState
from edge.operation.finding import Context, Finding
from edge.records import Moment, SensorStatus, Stream
from edge.storage.database import Database
from kiosk.pin import set_pin
from tests.unit.box_status import NOW, WELL, well

HOUR_MS = 3_600_000
DEAD = NotReachable("The daemon does not run.", "Start it.")


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@pytest.fixture
def path(tmp_path: Path, free_port: int) -> Path:
    """The configuration of a box whose state is in `tmp_path`."""
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
[broker]
port = {free_port}
[kiosk]
port = {free_port}
[sensors.scanner]
kind = "code"
device = "/dev/ttyACM0"
"""
    )
    return path


@pytest.fixture
def config(path: Path) -> Config:
    return load(path)


@pytest.fixture
def state(config: Config) -> Path:
    """The state directory of a box that has been started once."""

    async def once() -> None:
        Database.open(Path(config.state.directory)).close()

    asyncio.run(once())
    return Path(config.state.directory)


@pytest.fixture
def found(path: Path, config: Config) -> Callable[..., Finding]:
    """Runs all checks and gives the one; `daemon` is None, or changes to a daemon without fault."""

    def found(check: str, daemon: dict[str, object] | None = None, **context: object) -> Finding:
        alive = DEAD if daemon is None else well(config.kiosk.port, **daemon)
        given = {"path": path, "configured": config, "daemon": alive, "now": NOW} | context
        finding = next(f for f in examine(Context(**given)) if f.id == check)
        assert finding.cause.endswith("."), "the cause is a sentence"
        assert bool(finding.remedy) is not finding.ok, "a remedy if, and only if, it is not ok"
        return finding

    return found


def test_every_file_is_a_check_with_its_name():
    assert names() == (
        "broker",
        "certificate",
        "clock_trusted",
        "configuration",
        "daemon",
        "database",
        "disk_space",
        "face_models",
        "key_file",
        "kiosk_port",
        "outbox_age",
        "platform",
        "sensors",
        "staff_pin",
        "state_directory",
    )


def test_configuration(found, path):
    assert found("configuration").ok
    wrong = ConfigError("box.toml line 3: unknown key 'x'.", "Remove it.")
    finding = found("configuration", configured=wrong)
    assert (finding.ok, finding.cause) == (False, wrong.what)
    assert finding.remedy == "Remove it."


def test_nothing_is_called_ok_that_could_not_be_checked(path):
    path.write_text("[box]\n")
    findings = examine(gather(path))
    assert [f.id for f in findings] == list(names())
    assert not any(f.ok for f in findings)
    assert next(f for f in findings if f.id == "configuration").cause.endswith(
        "[box] needs 'tenant'."
    )


def test_state_directory(found, state):
    assert found("state_directory").ok
    state.chmod(0o750)
    finding = found("state_directory")
    assert not finding.ok
    assert finding.remedy == f"Run: chmod 700 {state}"
    shutil.rmtree(state)
    assert "no state directory" in found("state_directory").cause


def test_key_file(found, state):
    key = state / "master.key"
    assert found("key_file").ok
    key.chmod(0o640)
    assert found("key_file").remedy == f"Run: chmod 600 {key}"
    key.chmod(0o600)
    key.write_bytes(b"short")
    assert "holds 5 bytes" in found("key_file").cause
    key.unlink()
    assert "no key file" in found("key_file").cause
    assert not key.exists(), "looking makes no key"


def test_database_whole(found, state):
    assert found("database").ok


def test_database_missing(found, config):
    finding = found("database")
    assert "There is no database" in finding.cause
    assert not Path(config.state.directory).exists(), "looking makes no files"


def test_database_without_its_key(found, state):
    (state / "master.key").unlink()
    assert "lost its key" in found("database").cause
    assert not (state / "master.key").exists()


def test_database_with_another_key(found, state):
    (state / "master.key").write_bytes(os.urandom(32))
    assert "cannot be read" in found("database").cause


def test_database_damaged(found, state):
    database = state / "storebox.db"
    size = database.stat().st_size
    with database.open("r+b") as file:
        file.seek(size // 2)
        file.write(os.urandom(4096))
    finding = found("database")
    assert not finding.ok
    assert "damaged" in finding.cause or "cannot be read" in finding.cause


def test_database_of_a_newer_version(found, state):
    async def from_the_future() -> None:
        database = Database.open(state)
        row = "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES (?, ?, ?)"
        try:
            await database.transact(lambda tx: tx.execute(row, ("storebox", "0999_far", "2099")))
        finally:
            database.close()

    asyncio.run(from_the_future())
    finding = found("database")
    assert "newer storebox" in finding.cause
    assert "0999_far" in finding.cause


def test_disk_space(path, config, state):
    context = Context(path, config, DEAD, NOW)
    free = shutil.disk_usage(state).free
    finding = disk_space.check(context)
    assert finding.ok is (free >= disk_space.FREE_BYTES_MIN)
    assert f"free at {state}" in finding.cause


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a small file system")
def test_disk_space_on_a_full_disk(path, config, state, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small)]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("this machine does not let us mount")
    try:
        on_small = load_with_state(path, small / "state")
        finding = disk_space.check(Context(path, on_small, DEAD, NOW))
    finally:
        subprocess.run(["umount", str(small)], check=True)
    assert not finding.ok
    assert f"at {small}" in finding.cause, "the nearest directory that exists is measured"


def load_with_state(path: Path, directory: Path) -> Config:
    overlay = path.with_name("overlay.toml")
    overlay.write_text(f'[state]\ndirectory = "{directory}"\n')
    return load(path, overlay)


def test_daemon(found):
    assert found("daemon", daemon={}).ok
    finding = found("daemon")
    assert (finding.cause, finding.remedy) == (DEAD.what, DEAD.remedy)


def test_sensors(found, path):
    assert found("sensors", daemon={}).ok
    assert "does not run" in found("sensors").cause
    sick = SensorStatus("door", "face", "/dev/video0", "The camera is gone.", False, "Plug it in.")
    finding = found("sensors", daemon={"sensors": (WELL, sick)})
    assert finding.cause == "Sensor door (/dev/video0): The camera is gone."
    assert finding.remedy == "Plug it in."
    finding = found("sensors", daemon={"sensors": (sick, sick)})
    assert "1 more" in finding.remedy
    path.write_text(path.read_text().split("[sensors")[0])
    assert "No sensor is configured" in found("sensors", configured=load(path), daemon={}).cause


def test_broker(found, config):
    assert found("broker", daemon={}).ok
    down = LinkState(False, "The broker refused the login.", "Check the password file.")
    finding = found("broker", daemon={"link": down})
    assert "cannot be reached" in finding.cause, "nobody listens on the port"
    assert not found("broker").ok
    with socket.create_server(("127.0.0.1", config.broker.port)):
        finding = found("broker", daemon={"link": down})
        assert "refused the login" in finding.cause
        assert finding.remedy == "Check the password file."
        assert found("broker").ok, "without a daemon a TCP connection is all that can be tried"


def test_outbox_age_from_the_database(path, config, state):
    async def an_event() -> None:
        database = Database.open(state)
        try:
            await database.transact(lambda tx: tx.emit(Stream.CRIT, "test.v1", {}, NOW))
        finally:
            database.close()

    asyncio.run(an_event())
    later = Moment(NOW.wall_ms + 2 * HOUR_MS, 0, "boot", True)
    assert outbox_age.check(Context(path, config, DEAD, NOW)).ok
    assert not outbox_age.check(Context(path, config, DEAD, later)).ok


def test_clock_trusted(found, path):
    assert found("clock_trusted").ok
    assert not found("clock_trusted", now=Moment(0, 0, "boot", False)).ok
    drifting = ClockState("system", NOW.wall_ms, False)
    assert not found("clock_trusted", daemon={"clock": drifting}).ok
    path.write_text(path.read_text() + '[clock]\nsource = "scenario"\n')
    assert found("clock_trusted", daemon={"clock": drifting}, configured=load(path)).ok


def test_staff_pin(found, config, state):
    pin = config.staff_pin_path
    finding = found("staff_pin")
    assert (finding.ok, finding.remedy) == (False, "Run: storebox pin set")
    set_pin(pin, "4711")
    assert found("staff_pin").ok
    pin.chmod(0o644)
    assert found("staff_pin").remedy == f"Run: chmod 600 {pin}"
    pin.chmod(0o600)
    pin.write_text("4711\n")
    assert "no argon2 hash" in found("staff_pin").cause
    pin.write_text("")
    assert not found("staff_pin").ok


def test_kiosk_port(found, config):
    assert found("kiosk_port").ok, "nobody listens: the daemon could"
    assert not found("kiosk_port", daemon={}).ok, "the daemon says it does, and does not"
    with socket.create_server(("127.0.0.1", config.kiosk.port)):
        assert "Address already in use" in found("kiosk_port").cause
        assert found("kiosk_port", daemon={}).ok


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_a_finding(found, state):
    state.chmod(0o000)
    try:
        finding = found("key_file")
    finally:
        state.chmod(0o700)
    assert finding.cause.startswith("Not checked: ")


def test_findings_are_four_fields_for_programs(path):
    plain = json.loads(msgspec.json.encode(examine(gather(path))))
    assert {tuple(finding) for finding in plain} == {("id", "ok", "cause", "remedy")}


def test_database_of_an_older_version(found, state):
    async def from_the_past() -> None:
        database = Database.open(state)
        try:
            await database.transact(lambda tx: tx.execute("DELETE FROM _sqlite_migrations"))
        finally:
            database.close()

    asyncio.run(from_the_past())
    assert "has not been brought to this version" in found("database").cause
