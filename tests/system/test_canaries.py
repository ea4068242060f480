"""Two hundred things of members are planted: outside sealed storage none of them is found, and when
their members were erased none is found at all, in memory neither.

The real daemon, broker and platform. Each text is looked for as it is, in UTF-16, in hex and in
base64; each face in four spellings. What the platform itself keeps is left out.
"""

import base64
import os
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edge.control import ask
from tests import faces
from tests.canaries import canary_vector, found_vectors
from tests.command import storebox
from tests.contract.tap import TappedBroker
from tests.programs import until
from tests.system.sync_box import CONSENT, FACE, PROGRAMME, PlatformProcess, member
from tests.system.watched_box import Box, Camera

PEOPLE = 40
WIFI = {"kind": "wifi", **CONSENT}
NAMES = [f"m{n:03d}" for n in range(PEOPLE)]
VECTORS = {name: canary_vector(3000 + n, faces.DIMENSIONS) for n, name in enumerate(NAMES)}
RAW = ("name", "login", "card", "bought")
"""Of each member, beside the face: five things, 200 in all."""


BEGINS = "Qzcanary_"


def canary(name: str, of: str) -> str:
    return f"{BEGINS}{of[:3]}{int(name[1:]) * 7919 + 1_000_003}xv{name}"


CANARIES = {(name, of): canary(name, of) for name in NAMES for of in RAW}


def spelt(text: str) -> dict[str, bytes]:
    """As it may stand somewhere. Base64 from the first of three bytes on, without its last ones."""
    raw = text.encode()
    return {
        "plain": raw,
        "utf-16": text.encode("utf-16-le"),
        "hex": raw.hex().encode(),
        "base64": base64.b64encode(raw)[: len(raw) // 3 * 4],
    }


def found(pile: bytes) -> set[tuple[str, str, str]]:
    """Which of them, and how. What they all begin with is looked for first: a memory is large."""
    begun = {how for how, piece in spelt(BEGINS).items() if piece in pile}
    return {
        (name, of, how)
        for (name, of), text in CANARIES.items()
        for how, piece in spelt(text).items()
        if how in begun and piece in pile
    }


def row(name: str) -> dict[str, object]:
    known = {"name": CANARIES[name, "name"], "card": CANARIES[name, "card"]}
    return member(name, PROGRAMME, FACE, WIFI) | known | {"logins": [CANARIES[name, "login"]]}


@pytest.fixture
def shop(mosquitto: TappedBroker, tmp_path: Path) -> Iterator[tuple[Box, Camera, PlatformProcess]]:
    if os.geteuid() != 0:
        pytest.skip("the memory of a process can be read by root only")
    platform = PlatformProcess(tmp_path, mosquitto.port)
    platform.put("members", [row(name) for name in NAMES])
    texts = {name: base64.b64encode(v.tobytes()).decode() for name, v in VECTORS.items()}
    platform.put(
        "templates",
        [{"member": m, "model": faces.MODEL, "vectors": [text] * 3} for m, text in texts.items()],
    )
    bought = [
        {"member": m, "receipt": CANARIES[m, "bought"], "sku": "s1", "quantity": 1, "bought_ms": 1}
        for m in NAMES
    ]
    platform.put("history", bought)
    box = Box(tmp_path, mosquitto)
    with closing(Camera(tmp_path / "door.sock")) as camera, platform, box.running():
        until(box.control.is_socket, "the daemon to answer", 60)
        camera.begin()
        until(lambda: {"templates", "history"} <= set(datasets(box)), "the datasets", 60)
        yield box, camera, platform


def datasets(box: Box) -> dict[str, int]:
    return ask(box.control, "status")["datasets"]


def outside(box: Box) -> dict[str, bytes]:
    """The files as they lie there, the log, and what went up."""
    theirs = {"table.json", "platform.db", "platform.db-wal", "storebox.toml", "platform.pub"}
    files = [
        path
        for path in box.folder.rglob("*")
        if path.is_file() and path.name not in theirs and "datasets" not in path.parts
    ]
    return {
        "disk": b"\n".join(path.read_bytes() for path in files),
        "log": box.log.read_bytes(),
        "line": box.line(),
    }


def test_nothing_that_is_planted_is_found(shop: tuple[Box, Camera, PlatformProcess]) -> None:
    box, camera, platform = shop
    camera.see(1, VECTORS["m000"])
    until(lambda: any(v["member"] == "m000" for v in ask(box.control, "visits")), "recognised")
    name = ask(box.control, "member", id="m001")["name"]
    assert name == CANARIES["m001", "name"], "it is there, and opens"
    for place, pile in outside(box).items():
        assert found(pile) == set(), place
        assert found_vectors(pile, VECTORS) == set(), place
    command(platform, "member.erase", f'{{"member":"{NAMES[0]}"}}')
    until(lambda: ask(box.control, "sync")["erased"] == 1, "one is erased by command", 60)
    platform.put("history", [])
    platform.put("members", [])
    until(lambda: ask(box.control, "members", limit=5) == [], "all the others have gone", 60)
    gone_s = time.monotonic()
    left = None
    while left != set() and time.monotonic() - gone_s < 10:
        image = box.memory()
        left = {each[:2] for each in found(image)} | {
            (name, "face") for name, _ in found_vectors(image, VECTORS)
        }
    assert left == set(), sorted(left)[:10]
    everywhere = box.disk()
    assert found(everywhere) == set()
    assert found_vectors(everywhere, VECTORS) == set()


def command(platform: PlatformProcess, type_: str, body: str) -> None:
    words = ("platform", "command", "chain/shop-1/box-1", type_, body)
    ended = storebox(*words, "--database", platform.log)
    assert ended.returncode == 0, ended.stderr
