"""Probe requests as lines of JSON: our own format, for firmwares that cannot write pcap.

Called by `sensors/probe_lines.py` with each line or MQTT payload. Described for those who write a
firmware in `sensors/PROBE_LINES.md`. Whatever the bytes are, it answers with lines and refusals
and raises nothing. It keeps no address; network names in the elements are skipped.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from hardware.dot11 import fingerprint

LINE_BYTES_MAX = 2048
"""A probe request has a few hundred bytes of elements; firmwares have little memory."""
BATCH_BYTES_MAX = 32 * 1024
"""One MQTT payload: some seconds of a busy channel."""
BATCH_LINES_MAX = 500
COUNTED_RADIOS_MAX = 64
COUNTED_BOOTS_MAX = 4
"""Of one radio: what a broker still delivers of an earlier start comes within the next ones."""


Hex = Annotated[str, Meta(pattern=r"^([0-9A-Fa-f]{2})*$(?!\n)", max_length=LINE_BYTES_MAX)]


class Refusal(StrEnum):
    """Why a line was refused; the values are names for counters."""

    SIZE = "line_size"
    FORMAT = "line_malformed"
    ELEMENTS = "elements_malformed"
    REPEATED = "line_repeated"


class ProbeLine(Struct, frozen=True, gc=False):
    """One probe request as one radio heard it. Keys that are not named here are ignored."""

    v: Literal[1]
    s: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,40}$(?!\n)")]
    m: Annotated[str, Meta(pattern=r"^[0-9A-Fa-f]{12}$(?!\n)")]
    t: Annotated[float, Meta(ge=0, lt=2**42)] = 0.0
    r: Annotated[int, Meta(ge=-128, lt=0)] | None = None
    c: Annotated[int, Meta(ge=1, le=233)] | None = None
    q: Annotated[int, Meta(ge=0, le=4095)] | None = None
    ie: Hex | None = None
    b: Annotated[str, Meta(min_length=1, max_length=16)] | None = None
    n: Annotated[int, Meta(ge=0, lt=2**53)] | None = None

    @property
    def source(self) -> bytes:
        """The sender's address (6 bytes)."""
        return bytes.fromhex(self.m)

    def __repr__(self) -> str:
        """Without the address: a representation may end up in a log."""
        return f"ProbeLine(s={self.s!r}, q={self.q}, r={self.r})"


_many = msgspec.json.Decoder(list[msgspec.Raw])
_one = msgspec.json.Decoder(ProbeLine)


def lines(text: bytes, bytes_max: int) -> Iterator[ProbeLine | Refusal]:
    """The line in `text`, or those of a batch; each by itself may be refused."""
    if len(text) > bytes_max:
        yield Refusal.SIZE
        return
    if text.lstrip()[:1] != b"[":
        yield _line(text)
        return
    try:
        batch = _many.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        yield Refusal.FORMAT
        return
    for raw in batch[:BATCH_LINES_MAX]:
        yield _line(raw)
    for _ in batch[BATCH_LINES_MAX:]:
        yield Refusal.SIZE


def _line(text: bytes | msgspec.Raw) -> ProbeLine | Refusal:
    try:
        return _one.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Refusal.FORMAT


def fingerprint_of(line: ProbeLine) -> bytes | Refusal | None:
    """The fingerprint of the line's elements; None if it has none."""
    if line.ie is None:
        return None
    return fingerprint(bytes.fromhex(line.ie)) or Refusal.ELEMENTS


class Repeats:
    """Which lines have been here before: counters rise within one start of one radio.

    MQTT delivers at QoS 1 in order, and after a broken connection some messages once more.
    """

    def __init__(self) -> None:
        self._latest: dict[str, dict[str, int]] = {}

    def knows(self, line: ProbeLine) -> bool:
        """Whether `line` was here; it is, from now on. Lines without counter never were."""
        if line.b is None or line.n is None:
            return False
        boots = self._latest.setdefault(line.s, {})
        if line.n <= boots.get(line.b, -1):
            return True
        boots[line.b] = line.n
        _forget_first(boots, COUNTED_BOOTS_MAX)
        _forget_first(self._latest, COUNTED_RADIOS_MAX)
        return False


def _forget_first(known: "dict[str, int] | dict[str, dict[str, int]]", most: int) -> None:
    if len(known) > most:
        del known[next(iter(known))]
