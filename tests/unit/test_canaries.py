"""The search for addresses finds them: each spelling, anywhere, and nothing else."""

import random
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.canaries import (
    CHUNK_BYTES,
    COLUMNS,
    SPELLINGS,
    TEXTS,
    VECTOR_SPELLINGS,
    canary_vector,
    expected_by_chance,
    found,
    found_vectors,
    memory_of,
    spelt,
    spelt_vector,
)

CANARY = b"cAnArY"

addresses = st.binary(min_size=6, max_size=6)


@given(addresses, st.binary(max_size=40), st.binary(max_size=40), st.sampled_from(sorted(TEXTS)))
def test_a_text_spelling_is_found(a: bytes, before: bytes, after: bytes, name: str) -> None:
    text = str(TEXTS[name](a)).encode()
    finds = found(before + b" " + text + b" " + after, {a})
    assert (a, name) in finds


@given(addresses, st.binary(max_size=40), st.binary(max_size=40))
def test_raw_bytes_are_found(address: bytes, before: bytes, after: bytes) -> None:
    assert (address, "raw") in found(before + address + after, {address})


@given(st.lists(addresses, max_size=5), st.binary(max_size=300))
def test_what_is_not_there_is_not_found(wanted: list[bytes], pile: bytes) -> None:
    for address, spelling in found(pile, wanted):
        form = address if spelling == "raw" else str(TEXTS[spelling](address)).encode()
        assert form.lower() in pile.lower()


@pytest.mark.parametrize("at", [0, CHUNK_BYTES - 8, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 7])
def test_it_is_found_at_the_edges_of_chunks(at: int) -> None:
    pile = bytes(at) + spelt(CANARY).encode()
    assert found(pile, {CANARY, bytes(range(6))}) == {(CANARY, name) for name in SPELLINGS}


def test_it_is_found_in_the_memory_of_a_process() -> None:
    address = random.Random(1).randbytes(6)
    program = "import sys; kept = sys.stdin.buffer.read(6); print(flush=True); sys.stdin.read()"
    words = [sys.executable, "-c", program]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as keeper:
        assert keeper.stdin
        assert keeper.stdout
        keeper.stdin.write(address)
        keeper.stdin.flush()
        keeper.stdout.readline()
        try:
            assert (address, "raw") in found(memory_of(keeper.pid), {address})
        except PermissionError:
            pytest.skip("the memory of a process can be read by root only")


def test_chance_is_what_arithmetic_says() -> None:
    assert expected_by_chance(2**28, 2**10) == pytest.approx(2**-10)


@pytest.mark.parametrize("dimensions", [128, 256])
def test_a_canary_is_a_vector_of_length_one_in_sixteen_bits(dimensions: int) -> None:
    vector = canary_vector(1, dimensions)
    assert float(np.linalg.norm(vector)) == 1.0
    assert np.array_equal(vector.astype("<f2").astype(np.float32), vector)
    assert not np.array_equal(vector, canary_vector(2, dimensions))


@given(
    st.sampled_from(VECTOR_SPELLINGS),
    st.integers(0, 90),
    st.integers(0, 20),
    st.binary(max_size=40),
)
def test_a_piece_of_a_vector_is_found(spelling: str, begin: int, more: int, around: bytes) -> None:
    vectors = {name: canary_vector(seed, 128) for seed, name in enumerate("ab")}
    piece = spelt_vector(vectors["a"])[spelling][0][begin:][: 31 + more]
    assert found_vectors(around + piece + around, vectors) == {("a", spelling)}
    assert found_vectors(around + bytes(99) + around, vectors) == set()


@pytest.mark.parametrize("rows", [2, 20])
def test_a_vector_in_a_matrix_by_columns_is_found(rows: int) -> None:
    vectors = {str(n): canary_vector(n, 128) for n in range(rows)}
    matrix = np.asfortranarray(np.stack(list(vectors.values())))
    pile = b"\x01" * 1000 + matrix.tobytes(order="A") + b"\x02" * 1000
    assert found_vectors(pile, vectors) == {(name, COLUMNS) for name in vectors}
    matrix[1] = 0
    pile = b"\x01" * 1000 + matrix.tobytes(order="A") + b"\x02" * 1000
    assert found_vectors(pile, vectors) == {(name, COLUMNS) for name in vectors if name != "1"}
