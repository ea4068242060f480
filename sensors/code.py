"""The code scanner: each code read becomes one reading, exactly as the scanner sent it.

Run by `sensors/worker.py`. `device` is a serial device (best its name in /dev/serial/by-id) or
`simulated:PATH`, a file with one JSON object `{"at_ms": ..., "text": ...}` per line. It carries
text and never says what it means; a payment card's number stops here and is only counted.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from edge.codes import payment_card
from edge.codes.context import RANGES_MAX, LoyaltyRange
from edge.codes.meaning import Via
from edge.errors import BadLine, DeviceGone, DeviceNotFound
from edge.records import CODE_TEXT_MAX, CodeReading, Moment
from sensors.core_link import CoreLink
from sensors.declaration import Needs, Sensor

LINE_BYTES_MAX = 4 * CODE_TEXT_MAX
"""The longest text in its longest encoding."""
SCRIPT_LINE_BYTES_MAX = 16 * 1024
"""Longest line of a simulated scanner's file, all characters escaped."""
WAIT_S = 1.0
SCANS_PER_POLL = 100
SIMULATED_PREFIX = "simulated:"
GROUP_SEPARATOR = "\x1d"
"""The one control character that belongs into codes (GS1 puts it between fields)."""

_GARBLED = (
    "A code holds control characters or is not UTF-8.",
    "Check the scanner's baud rate, encoding and cable.",
)


class CodeOptions(Struct, frozen=True):
    """Options of `[sensors.NAME]` with kind "code". USB scanners ignore the rate.

    Numbers of `own_cards` are the shop's, even if a bank could have given them out.
    """

    baud_rate: Annotated[int, Meta(ge=300, le=921_600)] = 9600
    own_cards: Annotated[tuple[LoyaltyRange, ...], Meta(max_length=RANGES_MAX)] = ()


class Scan(Struct, frozen=True):
    """One line of a simulated scanner's file."""

    at_ms: Annotated[int, Meta(ge=0, le=2**52)]
    text: str


SENSOR = Sensor(
    kind="code",
    options=CodeOptions,
    needs=Needs(devices=("char-ttyACM", "char-ttyUSB")),
)


def observe(core: CoreLink, device: str, options: CodeOptions) -> None:
    """Report codes until the core hangs up."""
    scanner = Scanner(core, options.own_cards)
    if device.startswith(SIMULATED_PREFIX):
        play(core, scanner, Path(device.removeprefix(SIMULATED_PREFIX)))
    else:
        listen(core, scanner, device, options.baud_rate)


def listen(core: CoreLink, scanner: "Scanner", path: str, baud_rate: int) -> None:
    """Report what a scanner on a serial line sends."""
    from hardware.serial_port import LineCutter, SerialPort

    cutter = LineCutter(LINE_BYTES_MAX)
    with SerialPort(path, baud_rate) as port:
        core.healthy("listening")
        while True:
            wait_s = cutter.silence_left_s(time.monotonic()) if cutter.unfinished else WAIT_S
            try:
                heard = port.read() if port.wait(core.fileno(), wait_s) else b""
            except DeviceGone:
                if cutter.unfinished:
                    core.dropped("code_cut_off")
                raise
            now_s = time.monotonic()
            ended = cutter.feed(heard, now_s) if heard else []
            if cutter.unfinished and not heard and cutter.silence_left_s(now_s) == 0:
                ended = cutter.end()
            for line in ended:
                scanner.report(line, core.moment(0))
            core.poll()


def play(core: CoreLink, scanner: "Scanner", path: Path) -> None:
    """Report the scans of a file, each at its time; a line that is no scan is counted."""
    core.healthy()
    latest_ms = 0
    for number, line in enumerate(script_lines(path)):
        try:
            scan = msgspec.json.decode(line, type=Scan)
        except msgspec.MsgspecError:
            core.dropped("script_malformed")
            continue
        latest_ms = max(latest_ms, scan.at_ms)
        seen = core.reach(latest_ms)
        scanner.report(scan.text.encode(), seen)
        core.passed(seen)
        if number % SCANS_PER_POLL == 0:
            core.poll()
    core.finish()


def script_lines(path: Path) -> Iterator[bytes]:
    """The lines that are not blank. DeviceNotFound if the file cannot be read."""
    try:
        with path.open("rb") as script:
            while line := script.readline(SCRIPT_LINE_BYTES_MAX):
                if line.strip():
                    yield line
    except OSError as error:
        raise DeviceNotFound(
            f"The simulated scanner {path} cannot be read: {error.strerror}.",
            "Check the path and its permissions.",
        ) from error


class Scanner:
    """Turns the bytes of codes into readings and counts."""

    def __init__(self, core: CoreLink, own_cards: tuple[LoyaltyRange, ...]) -> None:
        self._core = core
        self._own_cards = own_cards
        self._explained = False

    def report(self, line: bytes, seen: Moment) -> None:
        """Report one code, or count why not. The card guard comes before everything else."""
        spoken = line.decode(errors="replace")
        if payment_card.holds_card(spoken, Via.SERIAL, own=self._own_cards):
            self._core.dropped("payment_card")
            return
        try:
            text = text_of(line)
        except BadLine as error:
            self._core.dropped("code_refused")
            self._explain(error)
            return
        self._explained = False
        self._core.observe(CodeReading(text), seen)

    def _explain(self, error: BadLine) -> None:
        """Say what to do, once until a code is good again: noise must not fill the journal."""
        if not self._explained:
            print(f"code: {error}", file=sys.stderr, flush=True)
        self._explained = True


def text_of(line: bytes) -> str:
    """The text of a code. BadLine if it is too long, no UTF-8, or has other control characters."""
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise BadLine(*_GARBLED) from error
    if len(text) > CODE_TEXT_MAX:
        raise BadLine(
            f"A code has more than {CODE_TEXT_MAX} characters.", "Do the scanner's codes end?"
        )
    if not text.replace(GROUP_SEPARATOR, "").isprintable():
        raise BadLine(*_GARBLED)
    return text
