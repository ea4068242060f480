"""A whole box with a hotspot: the daemon, its sensor's process, a broker, pyrad's client.

What a login does, what is said of it and where, and that the shared secret is nowhere but its file.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from typer.testing import CliRunner

from edge import consent
from edge.cli.main import app
from edge.config import load
from edge.control import ask
from edge.operation.trial import alone
from edge.records import Consent, ConsentKind, Member
from edge.storage.database import Database
from tests.broker import Broker
from tests.drivers.nas import SECRET, free_port, nas
from tests.pages import everything
from tests.programs import program, until

LOGIN, PHONE = "79161234567", bytes.fromhex("30392686ccea")


@pytest.fixture
def port() -> int:
    return free_port()


def configured(folder: Path, broker: Broker, port: int) -> Path:
    (folder / "radius.secret").write_bytes(SECRET + b"\n")
    path = folder / "storebox.toml"
    path.write_text(
        f'[box]\ntenant = "chain"\nstore = "s"\nbox = "b"\n'
        f'[state]\ndirectory = "{folder}/state"\ncontrol_socket = "{folder}/control.sock"\n'
        f'journal = "{folder}/journal"\n'
        f"[broker]\nport = {broker.port}\nfirst_retry_s = 0.1\nretry_max_s = 0.2\n"
        f"[kiosk]\nport = 0\n"
        f'[sensors.hotspot]\nkind = "radius"\ndevice = "udp:127.0.0.1:{port}"\n'
        f'secret_file = "{folder}/radius.secret"\nsenders = {{ hall = "127.0.0.1" }}\n'
    )
    return path


async def knows_anna(folder: Path) -> None:
    kinds = (ConsentKind.PROGRAMME, ConsentKind.WIFI)
    consents = tuple(Consent(kind, 0, "v1", "till") for kind in kinds)
    anna = Member("anna", "Anna", "card-anna", consents=consents, logins=(LOGIN,))
    database = Database.open(folder / "state")
    await database.transact(lambda tx: consent.accept_member(tx, anna))
    database.close()


@pytest.fixture
def overheard(mosquitto: Broker) -> Iterator[list[bytes]]:
    """Everything that is said at the broker, with its topics."""
    said: list[bytes] = []
    client = paho.Client(paho.CallbackAPIVersion.VERSION2)
    client.on_message = lambda _client, _data, message: said.append(
        message.topic.encode() + b" " + message.payload
    )
    client.connect(mosquitto.host, mosquitto.port)
    client.subscribe("#")
    client.loop_start()
    yield said
    client.disconnect()
    client.loop_stop()


async def test_a_login_at_the_hotspot_is_a_visit_and_no_secret_leaves(
    tmp_path: Path, mosquitto: Broker, overheard: list[bytes], port: int
) -> None:
    await knows_anna(tmp_path)
    config, control = configured(tmp_path, mosquitto, port), tmp_path / "control.sock"
    with program(["edge.cli.main", "run", "-c", str(config)], tmp_path / "log"), nas(port) as hall:
        until(lambda: sensor(control)["state"] == "listening", "the sensor")
        assert hall.say("start")
        until(lambda: here(control) == ["anna"], "the visit")
        shown = CliRunner().invoke(app, ["members", "show", "anna", "-c", str(config)])
        facts = ask(control, "member", id="anna")
        trusted = ask(control, "status")["clock"]["trusted"]  # it depends on this machine
        assert "phone on the Wi-Fi" in shown.stdout
        assert ("known until" in shown.stdout) is trusted
        assert (facts["wifi_until_ms"] is not None) is trusted
        assert hall.say("stop")
        until(lambda: any(b"up/hello" in each for each in overheard), "the box at the broker")
        answers = [ask(control, question) for question in ("status", "sensors", "visits", "sync")]
        checked = CliRunner().invoke(app, ["config", "check", str(config)])
        assert checked.exit_code == 0, checked.stdout
    files = everything(tmp_path / "state") + (tmp_path / "journal").read_bytes()
    told = [
        (tmp_path / "log").read_bytes(),
        files,
        *overheard,
        json.dumps([answers, facts]).encode(),
        shown.stdout.encode() + checked.stdout.encode(),
    ]
    for place in told:
        for secret in (SECRET, PHONE, *spellings(PHONE), LOGIN.encode(), b"916 123"):
            assert secret not in place
    assert b"Wi-Fi login at hall" in files, "else the look would prove nothing"


async def test_a_secret_that_cannot_be_read_is_said_and_comes_right_by_itself(
    tmp_path: Path, mosquitto: Broker, port: int
) -> None:
    config, control = configured(tmp_path, mosquitto, port), tmp_path / "control.sock"
    (tmp_path / "radius.secret").unlink()
    checked = CliRunner().invoke(app, ["config", "check", str(config)])
    assert checked.exit_code == 1
    assert "secret_file: there is no file" in checked.output.replace("\n", " ")
    with program(["edge.cli.main", "run", "-c", str(config)], tmp_path / "log"):
        until(lambda: "cannot be read" in sensor(control)["state"], "what is wrong")
        assert "runs storebox" in sensor(control)["remedy"]
        (tmp_path / "radius.secret").write_bytes(SECRET)
        until(lambda: sensor(control)["ok"], "the sensor")


def test_the_sensor_can_be_tried_without_the_daemon(
    tmp_path: Path, mosquitto: Broker, port: int
) -> None:
    config = load(configured(tmp_path, mosquitto, port))
    answered: list[bool] = []
    with nas(port) as hall:

        def login(_passed: float) -> None:
            if not answered:
                answered.append(hall.say("start"))

        trial = alone(config, "hotspot", 2, login)
    assert answered == [True]
    assert (trial.ok, trial.observed) == (True, {"association": 1})
    assert SECRET.decode() not in repr(trial)


def spellings(address: bytes) -> Iterator[bytes]:
    for text in (address.hex(), address.hex(":"), address.hex("-")):
        yield from (text.encode(), text.upper().encode())


def sensor(control: Path) -> dict[str, Any]:
    (found,) = ask(control, "sensors")
    return dict(found)


def here(control: Path) -> list[str]:
    return [visit["member"] for visit in ask(control, "visits")]
