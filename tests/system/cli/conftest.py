"""A configuration, the command run with it, and a box that has been used."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from edge.config import load
from edge.storage.database import Database
from tests.conftest import ROOT
from tests.system.cli.box import CODE, Result, fill

COMMAND_S_MAX = 60


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
