"""Looking for hardware addresses in any pile of bytes, in six spellings, and a process's memory.

    found(pile, addresses)      which of them are in it, and how they are spelt
    memory_of(pid)              all that a process can have written somewhere (needs root)

A text spelling is sixteen times as long as chance; a raw address is six bytes, and chance has to be
reckoned with: `expected_by_chance` says how often. Used by proofs that no address leaves a sensor.
"""

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

TEXTS = {
    "colons": lambda address: address.hex(":"),
    "dashes": lambda address: address.hex("-"),
    "dots": lambda address: address.hex(".", 2),
    "bare": bytes.hex,
    "upper": lambda address: address.hex().upper(),
}
CASED = ("bare", "upper")
SPELLINGS = (*TEXTS, "raw")
SEPARATORS = b":-."
CHUNK_BYTES = 16 << 20
MARGIN = 64
"""Chunks overlap by more than the longest spelling."""
ADDRESS_BYTES = 6
_RUN = re.compile(rb"[0-9a-f]{12,}")

Find = tuple[bytes, str]


def spelt(address: bytes) -> str:
    """All text spellings in a row, and the raw one too where it is text (`cAnArY`)."""
    words = [str(text(address)) for text in TEXTS.values()]
    return " ".join([*words, address.decode("ascii", "ignore")])


def found(pile: bytes, addresses: Iterable[bytes]) -> set[Find]:
    """Each address that is in `pile`, with each spelling in which it is."""
    wanted = frozenset(addresses)
    finds: set[Find] = set()
    for at in range(0, max(len(pile), 1), CHUNK_BYTES):
        chunk = pile[at : at + CHUNK_BYTES + MARGIN]
        for address in _as_text(chunk, wanted):
            for name, text in TEXTS.items():
                where = chunk if name in CASED else chunk.lower()
                if str(text(address)).encode() in where:
                    finds.add((address, name))
        finds |= {(address, "raw") for address in _as_bytes(chunk, wanted)}
    return finds


def _as_text(chunk: bytes, wanted: frozenset[bytes]) -> set[bytes]:
    """Without separators and capitals all text spellings are one: twelve digits in a row."""
    texts = {address.hex().encode() for address in wanted}
    plain = chunk.lower().translate(None, SEPARATORS)
    hits: set[bytes] = set()
    for run in _RUN.finditer(plain):
        digits = run[0]
        hits |= {digits[at : at + 12] for at in range(len(digits) - 11)} & texts
    return {bytes.fromhex(hit.decode()) for hit in hits}


def _as_bytes(chunk: bytes, wanted: frozenset[bytes]) -> set[bytes]:
    """By a table of their last three bytes first: a hundred megabytes take a second or two."""
    if len(chunk) < ADDRESS_BYTES:
        return set()
    tails = np.zeros(1 << 24, dtype=bool)
    for address in wanted:
        tails[int.from_bytes(address[3:], "little")] = True
    each = np.frombuffer(chunk, dtype=np.uint8).astype(np.uint32)
    tail = each[3:-2] | each[4:-1] << 8 | each[5:] << 16
    places = np.flatnonzero(tails[tail])
    return {chunk[at : at + ADDRESS_BYTES] for at in places.tolist()} & wanted


def expected_by_chance(pile_bytes: int, addresses: int) -> float:
    """How many raw finds so many random bytes would give."""
    return pile_bytes * addresses / 2 ** (8 * ADDRESS_BYTES)


def memory_of(pid: int) -> bytes:
    """Every page that the process may write: heap, stacks, anonymous and private mappings.

    PermissionError without root. A mapping that goes away meanwhile is passed over.
    """
    image = bytearray()
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            span, permissions, *_ = line.split()
            if not permissions.startswith("rw"):
                continue
            start, end = (int(each, 16) for each in span.split("-"))
            try:
                memory.seek(start)
                image += memory.read(end - start)
            except (OSError, OverflowError):
                continue
    return bytes(image)
