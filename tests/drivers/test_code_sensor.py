"""The code sensor as a real process on a pseudo-terminal, and its guards by themselves."""

import json
import os
import time
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import BadLine, DeviceNotFound, WrongDevice
from edge.records import CODE_TEXT_MAX
from hardware.serial_port import SILENCE_S, LineCutter, SerialPort
from sensors.code import text_of
from sensors.worker import EXIT_DEVICE
from tests.drivers.worker import Worker, started

EAN = "4607001234567"
DATA_MATRIX = "010460700123456721abc\x1d91EE06\x1d92" + "x" * 44
CARD = "2200000000000004"
OVERLONG = "9" * (CODE_TEXT_MAX + 1)


class Line:
    """A pseudo-terminal: the scanner's end is ours."""

    def __init__(self) -> None:
        self._scanner, self._port = os.openpty()
        tty.setraw(self._port)
        self.path = os.ttyname(self._port)

    def sends(self, piece: bytes | str) -> None:
        os.write(self._scanner, piece if isinstance(piece, bytes) else piece.encode())

    def unplug(self) -> None:
        for fd in (self._scanner, self._port):
            if fd >= 0:
                os.close(fd)
        self._scanner = self._port = -1


@pytest.fixture
def line() -> Iterator[Line]:
    made = Line()
    yield made
    made.unplug()


@pytest.fixture
def scanner(line: Line) -> Iterator[Worker]:
    """A worker that listens on the line: what is sent before would be thrown away."""
    with started("code", line.path) as worker:
        worker.until(lambda: any(one.state == "listening" for one in worker.health))
        yield worker


def texts(worker: Worker) -> list[str]:
    return [one.text for one in worker.readings]


# --- the serial line


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\t", "\x03", "\r\n\r\n"])
def test_codes_end_at_any_terminator(line: Line, scanner: Worker, end: str) -> None:
    codes = [EAN, DATA_MATRIX, "Код-7", "https://example.org/p/1?x=ж"]
    line.sends(end.join([*codes, ""]))
    scanner.until(lambda: len(scanner.observations) == len(codes))
    assert texts(scanner) == codes
    assert not scanner.dropped


def test_codes_end_at_silence(line: Line, scanner: Worker) -> None:
    for number in range(3):
        begun_s = time.monotonic()
        line.sends(f"{EAN}-{number}")
        scanner.until(lambda n=number: len(scanner.observations) > n)
        assert time.monotonic() - begun_s >= SILENCE_S
    assert texts(scanner) == [f"{EAN}-{number}" for number in range(3)]


def test_a_frame_of_stx_and_etx_is_one_code(line: Line, scanner: Worker) -> None:
    line.sends(f"\x02{EAN}\x03\x02{EAN}\x03")
    scanner.until(lambda: len(scanner.observations) == 2)
    assert texts(scanner) == [EAN, EAN]


GARBAGE = [
    b"\xff\xfe\x80\xc3",
    b"46070\x0012345",
    b"46070\x1b[A",
    b"46070\xe2\x80\xae1",  # right-to-left override
    b"12\x0234",
    OVERLONG.encode(),
    b"z" * 20_000,
    b"\xff" * 20_000,
]


def test_garbage_is_dropped_whole_and_what_follows_still_works(line: Line, scanner: Worker) -> None:
    for number, garbage in enumerate(GARBAGE):
        line.sends(garbage + b"\r" + f"{EAN}-{number}\r".encode())
    scanner.until(lambda: scanner.dropped.total() >= len(GARBAGE))
    assert texts(scanner) == [f"{EAN}-{number}" for number in range(len(GARBAGE))]
    assert scanner.dropped == {"code_refused": len(GARBAGE)}
    assert scanner.stderr.count("\n") == len(GARBAGE), "one sentence each time it turned bad"


def test_a_stretch_of_garbage_is_explained_once(line: Line, scanner: Worker) -> None:
    line.sends(b"\xff\r" * 50)
    scanner.until(lambda: scanner.dropped.total() == 50)
    assert scanner.stderr.count("\n") == 1
    assert "baud rate" in scanner.stderr


def test_payment_cards_are_only_counted(line: Line, scanner: Worker) -> None:
    line.sends(f"{CARD}\r{EAN}\r")
    scanner.until(lambda: scanner.observations and scanner.dropped)
    assert texts(scanner) == [EAN]
    assert scanner.dropped == {"payment_card": 1}
    assert CARD.encode() not in scanner.received
    assert CARD not in scanner.stderr


def test_the_shops_own_cards_pass_the_guard(tmp_path: Path) -> None:
    own = {"name": "gold", "first": "2200000000000000", "last": "2200000000009999"}
    script = tmp_path / "scans.jsonl"
    foreign = "2200000000010003"
    script.write_text(
        "".join(json.dumps({"at_ms": 0, "text": text}) + "\n" for text in (CARD, foreign))
    )
    with started("code", f"simulated:{script}", options={"own_cards": [own]}) as worker:
        worker.until(lambda: worker.observations and worker.dropped)
        assert texts(worker) == [CARD]
        assert worker.dropped == {"payment_card": 1}


def test_an_unplugged_scanner_is_gone(line: Line, scanner: Worker) -> None:
    line.sends(EAN + "\r")
    scanner.until(lambda: scanner.observations)
    line.unplug()
    scanner.until(lambda: scanner.trouble)
    assert scanner.trouble
    assert "was unplugged" in scanner.trouble.state
    assert scanner.trouble.remedy == "Plug it in again."
    assert scanner.exit_code() == EXIT_DEVICE
    assert "Traceback" not in scanner.stderr


def test_the_longest_code_is_accepted(line: Line, scanner: Worker) -> None:
    longest = "ж" * CODE_TEXT_MAX
    line.sends(longest + "\r")
    scanner.until(lambda: scanner.observations)
    assert texts(scanner) == [longest]


def test_a_core_that_hangs_up_ends_it(scanner: Worker) -> None:
    scanner.hang_up()
    assert scanner.exit_code(timeout_s=2) == 0


# --- devices that cannot be used


def test_a_missing_device_says_where_to_look(tmp_path: Path) -> None:
    with pytest.raises(DeviceNotFound, match="no scanner at") as refused:
        SerialPort(str(tmp_path / "ttyACM0"), 9600)
    assert "/dev/serial/by-id" in refused.value.remedy


def test_a_device_in_use_says_so(line: Line) -> None:
    with (
        SerialPort(line.path, 9600),
        pytest.raises(DeviceNotFound, match="in use by another program"),
    ):
        SerialPort(line.path, 9600)


@pytest.mark.parametrize("path", ["/dev/null", "/proc/self/status", "/"])
def test_what_is_no_serial_device_is_refused(path: str) -> None:
    with pytest.raises(WrongDevice, match="no serial device"):
        SerialPort(path, 9600)


# --- the simulated scanner


def test_a_simulated_scanner_plays_on_its_timeline(tmp_path: Path) -> None:
    script = tmp_path / "scans.jsonl"
    scans = [{"at_ms": 0, "text": EAN}, {"at_ms": 90_000, "text": DATA_MATRIX}]
    script.write_text(
        "".join(json.dumps(scan) + "\n" for scan in scans)
        + '\n{"at_ms": "soon"}\nno JSON\n{"at_ms": 91000, "text": "\\ud800"}\n'
        + json.dumps({"at_ms": 95_000, "text": CARD})
    )
    with started("code", f"simulated:{script}", timeline_start_ms=1000) as worker:
        worker.until(lambda: worker.at_end_of_time and worker.dropped)
        seen = [one.seen.wall_ms for one in worker.observations]
        assert list(zip(seen, texts(worker), strict=True)) == [
            (1000, EAN),
            (91_000, DATA_MATRIX),
        ]
        assert worker.dropped == {"script_malformed": 3, "payment_card": 1}


# --- cutting and guarding, by themselves


@given(
    st.lists(st.text("0123456789ABж", min_size=1, max_size=30), max_size=8),
    st.sampled_from(("\r", "\n", "\r\n", "\t", "\x03")),
    st.lists(st.integers(1, 7), min_size=1, max_size=9),
)
def test_how_bytes_arrive_does_not_matter(codes: list[str], end: str, sizes: list[int]) -> None:
    cutter = LineCutter(100)
    sent = "".join(code + end for code in codes).encode()
    got: list[bytes] = []
    at = 0
    while at < len(sent):
        size = sizes[at % len(sizes)]
        got += cutter.feed(sent[at : at + size], 0.0)
        at += size
    assert [line.decode() for line in got] == codes
    assert not cutter.unfinished


@given(st.lists(st.binary(max_size=3000), max_size=5))
def test_no_flood_makes_the_cutter_grow(pieces: list[bytes]) -> None:
    cutter = LineCutter(100)
    for piece in pieces:
        assert all(len(line) <= 102 for line in cutter.feed(piece, 0.0))
        assert len(cutter._line) <= 102


def test_silence_is_measured_from_the_last_byte() -> None:
    cutter = LineCutter(100)
    assert not cutter.unfinished
    cutter.feed(b"12", 10.0)
    cutter.feed(b"34", 10.04)
    assert cutter.unfinished
    assert cutter.silence_left_s(10.06) == pytest.approx(0.03)
    assert cutter.silence_left_s(10.1) == 0
    assert cutter.end() == [b"1234"]
    assert cutter.end() == []


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (OVERLONG.encode(), "more than"),
        (b"\xff", "not UTF-8"),
        (b"a\x07", "control characters"),
        (b"a\x7f", "control characters"),
    ],
)
def test_what_is_no_code_gives_a_sentence(line: bytes, what: str) -> None:
    with pytest.raises(BadLine, match=what) as refused:
        text_of(line)
    assert refused.value.remedy
