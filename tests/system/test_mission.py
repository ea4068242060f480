"""The mission: everything real at once, and the line cut in between.

The daemon, mosquitto and the reference platform are processes of their own. A recorded capture
of phones, a clip made of photographs of real people and a code on a serial line go in; a browser
sees the product and, on the staff page, the member; the order is placed while the broker is down;
in the end the platform has each event once, and in order.
"""

import asyncio
import os
import pty
import tty
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from playwright.async_api import Page, expect

from edge.control import ask
from edge.face_models import DLIB
from edge.records import (
    Consent,
    ConsentKind,
    Member,
)
from edge.sales import Stock
from edge.storage import journal
from hardware.capture_file import records
from hardware.dot11 import ProbeParser, ProbeRequest
from kiosk.pin import set_pin
from sensors.scenario import shop
from sync.ingest.log import Received, read_log
from sync.reference.judge import judge
from tests.broker import Broker
from tests.browsing import chromium
from tests.programs import program, until

CAPTURE = "wifi/labelled-phones/H-ts-2021-Jun-16-h13-m28-s48-modeA_new-ch-6-th-40.pcap.gz"
PEOPLE = "faces/identities"
VERA_ENROLLED = ("07359/000277.jpg", "07359/006598.jpg", "07359/015784.jpg")
VERA_WALKS_IN = "07359/025256.jpg"
DARIA_WALKS_IN = "07367/018563.jpg"
STRANGER_WALKS_IN = "07346/041899.jpg"
PIN = "2580"
PRODUCT = shop.catalogue()[0]
SHOWN_MS_MAX = 20_000
APART_S = 2


def member(id_: str, name: str, card: str, *kinds: ConsentKind) -> Member:
    given = tuple(Consent(kind, 0, "2026-01", "desk") for kind in (ConsentKind.PROGRAMME, *kinds))
    return Member(id_, name, card, "gold", "families", given)


VERA = member("m-1", "Вера Кузнецова", "2780010000031", ConsentKind.FACE)
DARIA = member("m-2", "Дарья Морозова", "2780010000055")


@dataclass
class Mission:
    """The shop of this test."""

    folder: Path
    broker: Broker
    capture: Path
    scanner: int
    kiosk: str

    def scan(self, text: str) -> None:
        os.write(self.scanner, text.encode() + b"\r")

    def waiting(self) -> int:
        streams = ask(self.folder / "control.sock", "status")["outbox"]
        return sum(stream["waiting"] for stream in streams)

    def log(self) -> list[Received]:
        return read_log(self.folder / "platform.db")


CONFIGURATION = """\
[box]
tenant = "chain"
store = "MSK-017"
box = "box-1"
[state]
directory = "{folder}/state"
control_socket = "{folder}/control.sock"
journal = "{folder}/journal"
[recognition]
mode = "zone"
legal_basis = "test with published photographs"
[faces]
models = "{folder}/models"
[broker]
port = {broker}
first_retry_s = 0.1
retry_max_s = 0.5
[kiosk]
port = 0
staff_pin_file = "{folder}/pin"
"""
SENSORS = """\
[sensors.radar]
kind = "wifi"
device = "replay:{capture}"
pace = "fast"
[sensors.door]
kind = "face"
device = "replay:{folder}/walk-in.avi"
silence_s = 60
[sensors.scanner]
kind = "code"
device = "{scanner}"
screen = "main"
"""


@pytest.fixture
def mission(mosquitto: Broker, recordings: Path, tmp_path: Path) -> Iterator[Mission]:
    prepare(tmp_path, recordings / PEOPLE)
    plain = CONFIGURATION.format(folder=tmp_path, broker=mosquitto.port)
    master, slave = pty.openpty()
    tty.setraw(slave)
    devices = SENSORS.format(
        folder=tmp_path, capture=recordings / CAPTURE, scanner=os.ttyname(slave)
    )
    with ExitStack() as stack:
        stack.callback(os.close, master)
        stack.callback(os.close, slave)
        stack.enter_context(program(platform_of(tmp_path, mosquitto), tmp_path / "platform.log"))
        config = tmp_path / "storebox.toml"
        config.write_text(plain)
        with program(["edge.cli.main", "run", "-c", str(config)], tmp_path / "first.log"):
            control = tmp_path / "control.sock"
            until(lambda: len(ask(control, "status")["datasets"]) == 4, "the datasets to arrive")
        config.write_text(plain + devices)  # a restart: what arrived is still there
        kiosk = stack.enter_context(
            program(["edge.cli.main", "run", "-c", str(config)], tmp_path / "daemon.log")
        )
        yield Mission(tmp_path, mosquitto, recordings / CAPTURE, master, kiosk)


def platform_of(folder: Path, broker: Broker) -> list[str]:
    return [
        "sync.reference.main",
        *("--broker-host", broker.host, "--broker-port", str(broker.port)),
        *("--database", str(folder / "platform.db"), "--datasets", str(folder / "datasets")),
    ]


def prepare(folder: Path, people: Path) -> None:
    """The platform's datasets, and the clip of three people walking in one after the other."""
    import cv2

    from hardware.faces.backends import load
    from sensors.scenario import clips

    backend = load(None, DLIB)

    def embedded(path: Path) -> str:
        picture = cv2.imread(str(path))
        chip = backend.chip(picture, backend.detect(picture)[0])
        return b64encode(backend.embed(chip).astype("<f4").tobytes()).decode()

    datasets = folder / "datasets"
    datasets.mkdir()
    vectors = [embedded(people / name) for name in VERA_ENROLLED]
    stolen = [embedded(people / DARIA_WALKS_IN)]
    rows = {
        "members": [VERA, DARIA],
        # the platform's own files name a template that Daria never agreed to
        "templates": [
            {"member": VERA.id, "model": DLIB, "vectors": vectors},
            {"member": DARIA.id, "model": DLIB, "vectors": stolen},
        ],
        "catalogue": shop.catalogue(),
        "stock": [Stock(PRODUCT.sku, "MSK-017", 4, 1_700_000_000_000)],
    }
    for name, content in rows.items():
        (datasets / f"{name}.json").write_bytes(msgspec.json.encode(content))
    set_pin(folder / "pin", PIN)
    writer = cv2.VideoWriter(
        str(folder / "walk-in.avi"),
        cv2.CAP_OPENCV_MJPEG,
        cv2.VideoWriter.fourcc(*"MJPG"),
        clips.FRAMES_PER_S,
        (clips.WIDTH, clips.HEIGHT),
    )
    for seed, name in enumerate((STRANGER_WALKS_IN, VERA_WALKS_IN, DARIA_WALKS_IN)):
        for frame in clips.walk(cv2.imread(str(people / name)), seed=seed):
            writer.write(frame)
        # of who comes within a second, two frames go by before they are told from the last one:
        # on a busy machine too few would be left to be sure of them
        for _ in range(APART_S * clips.FRAMES_PER_S):
            writer.write(frame)
    writer.release()


async def staff_page(page: Page, mission: Mission) -> None:
    await page.goto(f"{mission.kiosk}staff")
    await page.locator("#pin").fill(PIN)
    await page.get_by_role("button", name="Войти").click()


async def at_the_kiosk(page: Page, mission: Mission) -> str:
    """The shopper's part: scan, add, and order while the broker is down; the order's number."""
    await page.goto(mission.kiosk)
    await asyncio.to_thread(
        until, lambda: sensor_state(mission, "scanner") == "listening", "the scanner to be open"
    )
    mission.scan(PRODUCT.gtin)
    await expect(page.locator("h1")).to_have_text(PRODUCT.titles["ru"], timeout=SHOWN_MS_MAX)
    await expect(page.locator("tr.here .quantity")).to_have_text("4 шт.")
    await page.get_by_role("button", name="В корзину").click()
    await page.locator("#cart").click()
    await asyncio.to_thread(mission.broker.kill)
    await page.get_by_role("button", name="Оформить заказ").click()
    number = page.locator("#order-number")
    await expect(number).to_be_visible()
    return str(await number.text_content())


def sensor_state(mission: Mission, name: str) -> str:
    sensors = ask(mission.folder / "control.sock", "sensors")
    return next(str(sensor["state"]) for sensor in sensors if sensor["name"] == name)


@pytest.mark.alone
@pytest.mark.timeout(240)
async def test_the_mission(mission: Mission) -> None:
    async with chromium() as browser:
        staff, kiosk = await browser.new_page(), await browser.new_page()
        await staff_page(staff, mission)
        number = await at_the_kiosk(kiosk, mission)
        assert mission.waiting() > 0, "the order waits on the box"
        vera = staff.locator(f"[data-member={VERA.id}]")
        await expect(vera).to_contain_text(VERA.name, timeout=60_000)
        await expect(vera).to_contain_text("99")
        await asyncio.to_thread(until, lambda: finished(mission), "all devices to finish", 60)
        await expect(staff.locator("[data-member]")).to_have_count(1)
    assert not [row for row in mission.log() if row.type == "order.placed.v1"]
    await asyncio.to_thread(mission.broker.start)
    await asyncio.to_thread(until, lambda: mission.waiting() == 0, "the outbox to drain")
    judged(mission, number)


def probes_in(capture: Path) -> int:
    parsed = (ProbeParser(record.link_type).parse(record.frame) for record in records(capture))
    return sum(isinstance(probe, ProbeRequest) for probe in parsed)


def finished(mission: Mission) -> bool:
    return sensor_state(mission, "door") == sensor_state(mission, "radar") == "finished"


def judged(mission: Mission, number: str) -> None:
    received = mission.log()
    verdict = judge(journal.read(mission.folder / "journal"), received)
    assert verdict.flawless, verdict
    assert verdict.created == verdict.acknowledged > 0
    orders = [msgspec.json.decode(r.body) for r in received if r.type == "order.placed.v1"]
    assert [order["number"] for order in orders] == [number]
    named = [msgspec.json.decode(r.body) for r in received if r.type == "visit.identified.v1"]
    assert [visit["member"] for visit in named] == [VERA.id]
    opened = [row for row in received if row.type == "visit.opened.v1"]
    assert len(opened) >= 3, "Daria and the stranger are visits of nobody"
    counted = [msgspec.json.decode(r.body) for r in received if r.type == "footfall.counted.v1"]
    radar = [window for window in counted if window["sensor"] == "radar"]
    status = ask(mission.folder / "control.sock", "status")
    state = next(sensor for sensor in status["sensors"] if sensor["name"] == "radar")
    fixed = state["dropped"].get("fixed", 0)
    assert sum(window["frames"] for window in radar) + fixed == probes_in(mission.capture) > 0
    shown = ask(mission.folder / "control.sock", "member", id=DARIA.id)
    assert not shown["has_template"]
