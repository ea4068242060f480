"""A configuration, the command run with it, and a box that has been used."""

import asyncio
import json
from pathlib import Path

import pytest

from edge.config import load
from edge.storage.database import Database
from tests.command import storebox as ended
from tests.system.cli.box import CODE, Result, fill


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
        named = {"STOREBOX_CONFIG": str(path), **environment}
        run = await asyncio.to_thread(ended, *arguments, stdin=stdin, environment=named)
        result = Result(run.returncode, run.stdout, run.stderr)
        assert "Traceback" not in result.out + result.err
        assert "\x1b[" not in result.out + result.err, "no colour in a pipe"
        return result

    return storebox


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
