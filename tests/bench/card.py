"""How soon staff see who has come (AREA=presence): from the frame of the deciding reading written
into a sensor's socket to the whole card at a tablet.

A real daemon with its database, kiosk and live page. We are its sensors (a scanner, the hotspot's
accounting, a camera at the door), by the sensors' own side of the socket, and one tablet of staff.
Members come one after another and stay, so that the page is as full as it gets.
"""

import asyncio
import http.client
import json
import os
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec

from edge import consent
from edge.documents import Cart, OrderLine, Purchase, Wish
from edge.records import (
    AssociationPhase,
    AssociationReading,
    CodeReading,
    Consent,
    ConsentKind,
    GoneReading,
    Member,
    Reading,
    TrackReading,
)
from edge.sales import Product, Stock
from edge.storage import documents, goods, members
from edge.storage.database import Database, Transaction
from kiosk.pin import set_pin
from sensors.core_link import CoreLink
from tests import faces
from tests.programs import program

VISITS = 300
GOAL_MS = 300
PIN = "482915"
KINDS = ("code", "radius", "face")
CONFIGURATION = """
[box]
tenant = "chain"
store = "here"
box = "b"
[state]
directory = "{folder}/state"
control_socket = "{folder}/control.sock"
[broker]
port = 1
[kiosk]
port = 0
[recognition]
mode = "zone"
legal_basis = "bench"
[faces]
model = "{model}"
"""
SENSOR = """
[sensors.{kind}]
kind = "{kind}"
device = "{device}"
socket = "{folder}/{kind}.sock"
silence_s = 600
"""
DEVICES = {"code": "/dev/null", "radius": "0.0.0.0:1813", "face": "/dev/null"}
ANSWER_S_MAX = 30.0


def run() -> list[dict[str, Any]]:
    """The median and the 95th percentile of each kind of reading, and of all."""
    taken = measured(VISITS)
    taken["any reading"] = sorted(ms for kind in taken.values() for ms in kind)
    entries = []
    for kind, times_ms in taken.items():
        for share, goal in ((0.5, None), (0.95, GOAL_MS)):
            entries.append(_entry(kind, sorted(times_ms), share, goal))
    return entries


def _entry(kind: str, times_ms: list[float], share: float, goal: int | None) -> dict[str, Any]:
    value = percentile(times_ms, share)
    return {
        "name": f"card at the tablet after {kind}, p{share * 100:.0f} of {len(times_ms)} visits",
        "value": round(value, 1),
        "unit": "ms",
        "baseline": None,
        "ratio": None,
        "goal": goal,
        "met": None if goal is None else value <= goal,
    }


def percentile(times_ms: list[float], share: float) -> float:
    """The time that this share of the visits did not exceed."""
    return sorted(times_ms)[max(0, -(-len(times_ms) * round(share * 100) // 100) - 1)]


def measured(visits: int) -> dict[str, list[float]]:
    """Milliseconds of each visit, by the kind of its deciding reading."""
    with tempfile.TemporaryDirectory(prefix="storebox-bench-") as directory:
        folder = Path(directory)
        _prepare(folder, visits)
        arguments = ["edge.cli.main", "run", "-c", str(folder / "storebox.toml")]
        with ExitStack() as open_now:
            listening = {
                kind: open_now.enter_context(_listen(folder / f"{kind}.sock")) for kind in KINDS
            }
            address = open_now.enter_context(program(arguments, folder / "log"))
            links = {}
            for kind, sock in listening.items():
                connection = open_now.enter_context(sock.accept()[0])
                links[kind] = CoreLink(connection, kind, os.getpid())
                links[kind].healthy()
            page = open_now.enter_context(_tablet(address))
            taken: dict[str, list[float]] = {kind: [] for kind in KINDS}
            for number in range(visits):
                kind = KINDS[number % len(KINDS)]
                taken[kind].append(_come(links[kind], page, kind, number))
        return taken


def _come(link: CoreLink, page: http.client.HTTPResponse, kind: str, number: int) -> float:
    """One member comes; milliseconds until their card is there."""
    before, deciding = _readings(kind, number)
    now = link.moment(0)
    for reading in before:
        link.observe(reading, now)
    link.flush()
    if before:
        _await(page, f'data-member="m-{number}"')
    link.observe(deciding, now)
    began_s = time.perf_counter()
    link.flush()
    state = "perhaps" if kind == "radius" else "sure"  # nobody has seen their phone before
    _await(page, f'class="card {state}" data-member="m-{number}"')
    took_ms = (time.perf_counter() - began_s) * 1000
    if kind == "face":
        link.observe(GoneReading(number + 1, 1000), now)
        link.flush()
    return took_ms


def _readings(kind: str, number: int) -> tuple[list[Reading], Reading]:
    """What the sensor says before, and what decides."""
    if kind == "code":
        return [], CodeReading(f"card-{number}")
    if kind == "radius":
        address = bytearray(number.to_bytes(6, "big"))
        login = _login(number)
        start = AssociationPhase.START
        return [], AssociationReading(login, address, "hotspot", f"s-{number}", start)
    frames = [faces.reading(number + 1, float(number), frame) for frame in (1, 2, 3)]
    return [TrackReading(number + 1), *frames[:2]], frames[2]


def _login(number: int) -> str:
    return f"+7916{number:07d}"


# --- the tablet


@contextmanager
def _tablet(address: str) -> Iterator[http.client.HTTPResponse]:
    """A signed-in tablet with the live page."""
    host = urlsplit(address).netloc
    signing = http.client.HTTPConnection(host, timeout=ANSWER_S_MAX)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    signing.request("POST", "/staff/enter", urlencode({"pin": PIN}), form)
    cookie = (signing.getresponse().getheader("Set-Cookie") or "").partition(";")[0]
    signing.close()
    live = http.client.HTTPConnection(host, timeout=ANSWER_S_MAX)
    live.request("GET", "/live/staff", headers={"Cookie": cookie})
    page = live.getresponse()
    assert page.status == http.client.OK, page.status
    try:
        yield page
    finally:
        page.close()
        live.close()


def _await(page: http.client.HTTPResponse, text: str) -> None:
    """Read events until one that has arrived as a whole holds `text`."""
    wanted, found = text.encode(), False
    deadline_s = time.monotonic() + ANSWER_S_MAX
    while (line := page.readline()) and time.monotonic() < deadline_s:
        found = found or wanted in line
        if found and not line.strip():
            return
    raise AssertionError(f"the live page did not show {text}")


# --- the shop


def _prepare(folder: Path, visits: int) -> None:
    """Configuration, PIN, and members who have a face, a login and things waiting for them."""
    said = CONFIGURATION.format(folder=folder, model=faces.MODEL)
    for kind in KINDS:
        said += SENSOR.format(folder=folder, kind=kind, device=DEVICES[kind])
        if kind == "radius":
            secret = folder / "secret"
            secret.write_text("bench")
            secret.chmod(0o600)
            said += f"secret_file = {json.dumps(str(secret))}\n"
    (folder / "storebox.toml").write_text(said)
    database = Database.open(folder / "state")
    set_pin(folder / "state" / "staff_pin", PIN)

    def fill(tx: Transaction) -> None:
        for number in range(20):
            goods.put_product(
                tx, Product(f"s{number}", f"{number}", "m", {"ru": f"Товар {number}"}, 9)
            )
            goods.put_stock(tx, Stock(f"s{number}", "here", number % 3, 1))
        for number in range(visits):
            _join(tx, number)

    asyncio.run(database.transact(fill))
    database.close()


def _join(tx: Transaction, number: int) -> None:
    name = f"m-{number}"
    kinds = (ConsentKind.PROGRAMME, ConsentKind.WIFI, ConsentKind.FACE)
    agreed = tuple(Consent(kind, 1, "v1", "desk") for kind in kinds)
    member = Member(name, f"Петрова Анна {number}", f"card-{number}", "Gold", "", agreed)
    consent.accept_member(tx, msgspec.structs.replace(member, logins=(_login(number),)))
    consent.accept_template(tx, faces.template(name, float(number)))
    own = members.key(tx, tx.vault, name)
    assert own is not None
    lines = tuple(OrderLine(f"s{each}", 1 + each) for each in range(5))
    rows: list[tuple[str, Any]] = [("carts", Cart(name, lines, 1))]
    rows += [("wishes", Wish(name, f"s{each}", each)) for each in range(10)]
    rows += [
        ("history", Purchase(name, f"r-{each}", f"s{each % 20}", 1, each)) for each in range(40)
    ]
    for place, (dataset, row) in enumerate(rows):
        cells = documents.cells(dataset, f"{name}/{place}", msgspec.json.encode(row), (name, own))
        tx.execute("INSERT INTO document VALUES (?, ?, ?, ?)", cells)


def _listen(path: Path) -> socket.socket:
    """As systemd listens in a sensor's place."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(str(path))
    listening.listen(1)
    listening.settimeout(ANSWER_S_MAX)
    return listening
