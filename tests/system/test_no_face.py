"""No stranger's face stays in the core, and none of a member who withdrew: not in its memory, not
on disk, not in logs, not on the line.

The real daemon, broker and platform; the test is the camera at the other end of the real socket.
Vectors are canaries, looked for in four spellings. One that is meant to be found stands in each
place, so that a search that finds nothing is known to be able to find something.
"""

import base64
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from edge.control import ask
from edge.daemon import OVERWRITING
from edge.records import FaceReading, Moment, Observation, TrackReading
from sensors import wire
from tests import faces
from tests.canaries import canary_vector, found_vectors, memory_of, spelt_vector
from tests.conftest import ROOT
from tests.contract.tap import TappedBroker
from tests.pages import everything
from tests.programs import END_S_MAX, until
from tests.system.sync_box import FACE, PROGRAMME, PlatformProcess, member

FORGOTTEN_S_MAX = 5.0
STRANGERS = {f"stranger-{n}": canary_vector(n, faces.DIMENSIONS) for n in range(1, 6)}
MEMBERS = {name: canary_vector(n, faces.DIMENSIONS) for n, name in ((101, "anna"), (102, "boris"))}
PLANTED = canary_vector(999, faces.DIMENSIONS)
ALL = {**STRANGERS, **MEMBERS, "planted": PLANTED}
FRAMES = 3


def in_latin(vector) -> str:
    """All pieces of a vector, one byte a character, as Python keeps a text of such characters."""
    raw = b" ".join(piece for pieces in spelt_vector(vector).values() for piece in pieces)
    return "".join(f"\\u{byte:04x}" for byte in raw)


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

    def __init__(self, folder: Path, broker: TappedBroker) -> None:
        self.folder, self.broker = folder, broker
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
store_name = "{in_latin(PLANTED)}"
[sensors.door]
kind = "face"
device = "simulated:{folder}/none"
socket = "{folder}/door.sock"
"""
    )
    return path


@pytest.fixture
def box(mosquitto: TappedBroker, tmp_path: Path) -> Iterator[tuple[Box, Camera, PlatformProcess]]:
    if os.geteuid() != 0:
        pytest.skip("the memory of a process can be read by root only")
    platform = PlatformProcess(tmp_path, mosquitto.port)
    platform.put("members", [member(name, PROGRAMME, FACE) for name in MEMBERS])
    rows = [(name, base64.b64encode(v.tobytes()).decode()) for name, v in MEMBERS.items()]
    platform.put(
        "templates",
        [{"member": name, "model": faces.MODEL, "vectors": [text] * 3} for name, text in rows],
    )
    box = Box(tmp_path, mosquitto)
    with closing(Camera(tmp_path / "door.sock")) as camera, platform, box.running():
        until(box.control.is_socket, "the daemon to answer", 60)
        camera.begin()
        until(lambda: "templates" in ask(box.control, "status")["datasets"], "templates", 60)
        yield box, camera, platform


def members_seen(box: Box) -> set[str]:
    return {visit["member"] for visit in ask(box.control, "visits") if visit["member"]}


def names(finds: set[tuple[str, str]]) -> set[str]:
    return {name for name, _ in finds}


def test_strangers_and_who_withdrew_leave_nothing(
    box: tuple[Box, Camera, PlatformProcess],
) -> None:
    shop, camera, platform = box
    for track, vector in enumerate((*STRANGERS.values(), *MEMBERS.values())):
        camera.see(track, vector)
    until(lambda: members_seen(shop) == set(MEMBERS), "both members were recognised")
    seen_s = time.monotonic()
    image = shop.memory()
    finds = found_vectors(image, ALL)
    print(f"{len(image)} bytes in {time.monotonic() - seen_s:.1f} s: {sorted(finds)}")
    assert {spelling for name, spelling in finds if name == "planted"} == set(spelt_vector(PLANTED))
    assert ("anna", "f32") in finds, "the gallery holds her"
    assert names(finds) & set(STRANGERS) == set()
    platform.put("members", [member("anna", PROGRAMME), member("boris", PROGRAMME, FACE)])
    until(lambda: members_seen(shop) == {"boris"}, "she is not recognised any more")
    withdrawn_s = time.monotonic()
    camera.see(90, MEMBERS["boris"])
    left = {"anna"}
    while left and time.monotonic() - withdrawn_s < FORGOTTEN_S_MAX:
        finds = found_vectors(shop.memory(), ALL)
        left = names(finds) & {"anna"}
    assert left == set(), finds
    assert ("planted", "f32") in finds
    places = {"disk": shop.disk(), "logs": shop.log.read_bytes(), "line": shop.line()}
    for place, pile in places.items():
        assert names(found_vectors(pile, ALL)) & (set(STRANGERS) | set(MEMBERS)) == set(), place
    limits = Path(f"/proc/{shop.process.pid}/limits").read_text()
    core_file = next(line for line in limits.splitlines() if "core file" in line)
    assert core_file.split()[4:6] == ["0", "0"], "no image of it can be written"


def test_systemd_gives_the_core_the_same_environment() -> None:
    unit = (ROOT / "systemd" / "storebox.service").read_text()
    for name, value in OVERWRITING.items():
        assert f"\nEnvironment={name}={value}\n" in unit
