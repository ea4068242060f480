"""Which face models are known, which is chosen, and that nothing but the very file is ever read."""

import hashlib
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import BadModel
from edge.face_files import (
    CARD_BYTES_MAX,
    CARD_SUFFIX,
    MODEL_BYTES_MAX,
    FileState,
    chosen,
    cohort,
    model_named,
    own_model,
    own_names,
    read_verified,
    states,
)
from edge.face_models import (
    AUTO,
    COHORT,
    DESCRIBERS,
    DETECTORS,
    DLIB,
    KNOWN,
    REID0095,
    SFACE,
    YUNET,
    FaceModel,
    Licence,
    ModelFile,
    dimensions_of,
    onnx_id,
)

CONTENT = b"weights of a network" * 50
FILE = ModelFile("small.onnx", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))
MODEL = FaceModel("small", "describes faces", 4, (FILE,), Licence("MIT", "here"), "A model.")
CARD = {
    "file": FILE.name,
    "sha256": FILE.sha256,
    "dimensions": 4,
    "licence": "MIT",
    "about": "A network of our own.",
    "input": {"side": 112, "colours": "rgb", "mean": [127.5, 127.5, 127.5], "scale": 0.0078125},
}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / FILE.name).write_bytes(CONTENT)
    return tmp_path


# --- what is known


def test_every_model_can_be_shown_and_checked():
    assert len(KNOWN) == len(DETECTORS) + len(DESCRIBERS)
    names = [file.name for model in KNOWN.values() for file in model.files]
    assert len(set(names)) == len(names)
    for model in KNOWN.values():
        assert len(model.id) <= 64
        assert model.card.endswith(".")
        assert model.licence.name
        assert model.licence.source
        for file in model.files:
            assert len(file.sha256) == 64
            assert set(file.sha256) <= set("0123456789abcdef")
            assert 0 < file.bytes <= MODEL_BYTES_MAX
    assert all(model.input is not None and "adults only" in model.card for model in DESCRIBERS)


@pytest.mark.parametrize(
    ("model", "dimensions"),
    [
        (DLIB, 128),
        (REID0095, 256),
        (SFACE, 128),
        (YUNET, None),
        (AUTO, None),
        ("", None),
        ("dlib", None),
        ("onnx:aura:512:0123456789ab", 512),
        ("onnx:aura:1024:0123456789ab", 1024),
        ("onnx:aura:1025:0123456789ab", None),
        ("onnx:aura:0:0123456789ab", None),
        ("onnx:Aura:512:0123456789ab", None),
        ("onnx:aura:512:0123456789a", None),
        ("onnx:aura:512:0123456789ab\n", None),
        ("onnx:../aura:512:0123456789ab", None),
    ],
)
def test_the_dimensions_of_a_model(model, dimensions):
    assert dimensions_of(model) == dimensions


@given(st.from_regex(r"[a-z0-9][a-z0-9_-]{0,31}", fullmatch=True), st.integers(1, 1024))
def test_the_id_of_a_network_of_ones_own_says_its_dimensions(name, dimensions):
    own = onnx_id(name, dimensions, FILE.sha256)
    assert len(own) <= 64
    assert dimensions_of(own) == dimensions


# --- which is chosen


def install(directory: Path, models: Path, *names: str) -> None:
    for name in names:
        (directory / name).write_bytes((models / name).read_bytes())


def test_dlib_is_chosen_where_nothing_is_installed(tmp_path):
    assert chosen(tmp_path) == DLIB
    assert chosen(tmp_path / "nowhere") == DLIB
    (tmp_path / "reid0095.onnx").write_bytes(b"something else")
    assert chosen(tmp_path) == DLIB


def test_reid0095_is_chosen_with_its_cohort_only(tmp_path, models):
    install(tmp_path, models, "reid0095.onnx")
    assert chosen(tmp_path) == DLIB
    install(tmp_path, models, COHORT)
    assert chosen(tmp_path) == REID0095
    assert cohort(tmp_path) == (models / COHORT).read_bytes()
    whole = (tmp_path / "reid0095.onnx").read_bytes()
    (tmp_path / "reid0095.onnx").write_bytes(whole[:-1])
    assert chosen(tmp_path) == DLIB
    assert chosen(tmp_path, REID0095) == REID0095, "a wish is no choice"


@pytest.mark.parametrize("wanted", [YUNET, "nonsense", "onnx:", "onnx:missing", "onnx:../etc:1:2"])
def test_a_model_that_describes_nobody_cannot_be_wanted(tmp_path, wanted):
    with pytest.raises(BadModel) as caught:
        chosen(tmp_path, wanted)
    assert caught.value.remedy


# --- the very file


def test_the_very_file_is_read(directory):
    assert read_verified(directory, MODEL, FILE) == CONTENT
    assert dict(states(directory, MODEL)) == {FILE: FileState.GOOD}


def flipped(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


SPOILT = {
    "empty": b"",
    "cut off": CONTENT[:-1],
    "longer": CONTENT + b"x",
    "one bit": flipped(CONTENT),
    "another model": b"other" * 200,
}


@pytest.mark.parametrize("content", SPOILT.values(), ids=SPOILT)
def test_any_other_content_is_refused(directory, content):
    (directory / FILE.name).write_bytes(content)
    with pytest.raises(BadModel, match="not the file that it should be") as caught:
        read_verified(directory, MODEL, FILE)
    assert caught.value.remedy
    assert not caught.value.missing
    assert dict(states(directory, MODEL)) == {FILE: FileState.WRONG}


def spoil_by_nothing(path: Path) -> None:
    path.unlink()


def spoil_by_a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def spoil_by_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def spoil_by_a_device(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def spoil_by_a_circle(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


def spoil_by_size(path: Path) -> None:
    os.truncate(path, MODEL_BYTES_MAX + 1)  # a hole: nothing of it is on the disk


@pytest.mark.parametrize(
    "spoil",
    [spoil_by_a_directory, spoil_by_a_pipe, spoil_by_a_device, spoil_by_a_circle, spoil_by_size],
)
def test_what_is_no_such_file_is_refused_at_once(directory, spoil):
    spoil(directory / FILE.name)
    with pytest.raises(BadModel) as caught:
        read_verified(directory, MODEL, FILE)
    assert not caught.value.missing
    assert FILE.name in caught.value.what


def test_a_missing_file_is_told_from_a_wrong_one(directory):
    spoil_by_nothing(directory / FILE.name)
    with pytest.raises(BadModel, match="no file") as caught:
        read_verified(directory, MODEL, FILE)
    assert caught.value.missing
    assert dict(states(directory, MODEL)) == {FILE: FileState.MISSING}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_told(directory):
    (directory / FILE.name).chmod(0)
    with pytest.raises(BadModel, match="cannot be read"):
        read_verified(directory, MODEL, FILE)


def test_a_link_to_the_very_file_is_good(directory, tmp_path):
    (directory / FILE.name).rename(directory / "elsewhere")
    (directory / FILE.name).symlink_to(directory / "elsewhere")
    assert read_verified(directory, MODEL, FILE) == CONTENT


# --- networks of one's own


def write_card(directory: Path, name: str = "mine", **changes: object) -> None:
    (directory / f"{name}{CARD_SUFFIX}").write_text(json.dumps({**CARD, **changes}))


def test_a_network_of_ones_own_is_known_by_its_card(directory):
    write_card(directory)
    assert own_names(directory) == ["mine"]
    model = model_named(directory, "onnx:mine")
    assert model.id == f"onnx:mine:4:{FILE.sha256[:12]}"
    assert model_named(directory, model.id) == model
    assert chosen(directory, "onnx:mine") == model.id
    assert chosen(directory) == DLIB, "it is taken only when it is wanted"
    assert dict(states(directory, model)) == {model.files[0]: FileState.GOOD}
    (directory / FILE.name).write_bytes(flipped(CONTENT))
    assert dict(states(directory, model)) == {model.files[0]: FileState.WRONG}


def test_an_exchanged_network_is_another_model(directory):
    write_card(directory)
    before = model_named(directory, "onnx:mine").id
    write_card(directory, sha256="0" * 64)
    with pytest.raises(BadModel, match="no face model that is known"):
        model_named(directory, before)


@pytest.mark.parametrize(
    "changes",
    [
        {"file": "../small.onnx"},
        {"file": "/etc/passwd"},
        {"file": ".hidden"},
        {"file": ""},
        {"sha256": FILE.sha256.upper()},
        {"sha256": "ab"},
        {"dimensions": 0},
        {"dimensions": 1025},
        {"dimensions": "four"},
        {"input": {"side": 8}},
        {"input": {"side": 4096}},
        {"input": {"side": 112, "colours": "grey"}},
        {"input": {"side": 112, "mean": [0, 0]}},
        {"input": {"side": 112, "scale": 1e999}},
        {"unknown": 1},
    ],
    ids=str,
)
def test_a_card_that_no_network_can_fit_is_refused(changes):
    with pytest.raises(BadModel, match="is no model card") as caught:
        own_model("mine", json.dumps({**CARD, **changes}).encode())
    assert CARD_SUFFIX in caught.value.remedy


@given(st.binary(max_size=200))
def test_garbage_is_no_card(content):
    with pytest.raises(BadModel):
        own_model("mine", content)


@pytest.mark.parametrize("name", ["", "Mine", "a b", "x" * 33, "-x"])
def test_a_name_that_would_spoil_the_id_is_refused(name):
    with pytest.raises(BadModel, match="cannot be a model's name"):
        own_model(name, json.dumps(CARD).encode())


def test_a_huge_card_is_not_read(directory):
    (directory / f"mine{CARD_SUFFIX}").write_bytes(b" " * (CARD_BYTES_MAX + 1))
    with pytest.raises(BadModel, match="larger than"):
        model_named(directory, "onnx:mine")


@pytest.mark.parametrize("name", ["yunet_2026may.onnx", COHORT, f"other{CARD_SUFFIX}"])
def test_a_card_cannot_put_its_network_into_the_place_of_another(name: str) -> None:
    with pytest.raises(BadModel, match="no model card"):
        own_model("mine", json.dumps(CARD | {"file": name}).encode())
