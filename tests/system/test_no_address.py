"""No address leaves a radar: not to disk, not into logs, not onto the line, not into the core.

The real daemon, broker and platform, fed with recordings of real phones; afterwards everything is
searched for every address in them, in six spellings. A canary that is no phone's is planted in each
place, so that a search that finds nothing is known to be able to find something.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import msgspec
import pytest

from edge.control import ask
from edge.errors import BadFrame
from hardware.capture_file import records
from hardware.dot11 import ProbeParser, ProbeRequest
from sync.ingest.log import read_log
from tests.broker import Broker
from tests.canaries import SPELLINGS, expected_by_chance, found, memory_of, spelt
from tests.conftest import ROOT
from tests.contract.golden import rendering
from tests.contract.tap import TappedBroker
from tests.pages import everything
from tests.programs import END_S_MAX, until
from tests.system.sync_box import PlatformProcess

CANARY = b"cAnArY"
"""An address whose raw bytes are text, so that it can be planted in all spellings anywhere."""
DAYS, PHONES = 4, 6
"""Recordings of each sort; together some thousand addresses."""
CHANCE_MAX = 0.05
"""So often a raw find may be chance in a run; below it none is excused."""
PIECES_MIN = 4
"""An address with fewer different bytes (00:00:00:00:00:01) is in any memory, by chance or not."""


@pytest.fixture(scope="module")
def captures(recordings: Path) -> list[Path]:
    rooms = sorted((recordings / "wifi" / "room-occupancy").glob("*.pcap*"))
    phones = sorted((recordings / "wifi" / "labelled-phones").glob("*.pcap*"))
    return rooms[:: len(rooms) // DAYS][:DAYS] + phones[:: len(phones) // PHONES][:PHONES]


def addresses_in(captures: list[Path]) -> set[bytes]:
    """Of everybody heard in them."""
    sources: set[bytes] = set()
    for capture in captures:
        parsers: dict[int, ProbeParser] = {}
        try:
            for record in records(capture):
                parser = parsers.setdefault(record.link_type, ProbeParser(record.link_type))
                probe = parser.parse(record.frame)
                if isinstance(probe, ProbeRequest):
                    sources.add(probe.source)
        except BadFrame:
            continue
    return {source for source in sources if len(set(source)) >= PIECES_MIN}


def configured(folder: Path, broker: Broker, captures: list[Path]) -> Path:
    radars = "".join(
        f'[sensors.radar-{number}]\nkind = "wifi"\ndevice = "replay:{capture}"\npace = "fast"\n'
        for number, capture in enumerate(captures)
    )
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
journal = "{folder}/state/journal"
[broker]
port = {broker.port}
first_retry_s = 0.1
bulk_flush_s = 0.1
[kiosk]
port = 0
store_name = "{spelt(CANARY)}"
{radars}
[sensors.canary]
kind = "wifi"
device = "replay:{folder}/{spelt(CANARY)}"
"""
    )
    return path


class Shop:
    """The daemon as a process, and what it has left behind everywhere."""

    def __init__(self, folder: Path, broker: TappedBroker, config: Path) -> None:
        self.folder = folder
        self.control = folder / "control.sock"
        self._broker = broker
        self._log = folder / "daemon.log"
        with self._log.open("wb") as log:
            command = [sys.executable, "-m", "edge.cli.main", "run", "-c", str(config)]
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)

    def replayed(self) -> bool:
        """Whether all captures are at their end, and all counts with the platform."""
        status = ask(self.control, "status")
        radars = [one for one in status["sensors"] if one["name"] != "canary"]
        drained = not sum(stream["waiting"] for stream in status["outbox"])
        return drained and all(one["state"] == "finished" for one in radars)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(END_S_MAX)

    # --- the four places

    def disk(self) -> bytes:
        """State with all pages decrypted, and all other files of the box and the platform."""
        others = (path for path in self.folder.rglob("*") if path.is_file())
        plain = [path.read_bytes() for path in others if path.name not in NOT_THE_BOXES]
        return everything(self.folder / "state") + b"\n".join(plain)

    def logs(self) -> bytes:
        return self._log.read_bytes()

    def line(self) -> bytes:
        """All that crossed the broker: as it is, unpacked, and as the platform has kept it."""
        said = self._broker.tap.messages
        raw = chain.from_iterable((each.topic.encode(), each.payload) for each in said)
        read = (rendering(each.topic, each.payload, retain=each.retain) for each in said)
        kept = (event.body for event in read_log(self.folder / "platform.db"))
        texts = (json.dumps(each, ensure_ascii=False).encode() for each in read)
        return b"\n".join([*raw, *texts, *kept])

    def memory(self) -> bytes:
        return memory_of(self.process.pid)


NOT_THE_BOXES = {"storebox.toml", "daemon.log", "catalogue.json"}
"""What the test itself wrote with the canary in it, and the log, which is a place of its own."""


@pytest.fixture
def shop(mosquitto: TappedBroker, captures: list[Path], tmp_path: Path) -> Iterator[Shop]:
    platform = PlatformProcess(tmp_path, mosquitto.port)
    titles = {"en": spelt(CANARY)}
    product = {"sku": "s", "gtin": "4600000000001", "model": "m", "titles": titles}
    platform.put("catalogue", [product | {"price_minor": 1}])
    config = configured(tmp_path, mosquitto, captures)
    with platform:
        running = Shop(tmp_path, mosquitto, config)
        try:
            yield running
        finally:
            running.stop()


@pytest.mark.alone
@pytest.mark.timeout(300)
def test_every_address_is_nowhere(shop: Shop, captures: list[Path]) -> None:
    addresses = addresses_in(captures)
    assert len(addresses) > 500
    until(shop.control.is_socket, "the daemon to answer", 60)
    until(
        lambda: "catalogue" in ask(shop.control, "status")["datasets"], "the canary to arrive", 60
    )
    until(shop.replayed, "all captures to be counted", 120)
    try:
        image = shop.memory()
    except PermissionError:
        pytest.skip("the memory of a process can be read by root only")
    counted = [e for e in read_log(shop.folder / "platform.db") if e.type == "footfall.counted.v1"]
    heard = sum(msgspec.json.decode(event.body)["frames"] for event in counted)
    assert heard > 10_000, "the captures were really counted"
    shop.stop()
    places = {"disk": shop.disk(), "logs": shop.logs(), "line": shop.line(), "memory": image}
    for place, pile in places.items():
        chance = expected_by_chance(len(pile), len(addresses))
        print(f"{place}: {len(pile)} bytes, {len(addresses)} addresses, by chance {chance:.1e}")
        assert chance < CHANCE_MAX
        finds = found(pile, addresses | {CANARY})
        planted = {find for find in finds if find[0] == CANARY}
        assert planted == {(CANARY, name) for name in SPELLINGS}, f"{place} was really searched"
        assert finds == planted, f"in {place}"
