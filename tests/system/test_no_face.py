"""No stranger's face stays in the core, and none of a member who withdrew: not in its memory, not
on disk, not in logs, not on the line.

The real daemon, broker and platform; the test is the camera at the other end of the real socket.
Vectors are canaries, looked for in four spellings. One that is meant to be found stands in each
place, so that a search that finds nothing is known to be able to find something.
"""

import base64
import os
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edge.control import ask
from edge.daemon import OVERWRITING
from tests import faces
from tests.canaries import COLUMNS, canary_vector, found_vectors, spelt_vector
from tests.conftest import ROOT
from tests.contract.tap import TappedBroker
from tests.programs import until
from tests.system.sync_box import FACE, PROGRAMME, PlatformProcess, member
from tests.system.watched_box import Box, Camera

FORGOTTEN_S_MAX = 5.0
STRANGERS = {f"stranger-{n}": canary_vector(n, faces.DIMENSIONS) for n in range(1, 6)}
MEMBERS = {name: canary_vector(n, faces.DIMENSIONS) for n, name in ((101, "anna"), (102, "boris"))}
PLANTED = canary_vector(999, faces.DIMENSIONS)
ALL = {**STRANGERS, **MEMBERS, "planted": PLANTED}


def in_latin(vector) -> str:
    """All pieces of a vector, one byte a character, as Python keeps a text of such characters."""
    raw = b" ".join(piece for pieces in spelt_vector(vector).values() for piece in pieces)
    return "".join(f"\\u{byte:04x}" for byte in raw)


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
    box = Box(tmp_path, mosquitto, in_latin(PLANTED))
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
    assert {("anna", "f32"), ("anna", COLUMNS)} & finds, "the gallery holds her"
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
