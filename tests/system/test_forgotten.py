"""The running daemon forgets a person everywhere at once: profile, visit, and their screen."""

import json
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import BinaryIO

from edge.control import ask
from tests.conftest import ROOT
from tests.programs import program, until
from tests.system.sync_box import PROGRAMME, PlatformProcess, member

SCANS, EVERY_MS = 15, 200
NAME = "Zinaida-Test"
FORGOTTEN_S_MAX = 1.0


def configured(folder: Path, broker: int) -> Path:
    scans = [{"at_ms": n * EVERY_MS, "text": "card-zina"} for n in range(SCANS)]
    (folder / "scans.jsonl").write_text("\n".join(map(json.dumps, scans)))
    path = folder / "storebox.toml"
    path.write_text(
        f"""
[box]
tenant = "chain"
store = "shop-1"
box = "box-1"
[state]
directory = "{folder}/state"
control_socket = "{folder}/control.sock"
[broker]
port = {broker}
first_retry_s = 0.1
[platform]
key_file = "{folder}/platform.pub"
[kiosk]
port = 0
[sensors.scanner]
kind = "code"
device = "simulated:{folder}/scans.jsonl"
screen = "main"
"""
    )
    return path


def test_a_member_who_is_erased_while_they_shop(mosquitto, tmp_path):
    platform = PlatformProcess(tmp_path, mosquitto.port)
    platform.put("members", [member("zina", PROGRAMME) | {"name": NAME}])
    config, control = configured(tmp_path, mosquitto.port), tmp_path / "control.sock"
    erase = ["platform", "command", "chain/shop-1/box-1", "member.erase", '{"member":"zina"}']
    with platform, program(["edge.cli.main", "run", "-c", str(config)], tmp_path / "log") as page:

        def visiting() -> list[str]:
            return [visit["member"] for visit in ask(control, "visits") if visit["member"]]

        until(lambda: visiting() == ["zina"], "her card was scanned")
        until(lambda: ask(control, "sensors")[0]["observations"] == SCANS, "all scans are over")
        with urllib.request.urlopen(f"{page}live/kiosk/main", timeout=20) as screen:
            assert NAME in drawn(screen), "the screen greets her"
            words = [sys.executable, "-m", "edge.cli.main", *erase, "--database", platform.log]
            subprocess.run(words, cwd=ROOT, check=True, capture_output=True)
            until(lambda: ask(control, "members", limit=5) == [], "her profile has gone")
            gone_s = time.monotonic()
            assert NAME not in drawn(screen), "the screen was drawn anew, without her"
            assert time.monotonic() - gone_s < FORGOTTEN_S_MAX
        assert visiting() == []
        assert ask(control, "sync")["commands"]["newest"][0]["ok"]
        assert ask(control, "sync")["erased"] == 1


def drawn(screen: BinaryIO) -> str:
    """What the screen shows next, between two signs of life."""
    lines: list[str] = []
    while True:
        line = screen.readline().decode()
        assert line, "the stream ended"
        if line.strip():
            lines.append(line)
        elif lines and "beat" not in lines[0]:
            return "".join(lines)
        else:
            lines.clear()
