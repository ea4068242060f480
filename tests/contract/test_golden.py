"""What boxes and platforms of every version have said stays readable, and for strangers too.

The stranger is a program for Node that has read nothing but the document.
"""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from playwright._impl._driver import compute_driver_executable

from edge.errors import BadMessage
from sync.messages import VERSION
from sync.signing import TrustedKeys
from tests.contract.document import contract
from tests.contract.golden import GOLDEN, PUBLIC_KEY, rendering, write
from tests.contract.specimens import specimens

FILES = sorted(GOLDEN.glob("v*/*.bin"))
SIGNED = ("manifest", "bucket", "delta", "command")
STRANGER = Path(__file__).with_name("stranger.mjs")


def name(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


@pytest.mark.parametrize("path", FILES, ids=name)
def test_what_was_said_is_read_as_ever(path):
    known = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    read = rendering(known["topic"], path.read_bytes(), retain=known["retain"])
    assert as_far_as(known, read) == known


def as_far_as(known, read):
    """`read` without what later versions of the types added, and an old message says nothing of."""
    if isinstance(known, dict) and isinstance(read, dict):
        return {key: as_far_as(known[key], value) for key, value in read.items() if key in known}
    if isinstance(known, list) and isinstance(read, list) and len(known) == len(read):
        return [as_far_as(*pair) for pair in zip(known, read, strict=True)]
    return read


@pytest.mark.parametrize("path", [f for f in FILES if f.stem.startswith(SIGNED)], ids=name)
def test_a_signature_of_then_is_believed_and_no_other(path):
    keys = TrustedKeys.read(path.parent / PUBLIC_KEY)
    message = json.loads(path.read_bytes().partition(b"\n")[0])
    keys.check(message)
    with pytest.raises(BadMessage):
        keys.check(message | {"v": 2})


def test_there_is_a_golden_file_of_everything_the_document_names():
    present = [json.loads(f.with_suffix(".json").read_text()) for f in FILES]
    shown = {(contract().channel_of(each["topic"]).name, each["message"]) for each in present}
    assert shown == contract().said("broker") | contract().said("shop")
    assert {f.stem for f in FILES if f.parent.name == f"v{VERSION}"} == set(specimens())


def test_nothing_golden_is_written_again(tmp_path):
    assert write(tmp_path) == list(specimens())
    (tmp_path / "ack.bin").write_bytes(b"said in the field")
    assert write(tmp_path) == []
    assert (tmp_path / "ack.bin").read_bytes() == b"said in the field"


def test_a_stranger_reads_batches_by_the_document_alone(tmp_path):
    node = compute_driver_executable()[0]
    node = node if Path(node).is_file() else shutil.which("node")
    if node is None:
        pytest.skip("there is no Node here, neither playwright's nor another")
    document = tmp_path / "asyncapi.json"  # Node reads no YAML
    document.write_text(json.dumps(contract().document))
    run = subprocess.run(
        [node, STRANGER, document, *(f for f in FILES if f.stem.startswith(("batch", "command")))],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    told = [json.loads(line) for line in run.stdout.splitlines()]
    read = {Path(each["file"]).name: each for each in told if "skipped" not in each}
    expected = [f for f in FILES if f.stem.startswith("batch")]
    assert {"batch-visit-gzip.bin", "batch-bulk-identity.bin"} <= set(read)
    for path in expected:
        if path.name in read:
            events = json.loads(path.with_suffix(".json").read_text())["content"]["events"]
            assert read[path.name]["ids"] == [each["id"] for each in events]
            assert read[path.name]["types"] == [each["type"] for each in events]
    assert read["command.bin"]["signed"] is True
    assert read["command.bin"]["forged"] is False
