"""Models that are missing, exchanged, cut off or none at all: told, and never loaded; and libraries
that would end the process. Real files, and processes of their own where one could end.
"""

import hashlib
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edge.errors import BadModel
from edge.face_files import CARD_SUFFIX, PACKAGE, chosen
from edge.face_models import COHORT, DLIB, KNOWN, REID0095, SFACE, YUNET, dimensions_of
from hardware.faces.backends import describer, detector, load
from hardware.faces.detectors import Hog, YuNet
from tests.conftest import ROOT
from tests.drivers.confined import printed

NETWORK = "reid0095.onnx"
OWN = "mine.onnx"
FINDER = "yunet_2026may.onnx"


@pytest.fixture
def place(tmp_path: Path, models: Path) -> Path:
    """A models' directory with everything in it, to be spoilt."""
    for name in (NETWORK, FINDER, COHORT):
        (tmp_path / name).write_bytes((models / name).read_bytes())
    return tmp_path


def spoilt(place: Path, name: str, how: str) -> None:
    path = place / name
    whole = path.read_bytes()
    others = {NETWORK: FINDER, FINDER: NETWORK, COHORT: NETWORK}
    contents = {
        "empty": b"",
        "cut off": whole[: len(whole) // 2],
        "one bit": whole[:100] + bytes([whole[100] ^ 1]) + whole[101:],
        "another model": (place / others[name]).read_bytes(),
        "longer": whole + b"\0",
    }
    if how == "a directory":
        path.unlink()
        path.mkdir()
    elif how == "huge":
        os.truncate(path, 2**40)  # a hole: nothing of it is on the disk
    else:
        path.write_bytes(contents[how])


HOW = ["empty", "cut off", "one bit", "another model", "longer", "a directory", "huge"]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("name", [NETWORK, FINDER, COHORT])
def test_a_spoilt_file_is_told_and_nothing_is_loaded_in_its_place(place, name, how):
    spoilt(place, name, how)
    with pytest.raises(BadModel, match=name) as caught:
        load(place, REID0095)
    assert not caught.value.missing
    assert caught.value.remedy


def test_without_its_file_the_finder_is_hog_and_the_describer_an_error(place):
    (place / FINDER).unlink()
    assert isinstance(detector(place), Hog)
    assert isinstance(detector(None), Hog)
    (place / NETWORK).unlink()
    with pytest.raises(BadModel, match="no file"):
        load(place, REID0095)
    with pytest.raises(BadModel, match="directory of its files"):
        load(None, REID0095)


@pytest.mark.parametrize("model", [SFACE, YUNET, "auto", "", "onnx:none", "dlib"])
def test_a_model_that_is_not_there_is_told(place, model):
    with pytest.raises(BadModel):
        load(place, model)


# --- networks of one's own


def write_card(place: Path, content: bytes | None = None, **changes: object) -> None:
    """A card for a copy of reid0095's file (or `content`) as for a network of one's own."""
    content = (place / NETWORK).read_bytes() if content is None else content
    (place / OWN).write_bytes(content)
    card = {
        "file": OWN,
        "sha256": hashlib.sha256(content).hexdigest(),
        "dimensions": 256,
        "licence": "Apache-2.0",
        "about": "The same network under another name.",
        "input": {"side": 128},
    }
    (place / f"mine{CARD_SUFFIX}").write_text(json.dumps({**card, **changes}))


def test_a_network_of_ones_own_describes_as_its_card_says(place):
    write_card(place)
    own = describer(place, chosen(place, "onnx:mine"))
    known = describer(place, REID0095)
    assert dimensions_of(own.model) == own.dimensions == 256
    chip = np.random.default_rng(2).integers(0, 256, (128, 128, 3), np.uint8)
    assert np.allclose(own.embed(chip), known.embed(chip), atol=1e-6)
    write_card(place, input={"side": 128, "colours": "rgb"})
    other = describer(place, "onnx:mine").embed(np.ascontiguousarray(chip[:, :, ::-1]))
    assert np.allclose(other, known.embed(chip), atol=1e-6)


def test_a_card_that_does_not_fit_its_network_is_told(place):
    write_card(place, dimensions=128)
    own = describer(place, "onnx:mine")
    with pytest.raises(BadModel, match="no vector of 128 numbers"):
        own.embed(np.zeros((128, 128, 3), np.uint8))
    write_card(place, sha256="0" * 64)
    with pytest.raises(BadModel, match="not the file that it should be"):
        describer(place, "onnx:mine")


@pytest.mark.parametrize("content", [b"", b"no network", b"\x08\x07" * 5000], ids=len)
def test_what_opencv_does_not_understand_is_told(place, content):
    write_card(place, content)
    with pytest.raises(BadModel, match="does not understand"):
        describer(place, "onnx:mine")
    with pytest.raises(BadModel, match="does not understand"):
        YuNet(content)


# --- libraries that would end the process


def told(program: str, first: Path | None = None) -> str:
    """What a process of its own prints; `first` is looked at before every installed package."""
    path = f"{first}{os.pathsep}{ROOT}" if first else str(ROOT)
    words = [sys.executable, "-c", program]
    done = subprocess.run(
        words,
        cwd="/",
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


LOADING = """
from edge.errors import DeviceError
from hardware.faces.backends import load
try:
    print(load(None).model)
except DeviceError as error:
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize(
    ("what", "library"),
    [
        ("SystemExit", "quit()"),
        ("ImportError", "raise ImportError('libfoo.so: cannot open shared object file')"),
        ("OSError", "raise OSError('invalid ELF header')"),
    ],
)
def test_a_library_that_cannot_be_loaded_does_not_end_the_process(tmp_path, what, library):
    (tmp_path / "dlib.py").write_text(library)
    said = told(LOADING, tmp_path)
    assert said.startswith("DeviceError dlib cannot be loaded")
    assert what in said
    assert "make setup" in said


def test_the_package_of_the_models_is_never_run(tmp_path):
    package = tmp_path / PACKAGE
    package.mkdir()
    (package / "__init__.py").write_text("quit()")
    said = told(LOADING, tmp_path)
    assert said.startswith("BadModel There is no file")
    assert "make setup" in said
    (package / "models").mkdir()
    for file in KNOWN[DLIB].files:
        (package / "models" / file.name).write_bytes(b"x" * file.bytes)
    said = told(LOADING, tmp_path)
    assert said.startswith("BadModel ")
    assert "not the file that it should be" in said


def test_face_recognition_and_the_68_points_are_not_needed():
    program = LOADING + "\nimport sys\nprint('face_recognition' in sys.modules)"
    assert told(program).split() == [DLIB, "False"]
    assert not any("68" in file.name for model in KNOWN.values() for file in model.files)


ASKING_FOR_AVX = """
from edge.errors import DeviceError
from hardware.faces.dlib_library import require_avx
try:
    require_avx()
    print("fine")
except DeviceError as error:
    print(error)
"""


@pytest.mark.parametrize("confined", [False, True], ids=["open", "ProcSubset=pid"])
def test_a_processor_without_avx_is_told(confined: bool) -> None:
    """OpenCV can be told to find a feature absent; it must be found so without /proc as well."""
    if platform.machine() != "x86_64":
        pytest.skip("only x86 processors may lack AVX")
    assert printed(ASKING_FOR_AVX, confined=confined) == "fine"
    without = printed(ASKING_FOR_AVX, confined=confined, OPENCV_CPU_DISABLE="AVX")
    assert "has no AVX" in without
    assert "remove the face sensor" in without
