"""Routers that stream TZSP, on real sockets of the loopback network: known, unknown, mad ones."""

import re
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import DeviceNotFound, WrongDevice
from hardware.allowance import TOO_FAST
from hardware.datagrams import DatagramPort
from hardware.endpoint import Endpoint, endpoint, require_one_address
from hardware.udp_frame import RAW_IP, datagram
from sensors import tzsp, wire
from sensors.tzsp import BURST_MAX, TzspOptions
from sensors.worker import EXIT_DEVICE
from tests.drivers.frames import pcap, probe
from tests.drivers.near import near
from tests.drivers.routes import (
    capture_of,
    captured_udp,
    ethernet_tzsp,
    free_udp_port,
    send_udp,
    tag,
)
from tests.drivers.routes import tzsp as tzsp_of
from tests.drivers.worker import started

LOST_FLOOD = 30_000
"""More datagrams than any buffer holds."""
START_MS = 1_700_000_000_000
HALL, YARD, STRANGER = "127.0.0.2", "127.0.0.3", "127.0.0.9"
PHONE = bytes.fromhex("daa119000007")
RADIO = bytes.fromhex("4c5e0c112233")
SENDERS = {"hall": HALL, "yard": YARD}


def options(**heard_by: str) -> TzspOptions:
    return TzspOptions(window_s=1, senders=SENDERS, heard_by=heard_by)


def request(seq: int, more: bytes = b"") -> bytes:
    return tzsp_of(probe(PHONE, seq=seq % 4096, name=b"Secret Home"), more=more)


@pytest.fixture
def port() -> int:
    return free_udp_port()


# --- live


def test_named_routers_are_heard_and_everybody_else_is_counted(port: int) -> None:
    with near(tzsp, f"udp:127.0.0.1:{port}", options()) as sensor:
        sensor.until_listening()
        send_udp(HALL, port, *(request(seq) for seq in range(40)))
        send_udp(STRANGER, port, *(request(seq) for seq in range(7)))
        send_udp(YARD, port, request(1), bytes((1, 4, 0, 0)), request(2))
        sensor.until(lambda: sensor.frames >= 42 and sensor.dropped.total() >= 7)
        assert sensor.frames == 42
        assert sensor.dropped == {"tzsp_unknown_sender": 7}


def test_forged_and_damaged_datagrams_hide_no_whole_one(port: int) -> None:
    bad = {
        b"": "tzsp_size",
        b"\x01": "tzsp_size",
        b"\x07" + request(1)[1:]: "tzsp_version",
        b"\x01\x00\x00\x77\x01" + probe(PHONE): "tzsp_encapsulation",
        request(1)[:9]: "tzsp_tags_malformed",
        request(1, more=tag(17, b"\x01")): "fcs_bad",
        request(1)[:-2]: "elements_malformed",
        b"\x01\x00\x00\x12" + bytes(60_000): "tzsp_tags_malformed",
    }
    with near(tzsp, f"udp:127.0.0.1:{port}", options()) as sensor:
        sensor.until_listening()
        for number, datagram in enumerate(bad):
            send_udp(HALL, port, datagram, request(number))
        sensor.until(lambda: sensor.frames >= len(bad) and sensor.dropped.total() >= len(bad))
        assert sensor.frames == len(bad)
        expected: dict[str, int] = {}
        for reason in bad.values():
            expected[reason] = expected.get(reason, 0) + 1
        assert sensor.dropped == expected


def test_ethernet_is_refused_with_the_command_that_is_needed(port: int) -> None:
    with near(tzsp, f"udp:127.0.0.1:{port}", options()) as sensor:
        sensor.until_listening()
        send_udp(YARD, port, *[ethernet_tzsp()] * 30, request(1))
        send_udp(HALL, port, request(2))
        sensor.until(lambda: sensor.frames == 2 and sensor.dropped.total() == 30)
        assert sensor.dropped == {"tzsp_ethernet": 30}
        told = [one for one in sensor.health if not one.ok]
        assert "yard" in told[0].state
        assert "/interface wireless sniffer set streaming-server=127.0.0.1 " in told[0].remedy
        assert "/interface wireless sniffer sniff interface=" in told[0].remedy
        assert len({one.state for one in told}) == 1


def test_a_radio_that_must_be_named_is_insisted_on(port: int) -> None:
    with near(tzsp, f"udp:127.0.0.1:{port}", options(hall="4C-5E-0C-11-22-33")) as sensor:
        sensor.until_listening()
        other = tag(60, bytes(6))
        send_udp(HALL, port, request(1), request(2, more=other), request(3, more=tag(60, RADIO)))
        send_udp(YARD, port, request(4))
        sensor.until(lambda: sensor.frames == 2 and sensor.dropped.total() == 2)
        assert sensor.dropped == {"tzsp_other_radio": 2}


def test_a_flood_from_one_router_leaves_the_others_their_room(port: int) -> None:
    """More than any buffer holds, while nobody reads: of the other's datagrams none is lost."""
    here = Endpoint("127.0.0.1", port)
    with DatagramPort(here, [HALL, YARD]) as opened:
        hall, yard = opened.known
        flood = bytes(400)
        send_udp(HALL, port, *[flood] * 30_000)
        send_udp(STRANGER, port, *[flood] * 3_000)
        send_udp(YARD, port, *(request(seq) for seq in range(500)))
        lost = hall.lost()
        assert lost > 0
        assert sum(1 for _ in iter(hall.receive, None)) + lost == 30_000
        assert yard.lost() == 0
        assert list(iter(yard.receive, None)) == [request(seq) for seq in range(500)]
        assert opened.strangers.lost() > 0
        assert set(iter(opened.strangers.stranger, None)) == {STRANGER}
        assert hall.lost() == 0


def test_a_flood_that_is_read_reaches_its_end_and_the_others_still_count(port: int) -> None:
    flood = 12_000
    with near(tzsp, f"udp:127.0.0.1:{port}", options()) as sensor:
        sensor.until_listening()
        for first in range(0, flood, 2000):
            send_udp(HALL, port, *(request(seq) for seq in range(first, first + 2000)))
        send_udp(YARD, port, *(request(seq) for seq in range(50)))

        def taken() -> int:
            return sensor.frames + sensor.dropped[TOO_FAST] + sensor.dropped["kernel_full"]

        sensor.until(lambda: taken() == flood + 50)


def test_what_the_kernel_lost_is_shown_by_router_and_strangers_are_only_counted(port: int) -> None:
    with started("tzsp", f"udp:127.0.0.1:{port}", options={"senders": SENDERS}) as worker:
        worker.until(lambda: any(one.state == "listening" for one in worker.health))
        worker.send(wire.Leave("survey", 60))
        worker.until(lambda: worker.surveys)
        with worker.held():
            send_udp(HALL, port, *[request(1)] * LOST_FLOOD)
            send_udp(STRANGER, port, *[request(1)] * LOST_FLOOD)
            send_udp(YARD, port, request(2))

        def lost() -> dict[str, int]:
            return {air.radio: air.lost for air in worker.surveys[-1].airs}

        worker.until(lambda: lost().get("hall") and worker.dropped["kernel_full"] > lost()["hall"])
        assert lost()["yard"] == 0
        assert set(lost()) == {"hall", "yard"}


def test_a_flood_is_cut_to_what_radios_can_hear(tmp_path: Path) -> None:
    path = tmp_path / "flood.pcap"
    flood = [(0, HALL, request(seq)) for seq in range(BURST_MAX + 100)]
    calm = [(1, YARD, request(seq)) for seq in range(50)]
    path.write_bytes(capture_of([*flood, *calm]))
    given = {"senders": SENDERS}
    with started("tzsp", f"replay:{path}", options=given, timeline_start_ms=0) as worker:
        worker.until(lambda: worker.finished and worker.dropped)
        assert worker.dropped == {TOO_FAST: 100}
        assert [one.frames for one in worker.readings] == [BURST_MAX + 50]


def test_senders_have_inboxes_over_ipv6_too(port: int) -> None:
    try:
        opened = DatagramPort(Endpoint("::1", port), ["fd00::7", "::1"])
    except DeviceNotFound as error:
        pytest.skip(f"no IPv6 here: {error}")
    with opened, socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as router:
        router.sendto(b"hello", ("::1", port))
        assert opened.strangers.receive() is None
        assert [inbox.receive() for inbox in opened.known] == [None, b"hello"]


def test_the_port_cannot_be_shared_with_another_program(port: int) -> None:
    with (
        DatagramPort(Endpoint("127.0.0.1", port), [HALL]),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other,
    ):
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port))


def test_nothing_is_ever_sent(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as router:
        router.bind((HALL, 0))
        router.setblocking(False)
        with near(tzsp, f"udp:127.0.0.1:{port}", options()) as sensor:
            sensor.until_listening()
            router.sendto(request(1), ("127.0.0.1", port))
            router.sendto(bytes((1, 4, 0, 0)), ("127.0.0.1", port))
            sensor.until(lambda: sensor.frames)
        with pytest.raises(BlockingIOError):
            router.recv(100)


# --- devices and options that cannot be used


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "No sender is named"),
        ({"senders": {"a": HALL, "b": HALL}}, "same address"),
        ({"senders": {"a": "router.local"}}, "sender a is no IP address"),
        ({"senders": SENDERS, "heard_by": {"attic": "4c:5e:0c:11:22:33"}}, "none of the senders"),
        ({"senders": SENDERS, "heard_by": {"hall": "4c5e0c1122"}}, "heard_by"),
        ({"senders": SENDERS, "heard_by": {"hall": "hall"}}, "heard_by"),
    ],
)
def test_senders_must_be_named_properly(given: dict[str, Any], message: str) -> None:
    with started("tzsp", "udp:127.0.0.1", options=given) as worker:
        worker.until(lambda: worker.trouble)
        assert worker.trouble
        assert message in worker.trouble.state
        assert worker.exit_code() == EXIT_DEVICE


@pytest.mark.parametrize(
    ("device", "error"),
    [
        ("udp:192.0.2.1", "no address 192.0.2.1"),
        ("udp:0.0.0.0", "every network"),
        ("udp:[::]:37008", "every network"),
        ("udp:router", "is no address"),
        ("udp:127.0.0.1:99999", "no host and port"),
        ("serial:/dev/null", "no place to listen at"),
    ],
)
def test_a_device_that_cannot_be_used_says_why(device: str, error: str) -> None:
    with started("tzsp", device, options={"senders": SENDERS}) as worker:
        worker.until(lambda: worker.trouble)
        assert worker.trouble
        assert error in worker.trouble.state
        assert worker.trouble.remedy.endswith(".")
        assert worker.exit_code() == EXIT_DEVICE


def test_a_port_in_use_says_so(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", port))
        with pytest.raises(DeviceNotFound, match="Another program listens") as refused:
            DatagramPort(Endpoint("127.0.0.1", port), [HALL])
        assert str(port) in refused.value.remedy


# --- recordings


def test_a_recording_counts_as_the_port_would(tmp_path: Path) -> None:
    path = tmp_path / "routers.pcap"
    path.write_bytes(
        capture_of(
            [(100 * seq, HALL, request(seq)) for seq in range(10)]
            + [(1000, STRANGER, request(1)), (1100, YARD, ethernet_tzsp())]
            + [(61_000, "fd00::7", request(11))]
        )
    )
    given = {"senders": SENDERS | {"six": "FD00:0:0::7"}, "window_s": 60}
    device = f"replay:{path}"
    with started("tzsp", device, options=given, timeline_start_ms=START_MS) as worker:
        worker.until(lambda: worker.finished and worker.dropped)
        assert [one.frames for one in worker.readings] == [10, 1]
        assert [one.seen.wall_ms - START_MS for one in worker.observations] == [60_000, 61_000]
        assert worker.dropped == {"tzsp_unknown_sender": 1, "tzsp_ethernet": 1}
        for secret in (PHONE, b"Secret Home"):
            assert secret not in worker.received
            assert secret.hex() not in worker.stderr


def test_a_recording_cut_short_counts_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "routers.pcap"
    path.write_bytes(capture_of([(ms, HALL, request(ms)) for ms in range(5)])[:-4])
    given = {"senders": SENDERS}
    with started("tzsp", f"replay:{path}", options=given, timeline_start_ms=0) as worker:
        worker.until(lambda: worker.finished and worker.dropped)
        assert [one.frames for one in worker.readings] == [4]
        assert worker.dropped == {"capture_damaged": 1}


def test_a_recording_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "air.pcap"
    path.write_bytes(pcap([(0, probe(PHONE))]))
    with started("tzsp", f"replay:{path}", options={"senders": SENDERS}) as worker:
        worker.until(lambda: worker.trouble)
        assert worker.trouble
        assert "Link type 127" in worker.trouble.state
        assert "tcpdump" in worker.trouble.remedy


@given(st.sampled_from((1, RAW_IP)), st.binary(max_size=80))
def test_any_captured_bytes_get_an_answer(link_type: int, frame: bytes) -> None:
    datagram(link_type, frame)


@pytest.mark.parametrize("sender", ["192.168.88.1", "fd00::7"])
def test_a_datagram_is_found_in_its_frame(sender: str) -> None:
    frame = captured_udp(sender, b"hello", 5)
    assert datagram(1, frame + bytes(20)) == (sender, 5, b"hello")  # Ethernet fills short frames up
    assert datagram(RAW_IP, frame[14:]) == (sender, 5, b"hello")
    for cut in range(len(frame)):
        assert datagram(1, frame[:cut]) is None


# --- small parts


@pytest.mark.parametrize(
    ("spelled", "expected"),
    [
        ("10.0.0.1:5", Endpoint("10.0.0.1", 5)),
        ("10.0.0.1", Endpoint("10.0.0.1", 7)),
        ("[fd00::1]:5", Endpoint("fd00::1", 5)),
        ("[fd00::1]", Endpoint("fd00::1", 7)),
        ("ap.local:5", Endpoint("ap.local", 5)),
    ],
)
def test_a_place_is_spelled_as_usual(spelled: str, expected: Endpoint) -> None:
    assert endpoint(spelled, 7) == expected
    assert endpoint(str(expected)) == expected


@pytest.mark.parametrize("spelled", ["", ":5", "a:0", "a:65536", "fd00::1", "a b:1", "user@a:1"])
def test_what_is_no_place_says_so(spelled: str) -> None:
    with pytest.raises(WrongDevice, match=re.escape(f"'{spelled}' names no host")):
        endpoint(spelled, 7)


def test_one_address_is_needed() -> None:
    with pytest.raises(WrongDevice, match="every network"):
        require_one_address(Endpoint("224.0.0.1", 1))
    require_one_address(Endpoint("fe80::1%eth0", 1))
