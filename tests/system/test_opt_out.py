"""A person asks not to be counted, or what is held of them: the real command, daemon and radar."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.control import ask
from edge.errors import Refused
from edge.storage.vault import Vault
from sensors.radar.admission import OPTED_OUT
from sensors.radar.marks import opt_out_mark
from tests.command import storebox as ended
from tests.drivers.frames import pcap, probe, radiotap
from tests.pages import everything
from tests.programs import program, until

ADDRESS = "3c:06:30:ab:cd:ef"
RAW = bytes.fromhex("3c0630abcdef")
OTHER = bytes.fromhex("3c0630000002")
LATE_MS = 3_600_000


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A box whose radar plays a capture in its own pace; the last record is an hour away."""
    frames = [(number, radiotap(probe(RAW, seq=number))) for number in range(50)]
    capture = tmp_path / "capture.pcap"
    capture.write_bytes(pcap([*frames, (LATE_MS, radiotap(probe(OTHER)))]))
    path = tmp_path / "storebox.toml"
    path.write_text(
        f"""
[box]
tenant = "chain"
store = "shop-1"
box = "box-1"
[state]
directory = "{tmp_path}/state"
control_socket = "{tmp_path}/control.sock"
[broker]
port = 1
[kiosk]
port = 0
timezone = "Europe/Moscow"
[sensors.radar]
kind = "wifi"
device = "replay:{capture}"
hours = ["daily 00:00-24:00"]
rssi_gate_dbm = -65
"""
    )
    return path


@pytest.fixture
def running(config: Path, tmp_path: Path) -> Iterator[Path]:
    """The daemon runs; its control socket."""
    with program(["edge.cli.main", "run", "-c", str(config)], tmp_path / "daemon.log"):
        yield tmp_path / "control.sock"


def storebox(config: Path, *words: str, stdin: str = "", code: int = 0) -> str:
    """The command's output; `stdin` is not a terminal."""
    done = ended("wifi", *words, "-c", config, stdin=stdin)
    assert done.returncode == code, done.stderr
    assert ADDRESS not in done.stdout + done.stderr
    return done.stdout + done.stderr


def told(config: Path, *words: str, stdin: str = "") -> Any:
    return json.loads(storebox(config, *words, "--json", stdin=stdin))


def counted_out(control: Path) -> int:
    dropped = ask(control, "sensors")[0]["dropped"]
    return int(dropped.get(OPTED_OUT, 0))


def test_who_asks_is_not_counted_from_then_on(config: Path, tmp_path: Path) -> None:
    log, control = tmp_path / "daemon.log", tmp_path / "control.sock"
    run = ["edge.cli.main", "run", "-c", str(config)]
    with program(run, log):
        first = told(config, "opt-out", "add", stdin=f"{ADDRESS}\n")
        again = told(config, "opt-out", "add", stdin=ADDRESS.upper())
        assert (first["changed"], again["changed"], again["total"]) == (True, False, 1)
    with program(run, log):  # the radar starts again, with the list from the file
        until(lambda: counted_out(control) == 50, "the radar to have left them out")
    held = everything(tmp_path / "state") + log.read_bytes()
    assert opt_out_mark(RAW, Vault.open(tmp_path / "state" / "master.key").opt_out_key) in held
    for form in (RAW, RAW.hex().encode(), ADDRESS.encode()):
        assert form not in held


def test_the_list_shows_dates_and_nobody(running: Path, config: Path) -> None:
    assert "twelve hexadecimal digits" in storebox(config, "opt-out", "add", stdin="3c", code=1)
    storebox(config, "opt-out", "add", ADDRESS)
    listed = told(config, "opt-out", "list")
    assert listed["total"] == len(listed["since_ms"]) == 1
    assert RAW.hex() not in storebox(config, "opt-out", "list")
    assert "off the list" in storebox(config, "opt-out", "remove", stdin=ADDRESS)
    assert "not on the list" in storebox(config, "opt-out", "remove", stdin=ADDRESS)
    assert "Nobody" in storebox(config, "opt-out", "list")


def test_the_answer_to_what_is_held(running: Path, config: Path) -> None:
    nothing = told(config, "access", stdin=ADDRESS)
    assert nothing["held"] == []
    assert {"radars", "opt-outs"} <= set(nothing["looked"])
    assert "We hold nothing on that address." in storebox(config, "access", stdin=ADDRESS)
    storebox(config, "opt-out", "add", stdin=ADDRESS)
    (held,) = told(config, "access", stdin=ADDRESS)["held"]
    assert held["place"] == "opt-outs"
    assert told(config, "access", stdin=OTHER.hex())["held"] == []


def test_with_the_daemon_dead_it_is_still_answered(config: Path, tmp_path: Path) -> None:
    with program(["edge.cli.main", "run", "-c", str(config)], tmp_path / "daemon.log"):
        storebox(config, "opt-out", "add", stdin=ADDRESS)
    assert "Reading the database instead" in storebox(config, "access", stdin=ADDRESS)
    assert "1" in storebox(config, "opt-out", "list")
    refused = storebox(config, "opt-out", "remove", stdin=ADDRESS, code=3)
    assert "systemctl start storebox" in refused


PEOPLE_ASK = {
    "opt_outs": {},
    "opt_out.add": {"mark": bytes(16)},
    "opt_out.remove": {"mark": bytes(16)},
    "access": {"marks": {}},
}


def test_a_satellite_refuses_what_only_its_primary_can_answer(config: Path, tmp_path: Path) -> None:
    config.write_text(config.read_text() + '[satellite]\nprimary = "box-0"\n')
    with program(["edge.cli.main", "run", "-c", str(config)], tmp_path / "daemon.log"):
        for question, given in PEOPLE_ASK.items():
            with pytest.raises(Refused, match="satellite") as refused:
                ask(tmp_path / "control.sock", question, **given)
            assert "on box-0" in refused.value.remedy
        running = [storebox(config, *words, stdin=ADDRESS, code=1) for words in WAYS]
    dead = [storebox(config, *words, stdin=ADDRESS, code=1) for words in WAYS]
    assert running == dead
    assert all("on box-0, the primary" in said for said in dead)


WAYS = (("opt-out", "add"), ("opt-out", "remove"), ("opt-out", "list"), ("access",))


def test_the_settings_of_a_radar_are_on_record_before_it_hears(running: Path) -> None:
    shown = ask(running, "outbox", limit=20)["events"]
    (declared,) = [json.loads(e["body"]) for e in shown if e["type"] == "radar.declared.v1"]
    assert declared == {
        "sensor": "radar",
        "kind": "wifi",
        "rssi_gate_dbm": -65,
        "channels": [],
        "hours": ["daily 00:00-24:00"],
        "hours_margin_s": 900,
        "timezone": "Europe/Moscow",
        "window_s": 600,
        "hash_bits": 20,
        "key_lifetime_s": 14_400,
    }
    assert next(e for e in shown)["type"] == "radar.declared.v1", "the first of all"


def test_each_change_of_the_settings_is_another_record(config: Path, tmp_path: Path) -> None:
    control, gates = tmp_path / "control.sock", []
    for gate in (-65, -70):
        config.write_text(config.read_text().replace("-65", str(gate)))
        with program(["edge.cli.main", "run", "-c", str(config)], tmp_path / "daemon.log"):
            shown = ask(control, "outbox", limit=20)["events"]
            bodies = [json.loads(e["body"]) for e in shown if e["type"] == "radar.declared.v1"]
            gates = [body["rssi_gate_dbm"] for body in bodies]
    assert gates == [-65, -70]
