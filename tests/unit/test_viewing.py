"""A technician's picture over the control socket: into one private file, and noted who asked."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from typer import Typer
from typer.testing import CliRunner, Result

from edge.cli.face_picture import picture
from edge.clock import SystemClock
from edge.control import ControlServer
from edge.errors import Refused
from edge.intake import Intake
from edge.operation.viewing import asked_picture, shown_questions
from edge.sensor_spec import SensorSpec
from sensors import wire
from tests.unit.test_intake import Peer
from tests.unit.test_intake_picture import JPEG, until_asked

CONFIGURATION = """\
[box]
tenant = "chain"
store = "s"
box = "b"
[state]
control_socket = "{socket}"
[sensors.door]
kind = "face"
device = "v4l2:/dev/video0"
"""


@asynccontextmanager
async def daemon(control: Path) -> AsyncIterator[Peer]:
    """As much of one as answers; the camera's end of its connection."""
    intake = Intake(SystemClock(), [SensorSpec("door", "face", "v4l2:/dev/video0", {})])
    server = ControlServer(control, shown_questions(intake))
    await server.start()
    peer = Peer(intake, "door")
    await peer.told()
    try:
        yield peer
    finally:
        await peer.close()
        await server.close()


async def answered(peer: Peer, asking: "asyncio.Future[Result]") -> Result:
    await until_asked(peer)
    await peer.send(wire.Hello("face", 1), wire.Pictured(JPEG))
    return await asking


def command(config: Path, out: Path, says: str = "") -> Result:
    app = Typer()
    app.command()(picture)
    words = ["door", "--out", str(out), "--config", str(config)]
    return CliRunner().invoke(app, words, input=says)


async def test_the_picture_is_written_for_its_owner_alone_and_noted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    config, out = tmp_path / "storebox.toml", tmp_path / "door.jpg"
    config.write_text(CONFIGURATION.format(socket=tmp_path / "control.sock"))
    async with daemon(tmp_path / "control.sock") as peer:
        asking = asyncio.ensure_future(asyncio.to_thread(command, config, out))
        assert (await answered(peer, asking)).exit_code == 0
    assert out.read_bytes() == JPEG
    assert out.stat().st_mode & 0o777 == 0o600
    (line,) = [one.getMessage() for one in caplog.records if "picture" in one.getMessage()]
    assert f"id {os.geteuid()} " in line
    assert "door" in line


async def test_what_is_there_is_overwritten_only_if_that_is_wanted(tmp_path: Path) -> None:
    config, out = tmp_path / "storebox.toml", tmp_path / "door.jpg"
    config.write_text(CONFIGURATION.format(socket=tmp_path / "control.sock"))
    out.write_bytes(b"something else")
    refused = command(config, out, "n\n")
    assert refused.exit_code != 0
    assert out.read_bytes() == b"something else"
    async with daemon(tmp_path / "control.sock") as peer:
        asking = asyncio.ensure_future(asyncio.to_thread(command, config, out, "y\n"))
        assert (await answered(peer, asking)).exit_code == 0
    assert out.read_bytes() == JPEG
    assert out.stat().st_mode & 0o777 == 0o600


def test_nothing_is_asked_when_it_could_not_be_written(tmp_path: Path) -> None:
    config = tmp_path / "storebox.toml"
    config.write_text(CONFIGURATION.format(socket=tmp_path / "control.sock"))
    for out in (tmp_path, tmp_path / "no" / "door.jpg"):
        failed = command(config, out)
        assert isinstance(failed.exception, Refused)
        assert "cannot be written" in str(failed.exception)


async def test_a_camera_that_is_not_there_is_refused(tmp_path: Path) -> None:
    async with daemon(tmp_path / "control.sock"):
        with pytest.raises(Refused, match="runs no sensor"):
            await asyncio.to_thread(asked_picture, tmp_path / "control.sock", "hall")
