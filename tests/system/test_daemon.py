"""The daemon as a process: what it does with a bad start, and how it stops.

Each failure ends with one sentence that says what to do, exit code 1, and no traceback.
"""

import http.client
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from edge.control import ask
from edge.storage.database import Database, connect
from edge.storage.vault import Vault
from tests.broker import Broker
from tests.conftest import ROOT
from tests.programs import program, until

STOP_S_MAX = 5.0


def configured(folder: Path, more: str = "", *, port: int = 0, broker: int = 1) -> Path:
    path = folder / "storebox.toml"
    path.write_text(
        f'[box]\ntenant = "chain"\nstore = "s"\nbox = "b"\n'
        f'[state]\ndirectory = "{folder}/state"\ncontrol_socket = "{folder}/control.sock"\n'
        f"[broker]\nport = {broker}\nfirst_retry_s = 0.1\nretry_max_s = 0.2\n"
        f"[kiosk]\nport = {port}\n{more}"
    )
    return path


def fails(config: Path) -> str:
    """What the daemon says when it cannot start."""
    done = subprocess.run(
        [sys.executable, "-m", "edge.cli.main", "run", "-c", str(config)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = fails(configured(tmp_path, port=port))
    assert str(port) in said


def test_a_database_from_a_newer_version(tmp_path: Path) -> None:
    state = tmp_path / "state"
    Database.open(state).close()
    connection = connect(state / "storebox.db", Vault.open(state / "master.key"))
    connection.execute(
        "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
        " VALUES ('storebox', '9999_future', '2030-01-01')"
    )
    connection.close()
    assert "newer storebox" in fails(configured(tmp_path))


def test_a_database_without_its_key(tmp_path: Path) -> None:
    state = tmp_path / "state"
    Database.open(state).close()
    (state / "master.key").unlink()
    assert "key file" in fails(configured(tmp_path))
    assert not (state / "master.key").exists(), "a new key would only hide the loss"


def test_an_unknown_key_in_the_configuration(tmp_path: Path) -> None:
    said = fails(configured(tmp_path, 'colour = "red"\n'))
    assert "line 14" in said
    assert "'colour'" in said


def test_a_second_daemon_is_told_of_the_first(tmp_path: Path) -> None:
    config = configured(tmp_path)
    with program(["edge.cli.main", "run", "-c", str(config)], tmp_path / "log"):
        assert "already" in fails(config)
        assert ask(tmp_path / "control.sock", "status")["visits_open"] == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_quickly_with_a_screen_connected(tmp_path: Path, number: signal.Signals) -> None:
    words = [sys.executable, "-m", "edge.cli.main", "run", "-c", str(configured(tmp_path))]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as box:
        assert box.stdout is not None
        assert box.stderr is not None
        address = urlsplit(box.stdout.readline().decode().split()[-1])
        live = http.client.HTTPConnection(str(address.hostname), address.port, timeout=10)
        live.request("GET", "/live/kiosk/main")
        assert live.getresponse().status == 200
        began_s = time.monotonic()
        box.send_signal(number)
        said = box.stderr.read()
        box.wait()
        live.close()
    assert time.monotonic() - began_s < STOP_S_MAX
    assert box.returncode == 0, said
    assert b"Traceback" not in said


def test_a_broker_that_refuses_the_login(tmp_path: Path) -> None:
    folder = tmp_path / "broker"
    folder.mkdir()
    broker = Broker(folder, settings=f"allow_anonymous false\npassword_file {empty(folder)}")
    broker.start()
    try:
        config = configured(tmp_path, broker=broker.port)
        with program(["edge.cli.main", "run", "-c", str(config)], tmp_path / "log"):
            control = tmp_path / "control.sock"
            until(lambda: "refuse" in ask(control, "status")["link"]["reason"], "the refusal")
            link = ask(control, "status")["link"]
            assert not link["connected"]
            assert link["remedy"]
    finally:
        broker.stop()


def empty(folder: Path) -> Path:
    path = folder / "passwords"
    path.write_text("")
    return path
