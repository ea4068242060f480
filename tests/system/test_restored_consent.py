"""A box that is brought back to a file of before a withdrawal: what was withdrawn is gone within a
second of the platform's answer, and no face is matched before that answer has been applied.
"""

import asyncio
import base64
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from edge import consent, erasure
from edge.consent import Agreement, Said
from edge.operation.renewal import Renewal
from edge.presence.desk import PresenceDesk, PresenceSettings
from edge.presence.withdrawals import Withdrawals
from edge.records import ConsentKind
from edge.storage import templates
from sync.downward import Downward
from sync.messages import Dataset
from sync.signing import SigningKey
from tests import faces
from tests.lives import bytes_of
from tests.system.obeying_box import ObeyingBox
from tests.system.sync_box import (
    CONSENT,
    FACE,
    PROGRAMME,
    PlatformProcess,
    member,
    running,
    until,
)

GONE_S_MAX = 1.0
WIFI, MARKETING = ({"kind": kind, **CONSENT} for kind in ("wifi", "marketing"))
ALL = {each["kind"]: each for each in (PROGRAMME, FACE, WIFI, MARKETING)}
VECTOR = base64.b64encode(faces.face(1).tobytes()).decode()
PEOPLE = ("anna", "boris")
KIOSK = Said("kiosk")


class ForgettingBox(ObeyingBox):
    """A box that matches faces while its lease holds, as the daemon puts it together."""

    def downward(self) -> Downward:
        made = super().downward()
        settings = PresenceSettings(faces=faces.settings())
        self.presence = PresenceDesk(self.database, self.clock, settings, self.counters)
        self.withdrawals = Withdrawals(self.database, self.clock, self.presence.reload)
        self.renewal = Renewal(self.lease, self.presence, self.replica, self.commands)
        self.leases: list[tuple[bool, frozenset[ConsentKind]]] = []
        """When it ended and when it was renewed, and what Anna agreed to at that moment."""
        self.answered_s: list[float] = []
        self.lease.on_change(self._leased)
        self.replica.add_listener(self._heard_of)
        return Downward(
            made.datasets,
            made.commands,
            made.calls,
            heard=self.renewal.heard,
            restored=self.renewal.restored,
            told=made.told,
        )

    async def _leased(self, holds: bool) -> None:
        self.presence.match_faces(holds)
        self.leases.append((holds, consent.agreed_by(self.database.reading, "anna")))

    def _heard_of(self, _: object) -> None:
        self.answered_s.append(time.monotonic())
        self.presence.reload()

    async def matched(self) -> int:
        """How many faces are loaded for matching."""
        gallery = await self.presence.recognition.gallery(faces.MODEL)
        return len(gallery) if gallery is not None else 0


@asynccontextmanager
async def alive(box: ForgettingBox) -> AsyncIterator[ForgettingBox]:
    """It runs, with its lease and its scrubbing."""
    tasks = [
        asyncio.create_task(box.lease.run()),
        asyncio.create_task(erasure.scrub(box.database, box.clock, box.counters)),
    ]
    try:
        async with running(box):
            try:
                yield box
            finally:
                for task in tasks:
                    task.cancel()
                    with suppress(asyncio.CancelledError):
                        await task
    finally:
        await box.presence.close()


@pytest.fixture
def platform(mosquitto, tmp_path):
    key = SigningKey.open(tmp_path / "platform.key")
    (tmp_path / "platform.pub").write_text(key.public_line)
    process = PlatformProcess(tmp_path, mosquitto.port)
    publish(process, *ALL)
    yield process
    process.kill()


def publish(platform: PlatformProcess, *kinds: str) -> None:
    """What Anna agrees to; Boris agrees to everything."""
    agreed = {"anna": [ALL[kind] for kind in kinds], "boris": list(ALL.values())}
    shown = [name for name in PEOPLE if "programme" in kinds or name != "anna"]
    rows = [member(name, *agreed[name]) | {"logins": [f"+7900{name}"]} for name in shown]
    platform.put("members", rows)
    enrolled = [name for name in shown if FACE in agreed[name]]
    platform.put(
        "templates",
        [{"member": name, "model": faces.MODEL, "vectors": [VECTOR] * 2} for name in enrolled],
    )


async def whole(box: ForgettingBox) -> None:
    """Everything of both is here, and told."""
    there = lambda: templates.owners(box.database.reading) == set(PEOPLE)  # noqa: E731
    await until(there, "both are here")
    assert await box.link.drained(20)


def put_back(tmp_path) -> None:
    shutil.rmtree(tmp_path / "state")
    shutil.copytree(tmp_path / "backup", tmp_path / "state")


@pytest.mark.parametrize("way", ["here", "platform"])
@pytest.mark.parametrize("kind", ["face", "wifi", "marketing", "programme"])
async def test_an_older_file_honours_what_was_withdrawn_since(
    mosquitto, platform, tmp_path, kind, way
):
    platform.start()
    async with alive(ForgettingBox(tmp_path, mosquitto.port)) as box:
        await whole(box)
    shutil.copytree(tmp_path / "state", tmp_path / "backup")
    async with alive(ForgettingBox(tmp_path, mosquitto.port)) as box:
        await until(lambda: box.link.status().connected, "connected")
        if way == "here":
            assert await box.withdrawals.withdraw("anna", ConsentKind(kind), KIOSK)
            assert await box.link.drained(20)
        publish(platform, *(each for each in ALL if each != kind))
        await until(lambda: kind not in agreed(box), "withdrawn")
        rows = lambda: box.replica.versions()[Dataset.MEMBERS].version  # noqa: E731
        await until(lambda: rows() == 2, "the platform's rows say so, too")
        await until(lambda: not box.replica.incomplete, "all of them are here")
        assert await box.link.drained(20)
    put_back(tmp_path)
    box = ForgettingBox(tmp_path, mosquitto.port)
    traces = bytes_of(box.database.reading, "anna", ConsentKind(kind))
    assert kind in agreed(box), "the file is of before"
    assert [each for each in traces if each not in box.bytes()] == []
    if way == "platform":  # nothing tells that the file is an old one, but that it was silent
        box.lease.expire()
    async with alive(box):
        answered = lambda: kind not in agreed(box) and box.answered_s  # noqa: E731
        await until(answered, "the platform's answer")
        answered_s = box.answered_s[-1]
        gone = False
        while not gone:
            found, took_s = box.bytes(), time.monotonic() - answered_s
            gone = not [each for each in traces if each in found]
            assert gone or took_s < GONE_S_MAX, f"still there after {took_s:.1f} s"
            await asyncio.sleep(0)
        print(f"{kind}, {way}: {took_s * 1000:.0f} ms after the answer")
        await until(lambda: box.lease.holds and box.leases[-1][0], "faces may be matched again")
        assert [holds for holds, _ in box.leases] == [False, True]
        assert kind not in box.leases[-1][1], "not before it was taken out"
        assert await box.matched() == (1 if kind in ("face", "programme") else 2)


async def test_what_was_agreed_here_and_stood_in_no_row_is_doubted(mosquitto, platform, tmp_path):
    """She agrees, a backup is made, and she takes it back: no row of the platform's ever had it."""
    publish(platform, "programme")
    platform.start()
    async with alive(ForgettingBox(tmp_path, mosquitto.port)) as box:
        await until(lambda: agreed(box) == {"programme"}, "she is here")
        now = box.clock.now()
        agreement = Agreement(ConsentKind.FACE, "face-1", True)

        def agree(tx) -> None:
            consent.give(tx, "anna", agreement, KIOSK, now)
            consent.accept_template(tx, faces.template("anna", 1))

        await box.database.transact(agree)
        assert await box.link.drained(20)
    shutil.copytree(tmp_path / "state", tmp_path / "backup")
    async with alive(ForgettingBox(tmp_path, mosquitto.port)) as box:
        assert await box.withdrawals.withdraw("anna", ConsentKind.FACE, KIOSK)
        await until(lambda: box.link.status().connected, "connected")
        assert await box.link.drained(20)
    put_back(tmp_path)
    box = ForgettingBox(tmp_path, mosquitto.port)
    assert agreed(box) == {"programme", "face"}, "the file is of before"
    traces = bytes_of(box.database.reading, "anna", ConsentKind.FACE)
    async with alive(box):
        await until(lambda: agreed(box) == {"programme"}, "doubted")
        await until(lambda: box.lease.holds and box.leases[-1:] != [], "the platform's answer")
        await until(lambda: not [t for t in traces if t in box.bytes()], "no byte is left")
        assert box.leases[-1] == (True, frozenset({ConsentKind.PROGRAMME}))


def agreed(box: ForgettingBox) -> frozenset[ConsentKind]:
    return consent.agreed_by(box.database.reading, "anna")
