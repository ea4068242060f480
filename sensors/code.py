"""The code scanner: each code read becomes one reading, exactly as the scanner sent it.

Run by `sensors/worker.py`. `device` is a serial device (best its name in /dev/serial/by-id) or
`simulated:PATH`, a file with one JSON object `{"at_ms": ..., "text": ...}` per line. It carries
text and never says what it means; a payment card's number stops here and is only counted.
"""

import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

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

CARD_DIGITS_MIN, CARD_DIGITS_MAX = 13, 19
"""ISO/IEC 7812-1, from the shortest that was ever issued for payment."""
ISSUER_DIGITS = 4
ISSUERS = (
    (2200, 2204),  # Mir
    (2221, 2720),  # Mastercard
    (3000, 3059),  # Diners Club
    (3095, 3095),  # Diners Club
    (3400, 3499),  # American Express
    (3528, 3589),  # JCB
    (3600, 3699),  # Diners Club
    (3700, 3799),  # American Express
    (3800, 3999),  # Diners Club
    (4000, 4999),  # Visa
    (5000, 5099),  # Maestro
    (5100, 5599),  # Mastercard
    (5600, 6999),  # Maestro, Discover, RuPay, UnionPay
)
"""First digits of payment cards, from and to: the ranges that the networks publish for ISO/IEC
7812 issuer numbers. GS1 element strings that begin with (00), (01) or (02) are outside."""
GTIN_DIGITS = (8, 12, 13, 14)
_SYMBOLOGY = re.compile(rb"\A\][A-Za-z][0-9A-Za-z]")
"""AIM symbology identifier (ISO/IEC 15424), which some scanners put in front."""
_GROUPED = re.compile(rb"\d{4}(?:[ -]\d{3,7}){2,4}")
"""As cards are printed: 4-4-4-4, 4-6-5 and the like. Other codes have dashes in other places."""
_AROUND_CODES = b" \t\r\n\x1d"


class CodeOptions(Struct, frozen=True):
    """Options of `[sensors.NAME]` with kind "code". USB scanners ignore the rate."""

    baud_rate: Annotated[int, Meta(ge=300, le=921_600)] = 9600


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
    if device.startswith(SIMULATED_PREFIX):
        play(core, Path(device.removeprefix(SIMULATED_PREFIX)))
    else:
        listen(core, device, options.baud_rate)


def listen(core: CoreLink, path: str, baud_rate: int) -> None:
    """Report what a scanner on a serial line sends."""
    from hardware.serial_port import LineCutter, SerialPort

    scanner = Scanner(core)
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


def play(core: CoreLink, path: Path) -> None:
    """Report the scans of a file, each at its time; a line that is no scan is counted."""
    scanner = Scanner(core)
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

    def __init__(self, core: CoreLink) -> None:
        self._core = core
        self._explained = False

    def report(self, line: bytes, seen: Moment) -> None:
        """Report one code, or count why not. The card guard comes before everything else."""
        if is_payment_card(line):
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


def is_payment_card(line: bytes) -> bool:
    """Whether these digits must be taken for a card number, however they are grouped.

    A thin guard: a number whose check digit is a trade item's too passes, and a loyalty card
    that was numbered like a payment card does not.
    """
    code = _SYMBOLOGY.sub(b"", line.strip(_AROUND_CODES)).strip(_AROUND_CODES)
    digits = code.translate(None, b" -") if _GROUPED.fullmatch(code) else code
    if not digits.isdigit() or not CARD_DIGITS_MIN <= len(digits) <= CARD_DIGITS_MAX:
        return False
    issuer = int(digits[:ISSUER_DIGITS])
    issued = any(first <= issuer <= last for first, last in ISSUERS)
    return issued and passes_luhn(digits) and not is_gtin(digits)


def passes_luhn(digits: bytes) -> bool:
    """ISO/IEC 7812-1 annex B: every second digit from the right doubled, its digits added."""
    total = 0
    for place, byte in enumerate(reversed(digits)):
        value = (byte - 48) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def is_gtin(digits: bytes) -> bool:
    """GS1 General Specifications 7.9: weights 3 and 1 in turn from the right, check digit last."""
    if len(digits) not in GTIN_DIGITS:
        return False
    total = sum((byte - 48) * (3 if place % 2 else 1) for place, byte in enumerate(digits[::-1]))
    return total % 10 == 0
