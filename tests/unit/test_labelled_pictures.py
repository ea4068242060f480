"""`storebox faces calibrate` from real pictures: what it reads, writes, and refuses."""

import json
from pathlib import Path

import cv2
import pytest

from edge.cli import faces
from edge.config import load
from edge.errors import StoreboxError
from edge.face_models import DLIB, REID0095
from edge.operation import recognition
from edge.operation.face_tables import calibration_of, site_file
from edge.operation.labelled_pictures import BadLabels, labelled
from edge.presence.face_calibration import BadCalibration, shipped
from edge.presence.face_fitting import TooFewPeople
from hardware.recorded_camera import still

PEOPLE = 150


@pytest.fixture
def box(tmp_path: Path, models: Path) -> Path:
    """A configuration that names a models' directory of its own."""
    own = tmp_path / "models"
    own.mkdir()
    for file in models.iterdir():
        (own / file.name).symlink_to(file)
    config = tmp_path / "box.toml"
    config.write_text(f'[box]\ntenant = "t"\nstore = "s"\nbox = "b"\n[faces]\nmodels = "{own}"\n')
    return config


def folders(tmp_path: Path, recordings: Path, count: int) -> Path:
    """Adults with one picture each, a folder for everybody, and their groups."""
    root = tmp_path / "pictures"
    adults = [p for p in sorted((recordings / "faces" / "strangers").iterdir()) if p.name > "18"]
    rows = []
    for number, picture in enumerate(adults[:count]):
        own = root / f"p{number:03d}"
        own.mkdir(parents=True)
        (own / "1.jpg").symlink_to(picture)
        rows.append(f"p{number:03d},{'women' if picture.name.split('_')[1] == '1' else 'men'}")
    (root / "groups.csv").write_text("\n".join(rows) + "\n")
    return root


def test_pictures_become_a_table_that_the_box_then_uses(
    tmp_path: Path, recordings: Path, box: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = folders(tmp_path, recordings, PEOPLE)
    (root / "p000" / "2.jpg").write_bytes(b"no picture")
    whole = still(root / "p001" / "1.jpg")
    cv2.imwrite(str(root / "p001" / "2.png"), cv2.GaussianBlur(whole, (0, 0), 6))
    faces.calibrate([root], model=REID0095, config=box, json=True)
    out = capsys.readouterr()
    told = json.loads(out.out)
    assert "1 pictures not used: cannot be decoded." in out.err
    assert "pictures not used: face blurred." in out.err, "the camera's own gate decides"
    assert {one["name"] for one in told["groups"]} == {"origin: pictures", "men", "women"}
    own = tmp_path / "models"
    found = recognition.calibration_of(load(box), REID0095)
    assert told["file"] == str(site_file(own, REID0095))
    assert found.cohort is not None
    assert 0.0 < found.threshold(3, 3, 500, 0.001) < 0.8
    text = site_file(own, REID0095).read_text()
    assert "p000" not in text
    site_file(own, REID0095).write_text(text.replace(REID0095, DLIB))
    with pytest.raises(BadCalibration, match=DLIB):
        calibration_of(own, REID0095)
    site_file(own, REID0095).write_text(text[:-40])
    with pytest.raises(BadCalibration):
        calibration_of(own, REID0095)


def test_too_few_people_are_refused_and_nothing_is_written(
    tmp_path: Path, recordings: Path, box: Path
) -> None:
    root = folders(tmp_path, recordings, 3)
    with pytest.raises(TooFewPeople):
        faces.calibrate([root], model=REID0095, config=box)
    with pytest.raises(TooFewPeople, match="cohort"):
        faces.calibrate([root], model=REID0095, config=box, own_cohort=True)
    assert not site_file(tmp_path / "models", REID0095).exists()


def test_without_a_site_file_the_packages_table_is_used(tmp_path: Path, models: Path) -> None:
    with_cohort = calibration_of(models, REID0095)
    assert with_cohort.cohort is not None
    assert with_cohort.table.cohort == with_cohort.cohort.fingerprint()
    without = calibration_of(tmp_path, REID0095)
    plain = shipped(REID0095, None)
    assert plain is not None
    assert (without.cohort, without.table) == (None, plain.table)


def test_a_directory_without_people_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.jpg").write_bytes(b"")
    for folder in (tmp_path, tmp_path / "empty", tmp_path / "missing", tmp_path / "a.jpg"):
        with pytest.raises(BadLabels):
            labelled([folder])


def test_groups_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    (tmp_path / "anna").mkdir()
    (tmp_path / "anna" / "1.jpg").write_bytes(b"")
    (tmp_path / "groups.csv").write_bytes(b"anna, women , ,18 to 39\n\nbob,men\n")
    (one,) = labelled([tmp_path])
    assert (one.person, one.origin, one.groups) == ("anna", tmp_path.name, ("women", "18 to 39"))
    (tmp_path / "groups.csv").write_bytes(b"anna,\xff\xfe")
    with pytest.raises(StoreboxError, match=r"groups\.csv"):
        labelled([tmp_path])
