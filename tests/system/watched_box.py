"""The daemon as a process whose memory, files, log and line are searched, and a camera for it."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.control import ask
from edge.daemon import OVERWRITING
from edge.records import FaceReading, Moment, Observation, TrackReading
from sensors import wire
from tests import faces
from tests.canaries import memory_of
from tests.conftest import ROOT
from tests.contract.tap import TappedBroker
from tests.pages import everything
from tests.programs import END_S_MAX

FRAMES = 3


class Camera:
    """The worker's end of the core's socket."""

    def __init__(self, path: Path) -> None:
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(path))
        self._listening.listen(1)
        self._listening.settimeout(30)

    def begin(self) -> None:
        self._connection, _ = self._listening.accept()
        reader, configured = wire.FrameReader(down=True), None
        self._connection.sendall(wire.encode(HELLO))
        while configured is None:
            for message in reader.feed(self._connection.recv(65536)):
                configured = message if isinstance(message, wire.Configure) else configured
        self.boot = configured.boot

    def see(self, track: int, vector) -> None:
        readings = [TrackReading(track)]
        raw = vector.tobytes()
        for frame in range(FRAMES):
            both = bytearray(raw), bytearray(raw)
            readings.append(FaceReading(track, faces.MODEL, frame + 1, *both))
        now = Moment(time.time_ns() // 10**6, time.monotonic_ns() // 10**6, self.boot, True)
        seen = [Observation("door", now, reading) for reading in readings]
        self._connection.sendall(wire.encode(wire.Seen(seen)))

    def close(self) -> None:
        self._connection.close()
        self._listening.close()


HELLO = wire.Hello("face", wire.PROTOCOL, 1)


class Box:
    """The daemon as a process, and what it leaves where."""

    def __init__(self, folder: Path, broker: TappedBroker, store: str = "Shop") -> None:
        self.folder, self.broker, self.store = folder, broker, store
        self.control = folder / "control.sock"
        self.log = folder / "daemon.log"
        self.process: subprocess.Popen[bytes]

    @contextmanager
    def running(self) -> Iterator[None]:
        command = [sys.executable, "-m", "edge.cli.main", "run", "-c", str(configured(self))]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=ROOT, stdout=log, stderr=log, env=os.environ | OVERWRITING
            )
        try:
            yield
        finally:
            self.process.terminate()
            self.process.wait(END_S_MAX)

    def memory(self) -> bytes:
        return memory_of(self.process.pid)

    def told(self, type_: str) -> int:
        """How many events of this type wait or were sent."""
        return sum(type_ in str(visit) for visit in ask(self.control, "visits"))

    def disk(self) -> bytes:
        mine = {"storebox.toml", "table.json", "templates.json", "catalogue.json", "platform.db"}
        others = (p for p in self.folder.rglob("*") if p.is_file() and p.name not in mine)
        return everything(self.folder / "state") + b"\n".join(p.read_bytes() for p in others)

    def line(self) -> bytes:
        said = [each for each in self.broker.tap.messages if "/up/" in each.topic]
        return b"\n".join(each.payload for each in said)


def configured(box: Box) -> Path:
    folder = box.folder
    (folder / "table.json").write_bytes(faces.CALIBRATION.to_json())
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
port = {box.broker.port}
first_retry_s = 0.1
visit_flush_s = 0
[platform]
key_file = "{folder}/platform.pub"
[faces]
model = "{faces.MODEL}"
[recognition]
mode = "zone"
legal_basis = "a test"
calibration = "{folder}/table.json"
[kiosk]
port = 0
store_name = "{box.store}"
[sensors.door]
kind = "face"
device = "simulated:{folder}/none"
socket = "{folder}/door.sock"
"""
    )
    return path
