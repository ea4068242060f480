"""The JSON lines of radars: what the document promises holds, and no bytes do harm."""

import json
import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config import load
from hardware import probe_lines
from hardware.dot11 import BARE, ProbeParser, ProbeRequest
from hardware.mqtt_lines import Credentials, Said
from hardware.probe_lines import (
    BATCH_BYTES_MAX,
    BATCH_LINES_MAX,
    LINE_BYTES_MAX,
    ProbeLine,
    Refusal,
    Repeats,
    fingerprint_of,
    lines,
)
from tests.conftest import ROOT
from tests.drivers.frames import ELEMENTS, probe
from tests.drivers.routes import line

PHONE = bytes.fromhex("daa1190b8a8d")
DOCUMENT = (ROOT / "sensors" / "PROBE_LINES.md").read_text(encoding="utf-8")
SCHEMA = msgspec.json.schema(ProbeLine)["$defs"]["ProbeLine"]


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", DOCUMENT, re.S)


def read(text: bytes, bytes_max: int = LINE_BYTES_MAX) -> list[ProbeLine | Refusal]:
    return list(lines(text, bytes_max))


def one(text: bytes) -> ProbeLine:
    (found,) = read(text)
    assert isinstance(found, ProbeLine), found
    return found


# --- the document


def test_the_schema_of_the_document_is_the_one_that_is_checked() -> None:
    assert json.loads(blocks("schema")[0]) == SCHEMA


def test_the_example_of_the_document_is_read_as_it_says() -> None:
    found = one(blocks("json")[0].encode())
    assert (found.v, found.s, found.t, found.source) == (1, "r1", 1732197000.123, PHONE)
    assert (found.r, found.c, found.q, found.ie) == (-61, 6, 2983, "010402040b16")
    assert isinstance(fingerprint_of(found), bytes)


def test_the_table_of_the_document_names_every_key_and_which_must_be() -> None:
    rows = re.findall(r"^\| `(\w+)` \|.*\| (yes)? ?\|$", DOCUMENT, re.M)
    assert [key for key, _ in rows] == list(SCHEMA["properties"])
    assert [key for key, must in rows if must] == SCHEMA["required"]


def test_the_limits_of_the_document_are_the_ones_that_hold() -> None:
    assert f"at most {LINE_BYTES_MAX} bytes" in DOCUMENT
    assert f"at most {BATCH_LINES_MAX},\n{BATCH_BYTES_MAX // 1024} KiB" in DOCUMENT


@pytest.mark.parametrize("block", blocks("toml"))
def test_the_configuration_of_the_document_is_valid(tmp_path: Any, block: str) -> None:
    path = tmp_path / "storebox.toml"
    path.write_text('[box]\ntenant = "chain"\nstore = "MSK-017"\nbox = "box-1"\n' + block)
    assert load(path).sensors["radar"].kind == "probe_lines"


# --- lines


def test_the_fingerprint_is_the_one_of_the_frame() -> None:
    """Also with the network name in front, which changes nothing."""
    frame = ProbeParser(BARE).parse(probe(PHONE, name=b"Secret Home"))
    assert isinstance(frame, ProbeRequest)
    for elements in (ELEMENTS, b"\x00\x0bSecret Home" + ELEMENTS, b"\x00\x00" + ELEMENTS):
        assert fingerprint_of(one(line(PHONE, ie=elements.hex()))) == frame.fingerprint
        assert fingerprint_of(one(line(PHONE, ie=elements.hex().upper()))) == frame.fingerprint


@pytest.mark.parametrize("missing", ["t", "r", "c", "q", "ie", "b", "n"])
def test_what_need_not_be_said_may_be_left_out_or_null(missing: str) -> None:
    found = one(line(PHONE, **{missing: None}))
    assert found.source == PHONE
    if missing != "t":
        whole = json.loads(line(PHONE)) | {missing: None}
        assert one(json.dumps(whole).encode()) == found


def test_other_keys_are_ignored() -> None:
    assert one(line(PHONE, fw="1.2", bat={"mv": 3700})) == one(line(PHONE))


@pytest.mark.parametrize(
    "changed",
    [
        {"v": 2},
        {"v": None},
        {"s": None},
        {"s": ""},
        {"s": "r/1"},
        {"s": "r1\n"},
        {"s": "r" * 42},
        {"m": None},
        {"m": "daa1190b8a8"},
        {"m": "da:a1:19:0b:8a:8d"},
        {"m": "daa1190b8a8d\n"},
        {"t": -1},
        {"t": "now"},
        {"r": 0},
        {"r": -129},
        {"c": 0},
        {"q": 4096},
        {"q": -1},
        {"ie": "abc"},
        {"ie": "zz"},
        {"b": ""},
        {"b": "x" * 17},
        {"n": -1},
        {"n": 1.5},
    ],
)
def test_a_value_that_cannot_be_is_refused(changed: dict[str, Any]) -> None:
    assert read(line(PHONE, **changed)) == [Refusal.FORMAT]


def test_elements_that_are_cut_are_refused() -> None:
    assert fingerprint_of(one(line(PHONE, ie=ELEMENTS[:-1].hex()))) is Refusal.ELEMENTS
    assert fingerprint_of(one(line(PHONE, ie=None))) is None
    assert isinstance(fingerprint_of(one(line(PHONE, ie=""))), bytes)


def test_of_a_batch_each_line_stands_for_itself() -> None:
    batch = b"[" + b",".join([line(PHONE, q=1), b'{"v":1}', b"7", line(PHONE, q=2), b"[]"]) + b"]"
    found = read(batch)
    assert [one.q if isinstance(one, ProbeLine) else one for one in found] == [
        1,
        Refusal.FORMAT,
        Refusal.FORMAT,
        2,
        Refusal.FORMAT,
    ]
    assert read(b" \n[]") == []
    assert read(batch[:-1]) == [Refusal.FORMAT]


def test_what_is_too_long_is_refused() -> None:
    assert read(line(PHONE, pad="x" * LINE_BYTES_MAX)) == [Refusal.SIZE]
    assert read(b" " * LINE_BYTES_MAX + line(PHONE)) == [Refusal.SIZE]
    many = b"[" + b",".join([b"1"] * (BATCH_LINES_MAX + 3)) + b"]"
    assert read(many).count(Refusal.SIZE) == 3


@given(st.binary(max_size=300))
def test_any_bytes_get_an_answer(text: bytes) -> None:
    assert all(isinstance(one, ProbeLine | Refusal) for one in read(text))


@pytest.mark.parametrize("text", [b"[" * 2000, b'{"v":' * 400, b'{"x":' + b"[" * 1900, b"\xff" * 9])
def test_nesting_without_end_is_refused(text: bytes) -> None:
    assert read(text) == [Refusal.FORMAT]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(list(SCHEMA["properties"])), json_values))
def test_any_values_get_an_answer(keys: dict[str, Any]) -> None:
    text = json.dumps({"v": 1, "s": "r1", "m": PHONE.hex()} | keys).encode()
    for found in read(text, BATCH_BYTES_MAX):
        assert isinstance(found, ProbeLine | Refusal)
        if isinstance(found, ProbeLine):
            assert len(found.source) == 6
            assert not isinstance(fingerprint_of(found), str) or keys.get("ie")


def test_no_address_and_no_password_is_shown() -> None:
    assert PHONE.hex() not in repr(one(line(PHONE)))
    assert PHONE.hex() not in repr(Said("probes", PHONE.hex().encode()))
    assert "sesame" not in repr(Credentials("box", b"open sesame"))


# --- repeats


def counted(name: str, boot: str | None, number: int | None) -> ProbeLine:
    return one(line(PHONE, s=name, b=boot, n=number))


def test_a_line_that_came_before_is_known() -> None:
    known = Repeats()
    assert not known.knows(counted("r1", "a", 0))
    assert known.knows(counted("r1", "a", 0))
    assert not known.knows(counted("r1", "a", 5))
    assert known.knows(counted("r1", "a", 4)), "messages of one radar come in order"
    assert not known.knows(counted("r1", "b", 0)), "it was started again"
    assert known.knows(counted("r1", "a", 5)), "what a broker still had of its earlier start"
    assert not known.knows(counted("r2", "a", 0)), "another radar"


@pytest.mark.parametrize(("boot", "number"), [(None, 1), ("a", None), (None, None)])
def test_lines_without_a_counter_are_never_known(boot: str | None, number: int | None) -> None:
    known = Repeats()
    assert not any(known.knows(counted("r1", boot, number)) for _ in range(3))


RADIOS, BOOTS = probe_lines.COUNTED_RADIOS_MAX, probe_lines.COUNTED_BOOTS_MAX


@pytest.mark.parametrize(
    ("most", "names"), [(RADIOS, lambda n: (f"r{n}", "a")), (BOOTS, lambda n: ("r", f"b{n}"))]
)
def test_what_is_remembered_has_a_limit(most: int, names: Callable[[int], tuple[str, str]]) -> None:
    known = Repeats()
    lines = [counted(*names(number), 1) for number in range(most + 10)]
    assert not any(known.knows(line) for line in lines)
    assert all(known.knows(line) for line in lines[-most:])
    assert not known.knows(lines[-most - 1]), "the oldest made room"


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9)), max_size=30))
def test_each_line_counts_once_at_most(arrivals: list[tuple[int, int]]) -> None:
    known = Repeats()
    counts = [one for one in arrivals if not known.knows(counted("r1", f"b{one[0]}", one[1]))]
    assert len(counts) == len(set(counts))
