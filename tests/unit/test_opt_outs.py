"""The list of those who are not counted, and what the box answers to who asks what it holds."""

import asyncio
import base64
import random
import socket
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import erasure
from edge.clock import SystemClock
from edge.errors import Refused
from edge.intake import Intake
from edge.operation import access, opt_outs
from edge.operation.access import Held, Keeper, parsed_address
from edge.operation.opt_outs import OptOuts
from edge.operation.outpost import Lent, _Session
from edge.sensor_spec import SensorSpec
from edge.storage import opted_out
from edge.storage.database import Database
from edge.storage.vault import Vault
from sensors import wire
from sensors.radar.marks import opt_out_mark
from sync.tunnel import Piece, PieceKind
from tests.pages import everything
from tests.unit.test_intake import Peer

PHONE = bytes.fromhex("3c0630abcdef")
SPELLINGS = (lambda a: a.hex(":"), lambda a: a.hex("-").upper(), lambda a: a.hex(".", 2), bytes.hex)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(tmp_path / "state")
    yield opened
    opened.close()


def intake_of(*specs: SensorSpec) -> Intake:
    return Intake(SystemClock(), list(specs))


def desk(database: Database, intake: Intake | None = None) -> OptOuts:
    return OptOuts(database, SystemClock(), intake or intake_of())


async def test_the_list_is_kept_and_every_radar_is_told(database: Database) -> None:
    radar = SensorSpec("radar", "wifi", "replay:x", {})
    camera = SensorSpec("door", "face", "replay:x", {})
    intake = intake_of(radar, camera)
    listed = desk(database, intake)
    await listed.begin()
    peers = {name: Peer(intake, name) for name in ("radar", "door")}
    (first,), (other,) = await peers["radar"].told(), await peers["door"].told()
    assert isinstance(first, wire.Configure)
    assert isinstance(other, wire.Configure)
    assert (first.opt_outs, other.opt_outs) == (wire.OptOuts(database.vault.opt_out_key, []), None)
    mark = opt_out_mark(PHONE, database.vault.opt_out_key)
    await listed.add(mark)
    (told,) = await peers["radar"].told()
    assert told == wire.OptOuts(database.vault.opt_out_key, [mark])
    await listed.remove(mark)
    assert await peers["radar"].told() == [wire.OptOuts(database.vault.opt_out_key, [])]
    await intake.rotate_salt()
    (only,) = await peers["door"].told()
    assert isinstance(only, wire.Salt), "a camera is never told of the list"
    for peer in peers.values():
        await peer.close()


async def test_adding_and_removing_twice_changes_nothing_more(database: Database) -> None:
    listed, mark = desk(database), bytes(16)
    assert [(await listed.add(mark)).changed for _ in range(2)] == [True, False]
    assert len(opt_outs.listed(database.reading).since_ms) == 1
    assert [(await listed.remove(mark)).changed for _ in range(2)] == [True, False]
    assert opt_outs.listed(database.reading).since_ms == ()


async def test_the_list_has_an_end(database: Database) -> None:
    listed = desk(database)

    def fill(tx) -> None:  # type: ignore[no-untyped-def]
        for number in range(wire.OPT_OUTS_MAX):
            opted_out.add(tx, number.to_bytes(16, "big"), 0)

    await database.transact(fill)
    with pytest.raises(Refused, match="opted out"):
        await listed.add(b"one more than fit")
    await listed.begin()  # and what fits can be told


async def test_who_is_removed_leaves_no_byte(database: Database, tmp_path: Path) -> None:
    listed, mark = desk(database), random.Random(5).randbytes(16)
    await listed.add(mark)
    assert mark in everything(tmp_path / "state")
    await listed.remove(mark)
    assert await erasure.scrub_once(database)
    assert mark not in everything(tmp_path / "state")


@pytest.mark.parametrize("given_", [{}, {"mark": "AAAA"}, {"mark": 3}, {"address": PHONE.hex()}])
async def test_only_marks_are_taken(database: Database, given_: dict[str, object]) -> None:
    asked = opt_outs.questions(desk(database), database.reading)
    with pytest.raises(Refused) as refused:
        await asked["opt_out.add"](given_)
    assert PHONE.hex() not in str(refused.value)
    with pytest.raises(Refused):
        await access.questions(database.reading)["access"](given_)


async def test_marks_come_as_the_control_socket_carries_them(database: Database) -> None:
    mark = bytes(range(16))
    asked = opt_outs.questions(desk(database), database.reading)
    await asked["opt_out.add"]({"mark": base64.b64encode(mark).decode()})
    assert opted_out.marks(database.reading) == [mark]


# --- what is held on an address


@given(st.binary(min_size=6, max_size=6), st.sampled_from(SPELLINGS))
def test_every_usual_spelling_is_read(address: bytes, spelled) -> None:  # type: ignore[no-untyped-def]
    assert parsed_address(spelled(address)) == address


@pytest.mark.parametrize(
    "wrong", ["", "3c:06:30:ab:cd", "3c:06:30:ab:cd:ef:00", "nonsense-xy", "٣c0630abcdef", "\0"]
)
def test_what_is_no_address_is_refused_and_not_repeated(wrong: str) -> None:
    with pytest.raises(Refused) as refused:
        parsed_address(wrong)
    assert not wrong or wrong not in str(refused.value)


async def test_every_keeper_is_asked_and_its_words_are_given(database: Database) -> None:
    marks = access.marks(database.vault, PHONE)
    assert access.looked_up(database.reading, marks).held == ()
    await desk(database).add(marks["opt-outs"])
    (held,) = access.looked_up(database.reading, marks).held
    assert held.place == "opt-outs"
    other = access.marks(database.vault, PHONE[::-1])
    assert access.looked_up(database.reading, other).held == ()


def test_a_further_keeper_only_has_to_be_named(database: Database) -> None:
    bound = Keeper(
        "bindings", "", lambda vault, address: address[::-1], lambda _, mark: f"{mark!r}"
    )
    keepers = (*access.KEEPERS, bound)
    marks = access.marks(database.vault, PHONE, keepers)
    answer = access.looked_up(database.reading, marks, keepers)
    assert answer.held == (Held("bindings", repr(PHONE[::-1])),)
    assert answer.looked[-1] == "bindings"
    with pytest.raises(Refused, match="bindings"):
        access.looked_up(database.reading, access.marks(database.vault, PHONE), keepers)


def test_marks_of_two_boxes_have_nothing_in_common() -> None:
    one, other = (access.marks(Vault(bytes([n]) * 32), PHONE) for n in (1, 2))
    assert one["opt-outs"] != other["opt-outs"]
    assert PHONE not in b"".join([*one.values(), *other.values()])


async def test_two_messages_to_one_radar_do_not_mix(database: Database) -> None:
    """A full list is more than a socket takes at once; a salt that comes meanwhile waits."""
    radar = SensorSpec("radar", "wifi", "replay:x", {})
    intake = intake_of(radar)
    peer = Peer(intake, "radar")
    await peer.told()
    full = wire.OptOuts(bytes(32), [n.to_bytes(16, "big") for n in range(wire.OPT_OUTS_MAX)])
    many = [intake.leave_out(full) for _ in range(8)] + [intake.rotate_salt() for _ in range(8)]
    sending = asyncio.gather(*many)
    told: list[object] = []
    async with asyncio.timeout(10):
        while len(told) < 16:
            told += await peer.told()
    await sending
    assert sum(message == full for message in told) == 8
    await peer.close()


def test_a_satellite_passes_the_list_on_to_its_radar() -> None:
    spec = SensorSpec("radar", "wifi", "wlan1", {"window_s": 60})
    session = _Session(Lent(spec, _unreachable), Piece(1, 0, PieceKind.BYTES))
    listed = wire.OptOuts(bytes(32), [bytes(16)])
    said = [
        wire.Configure("radar", "satellite:b/r", {}, bytes(16), "boot", opt_outs=listed),
        listed,
    ]
    passed = session.translated(b"".join(map(wire.encode, said)))
    configure, later = wire.FrameReader(down=True).feed(passed)
    assert (configure.device, configure.options) == ("wlan1", {"window_s": 60})
    assert configure.opt_outs == later == listed


def _unreachable() -> AbstractAsyncContextManager[socket.socket]:
    raise AssertionError("nobody is reached here")
