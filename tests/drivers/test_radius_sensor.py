"""The accounting sensor as a real process: pyrad's client is the access point, over loopback."""

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from edge.errors import WrongDevice
from edge.records import AssociationPhase, AssociationReading
from hardware.allowance import TOO_FAST
from hardware.radius import BURST_MAX
from sensors import wire
from sensors.radius import places_of
from sensors.worker import EXIT_DEVICE
from tests.drivers.nas import BOX, SECRET, attribute, free_port, nas, signed, throw
from tests.drivers.worker import SALT, Worker, configured, running, started

HALL, DESK, STRANGER = "127.0.0.1", "127.0.0.2", "127.0.0.3"
PHONE = bytes.fromhex("30392686ccea")
START_MS = 1_700_000_000_000
NO_REPLY_S = 0.3
HOSTILE = 3000


@contextmanager
def listening(*ports: int, **options: Any) -> Iterator[Worker]:
    """A worker that takes accounting of two senders."""
    device = ",".join(f"udp:{BOX}:{port}" for port in ports)
    told = {"senders": {"hall": HALL, "desk": DESK}, "secret_file": "/somewhere"} | options
    configuration = wire.Configure("tested", device, told, SALT, "boot0001", secret=SECRET)
    with running("radius", configuration) as worker:
        worker.until(lambda: any(one.state == "listening" for one in worker.health))
        yield worker
        assert "Traceback" not in worker.stderr


def phases(worker: Worker) -> list[tuple[str, str]]:
    return [(one.nas, one.phase.value) for one in worker.readings]


def test_a_login_is_reported_from_its_start_to_its_stop() -> None:
    port = free_port()
    with listening(port) as worker, nas(port) as hall:
        for status in ("start", "alive", "stop"):
            assert hall.say(status), "each is answered, and the answer is genuine"
        worker.until(lambda: len(worker.observations) == 3)
        first, _, last = worker.readings
        assert isinstance(first, AssociationReading)
        assert (first.login, bytes(first.address)) == ("+7 916 123-45-67", PHONE)
        assert (last.login, bytes(last.address)) == ("", b""), "what has ended needs neither"
        assert phases(worker) == [("hall", phase) for phase in ("start", "alive", "stop")]
        assert len({one.session for one in worker.readings}) == 1
        assert first.session != "s1", "senders put addresses into their session ids"
        for said in (worker.stderr, repr(first), repr(worker.observations), str(worker.health)):
            assert "916" not in said
            assert "30:39" not in said
            assert "ccea" not in said.lower()


def test_what_was_overheard_long_ago_is_not_believed_and_a_person_is_told() -> None:
    port = free_port()
    with listening(port) as worker, nas(port) as hall, nas(port, timeout_s=NO_REPLY_S) as again:
        assert hall.say("start", Event_Timestamp=1_700_000_000)
        assert hall.say("start", "s2", Event_Timestamp=1_700_000_301)
        assert not again.say("start", Event_Timestamp=1_700_000_000)
        worker.until(lambda: worker.dropped == {"radius_stale": 1})
        worker.until(lambda: "clock was set back" in worker.stderr)
        assert phases(worker) == [("hall", "start")] * 2


def test_what_is_repeated_is_answered_again_and_happens_once() -> None:
    port = free_port()
    with listening(port) as worker, nas(port) as hall:
        start, stop = hall.login("start"), hall.login("stop")
        assert [hall.send(start), hall.send(start), hall.say("start", Acct_Delay_Time=3)] == [
            True
        ] * 3
        assert [hall.send(stop), hall.send(stop), hall.send(start)] == [True] * 3
        worker.until(lambda: worker.dropped)
        assert phases(worker) == [("hall", "start"), ("hall", "stop")]
        assert worker.dropped["radius_late"] == 2


def test_a_wrong_secret_gets_no_answer_and_is_said_once() -> None:
    port = free_port()
    with (
        listening(port) as worker,
        nas(port, secret=b"another one", timeout_s=NO_REPLY_S) as wrong,
        nas(port, DESK) as desk,
    ):
        assert not wrong.say("start")
        assert not wrong.say("start", "s2")
        assert desk.say("start"), "the others are served"
        worker.until(lambda: worker.observations and worker.dropped)
        assert phases(worker) == [("desk", "start")]
        assert worker.dropped == {"radius_forged": 2}
        assert worker.stderr.count("\n") == 1
        assert "hall sends what the secret does not fit" in worker.stderr
        for known in (SECRET, b"another one", b"916"):
            assert known not in worker.stderr.encode()
            assert known == b"916" or known not in worker.received


def test_a_packet_that_was_changed_on_its_way_is_forged() -> None:
    port = free_port()
    with listening(port) as worker, nas(port) as hall:
        genuine = bytearray(hall.login("start").RequestPacket())
        genuine[-1] ^= 1
        throw(port, bytes(genuine))
        signed_too = hall.login("start", "s2")
        signed_too.add_message_authenticator()
        spoilt = bytearray(signed_too.RequestPacket())
        at = spoilt.index(bytes((80, 18)), 20)
        spoilt[at + 2] ^= 1
        throw(port, signed(bytes(spoilt[20:])))
        assert hall.send(signed_too), "but unchanged it is believed"
        worker.until(lambda: worker.observations and worker.dropped["radius_forged"] == 2)
        assert phases(worker) == [("hall", "start")]


def test_who_is_not_named_is_counted_and_never_answered() -> None:
    port = free_port()
    with listening(port) as worker, nas(port, STRANGER, timeout_s=NO_REPLY_S) as stranger:
        assert not stranger.say("start")
        worker.until(lambda: worker.dropped)
        assert worker.dropped == {"radius_unknown_sender": 1}
        assert not worker.observations


def test_an_access_point_that_begins_anew_has_nobody() -> None:
    port = free_port()
    with listening(port) as worker, nas(port) as hall, nas(port, DESK) as desk:
        assert all(hall.say("start", session) for session in ("s1", "s2"))
        assert desk.say("start")
        assert hall.send(hall.packet("on", "boot"))
        assert hall.say("start", "s1"), "it numbers anew"
        worker.until(lambda: len(worker.observations) == 6)
        assert phases(worker)[3:] == [("hall", "stop"), ("hall", "stop"), ("hall", "start")]


def test_a_phone_without_an_address_and_odd_records_are_answered_and_counted() -> None:
    port = free_port()
    with listening(port) as worker, nas(port) as hall:
        assert hall.say("start", Calling_Station_Id="tunnel-7")
        assert hall.say("start", Acct_Session_Id="")
        odd = hall.login("start")
        odd["Acct-Status-Type"] = 15
        assert hall.send(odd)
        worker.until(lambda: worker.dropped.total() == 3)
        assert set(worker.dropped) == {
            "radius_no_address",
            "radius_no_session",
            "radius_other",
        }
        assert not worker.observations


def test_two_ports_are_served() -> None:
    new, old = free_port(), free_port()
    with listening(new, old) as worker, nas(new) as hall, nas(old, DESK) as desk:
        assert hall.say("start")
        assert desk.say("start")
        worker.until(lambda: len(worker.observations) == 2)
        assert {name for name, _ in phases(worker)} == {"hall", "desk"}


def hostile(rng: random.Random, genuine: bytes) -> bytes:
    """Garbage, lying lengths, broken or strange attributes: some with a valid authenticator."""
    body = bytearray(genuine[20:])
    for _ in range(rng.randint(1, 4)):
        body[rng.randrange(len(body))] = rng.randrange(256)
    attributes = attribute(rng.randrange(256), rng.randbytes(rng.randrange(40)))
    return rng.choice(
        (
            rng.randbytes(rng.randrange(200)),
            genuine[: rng.randrange(len(genuine))],
            genuine[:2] + rng.randbytes(2) + genuine[4:],
            signed(bytes(body)),
            signed(attributes * rng.randint(1, 50)),
            signed(b"\x1a\xff" + rng.randbytes(rng.randrange(9))),
            signed(bytes(body), code=rng.randrange(256)),
            b"\x04" * 5000,
        )
    )


def test_hostile_packets_raise_nothing_and_genuine_ones_still_count() -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    rng, port, marks = random.Random(seed), free_port(), 10
    with listening(port) as worker, nas(port) as hall:
        genuine = hall.login("start", "x").RequestPacket()
        for mark in range(marks):
            throw(port, *(hostile(rng, genuine) for _ in range(HOSTILE // marks)), address=DESK)
            assert hall.say("start", f"mark-{mark}", Calling_Station_Id=f"02000000{mark:04x}")
        worker.until(lambda: sum(one.nas == "hall" for one in worker.readings) == marks)
        worker.until(lambda: worker.dropped)


def test_a_flood_from_one_sender_leaves_the_others_served() -> None:
    port = free_port()
    with listening(port) as worker, nas(port, DESK) as desk:
        with nas(port) as hall:
            flood = [hall.login("start", f"f{n}").RequestPacket() for n in range(3000)]
        for part in range(6):
            throw(port, *flood[part * 500 : (part + 1) * 500])
            assert desk.say("start", f"d{part}"), "within its time, while the flood goes on"
        worker.until(lambda: sum(one.nas == "desk" for one in worker.readings) == 6)
        worker.until(lambda: worker.dropped[TOO_FAST])
        taken = sum(one.nas == "hall" for one in worker.readings)
        assert BURST_MAX / 2 <= taken <= BURST_MAX * 3


# --- what is configured


def test_without_a_secret_nothing_is_taken() -> None:
    device = f"udp:{BOX}:{free_port()}"
    with started("radius", device, options={"senders": {"hall": HALL}}) as worker:
        worker.until(lambda: worker.trouble)
        assert worker.trouble
        assert "no secret_file" in worker.trouble.state
        assert worker.exit_code() == EXIT_DEVICE


def test_without_senders_nothing_is_taken() -> None:
    with started("radius", f"udp:{BOX}:{free_port()}") as worker:
        worker.until(lambda: worker.trouble)
        assert worker.trouble
        assert "No sender is named" in worker.trouble.state
        assert worker.exit_code() == EXIT_DEVICE


def test_a_port_in_use_says_so() -> None:
    port = free_port()
    options = {"senders": {"hall": HALL}}
    configuration = replace(configured(f"udp:{BOX}:{port}", options), secret=SECRET)
    with listening(port), running("radius", configuration) as second:
        second.until(lambda: second.trouble)
        assert second.trouble
        assert str(port) in second.trouble.state
        assert "ss -lunp" in second.trouble.remedy


def test_a_sender_without_an_address_is_a_mistake_in_the_configuration() -> None:
    options = {"senders": {"hall": "not an address"}}
    with started("radius", f"udp:{BOX}:{free_port()}", options=options) as worker:
        worker.until(lambda: worker.trouble)
        assert worker.trouble
        assert "the address of sender hall" in worker.trouble.state


def test_places_are_addresses_with_ports() -> None:
    assert places_of("udp:192.168.88.2:1813") == [("192.168.88.2", 1813)]
    assert places_of("udp:[fe80::1], udp:127.0.0.1:1646") == [("fe80::1", 1813), (BOX, 1646)]
    wrong = ("", "udp:hall:1813", "127.0.0.1:1813", "udp:127.0.0.1:70000", "udp:127.0.0.1,")
    for device in (*wrong, "udp:0.0.0.0", "udp:[::]:1813", ",".join(["udp:127.0.0.1"] * 5)):
        with pytest.raises(WrongDevice):
            places_of(device)


# --- recordings


def test_a_recording_plays_on_its_timeline_and_a_lost_stop_ends(tmp_path: Path) -> None:
    path = tmp_path / "logins.jsonl"
    phone = {"nas": "hall", "session": "s1", "login": "89161234567", "address": "30392686CCEA"}
    lines = [
        {"at_ms": 0, "status": "start", **phone},
        {"at_ms": 300_000, "status": "alive", **phone},
        {"at_ms": 1_000_000, "status": "start", **phone, "session": "s2"},
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"at_ms": "soon"}\n')
    options = {"interim_s": 300}
    with started("radius", f"replay:{path}", options=options, timeline_start_ms=START_MS) as worker:
        worker.until(lambda: worker.at_end_of_time and worker.dropped)
        assert [
            (one.seen.wall_ms - START_MS, one.reading.phase) for one in worker.observations
        ] == [
            (0, AssociationPhase.START),
            (300_000, AssociationPhase.ALIVE),
            (1_000_000, AssociationPhase.STOP),
            (1_000_000, AssociationPhase.START),
        ]
        assert worker.dropped == {"script_malformed": 1}
