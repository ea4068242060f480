"""`storebox models` as a technician uses it: what it says, how it ends, which files there are."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from edge.cli.exits import FAILED, OK
from edge.cli.main import app
from edge.config import load
from edge.errors import Refused
from edge.face_files import CARD_SUFFIX
from edge.face_models import COHORT, DLIB, REID0095, YUNET
from edge.operation.checks import face_models
from edge.operation.finding import Context, Finding
from edge.operation.settings import face_model, sensor_specs
from tests.unit.box_status import NOW
from tests.unit.test_checks import DEAD
from tests.unit.test_face_models import CARD, CONTENT, FILE

BOX = """
[box]
tenant = "shop"
store = "s1"
box = "b1"
[faces]
models = "{}"
"""
DOOR = """
[sensors.door]
kind = "face"
device = "v4l2:/dev/video0"
"""
Command = Callable[..., Result]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The models' directory of the configuration; it is not there yet."""
    return tmp_path / "models"


@pytest.fixture
def path(tmp_path: Path, place: Path) -> Path:
    path = tmp_path / "storebox.toml"
    path.write_text(BOX.format(place))
    return path


@pytest.fixture
def models_command(path: Path) -> Command:
    def run(*arguments: str, stdin: str = "") -> Result:
        line = ["models", *arguments, "--config", str(path)]
        return CliRunner().invoke(app, line, input=stdin)

    return run


def test_a_new_box_has_dlib_alone(models_command):
    listed = models_command("list", "--json")
    assert listed.exit_code == OK
    assert [each["id"] for each in json.loads(listed.stdout) if each["used"]] == [DLIB]
    verified = models_command("verify")
    assert (verified.exit_code, verified.stdout) == (OK, f"Whole: {DLIB}.\n")


def test_it_works_before_there_is_a_configuration(models_command, path):
    path.unlink()
    listed = models_command("list")
    assert listed.exit_code == OK
    assert "/var/lib/storebox-models" in listed.stderr


def test_models_are_installed_after_a_yes(models_command, place, models):
    refused = models_command("install", str(models), stdin="n\n")
    assert refused.exit_code == FAILED
    assert not place.exists()
    assert "Permission is hereby granted" in refused.stdout
    assert "Apache-2.0" in refused.stdout
    assert "adults only" in refused.stdout

    installed = models_command("install", str(models), stdin="y\n")
    assert installed.exit_code == OK
    assert "systemctl restart storebox" in installed.stderr
    used = [
        each["id"] for each in json.loads(models_command("list", "--json").stdout) if each["used"]
    ]
    assert used == [YUNET, REID0095]


def test_an_exchanged_file_is_told_and_ends_with_1(models_command, place, models):
    models_command("install", "--yes", str(models))
    (place / COHORT).write_bytes(b"PK")
    verified = models_command("verify", "--json")
    assert verified.exit_code == FAILED
    assert [each["model"] for each in json.loads(verified.stdout)["troubles"]] == [REID0095]
    told = models_command("verify")
    assert told.exit_code == FAILED
    assert f"{place / COHORT} is not the file that it should be." in told.stderr


def test_half_a_model_is_told(models_command, models):
    half = models_command("install", "--yes", str(models / "reid0095.onnx"))
    assert half.exit_code == OK
    assert f"{REID0095} also needs {COHORT}" in half.stderr


@pytest.mark.parametrize("source", ["letter.txt", "nowhere", "http://example.org/m.onnx"])
def test_what_is_no_model_is_refused(models_command, place, tmp_path, source):
    (tmp_path / "letter.txt").write_text("hello")
    refused = models_command(
        "install", "--yes", source if "://" in source else str(tmp_path / source)
    )
    assert isinstance(refused.exception, Refused)
    assert refused.exception.remedy
    assert not place.exists()


# --- what the rest of the box makes of it


def test_a_face_sensor_is_told_the_model_and_where_it_lies(path, place, models):
    path.write_text(path.read_text() + DOOR)
    config = load(path)
    (spec,) = sensor_specs(config)
    if {"models", "model"} <= set(spec.options):
        assert spec.options["models"] == str(place)
        assert spec.options["model"] == DLIB
    assert face_model(config) == DLIB
    place.symlink_to(models)
    assert face_model(config) == REID0095


def test_a_model_that_is_not_there_is_left_to_the_sensor_to_tell(path):
    path.write_text(path.read_text() + 'model = "onnx:mine"\n')
    assert face_model(load(path)) == "onnx:mine"


def test_a_network_of_ones_own_goes_by_its_full_id(path, place):
    place.mkdir()
    (place / FILE.name).write_bytes(CONTENT)
    (place / f"mine{CARD_SUFFIX}").write_text(json.dumps(CARD))
    path.write_text(path.read_text() + 'model = "onnx:mine"\n')
    assert face_model(load(path)) == f"onnx:mine:4:{FILE.sha256[:12]}"


def checked(path: Path) -> Finding:
    return face_models.check(Context(path, load(path), DEAD, NOW))


def test_the_doctor_looks_at_the_models_of_a_face_sensor(path, place):
    place.mkdir()
    (place / "yunet_2026may.onnx").write_bytes(b"cut off")
    assert checked(path).ok, "nobody looks for faces"
    path.write_text(path.read_text() + DOOR)
    finding = checked(path)
    assert not finding.ok
    assert "yunet_2026may.onnx" in finding.cause
    assert "storebox models install" in finding.remedy
    (place / "yunet_2026may.onnx").unlink()
    assert checked(path).ok
