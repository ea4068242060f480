"""Looking for hardware addresses in any pile of bytes, in six spellings, for face vectors in four,
and a process's memory.

    found(pile, addresses)      which of them are in it, and how they are spelt
    found_vectors(pile, ...)    which face vectors are in it, whole or in part, and how
    memory_of(pid)              all that a process can have written somewhere (needs root)

A text spelling is sixteen times as long as chance; a raw address is six bytes, and chance has to be
reckoned with: `expected_by_chance` says how often. Used by proofs that no address and no face stays
or leaves.
"""

import base64
import re
from collections.abc import Iterable, Mapping
from functools import cache
from math import isqrt
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

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


# --- face vectors

UNIT = 1024
"""Numbers of a canary are n/1024, exact in 16 bits, and their squares add up to one exactly, so
that neither halving nor scaling to length one changes a bit of them."""
VECTOR_SPELLINGS = ("f32", "f16", "int8", "base64")
WORD = 8
WINDOW = 3 * WORD
"""So much in a row is no chance; eight bytes are two numbers, which may be anybody's."""
PIECES_MIN = 4
"""A word with fewer different bytes is anywhere in any memory, mostly zeros."""
HASH_BITS = 20
COLUMNS = "f32 by columns"
SINGLE, RUN, ROWS_MAX = 4, 8, 64
"""Bytes of a number, numbers that are no chance, and rows of the matrices of tests."""
_MIX = np.uint64(0x9E3779B97F4A7C15)


@cache
def canary_vector(seed: int, dimensions: int) -> NDArray[np.float32]:
    """A vector of length one that nobody's face has."""
    source = np.random.default_rng(seed)
    largest = int(UNIT * (2.7 / dimensions) ** 0.5)
    while True:
        most = source.integers(1, largest + 1, dimensions - 4) * source.choice(
            [-1, 1], dimensions - 4
        )
        last = _four_squares(UNIT**2 - int((most**2).sum()))
        if last is not None:
            return (np.concatenate([most, last]) / UNIT).astype(np.float32)


def _four_squares(left: int) -> list[int] | None:
    """Four whole numbers of this sum of squares; None below zero. There always are (Lagrange)."""
    if left < 0:
        return None
    pairs = {a * a + b * b: (a, b) for a in range(isqrt(left) + 1) for b in range(a + 1)}
    first = next(total for total in sorted(pairs) if left - total in pairs)
    return [*pairs[first], *pairs[left - first]]


def spelt_vector(vector: NDArray[np.float32]) -> dict[str, list[bytes]]:
    """What a vector looks like, by spelling; as int8 of two scales."""
    raw = vector.astype("<f4").tobytes()
    scales = (127, 127 / float(np.abs(vector).max()))
    return {
        "f32": [raw],
        "f16": [vector.astype("<f2").tobytes()],
        "int8": [np.round(vector * scale).astype(np.int8).tobytes() for scale in scales],
        "base64": [base64.b64encode(raw)],
    }


def found_vectors(pile: bytes, vectors: Mapping[str, NDArray[np.float32]]) -> set[tuple[str, str]]:
    """Of these named vectors, each of which so much is in `pile` that a window of it stands in
    the aligned words that the pile is made of; with how it is spelt.
    """
    words: dict[int, set[tuple[str, str, bytes]]] = {}
    for name, vector in vectors.items():
        for spelling, texts in spelt_vector(vector).items():
            for text in texts:
                for word in (text[at : at + WORD] for at in range(len(text) - WORD + 1)):
                    if len(set(word)) >= PIECES_MIN:
                        number = int.from_bytes(word, "little")
                        words.setdefault(number, set()).add((name, spelling, text))
    table = np.zeros(1 << HASH_BITS, dtype=bool)
    table[_hashed(np.array(list(words), np.uint64))] = True
    finds: set[tuple[str, str]] = set()
    for begin in range(0, len(pile) - WORD + 1, CHUNK_BYTES):
        count = min(CHUNK_BYTES, len(pile) - begin) // WORD
        each = np.frombuffer(pile, "<u8", count=count, offset=begin)
        for place in np.flatnonzero(table[_hashed(each)]).tolist():
            at = begin + place * WORD
            around = [
                pile[max(0, first) : max(0, first) + WINDOW]
                for first in (at - 2 * WORD, at - WORD, at)
            ]
            for name, spelling, text in words.get(int(each[place]), ()):
                if any(len(piece) == WINDOW and piece in text for piece in around):
                    finds.add((name, spelling))
    return finds | {(name, COLUMNS) for name, each in vectors.items() if _in_columns(pile, each)}


def _in_columns(pile: bytes, vector: NDArray[np.float32]) -> bool:
    """Whether the vector is a row of a matrix that lies in `pile` by columns, as the gallery does:
    its first RUN numbers, always equally far apart.
    """
    numbers = [vector[place].astype("<f4").tobytes() for place in range(RUN)]
    at = pile.find(numbers[0])
    while at >= 0:
        for step in range(2 * SINGLE, ROWS_MAX * SINGLE, SINGLE):
            places = range(at, at + RUN * step, step)
            if all(pile[p : p + SINGLE] == n for p, n in zip(places, numbers, strict=True)):
                return True
        at = pile.find(numbers[0], at + 1)
    return False


def _hashed(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    hashed: NDArray[np.uint64] = (words * _MIX) >> np.uint64(64 - HASH_BITS)
    return hashed


# --- memory


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
